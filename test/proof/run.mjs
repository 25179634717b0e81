// Runs a part of the proof, and adds what it did to the ledger.
//
//   npm run proof -- PART [--seed S] [--seconds T] [--count N] [--jobs J]
//
//   PART   crash, kill, model, isolation, fuzz, damage, errors: test/proof/parts/PART.ts
//          mutant [ID]  the planted mistakes, or one of them; mutant random  random ones
//          all          all parts, until what is missing of a full campaign is reached, or
//                       --seconds (3,600) are over; --jobs (2) at a time
//          ledger       what has been done with the engine as it is now
//
// The seed is one more than the highest that the ledger has for this part and this engine; so runs
// add up, and whoever was interrupted just starts again. The last line is `N passed, N failed`, and
// the exit code 1 when something failed. Ctrl-C ends a part and keeps what it has done.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import * as esbuild from "esbuild";
import { addRun, engineRevision, readLedger, runsOf, tableOf, totalsOf } from "./ledger.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
process.chdir(root);

/**
 * A full campaign: what the counts of a part are to reach with one engine, and by how many runs
 * side by side. Those that take longest come first.
 */
const goals = [
  { part: "kill", of: "cycles", goal: 3_600, runs: 1 },
  { part: "model", of: "operations", goal: 20_000_000, runs: 2 },
  { part: "fuzz", of: "executions", goal: 20_000_000, runs: 2 },
  { part: "crash", of: "states", goal: 1_000_000, runs: 1 },
  { part: "damage", of: "flips", goal: 524_288, runs: 1 },
  { part: "mutant random", of: "randomMutants", goal: 60, runs: 1 },
  { part: "mutant", of: "caught", goal: 1, runs: 1 },
  { part: "errors", of: "told", goal: 1, runs: 1 },
  { part: "isolation", of: "transactions", goal: 300_000, runs: 1 },
];
/** Of these there is no half: they end by themselves. */
const wholeParts = new Set(["mutant", "errors"]);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: "string" },
    seconds: { type: "string" },
    count: { type: "string" },
    jobs: { type: "string", default: "2" },
    "no-ledger": { type: "boolean", default: false },
  },
});
const [part = "all", only] = positionals;
const revision = engineRevision(root);

function wholeOf(name) {
  const text = values[name];
  if (text === undefined) return undefined;
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  console.error(`--${name} ${text}: expected a whole number`);
  process.exit(2);
}

/** The part's name in the ledger: a single mutant is no run of all of them. */
const name = only === undefined ? part : `${part} ${only}`;

function nextSeed(of = name) {
  const seeds = runsOf(readLedger(), revision, of).map((run) => run.seed);
  return Math.max(0, ...seeds) + 1;
}

/** Sources in TypeScript, made into one module that Node 20 can load. */
async function load(file, scratch) {
  const outfile = join(scratch, "part.mjs");
  await esbuild.build({
    entryPoints: [file],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "error",
    external: ["esbuild", "assemblyscript", "assemblyscript/*"],
  });
  return await import(pathToFileURL(outfile).href);
}

const isTerminal = process.stderr.isTTY === true;

function tell(text) {
  if (isTerminal) process.stderr.write(`\r\u001b[K${text}`);
}

async function runPart() {
  const file = `test/proof/parts/${part}.ts`;
  if (!existsSync(file)) {
    console.error(`there is no part "${part}"; see the head of test/proof/run.mjs`);
    process.exit(2);
  }
  mkdirSync("build/out", { recursive: true });
  const scratch = mkdtempSync("build/out/proof-");
  process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
  const { run } = await load(file, scratch);
  const seed = wholeOf("seed") ?? nextSeed();
  const seconds = wholeOf("seconds");
  const count = wholeOf("count");
  let isInterrupted = false;
  process.once("SIGINT", () => {
    isInterrupted = true;
  });
  const start = performance.now();
  const clock = () => (performance.now() - start) / 1000;
  // A part looks at its clock before it begins something new: an interrupted one finds it is late.
  const clockOfPart = () => (isInterrupted ? Number.MAX_SAFE_INTEGER : clock());
  const result = await run({
    seed,
    ...(seconds === undefined ? {} : { seconds }),
    ...(count === undefined ? {} : { count }),
    ...(only === undefined ? {} : { only }),
    clock: clockOfPart,
    report: (counts) => tell(`${name} ${Math.round(clock())} s ${JSON.stringify(counts)}`),
  });
  tell("");
  for (const { message, repeat } of result.failures) {
    console.log(`\n${JSON.stringify(repeat)}\n${message}`);
  }
  const { passed, failed, counts } = result;
  console.log(`${name}, seed ${seed}, ${Math.round(clock())} s: ${JSON.stringify(counts)}`);
  if (!values["no-ledger"]) {
    addRun({ part: name, seed, revision, seconds: Math.round(clock()), passed, failed, counts });
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

/** What is still missing, as runs of their own: a campaign that was ended goes on where it was. */
function missingRuns() {
  const totals = totalsOf(readLedger(), revision);
  return goals.flatMap(({ part: each, of, goal, runs }) => {
    const done = totals.get(each)?.counts[of] ?? 0;
    if (done >= goal) return [];
    const count = wholeParts.has(each) ? [] : ["--count", String(Math.ceil((goal - done) / runs))];
    const first = wholeOf("seed") ?? nextSeed(each);
    return Array.from({ length: runs }, (_, index) => [
      ...each.split(" "),
      ...["--seed", String(first + index), ...count],
    ]);
  });
}

/** Every run in a process of its own, so many at a time. */
async function runAll() {
  const seconds = wholeOf("seconds") ?? 3600;
  const jobs = Math.max(1, wholeOf("jobs") ?? 2);
  const waiting = missingRuns();
  const sums = { passed: 0, failed: 0 };
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const left = Math.floor(seconds - performance.now() / 1000);
      if (left < 1) return;
      const { output, code } = await runChild([...next, "--seconds", String(left)]);
      process.stdout.write(output);
      const [, passed = 0, failed = 1] = /(\d+) passed, (\d+) failed\s*$/.exec(output) ?? [];
      sums.passed += Number(passed);
      sums.failed += Number(failed);
      if (code !== 0) process.exitCode = 1;
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  console.log(`${sums.passed} passed, ${sums.failed} failed`);
}

function runChild(run) {
  const args = [fileURLToPath(import.meta.url), ...run];
  if (values["no-ledger"]) args.push("--no-ledger");
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (data) => {
      output += data;
    });
    child.on("close", (code) => resolve({ output, code }));
  });
}

if (part === "ledger") console.log(tableOf(readLedger(), revision));
else if (part === "all") await runAll();
else await runPart();
