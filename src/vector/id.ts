/** Ids of vectors: text, or whole numbers, of one kind per index. */
import { CairnError } from "../errors.ts";
import { decodeText, describeValue } from "../kv/index.ts";
import { checkKeyLength, keyBytes } from "../transaction/index.ts";

/**
 * What ids are: `string`; `number`, whole and at most 2^53 - 1 from zero; or `bigint`, 64 bits with
 * a sign, where numbers are accepted too.
 */
export type IdOption = "string" | "number" | "bigint";

export type Id = string | number | bigint;

/** The ids that a caller may pass, by the option. */
export type IdOf<K extends IdOption> = K extends "string"
  ? string
  : K extends "number"
    ? number
    : bigint;

/** Ids that are keys of another tree, as they are; for the layers above, not for applications. */
export type RawId = Uint8Array;

export interface IdCodec<I extends Id | RawId> {
  /** The key of an id. @throws CairnError `key_invalid`, `key_too_large`. */
  encode(id: unknown): Uint8Array;
  /** The id whose key is `memory[at, at + length)`. */
  decode(memory: Uint8Array, at: number, length: number): I;
}

const text: IdCodec<string> = {
  encode(id) {
    if (typeof id !== "string") throw idInvalid(id, "a string");
    checkKeyLength(id);
    return keyBytes(id);
  },
  decode: decodeText,
};

const whole: IdCodec<number> = {
  encode(id) {
    if (typeof id === "number" && Number.isSafeInteger(id)) return integerKey(BigInt(id));
    throw idInvalid(id, "a whole number");
  },
  decode: (memory, at) => Number(integerOf(memory, at)),
};

const large: IdCodec<bigint> = {
  encode(id) {
    if (typeof id === "number" && Number.isSafeInteger(id)) return integerKey(BigInt(id));
    if (typeof id === "bigint" && BigInt.asIntN(64, id) === id) return integerKey(id);
    throw idInvalid(id, "a bigint of 64 bits, or a whole number");
  },
  decode: integerOf,
};

const raw: IdCodec<RawId> = {
  encode: (id) => id as RawId,
  decode: (memory, at, length) => memory.slice(at, at + length),
};

export const idCodecs: Readonly<Record<IdOption | "raw", IdCodec<Id | RawId>>> = {
  string: text,
  number: whole,
  bigint: large,
  raw,
};

/** 8 bytes, big-endian, the sign bit flipped: in the order of the numbers. */
function integerKey(id: bigint): Uint8Array {
  const key = new Uint8Array(8);
  new DataView(key.buffer).setBigInt64(0, id ^ (-1n << 63n));
  return key;
}

function integerOf(memory: Uint8Array, at: number): bigint {
  return new DataView(memory.buffer, memory.byteOffset + at, 8).getBigInt64(0) ^ (-1n << 63n);
}

function idInvalid(id: unknown, expected: string): CairnError {
  const found = typeof id === "string" ? "a string" : describeValue(id);
  return new CairnError(
    "key_invalid",
    `Cannot use this id: found ${found}, expected ${expected}. The index's id option decides.`,
    { details: { expected } },
  );
}
