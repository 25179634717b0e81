/**
 * Values of metadata fields: how they are found in metadata, and how they lie in an index of a
 * field, so that the order of the bytes is the order of the values.
 *
 *     u8 0                              there is something, but no scalar
 *     u8 1                              null
 *     u8 2, u8 3                        false, true
 *     u8 4, f64 big-endian              a number; sign bit flipped when positive, all bits when not
 *     u8 5, UTF-8, u8 0, u8 0           a text; a 0 in it is 0, 255. Only its first 256 bytes
 *
 * An array counts as each of its scalars. Texts are ordered by their UTF-8, which is the order of
 * their code points.
 */
import { CairnError } from "../errors.ts";

export type Scalar = string | number | boolean | null;

/** Of a longer text only so many bytes stand in an index; filters with one look at the metadata. */
const indexedTextBytes = 256;

const textEncoder = new TextEncoder();
const loneSurrogate = /\p{Surrogate}/u;

const present = 0;
const nullTag = 1;
const falseTag = 2;
const trueTag = 3;
const numberTag = 4;
const textTag = 5;

/** What stands under a path (`author.name`); undefined for nothing. */
export function valueAt(metadata: unknown, path: readonly string[]): unknown {
  let value = metadata;
  for (const name of path) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    if (!Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

export function isScalar(value: unknown): value is Scalar {
  return value === null || ["string", "number", "boolean"].includes(typeof value);
}

/** The scalars that a field counts as. */
export function scalarsOf(value: unknown): readonly Scalar[] {
  if (isScalar(value)) return [value];
  return Array.isArray(value) ? value.filter(isScalar) : [];
}

/** The entries of an index for a field, each once; none when the field is absent. */
export function entriesOf(metadata: unknown, path: readonly string[]): Uint8Array[] {
  const value = valueAt(metadata, path);
  if (value === undefined) return [];
  const entries = new Map<string, Uint8Array>();
  for (const scalar of scalarsOf(value)) {
    const key = encodeScalar(scalar);
    entries.set(String.fromCharCode(...key), key);
  }
  return entries.size === 0 ? [new Uint8Array([present])] : [...entries.values()];
}

/** True when the entry of a text says all of it. */
export function isWhole(scalar: Scalar): boolean {
  if (typeof scalar !== "string" || scalar.length * 3 < indexedTextBytes) return true;
  return textEncoder.encode(scalar).length < indexedTextBytes;
}

/** @throws CairnError `value_invalid` for a text with a lone surrogate. */
export function encodeScalar(scalar: Scalar): Uint8Array {
  if (scalar === null) return new Uint8Array([nullTag]);
  if (scalar === false) return new Uint8Array([falseTag]);
  if (scalar === true) return new Uint8Array([trueTag]);
  return typeof scalar === "number" ? encodeNumber(scalar) : encodeText(scalar);
}

function encodeNumber(number: number): Uint8Array {
  const bytes = new Uint8Array(9);
  const view = new DataView(bytes.buffer);
  // -0 is 0.
  view.setFloat64(1, number + 0);
  const high = view.getUint32(1);
  if (high >= 0x8000_0000) {
    view.setUint32(1, ~high >>> 0);
    view.setUint32(5, ~view.getUint32(5) >>> 0);
  } else view.setUint32(1, (high | 0x8000_0000) >>> 0);
  bytes[0] = numberTag;
  return bytes;
}

function encodeText(text: string): Uint8Array {
  if (loneSurrogate.test(text)) {
    throw new CairnError(
      "value_invalid",
      "Cannot use a text in an indexed field: it has a lone surrogate, which has no UTF-8 form.",
    );
  }
  const utf8 = textEncoder.encode(text).subarray(0, indexedTextBytes);
  const bytes: number[] = [textTag];
  for (const byte of utf8) {
    bytes.push(byte);
    if (byte === 0) bytes.push(255);
  }
  bytes.push(0, 0);
  return new Uint8Array(bytes);
}

/** The entries between which all values of a scalar's type lie: from the first, before the last. */
export function boundsOfType(scalar: string | number): readonly [Uint8Array, Uint8Array] {
  const tag = typeof scalar === "number" ? numberTag : textTag;
  return [new Uint8Array([tag]), new Uint8Array([tag + 1])];
}

/** The first key behind all those that begin with `key`; keys here never consist of 255 alone. */
export function afterPrefix(key: Uint8Array): Uint8Array {
  let length = key.length;
  while (key[length - 1] === 255) length--;
  const after = key.slice(0, length);
  after[length - 1]++;
  return after;
}

/** Below zero when `left` comes first, by code points; numbers by size. */
export function compareScalars(left: string | number, right: string | number): number {
  if (typeof left === "number" && typeof right === "number") return left - right;
  return compareTexts(left as string, right as string);
}

function compareTexts(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index++) {
    const one = left.charCodeAt(index);
    const other = right.charCodeAt(index);
    if (one !== other) return codeOrder(one) - codeOrder(other);
  }
  return left.length - right.length;
}

/** Surrogates stand for code points above all others. */
function codeOrder(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
