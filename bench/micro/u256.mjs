// U256 of the core: inside Wasm (batches), one call each, and across the boundary, beside BigInt.
//   node bench/micro/u256.mjs [path of core.wasm]
import { describeRun, loadCore, measure } from "./measure.mjs";

const COUNT = 1000;
const COLUMN_BYTES = COUNT * 32;
const MAX = (1n << 256n) - 1n;

const path = process.argv[2] ?? new URL("../../build/out/core.wasm", import.meta.url).pathname;
const { core, address } = loadCore(path, 4 * COLUMN_BYTES);
const view = new DataView(core.memory.buffer);
const left = address;
const right = left + COLUMN_BYTES;
const out = right + COLUMN_BYTES;
const text = out + COLUMN_BYTES;

let state = 1n;
/** A value of exactly `bits` bits, the same in every run. */
function random(bits) {
  let value = 0n;
  for (let limb = 0; limb < 4; limb++) {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    value = (value << 64n) | (state ^ (state >> 29n));
  }
  return (value & ((1n << BigInt(bits)) - 1n)) | (1n << BigInt(bits - 1));
}

function write(at, value) {
  view.setBigUint64(at, value, true);
  view.setBigUint64(at + 8, value >> 64n, true);
  view.setBigUint64(at + 16, value >> 128n, true);
  view.setBigUint64(at + 24, value >> 192n, true);
}

function read(at) {
  const upper = (view.getBigUint64(at + 24, true) << 64n) | view.getBigUint64(at + 16, true);
  const lower = (view.getBigUint64(at + 8, true) << 64n) | view.getBigUint64(at, true);
  return (upper << 128n) | lower;
}

/** Fills both columns; the same values as bigints. */
function fill(leftBits, rightBits) {
  const values = Array.from({ length: COUNT }, () => [random(leftBits), random(rightBits)]);
  values.forEach(([a, b], index) => {
    write(left + 32 * index, a);
    write(right + 32 * index, b);
  });
  return values;
}

function checked(value) {
  if (value < 0n || value > MAX) throw new Error("out of range");
  return value;
}

function must(status) {
  if (status < 0) throw new Error(`the core answered ${status}`);
  return status;
}

const each = { perCall: COUNT };
/** Offset of element `index` of a column, the same elements over and over. */
const offset = (index) => (index % COUNT) * 32;

function additive() {
  const values = fill(255, 254);
  measure("add in Wasm", () => must(core.u256AddEach(left, right, out, COUNT)), each);
  measure("subtract in Wasm", () => must(core.u256SubtractEach(left, right, out, COUNT)), each);
  fill(245, 240);
  measure("sum in Wasm", () => must(core.u256Sum(left, COUNT, out)), each);
  const call = (index) => core.u256Add(left + offset(index), right + offset(index), out);
  measure("add, one call each", call);
  measure("subtract, one call each", (index) =>
    core.u256Subtract(left + offset(index), right + offset(index), out),
  );
  measure("compare, one call each", (index) =>
    core.u256Compare(left + offset(index), right + offset(index)),
  );
  const crossing = (index) => {
    const [a, b] = values[index % COUNT];
    write(left, a);
    write(right, b);
    core.u256Add(left, right, out);
    return read(out) & 1n;
  };
  measure("add bigints through Wasm", crossing);
  measure("BigInt add, checked", (index) => {
    const [a, b] = values[index % COUNT];
    return checked(a + b) & 1n;
  });
}

function multiplicative() {
  for (const [leftBits, rightBits] of [
    [60, 60],
    [120, 120],
    [190, 60],
  ]) {
    const values = fill(leftBits, rightBits);
    const name = `${leftBits} x ${rightBits} bits`;
    const batch = () => must(core.u256MultiplyEach(left, right, out, COUNT));
    measure(`multiply in Wasm, ${name}`, batch, each);
    measure(`BigInt multiply, checked, ${name}`, (index) => {
      const [a, b] = values[index % COUNT];
      return checked(a * b) & 1n;
    });
  }
  for (const rightBits of [31, 60, 128, 250]) {
    const values = fill(256, rightBits);
    const name = `256 / ${rightBits} bits`;
    measure(`divide, one call each, ${name}`, (index) =>
      core.u256Divide(left + offset(index), right + offset(index), out),
    );
    measure(`BigInt divide, ${name}`, (index) => {
      const [a, b] = values[index % COUNT];
      return (a / b) & 1n;
    });
  }
}

function textual() {
  for (const bits of [60, 256]) {
    const values = fill(bits, bits);
    const texts = values.map(([a]) => a.toString());
    const length = core.u256PrintDecimal(left, text);
    measure(`parse decimal, ${bits} bits`, () => core.u256ParseDecimal(text, length, out));
    measure(`print decimal, ${bits} bits`, (index) =>
      core.u256PrintDecimal(left + offset(index), text),
    );
    measure(`print hexadecimal, ${bits} bits`, (index) =>
      core.u256PrintHex(left + offset(index), text),
    );
    measure(`BigInt(text), ${bits} bits`, (index) => BigInt(texts[index % COUNT]) & 1n);
    measure(`BigInt toString, ${bits} bits`, (index) => values[index % COUNT][0].toString().length);
  }
}

additive();
console.log();
multiplicative();
console.log();
textual();
describeRun();
