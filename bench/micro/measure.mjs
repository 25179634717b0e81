// Timing shared by the micro-benchmarks: each operation runs in rounds of a few milliseconds, and
// the median and the fastest round are printed. Nothing here decides whether a figure is good.
import { existsSync, readFileSync } from "node:fs";

const ROUNDS = 25;
const ROUND_NS = 4e6;

/** Keeps results alive, so that no work can be left out. */
let sink = 0;

function timeRound(operation, calls) {
  const start = process.hrtime.bigint();
  for (let index = 0; index < calls; index++) sink ^= Number(operation(index));
  return Number(process.hrtime.bigint() - start) / calls;
}

/**
 * Times `operation(index)`, whose result must be a number or a bigint, and prints one line.
 * `perCall`: operations that one call does; `bytes`: bytes that one call reads, for GB/s.
 */
export function measure(name, operation, { perCall = 1, bytes = 0 } = {}) {
  let calls = 1;
  while (timeRound(operation, calls) * calls < ROUND_NS) calls *= 2;
  const rounds = Array.from({ length: ROUNDS }, () => timeRound(operation, calls) / perCall);
  rounds.sort((left, right) => left - right);
  const median = rounds[ROUNDS >> 1];
  const columns = [name.padEnd(44), `${median.toFixed(2)} ns`.padStart(14)];
  columns.push(`(fastest ${rounds[0].toFixed(2)})`.padEnd(22));
  if (bytes > 0) columns.push(`${(bytes / median).toFixed(2)} GB/s`.padStart(11));
  console.log(columns.join(" ").trimEnd());
}

/** The exports of the core at `path`, initialised, with memory of `bytes` that it never uses. */
export function loadCore(path, bytes) {
  if (!existsSync(path)) throw new Error(`No ${path}: run "npm run build:core" first.`);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(path)), {});
  exports.initialize();
  const address = exports.memory.grow(Math.ceil(bytes / 65_536)) * 65_536;
  return { core: exports, address };
}

/** What was measured where, and that the sink was used. */
export function describeRun() {
  const { node, bun, deno, v8 } = process.versions;
  const runtime = bun ? `bun ${bun}` : deno ? `deno ${deno}` : `node ${node} (V8 ${v8})`;
  console.log(`${runtime}, ${process.arch}; median of ${ROUNDS} rounds [${sink & 1}]`);
}
