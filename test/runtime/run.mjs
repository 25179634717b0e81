/**
 * One package on every runtime: `node test/runtime/run.mjs`, after the build.
 *
 * Runs the smoke suite on Node (this one, and a newer one), Deno, Bun, workerd, and on the browser
 * bundle; then lets each of the first four continue the databases of each. Prints a line for each
 * and fails when any case failed, or when a run did not say how many there were.
 */
import { spawn } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { installedRuntimes, installRuntimes } from "./install.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = fileURLToPath(new URL("../../", import.meta.url));
/** A run that takes longer hangs. The slowest takes about 5 s on two busy cores. */
const runMsMax = 120_000;
/** Printed of a run that failed: the first failures tell more than the last. */
const outputCharactersMax = 4_000;

if (!existsSync(join(root, "dist/index.js"))) {
  console.error("dist/index.js is missing. Run `npm run build` first.");
  process.exit(1);
}
installRuntimes();
const installed = installedRuntimes();
const scratch = mkdtempSync(join(tmpdir(), "cairn-runtimes-"));
const started = new Set();
process.on("exit", () => {
  for (const child of started) child.kill("SIGKILL");
  rmSync(scratch, { recursive: true, force: true });
});

/**
 * The smallest set that opens a database. Its lock is a Unix socket of a name made at run time;
 * `--allow-net=unix:` takes exact paths only, so it has to be `--allow-net` as a whole.
 */
const denoArgs = (folder) => [
  "run",
  "--no-prompt",
  "--no-lock",
  `--allow-read=${folder}`,
  `--allow-write=${folder}`,
  "--allow-net",
];

/** To tell a dead holder of the lock from a live one takes /proc, which Deno opens to -A only. */
const denoAllArgs = () => ["run", "-A", "--no-lock"];

/** `args(folder)` precede a script that reads and writes below `folder` only. */
const runtimes = [
  { name: "node", version: process.versions.node, command: process.execPath },
  { name: "node", ...installed.node },
  { name: "deno", ...installed.deno, args: denoArgs, exchangeArgs: denoAllArgs },
  { name: "bun", ...installed.bun },
].map((runtime, index) => ({
  id: `${runtime.name}${index}`,
  args: () => [],
  exchangeArgs: () => [],
  ...runtime,
}));

let failures = 0;
await smoke();
await exchange();
process.exitCode = failures === 0 ? 0 : 1;

async function smoke() {
  const counts = [];
  for (const { id, name, version, command, args } of runtimes) {
    const folder = join(scratch, id);
    mkdirSync(folder);
    const script = [join(here, "smoke.mjs"), name, version, folder];
    counts.push(await report(`${name} ${version}`, start(command, [...args(folder), ...script])));
  }
  if (new Set(counts).size > 1) fail(`not every runtime ran the same cases: ${counts.join(", ")}`);
  await report(`workerd ${installed.workerd.version}`, await startWorkerd());
  const browser = [join(here, "smoke.browser.mjs")];
  await report("browser bundle", start(installed.node.command, browser));
}

/** workerd takes no packages, only modules: the suite and the package as one file, and the core. */
async function startWorkerd() {
  const folder = join(scratch, "workerd");
  await esbuild.build({
    entryPoints: [join(here, "smoke.workerd.mjs")],
    outfile: join(folder, "worker.js"),
    bundle: true,
    format: "esm",
    conditions: ["workerd", "worker"],
    external: ["./core.wasm", "./vector.relaxed.wasm"],
    logLevel: "warning",
  });
  for (const name of ["core.wasm", "vector.relaxed.wasm"]) {
    copyFileSync(join(root, "dist", name), join(folder, name));
  }
  copyFileSync(join(here, "workerd.capnp"), join(folder, "workerd.capnp"));
  return start(installed.workerd.command, ["test", join(folder, "workerd.capnp")]);
}

/** Every runtime continues what every runtime was killed over: 16 databases. */
async function exchange() {
  const folder = join(scratch, "exchange");
  mkdirSync(folder);
  const nameOf = (writer, reader) => `${writer.id}-${reader.id}`;
  const startStep = (step, runtime, databases) => {
    const script = [join(here, "exchange.mjs"), step, folder, ...databases];
    return start(runtime.command, [...runtime.exchangeArgs(), ...script]);
  };
  const byWriter = (runtime) => runtimes.map((other) => nameOf(runtime, other));
  const byReader = (runtime) => runtimes.map((other) => nameOf(other, runtime));
  const title = (verb, { name, version }) => `${verb} ${name} ${version}`;

  const writers = runtimes.map((runtime) => startStep("write", runtime, byWriter(runtime)));
  for (const [index, runtime] of runtimes.entries()) {
    await report(title("written by", runtime), writers[index]);
  }
  for (const runtime of runtimes) {
    const run = startStep("refused", runtime, byReader(runtime));
    await report(title("refused to", runtime), run);
  }
  await Promise.all(writers.map((writer) => writer.kill()));
  for (const runtime of runtimes) {
    const run = startStep("append", runtime, byReader(runtime));
    await report(title("continued by", runtime), run);
  }
  for (const runtime of runtimes) {
    const run = startStep("check", runtime, byWriter(runtime));
    await report(title("read again by", runtime), run);
  }
}

/** Starts a run. `counted` settles with what it said, at its last line or its end. */
function start(command, args) {
  // Away from the package, so that nothing works only because of the folder it runs in.
  const child = spawn(command, args, { cwd: scratch, stdio: ["ignore", "pipe", "pipe"] });
  const startedAt = performance.now();
  started.add(child);
  let output = "";
  let timer;
  const ended = new Promise((resolve) => {
    child.once("error", (error) => {
      output += String(error);
      resolve("did not start");
    });
    child.once("close", (code, signal) => resolve(signal ?? code));
  }).finally(() => started.delete(child));
  const counted = new Promise((resolve) => {
    const settle = (end) => {
      clearTimeout(timer);
      const [line, passed, failed] = /(\d+) passed, (\d+) failed/.exec(output) ?? [];
      const seconds = (performance.now() - startedAt) / 1_000;
      resolve({ output, end, line, passed: Number(passed), failed: Number(failed), seconds });
    };
    const listen = (chunk) => {
      output += chunk;
      // A writer goes on living, so its end cannot be waited for.
      if (args.includes("write") && output.includes(" passed, ")) settle(0);
    };
    child.stdout.on("data", listen);
    child.stderr.on("data", listen);
    timer = setTimeout(() => child.kill("SIGKILL"), runMsMax);
    ended.then(settle);
  });
  return {
    counted,
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** Prints the line of a run and answers how many cases it had. */
async function report(title, run) {
  const { output, end, line, passed, failed, seconds } = await run.counted;
  const isGood = end === 0 && failed === 0 && passed > 0;
  const time = `${seconds.toFixed(1)} s`;
  console.log(`${title.padEnd(30)} ${(line ?? "no result").padEnd(24)} ${time}`);
  if (!isGood) fail(`${title} ended with ${end}:\n${output.slice(0, outputCharactersMax)}`);
  return passed + failed;
}

function fail(message) {
  failures += 1;
  console.error(message);
}
