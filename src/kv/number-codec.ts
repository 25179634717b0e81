/**
 * Numbers as the values of a keyspace.
 *
 *     u64, i64    8 bytes, little-endian
 *     u256       32 bytes, little-endian
 */
import { readU256, writeU256 } from "../../bindings/u256.ts";
import type { Decode } from "../engine/index.ts";
import { CairnError } from "../errors.ts";

/** How numbers are stored, as the `value` option of a keyspace; in JavaScript they are bigints. */
export type NumberOption = "u64" | "i64" | "u256";

/** The least and the greatest number of a type. */
export const numberLimits: Readonly<Record<NumberOption, readonly [low: bigint, high: bigint]>> = {
  u64: [0n, 2n ** 64n - 1n],
  i64: [-(2n ** 63n), 2n ** 63n - 1n],
  u256: [0n, 2n ** 256n - 1n],
};

const scratch = new Uint8Array(32);
const scratchView = new DataView(scratch.buffer);
const short = scratch.subarray(0, 8);

export function isNumberOption(value: unknown): value is NumberOption {
  return value === "u64" || value === "i64" || value === "u256";
}

/** The bytes of a number, good until the next call. @throws CairnError `value_invalid`. */
export function encodeNumber(type: NumberOption, value: unknown): Uint8Array {
  requireNumber(type, value);
  if (type === "u256") writeU256(scratchView, 0, value);
  else scratchView.setBigUint64(0, BigInt.asUintN(64, value), true);
  return type === "u256" ? scratch : short;
}

/** The decoder of a number. @throws CairnError `codec_failed` for a record of another length. */
export function numberDecoder(type: NumberOption): Decode<bigint> {
  const bytes = type === "u256" ? 32 : 8;
  return (memory, at, length) => {
    if (length !== bytes) {
      throw new CairnError(
        "codec_failed",
        `Cannot read a ${type}: the record has ${length} bytes, expected ${bytes}. Open the ` +
          "keyspace with the value option that it was written with.",
        { details: { found: length, expected: bytes } },
      );
    }
    const view = new DataView(memory.buffer, memory.byteOffset + at, length);
    if (type === "u256") return readU256(view, 0);
    return type === "u64" ? view.getBigUint64(0, true) : view.getBigInt64(0, true);
  };
}

/** @throws CairnError `value_invalid`. */
export function requireNumber(type: NumberOption, value: unknown): asserts value is bigint {
  const [low, high] = numberLimits[type];
  if (typeof value === "bigint" && value >= low && value <= high) return;
  const found = typeof value === "bigint" ? "a bigint out of range" : `a ${typeof value}`;
  throw new CairnError(
    "value_invalid",
    `Cannot use this value as ${type}: found ${found}, expected a bigint from ${low} to ${high}.`,
    { details: { type } },
  );
}
