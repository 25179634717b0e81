// `digest.mjs WASM`: builds graphs with the raw module and prints a hash of all their images and
// results, as JSON. The same lines must come out of every build, on every runtime.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import process from "node:process";

const module = new WebAssembly.Module(readFileSync(process.argv[2]));
const hash = createHash("sha256");

let state = 1;
function random() {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state / 2 ** 32;
}

/** metric, precision, dimensions, connections, efConstruction */
const shapes = [
  [0, 0, 33, 8, 40],
  [1, 0, 100, 16, 60],
  [2, 0, 70, 8, 40],
  [0, 1, 17, 6, 30],
  [1, 1, 64, 8, 30],
  [2, 1, 5, 4, 20],
  [1, 2, 130, 8, 40],
  [3, 2, 300, 5, 30],
];
for (const [metric, precision, dimensions, connections, efConstruction] of shapes) {
  const core = new WebAssembly.Instance(module, {}).exports;
  core.initialize();
  core.configure(dimensions, metric, precision, connections, efConstruction, 1, 7);
  core.train(-1.5, 3 / 127);
  const put = () => {
    const at = core.inputAddress() >>> 0;
    const input = new Float32Array(core.memory.buffer, at, dimensions);
    for (let index = 0; index < dimensions; index++) input[index] = random() * 3.2 - 1.6;
  };
  for (let label = 0; label < 700; label++) {
    put();
    core.append(label, label);
    core.link(300);
  }
  for (let label = 0; label < 700; label += 3) core.kill(label, 1_000);
  while (core.purge(1_000, 100) === 0);
  for (let label = 700; label < 900; label++) {
    put();
    core.append(label, label);
  }
  while (core.link(1e9) > 0);
  for (let query = 0; query < 40; query++) {
    put();
    const found = core.search(10, 40, -1, query & 1 ? 2 : 0);
    for (const at of [core.labelsAddress(), core.distancesAddress()]) {
      hash.update(new Uint8Array(core.memory.buffer, at >>> 0, found * 4));
    }
  }
  core.openImage();
  for (let count = core.writeSlice(65_536); count >= 0; count = core.writeSlice(65_536)) {
    hash.update(new Uint8Array(core.memory.buffer, core.sliceAddress() >>> 0, count));
  }
}
process.stdout.write(`${hash.digest("hex")}\n`);
