// `npm run bench:vector`: the graph of CairnDB against other vector indexes, on the same vectors.
//
//   --rows words-100k,words-340k   only these rows (see `rows`); the others keep their figures
//   --engines cairn,usearch        only these engines
//   --passes 3                     passes over all queries for each point of a curve (the median)
//   --smoke                        the same with some thousand vectors and one pass, results to the
//                                  temporary folder: shows that everything runs
//
// One process for each engine and row, on one core (CAIRN_BENCH_CORE, default 1). Both sides of a
// ratio run on the same Node. Figures go to bench/results/vector.json, the table to
// VECTOR-REPORT.md and the curve to vector.svg, next to it.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { pinning, runChild } from "../harness/child.mjs";
import { machine } from "../harness/machine.mjs";
import { parseArguments, readResults, selection, writeResults } from "../harness/results.mjs";
import { curveOf } from "./curve.mjs";
import { reportOf } from "./report.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "../..");
const installed = join(root, "test/runtime/install/node_modules/.bin");
const compact = { keepVectors: false };

/** Name in the report, module in engines/, and what it is asked. */
const engines = [
  { name: "cairn", module: "cairn" },
  { name: "cairn compact", module: "cairn", options: compact },
  { name: "hnswlib-node", module: "hnswlib-node" },
  { name: "hnswlib-node -march=native", module: "hnswlib-node", native: true },
  { name: "usearch f32", module: "usearch" },
  { name: "usearch i8", module: "usearch", options: { quantization: "i8" } },
  { name: "hnswlib-wasm", module: "hnswlib-wasm" },
  { name: "zvec", module: "zvec" },
  { name: "sqlite-vec (exact)", module: "sqlite-vec" },
  { name: "cairn, Node 24", module: "cairn", runtime: "node" },
  { name: "hnswlib-node, Node 24", module: "hnswlib-node", runtime: "node" },
  { name: "cairn, Deno", module: "cairn", runtime: "deno" },
  { name: "cairn, Bun", module: "cairn", runtime: "bun" },
];
const main = ["cairn", "cairn compact", "hnswlib-node", "usearch f32", "usearch i8"];

const rows = [
  { name: "words-100k", data: "wink", count: 100_000 },
  { name: "words-340k", data: "wink", count: 0, engines: main, curveOnly: true },
  { name: "clustered-1m", data: "clustered", count: 1_000_000, engines: main, curveOnly: true },
  { name: "clustered-768", data: "clustered-768", count: 20_000, engines: main, curveOnly: true },
];

const options = parseArguments(process.argv.slice(2), {
  rows: "",
  engines: "",
  passes: 3,
  smoke: false,
});
const scratch = process.env.CAIRN_BENCH_DIR ?? tmpdir();
const folder = options.smoke ? scratch : join(root, "bench/results");
const path = join(folder, options.smoke ? "cairn-bench-vector-smoke.json" : "vector.json");

requireInstalled();
await esbuild.build({
  entryPoints: [join(root, "bindings/vector.ts")],
  outfile: join(root, "build/out/bench/vector.mjs"),
  bundle: true,
  format: "esm",
  platform: "neutral",
  logLevel: "warning",
});
const results = readResults(path);
results.machine = { ...machine(), pinning };
results.command = "npm run bench:vector";
for (const row of rowsToRun()) await measureRow(row);
mkdirSync(folder, { recursive: true });
const prefix = options.smoke ? "cairn-bench-vector-smoke-" : "";
writeFileSync(join(folder, `${prefix}VECTOR-REPORT.md`), reportOf(results, rows));
const drawn = results.runs["words-100k"] ?? Object.values(results.runs)[0];
if (drawn !== undefined) writeFileSync(join(folder, `${prefix}vector.svg`), await curveOf(drawn));

function requireInstalled() {
  if (!existsSync(join(here, "node_modules"))) {
    throw new Error("Run `npm ci` in bench/vector first: the other engines are not installed.");
  }
}

function rowsToRun() {
  const selected = rows.filter(({ name }) => selection(options.rows)(name));
  if (!options.smoke) return selected;
  return selected.map((row) => ({ ...row, count: row.data === "clustered-768" ? 1_500 : 4_000 }));
}

async function measureRow(row) {
  const runs = results.runs[row.name] ?? {};
  results.runs[row.name] = runs;
  const wanted = options.engines.split(",");
  for (const engine of engines) {
    const { name, module } = engine;
    if (row.engines !== undefined && !row.engines.includes(name)) continue;
    if (options.engines !== "" && !wanted.includes(name) && !wanted.includes(module)) continue;
    const begin = Date.now();
    try {
      runs[name] = await runEngine(engine, row);
    } catch (error) {
      console.log(`${row.name}, ${name}: left out. ${String(error).slice(0, 300)}`);
      continue;
    }
    writeResults(path, results);
    console.log(`${row.name}, ${name}: ${((Date.now() - begin) / 1_000).toFixed(0)} s`);
  }
}

async function runEngine({ module, options: ofEngine, native, runtime }, row) {
  const job = {
    engine: module,
    data: row.data,
    count: row.count,
    options: ofEngine ?? {},
    passes: options.smoke ? 1 : options.passes,
    curveOnly: row.curveOnly === true || runtime !== undefined,
  };
  if (native) process.env.CAIRN_BENCH_HNSWLIB = nativeHnswlib();
  else delete process.env.CAIRN_BENCH_HNSWLIB;
  const how = { timeoutMs: 3_600_000 };
  if (runtime !== undefined) {
    how.node = join(installed, runtime);
    if (!existsSync(how.node)) throw new Error(`there is no ${how.node}`);
    if (runtime === "deno") how.flags = ["run", "--allow-all"];
    if (runtime === "bun") how.flags = [];
  }
  return runChild(join(here, "child.mjs"), job, how);
}

/** hnswlib-node compiled for this very processor; as installed it uses SSE only. */
function nativeHnswlib() {
  const target = join(here, ".cache/native/node_modules/hnswlib-node");
  const addon = join(target, "build/Release/addon.node");
  if (!existsSync(addon) || !readFileSync(join(target, "built.txt"), { flag: "a+" }).length) {
    cpSync(join(here, "node_modules"), join(here, ".cache/native/node_modules"), {
      recursive: true,
    });
    const env = { ...process.env, CXXFLAGS: "-O3 -march=native" };
    const built = spawnSync("npx", ["--yes", "node-gyp", "rebuild"], { cwd: target, env });
    if (built.status !== 0) throw new Error(`node-gyp: ${String(built.stderr).slice(-300)}`);
    writeFileSync(join(target, "built.txt"), env.CXXFLAGS);
  }
  return target;
}
