/** Damage done to bytes, text and plain data: what happens to files, and what somebody who knows
 * the format would write into them. */
import type { Random } from "../../storage/random.ts";

/** Numbers at the edges of what fields hold. */
const edges: readonly number[] = [
  0,
  1,
  2,
  7,
  8,
  0x7f,
  0x80,
  0xff,
  0x100,
  0x7fff,
  0x8000,
  0xffff,
  0x10000,
  4_095,
  4_096,
  4_097,
  0x7fffffff,
  0x80000000,
  0xffffffff,
  2 ** 32,
  2 ** 48 - 1,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 63,
];

export function edge(random: Random): number {
  return random.pick(edges);
}

/** Changes bytes in their place, `times` times; within [from, to). */
export function mutate(
  random: Random,
  bytes: Uint8Array,
  times: number,
  from = 0,
  to: number = bytes.length,
): void {
  for (let left = times; left > 0; left--) mutateOnce(random, bytes, from, to);
}

function mutateOnce(random: Random, bytes: Uint8Array, from: number, to: number): void {
  const length = to - from;
  if (length <= 0) return;
  const at = from + random.integer(length);
  const rest = to - at;
  switch (random.integer(8)) {
    case 0:
    case 1:
      bytes[at] ^= 1 << random.integer(8);
      return;
    case 2:
      bytes[at] = random.pick([0, 1, 0x7f, 0x80, 0xff, random.integer(256)]);
      return;
    case 3:
      bytes.fill(random.pick([0, 0xff, 0x20]), at, at + 1 + random.integer(Math.min(rest, 600)));
      return;
    case 4: {
      const count = 1 + random.integer(Math.min(rest, 64));
      for (let index = at; index < at + count; index++) bytes[index] = random.integer(256);
      return;
    }
    case 5: {
      // A piece of it somewhere else.
      const count = 1 + random.integer(Math.min(rest, 128));
      const source = from + random.integer(length - count + 1);
      bytes.copyWithin(at, source, source + count);
      return;
    }
    default:
      setField(random, bytes, at, to);
  }
}

/** A number of some width, little-endian, with a value at an edge or near the one that is there. */
function setField(random: Random, bytes: Uint8Array, near: number, to: number): void {
  const width = random.pick([2, 4, 8]);
  const at = near - (near % width);
  if (at + width > to) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const isNear = random.chance(0.3);
  const step = random.pick([-1, 1, 8, -8]);
  if (width === 2)
    view.setUint16(at, isNear ? view.getUint16(at, true) + step : edge(random), true);
  else if (width === 4) {
    view.setUint32(at, isNear ? view.getUint32(at, true) + step : edge(random), true);
  } else if (isNear) {
    view.setBigUint64(at, BigInt.asUintN(64, view.getBigUint64(at, true) + BigInt(step)), true);
  } else view.setBigUint64(at, BigInt(edge(random)), true);
}

/** The bytes with some missing, some more, or a piece twice. */
export function resize(random: Random, bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  switch (random.integer(4)) {
    case 0:
      return bytes.slice(0, random.integer(length + 1));
    case 1: {
      const longer = new Uint8Array(length + 1 + random.integer(64));
      longer.set(bytes);
      return longer;
    }
    case 2:
      return bytes.slice(random.integer(length + 1));
    default: {
      const at = random.integer(length + 1);
      const count = random.integer(Math.min(length - at, 64) + 1);
      const longer = new Uint8Array(length + count);
      longer.set(bytes.subarray(0, at));
      longer.set(bytes.subarray(at - Math.min(at, count), at), at);
      longer.set(bytes.subarray(at), at + count);
      return longer;
    }
  }
}

const strange: readonly unknown[] = [
  null,
  true,
  "",
  "constructor",
  [],
  {},
  -1,
  0.5,
  1e300,
  2 ** 53,
  "0".repeat(300),
];

/** Plain data with one thing in it changed: another type, another number, gone, or more of it. */
export function mutateData(random: Random, data: unknown): unknown {
  const copy = structuredClone(data);
  const places: [holder: Record<string, unknown>, key: string][] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const key of Object.keys(value)) {
      places.push([value as Record<string, unknown>, key]);
      visit((value as Record<string, unknown>)[key]);
    }
  };
  visit(copy);
  if (places.length === 0 || random.chance(0.02)) return random.pick(strange);
  for (let left = 1 + random.integer(2); left > 0; left--) {
    const [holder, key] = random.pick(places);
    changeAt(random, holder, key);
  }
  return copy;
}

function changeAt(random: Random, holder: Record<string, unknown>, key: string): void {
  const found = holder[key];
  switch (random.integer(6)) {
    case 0:
      delete holder[key];
      return;
    case 1:
      holder[key] = random.pick(strange);
      return;
    case 2:
      Object.defineProperty(holder, "__proto__", {
        value: { polluted: true },
        enumerable: true,
        configurable: true,
      });
      return;
    case 3:
      if (Array.isArray(found) && found.length > 0) found.push(structuredClone(found[0]));
      else holder[key] = edge(random);
      return;
    default:
      if (typeof found === "number") {
        holder[key] = random.pick([found + 1, found - 1, -found, edge(random), found + 0.5]);
      } else if (typeof found === "string") holder[key] = mutateText(random, found);
      else holder[key] = edge(random);
  }
}

const pieces: readonly string[] = [
  "",
  "-",
  "--",
  "=",
  "\0",
  "\n",
  "\u2028",
  "\ud800",
  "😀",
  "__proto__",
  "/../",
  "{",
  "}",
  '"',
  "1e999",
  "%s",
  "NaN",
];

export function mutateText(random: Random, text: string): string {
  const at = random.integer(text.length + 1);
  const to = Math.min(text.length, at + random.integer(4));
  const piece = random.chance(0.5) ? random.pick(pieces) : String.fromCharCode(random.integer(300));
  return text.slice(0, at) + piece + text.slice(to);
}
