// `npm run bench:compare`: CairnDB against its peers, the same rows on the same machine.
//
//   --records 1000000     records of the data set
//   --repetitions 7       processes for each engine; their order alternates
//   --rows get,scan100    only these rows (the load always runs); the others keep their figures
//   --engines lmdb,cairn  only these engines
//   --smoke               20,000 records, two repetitions, results to the temporary folder
//
// One process for each engine and repetition, pinned to one core. Figures go to
// bench/results/compare.json, the table to bench/results/REPORT.md.
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pinning, runChild } from "../harness/child.mjs";
import { machine } from "../harness/machine.mjs";
import { parseArguments, readResults, selection, writeResults } from "../harness/results.mjs";
import { writeReport } from "../report.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "../..");
const node24 = join(root, "test/runtime/install/node_modules/.bin/node");
const ordered = { kind: "ordered" };

/** On Node 24 only what node:sqlite has a figure for. */
const only24 = "get.sync,getMany.sync,scan100.sync,load.sync,batch.sync,commit.sync";

/** Engines as the report names them. Both sides of a ratio run on the same Node. */
const engines = [
  { name: "cairn ordered", module: "cairn", options: ordered },
  { name: "cairn hashed", module: "cairn", options: { kind: "hashed" } },
  { name: "lmdb", module: "lmdb" },
  { name: "classic-level", module: "classic-level" },
  { name: "better-sqlite3", module: "better-sqlite3" },
  { name: "JS Map", module: "js-map" },
  { name: "cairn ordered, Node 24", module: "cairn", options: ordered, node: node24, rows: only24 },
  { name: "node:sqlite", module: "node-sqlite", node: node24, rows: only24 },
];

const options = parseArguments(process.argv.slice(2), {
  records: 1_000_000,
  repetitions: 7,
  rows: "",
  engines: "",
  smoke: false,
});
if (options.smoke) Object.assign(options, { records: 20_000, repetitions: 2 });

const scratch = process.env.CAIRN_BENCH_DIR ?? tmpdir();
const resultsFolder = options.smoke ? scratch : join(root, "bench/results");
const path = join(resultsFolder, options.smoke ? "cairn-bench-smoke.json" : "compare.json");

requireInstalled();
const results = readResults(path);
if (results.records !== undefined && results.records !== options.records) results.runs = {};
results.records = options.records;
results.machine = { ...machine(), pinning };
await measure();
writeReport(resultsFolder, options.smoke ? "cairn-bench-smoke" : "");

function requireInstalled() {
  if (!existsSync(join(root, "dist/index.js"))) throw new Error("Run `npm run build` first.");
  if (!existsSync(join(here, "node_modules"))) {
    throw new Error("Run `npm ci` in bench/compare first: the peers are not installed.");
  }
}

async function measure() {
  const chosen = engines.filter(({ name, module, node }) => {
    if (node !== undefined && !existsSync(node)) {
      console.log(`${name}: left out, there is no ${node} (npm ci in test/runtime/install)`);
      return false;
    }
    const names = options.engines.split(",");
    return options.engines === "" || names.includes(name) || names.includes(module);
  });
  const isChosen = selection(options.rows);
  const folder = join(scratch, `cairn-bench-${process.pid}`);
  const begun = Date.now();
  try {
    for (let repetition = 0; repetition < options.repetitions; repetition++) {
      const order = repetition % 2 === 0 ? chosen : [...chosen].reverse();
      for (const engine of order) {
        mkdirSync(folder, { recursive: true });
        const start = Date.now();
        const figures = await runEngine(engine, folder, isChosen);
        keep(engine.name, repetition, figures, isChosen);
        writeResults(path, results);
        rmSync(folder, { recursive: true, force: true });
        const seconds = ((Date.now() - start) / 1000).toFixed(1);
        const minutes = ((Date.now() - begun) / 60_000).toFixed(1);
        const turn = `${repetition + 1}/${options.repetitions}`;
        console.log(`${turn} ${engine.name}: ${seconds} s (${minutes} min so far)`);
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function runEngine(engine, folder, isChosen) {
  const job = {
    engine: engine.module,
    options: engine.options,
    records: options.records,
    rows: engine.rows === undefined ? options.rows : within(engine.rows, isChosen),
    folder: join(folder, "database"),
  };
  return runChild(
    join(here, "child.mjs"),
    job,
    engine.node === undefined ? {} : { node: engine.node },
  );
}

/** The rows of an engine that are chosen; a name that selects none when there are none. */
function within(rows, isChosen) {
  const names = rows.split(",").filter(isChosen);
  return names.length === 0 ? "none" : names.join(",");
}

/** Replaces what was measured; figures of rows that were not asked for stay as they are. */
function keep(name, repetition, figures, isChosen) {
  const { settings, rssMiB, residentMiB, wasmMiB, ...rows } = figures;
  const run = results.runs[name] ?? { repetitions: [] };
  results.runs[name] = run;
  run.settings = settings;
  const before = run.repetitions[repetition] ?? {};
  const kept = Object.entries(before).filter(([row]) => !isChosen(row));
  const isWhole = options.rows === "";
  const memory = isWhole ? { rssMiB, residentMiB, wasmMiB } : {};
  run.repetitions[repetition] = { ...Object.fromEntries(kept), ...rows, ...memory };
}
