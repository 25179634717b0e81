// CRC-32C of the core, over bytes in its memory and with the copy from the host, beside the
// runtime's own CRC-32 (zlib: the same work for another polynomial) where it has one.
//   node bench/micro/crc32c.mjs [path of core.wasm]
import { randomFillSync } from "node:crypto";
import * as zlib from "node:zlib";
import { describeRun, loadCore, measure } from "./measure.mjs";

const sizes = [0, 16, 64, 256, 511, 512, 1024, 4080, 4096, 16_383, 16_384, 65_536, 1 << 20];
const sizeMax = 1 << 20;

const path = process.argv[2] ?? new URL("../../build/out/core.wasm", import.meta.url).pathname;
const { core, address } = loadCore(path, sizeMax);
const area = new Uint8Array(core.memory.buffer, address, sizeMax);
const bytes = randomFillSync(new Uint8Array(sizeMax));
area.set(bytes);

for (const size of sizes) {
  measure(`crc32c, ${size} B in place`, (seed) => core.crc32c(address, size, seed), {
    bytes: size,
  });
}
console.log();
for (const size of [64, 4096, 65_536]) {
  const input = bytes.subarray(0, size);
  const copied = (seed) => {
    area.set(input);
    return core.crc32c(address, size, seed);
  };
  measure(`copy in + crc32c, ${size} B`, copied, { bytes: size });
}
console.log();
for (const size of typeof zlib.crc32 === "function" ? sizes : []) {
  const input = bytes.subarray(0, size);
  measure(`zlib.crc32, ${size} B`, (seed) => zlib.crc32(input, seed), { bytes: size });
}
describeRun();
