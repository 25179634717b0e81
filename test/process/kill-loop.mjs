// Kills a process that commits without end, again and again, and looks at what it left behind:
// every acknowledged commit must be there, and beyond those only a whole prefix of what was sent.
//
//   node test/process/kill-loop.mjs [rounds = 200] [--seed=1] [--mistake=NAME]
//
// A fifth of the rounds each: load alone, with checkpoints, with compaction, with backups, with all
// of them in turn. --mistake plants a fault, to see that the loop would notice.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import * as esbuild from "esbuild";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: "string", default: "1" }, mistake: { type: "string" } },
});
const rounds = Number(positionals[0] ?? 200);
const works = ["load", "checkpoint", "compact", "backup", "mixed"];

const append = "if (this.seq >= firstSeq) yield* this.#append(firstSeq);";
const pause = "yield new Promise((resolve) => setTimeout(resolve, 10));";
const writeRoot = "yield* this.#writeRoot(frozen, reference, isSync);";
const mistakes = {
  "acknowledge before the write": {
    file: /engine\/pipeline\.ts$/,
    from: append,
    to: `settle(group.commits, true); ${pause} ${append}`,
  },
  "trim the log before the root is written": {
    file: /engine\/checkpoint\.ts$/,
    from: writeRoot,
    to: `yield* this.#setup.log.trim(frozen.position); ${pause} ${writeRoot}`,
  },
};

const mistaken = {
  name: "mistake",
  setup(build) {
    const { file, from, to } = mistakes[values.mistake];
    build.onLoad({ filter: file }, ({ path }) => {
      const source = readFileSync(path, "utf8");
      if (!source.includes(from)) throw new Error(`the mistake "${values.mistake}" fits no source`);
      return { contents: source.replace(from, to), loader: "ts" };
    });
  },
};

/** A generator like test/storage/random.ts. */
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const home = mkdtempSync(join(tmpdir(), "cairn-kill-"));
const here = fileURLToPath(new URL(".", import.meta.url));
await esbuild.build({
  entryPoints: ["child", "checks"].map((part) => join(here, `kill-loop.${part}.ts`)),
  outdir: home,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  logLevel: "error",
  plugins: values.mistake === undefined ? [] : [mistaken],
});
const { check, Model } = await import(pathToFileURL(join(home, "kill-loop.checks.mjs")).href);

/** One process, from its start to its death: what it said. */
async function killOne(folder, backups, work, random) {
  const heard = { opened: false, sent: 0, done: 0, running: new Set(), backups: [], errors: "" };
  const child = spawn(process.execPath, [join(home, "kill-loop.child.mjs"), folder, backups, work]);
  child.stderr.on("data", (data) => {
    heard.errors += data;
  });
  const closed = once(child, "close");
  const kill = () => child.kill("SIGKILL");
  // A sixth of them while they start and recover.
  const isEarly = random() < 1 / 6;
  if (isEarly) setTimeout(kill, 30 + random() * 120);
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    const [verb, what, which] = line.split(" ");
    if (verb === "sent") heard.sent = Number(what);
    else if (verb === "done") heard.done = Math.max(heard.done, Number(what));
    else if (verb === "begin") heard.running.add(what);
    else if (verb === "end") {
      heard.running.delete(what);
      if (what === "backup") heard.backups.push(`${backups}-${which}`);
    } else if (verb === "opened") {
      heard.opened = true;
      if (!isEarly) setTimeout(kill, random() * (work === "backup" ? 600 : 250));
    }
  });
  const [code, signal] = await closed;
  if (signal !== "SIGKILL")
    throw new Error(`the process ended by itself, ${code}: ${heard.errors}`);
  return heard;
}

/** A backup that was acknowledged is a database of its own. */
async function checkBackups(heard, before, counts) {
  for (const backup of heard.backups) {
    const model = new Model(before.state, before.seq);
    await check(backup, model, before.seq, heard.sent, false);
    counts.backupsOpened++;
  }
}

const counts = {
  rounds: 0,
  faults: 0,
  acknowledged: 0,
  beyondAcknowledged: 0,
  killedWhile: { starting: 0, load: 0, checkpoint: 0, compact: 0, backup: 0 },
  outcomes: {},
  commitsReplayed: 0,
  roundsWithDroppedBytes: 0,
  backupsOpened: 0,
};
const random = randomFrom(Number(values.seed));
const model = new Model();
const folder = join(home, "database");
const start = Date.now();
let failure;
try {
  for (let round = 0; round < rounds; round++) {
    const backups = join(home, "backup");
    const heard = await killOne(folder, backups, works[round % works.length], random);
    counts.rounds++;
    const phase = heard.opened ? ([...heard.running][0] ?? "load") : "starting";
    counts.killedWhile[phase]++;
    const acknowledged = Math.max(heard.done, model.seq);
    const sent = Math.max(heard.sent, model.seq);
    const before = new Model(model.state, model.seq);
    if (heard.opened || model.seq > 0) {
      const readOnly = random() < 0.5;
      const found = await check(folder, model, acknowledged, sent, readOnly);
      counts.acknowledged += acknowledged - before.seq;
      counts.beyondAcknowledged += found.seq - acknowledged;
      counts.outcomes[found.outcome] = (counts.outcomes[found.outcome] ?? 0) + 1;
      counts.commitsReplayed += found.replayed;
      if (found.droppedBytes > 0) counts.roundsWithDroppedBytes++;
    }
    await checkBackups(heard, before, counts);
    for (const name of readdirSync(home)) {
      if (name.startsWith("backup-")) rmSync(join(home, name), { recursive: true });
    }
  }
} catch (error) {
  counts.faults++;
  failure = `round ${counts.rounds}, seed ${values.seed}: ${error.stack}`;
}
console.log(JSON.stringify({ ...counts, seconds: Math.round((Date.now() - start) / 1000) }));
if (failure !== undefined) {
  console.log(failure);
  process.exitCode = 1;
}
// What a planted mistake has left is of no interest.
if (failure === undefined || values.mistake !== undefined) rmSync(home, { recursive: true });
else console.log(`the database is kept in ${home}`);
