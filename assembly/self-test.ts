/**
 * The core checks its own arithmetic, without any JavaScript: published CRC-32C values, a bitwise
 * CRC, and identities of U256. A WASI program (asconfig.self-test.json): it prints one line per
 * check and exits with 0, or 1 if one failed. The first argument, a number, seeds the random
 * values; without one the seed is 1.
 */
import { crc32c } from "./crc32c";
import { OVERFLOW } from "./errors";
import {
  u256Add,
  u256Compare,
  u256DivideRemainder,
  u256Multiply,
  u256ParseDecimal,
  u256ParseHex,
  u256PrintDecimal,
  u256PrintHex,
  u256Subtract,
} from "./u256/index";

const AREA_BYTES: usize = 100000;
const ROUNDS = 20000;
const EQUAL = 1;

const area: usize = memory.data(100000, 16);
const a: usize = memory.data(32, 16);
const b: usize = memory.data(32, 16);
const c: usize = memory.data(32, 16);
const d: usize = memory.data(32, 16);
const text: usize = memory.data(80, 16);

let failures = 0;
let random: u64 = 1;

function check(name: string, passed: bool): void {
  if (!passed) failures++;
  console.log((passed ? "ok     " : "FAILED ") + name);
}

/** xorshift64*: the same values for the same seed. */
function next(): u64 {
  random ^= random >>> 12;
  random ^= random << 25;
  random ^= random >>> 27;
  return random * 0x2545f4914f6cdd1d;
}

function fillSequence(first: i32, step: i32, count: i32): usize {
  for (let i = 0; i < count; i++) store<u8>(area + <usize>i, <u8>(first + step * i));
  return <usize>count;
}

function fillRandom(): void {
  for (let at: usize = 0; at < AREA_BYTES; at += 8) store<u64>(area + at, next());
}

/** One bit at a time, straight from the definition. */
function bitwise(pointer: usize, length: usize): u32 {
  let register: u32 = 0xffffffff;
  for (let i: usize = 0; i < length; i++) {
    register ^= load<u8>(pointer + i);
    for (let bit = 0; bit < 8; bit++) {
      register = (register >>> 1) ^ ((register & 1) != 0 ? 0x82f63b78 : 0);
    }
  }
  return ~register;
}

function checkCrcVectors(): void {
  check("crc32c of nothing", crc32c(area, 0, 0) == 0);
  check("crc32c of 32 zeros", crc32c(area, fillSequence(0, 0, 32), 0) == 0x8a9136aa);
  check("crc32c of 32 ones", crc32c(area, fillSequence(255, 0, 32), 0) == 0x62a8ab43);
  check("crc32c of 0 to 31", crc32c(area, fillSequence(0, 1, 32), 0) == 0x46dd794e);
  check("crc32c of 31 to 0", crc32c(area, fillSequence(31, -1, 32), 0) == 0x113fdb5c);
  check("crc32c of 123456789", crc32c(area, fillSequence(49, 1, 9), 0) == 0xe3069283);
}

function checkCrcLengths(): void {
  fillRandom();
  let equal = true;
  for (let length: usize = 0; length < 700; length++) {
    const pointer = area + (length & 15);
    if (crc32c(pointer, length, 0) != bitwise(pointer, length)) equal = false;
  }
  check("crc32c by tables equals the bitwise one", equal);
  equal = true;
  for (let length: usize = 4000; length < 4032; length++) {
    if (crc32c(area + 3, length, 0) != bitwise(area + 3, length)) equal = false;
  }
  check("crc32c of pages equals the bitwise one", equal);
  equal = true;
  for (let length: usize = 16360; length < 90000; length += 4591) {
    if (crc32c(area + 1, length, 0) != bitwise(area + 1, length)) equal = false;
  }
  check("crc32c of long inputs equals the bitwise one", equal);
  const whole = crc32c(area, 90000, 0);
  equal = true;
  for (let cut: usize = 0; cut < 90000; cut += 1777) {
    if (crc32c(area + cut, 90000 - cut, crc32c(area, cut, 0)) != whole) equal = false;
  }
  check("crc32c continues from a seed", equal);
}

/** An odd value of random width: short ones are as frequent as long ones, and none is zero. */
function fillValue(at: usize): void {
  const width = <u32>(next() & 255) + 1;
  for (let limb: u32 = 0; limb < 4; limb++) {
    const bits = width > limb * 64 ? width - limb * 64 : 0;
    const value = bits == 0 ? 0 : bits >= 64 ? next() : next() >>> (64 - bits);
    store<u64>(at + ((<usize>limb) << 3), value);
  }
  store<u64>(at, load<u64>(at) | 1);
}

function equals(left: usize, right: usize): bool {
  return u256Compare(left, right) == EQUAL;
}

function checkAddition(): void {
  let back = true;
  let ordered = true;
  let done = 0;
  for (let i = 0; i < ROUNDS; i++) {
    fillValue(a);
    fillValue(b);
    if (u256Add(a, b, c) == OVERFLOW) continue;
    done++;
    if (u256Compare(c, a) < EQUAL) ordered = false;
    if (u256Subtract(c, b, d) != 0 || !equals(d, a)) back = false;
  }
  check("u256 a + b mostly fits", done > ROUNDS / 2);
  check("u256 a + b - b = a", back);
  check("u256 a + b >= a", ordered);
}

function checkDivision(): void {
  let back = true;
  let small = true;
  for (let i = 0; i < ROUNDS; i++) {
    fillValue(a);
    fillValue(b);
    if (u256DivideRemainder(a, b, c, d) != 0) small = false;
    if (u256Compare(d, b) >= EQUAL) small = false;
    if (u256Multiply(c, b, c) != 0 || u256Add(c, d, c) != 0 || !equals(c, a)) back = false;
  }
  check("u256 (a / b) * b + a % b = a", back);
  check("u256 a % b < b", small);
}

function checkMultiplication(): void {
  let back = true;
  let swapped = true;
  let done = 0;
  for (let i = 0; i < ROUNDS; i++) {
    fillValue(a);
    fillValue(b);
    const status = u256Multiply(a, b, c);
    if (u256Multiply(b, a, d) != status) swapped = false;
    if (status == OVERFLOW) continue;
    done++;
    if (!equals(c, d)) swapped = false;
    if (u256DivideRemainder(c, b, c, d) != 0 || !equals(c, a)) back = false;
  }
  check("u256 a * b often fits", done > ROUNDS / 4);
  check("u256 a * b = b * a", swapped);
  check("u256 (a * b) / b = a", back);
}

function checkText(): void {
  let decimal = true;
  let hexadecimal = true;
  for (let i = 0; i < ROUNDS; i++) {
    fillValue(a);
    if (u256ParseDecimal(text, <usize>u256PrintDecimal(a, text), b) != 0) decimal = false;
    if (!equals(a, b)) decimal = false;
    if (u256ParseHex(text, <usize>u256PrintHex(a, text), b) != 0) hexadecimal = false;
    if (!equals(a, b)) hexadecimal = false;
  }
  check("u256 survives decimal text", decimal);
  check("u256 survives hexadecimal text", hexadecimal);
}

if (process.argv.length > 1) random = U64.parseInt(process.argv[1]);
if (random == 0) random = 1;
checkCrcVectors();
checkCrcLengths();
checkAddition();
checkMultiplication();
checkDivision();
checkText();
console.log(failures == 0 ? "self-test passed" : failures.toString() + " checks failed");
process.exit(failures == 0 ? 0 : 1);
