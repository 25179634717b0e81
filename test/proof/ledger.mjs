/**
 * The ledger: what has been proven of which engine. One line a run, in ledger.json.
 *
 * An engine's revision is a hash of its sources: runs of the same revision add up. A run repeats
 * what a shorter one of the same part and seed has done, so of these only the longest counts.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const path = fileURLToPath(new URL("ledger.json", import.meta.url));
const engineFolders = [
  "assembly",
  "bindings",
  "src/engine",
  "src/storage",
  "src/transaction",
].concat(["src/kv"]);
// What this proof does not run is left out: generated files, vectors, and the programs of tables.
// Theirs are the suites of test/vector, test/tables and test/query.
const others = /generated|vector|tables/;

/** Twelve hexadecimal digits. */
export function engineRevision(root) {
  const hash = createHash("sha256");
  for (const folder of engineFolders) {
    const names = readdirSync(join(root, folder), { recursive: true })
      .filter((name) => name.endsWith(".ts") && !others.test(name))
      .sort();
    for (const name of names) {
      hash.update(`${folder}/${name}\0`).update(readFileSync(join(root, folder, name)));
    }
  }
  return hash.digest("hex").slice(0, 12);
}

export function readLedger() {
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).runs : [];
}

function writeLedger(runs) {
  const lines = runs.map((run) => `  ${JSON.stringify(run)}`).join(",\n");
  writeFileSync(`${path}.${process.pid}`, `{"runs": [\n${lines}\n]}\n`);
  renameSync(`${path}.${process.pid}`, path);
}

/** Runs that several processes end at once are added one after the other. */
function locked(work) {
  for (let attempt = 0; ; attempt++) {
    try {
      mkdirSync(`${path}.lock`);
      break;
    } catch (error) {
      if (attempt === 200) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    }
  }
  try {
    work();
  } finally {
    rmdirSync(`${path}.lock`);
  }
}

export function addRun(run) {
  locked(() => {
    const runs = readLedger();
    const isSame = (other) =>
      other.part === run.part && other.seed === run.seed && other.revision === run.revision;
    const before = runs.find(isSame);
    if (before !== undefined && before.passed > run.passed && run.failed === 0) return;
    const rest = runs.filter((other) => !isSame(other));
    writeLedger([...rest, { date: new Date().toISOString(), commit: commit(), ...run }]);
  });
}

function commit() {
  try {
    const git = (...args) => execFileSync("git", args, { encoding: "utf8" }).trim();
    const isClean = git("status", "--porcelain", "--", "src", "assembly", "bindings") === "";
    return git("rev-parse", "--short", "HEAD") + (isClean ? "" : "+");
  } catch {
    return "unknown";
  }
}

export function runsOf(runs, revision, part) {
  return runs.filter((run) => run.revision === revision && run.part === part);
}

/** Totals of each part, of one revision. */
export function totalsOf(runs, revision) {
  const totals = new Map();
  for (const run of runs.filter((each) => each.revision === revision)) {
    const total = totals.get(run.part) ?? { runs: 0, seconds: 0, passed: 0, failed: 0, counts: {} };
    total.runs++;
    for (const key of ["seconds", "passed", "failed"]) total[key] += run[key];
    for (const [key, count] of Object.entries(run.counts)) {
      total.counts[key] = (total.counts[key] ?? 0) + count;
    }
    totals.set(run.part, total);
  }
  return totals;
}

export function tableOf(runs, revision) {
  const lines = [`engine ${revision}`];
  for (const [part, total] of [...totalsOf(runs, revision)].sort()) {
    const { runs: count, seconds, passed, failed, counts } = total;
    lines.push(`${part}: ${count} runs, ${seconds} s, ${passed} passed, ${failed} failed`);
    lines.push(`  ${JSON.stringify(counts)}`);
  }
  return lines.join("\n");
}
