// `npm run bench`: CairnDB alone. What it costs in memory, at opening, at recovery, and what
// snapshots and checkpoints cost others. A comparison is in compare/run.mjs.
//
//   --records 1000000          records of the large databases
//   --repetitions 3            processes for each measurement
//   --rows memory,open         only these; the others keep their figures
//   --smoke                    20,000 records, once, results to the temporary folder
//
// Figures go to bench/results/ours.json, the table to bench/results/REPORT.md.
import { existsSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { pinning, runChild } from "./harness/child.mjs";
import { machine } from "./harness/machine.mjs";
import { parseArguments, readResults, selection, writeResults } from "./harness/results.mjs";
import { summary } from "./harness/statistics.mjs";
import { limits } from "./ours/limits.mjs";
import { writeReport } from "./report.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const script = join(root, "bench/ours/child.mjs");

const options = parseArguments(process.argv.slice(2), {
  records: 1_000_000,
  repetitions: 3,
  rows: "",
  smoke: false,
});
if (options.smoke) Object.assign(options, { records: 20_000, repetitions: 1 });
if (!existsSync(join(root, "dist/index.js"))) throw new Error("Run `npm run build` first.");

const { records } = options;
const scratch = process.env.CAIRN_BENCH_DIR ?? tmpdir();
const folder = join(scratch, `cairn-bench-${process.pid}`);
const path = options.smoke
  ? join(scratch, "cairn-bench-ours.json")
  : join(root, "bench/results/ours.json");

/** Each with the row that selects it, and the jobs of one repetition. */
const measurements = [
  ["memory", [{ what: "memory" }, { what: "memory", kind: "hashed" }]],
  ["snapshot", [{ what: "snapshot" }, { what: "snapshot", kind: "hashed" }]],
  ["open", [10_000, 100_000, 1_000_000].map((count) => ({ what: "reopen", records: count }))],
  ["recovery", [{ what: "crash" }, { what: "recover" }]],
  // The pool's threads write beside the event loop: with one core for both, they would hold it.
  ["checkpoint", [{ what: "checkpoint", isUnpinned: true }]],
];

const results = readResults(path);
if (results.records !== undefined && results.records !== records) results.runs = {};
results.records = records;
results.machine = { ...machine(), pinning: `${pinning}, except checkpoints` };
try {
  await measure();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (!options.smoke) writeReport(join(root, "bench/results"), "");

async function measure() {
  const isChosen = selection(options.rows);
  for (const [row, jobs] of measurements) {
    if (!isChosen(row)) continue;
    const collected = {};
    for (let repetition = 0; repetition < options.repetitions; repetition++) {
      for (const { isUnpinned = false, ...job } of jobs) {
        if (options.smoke) delete job.records;
        const figures = await runChild(
          script,
          { records, folder, ...job },
          { isUnpinned, mayDie: job.what === "crash" },
        );
        for (const [name, figure] of Object.entries(figures)) {
          collected[name] = [...(collected[name] ?? []), figure];
        }
      }
    }
    show(collected);
    Object.assign(results.runs, collected);
    writeResults(path, results);
  }
  if (!isChosen("wasm")) return;
  const wasm = readFileSync(join(root, "dist/core.wasm"));
  const collected = { "wasm.gzip": [gzipSync(wasm, { level: 9 }).length] };
  show(collected);
  Object.assign(results.runs, collected);
  writeResults(path, results);
}

function show(collected) {
  for (const [name, figures] of Object.entries(collected)) {
    const { median, min, max } = summary(figures);
    const { unit = "", most } = limits[name] ?? {};
    const limit =
      most === undefined ? "" : `  at most ${most}: ${median <= most ? "met" : "MISSED"}`;
    const range = `${min.toFixed(2)} to ${max.toFixed(2)}`;
    console.log(`${name.padEnd(26)} ${median.toFixed(2).padStart(10)} ${unit} (${range})${limit}`);
  }
}
