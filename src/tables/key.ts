/**
 * Keys of rows and index entries: columns one behind the other, so that the order of bytes is the
 * order of values, null first.
 *
 *     nullable column   u8   0 for null, without more; 1 before a value; others have no such byte
 *     u8, boolean       u8   0 or 1 for booleans
 *     u64               8    big-endian; integer, i64, timestamp the same, sign bit flipped
 *     float             8    big-endian IEEE 754; positive ones with the sign bit flipped, negative
 *                            ones with all bits flipped; -0 is stored as 0
 *     u256, i256        32   big-endian; i256 with the sign bit flipped
 *     text, blob        ..   the bytes (UTF-8) with 00 as 00 ff, then 00 00
 *                            raw: the bytes as they are, without an end; only in the last column
 */
import { CairnError } from "../errors.ts";
import { decodeText } from "../kv/text.ts";
import { keyBytesMax } from "../transaction/index.ts";
import type { ColumnType } from "./types.ts";

/** How one column lies in a key. */
export interface KeyPart {
  readonly type: ColumnType;
  /** A byte before it says whether it is null. */
  readonly hasMark: boolean;
  /** Text or bytes as they are, up to the end of the key. */
  readonly isRaw: boolean;
}

/** Room for a column of 1,024 characters that all need escapes, behind a key that is full. */
const scratchBytes = 16_384;
const scratch = new Uint8Array(scratchBytes);
const scratchView = new DataView(scratch.buffer);
/** Views of the scratch by length: making one costs more than writing a key. */
const views: Uint8Array[] = [];
const textEncoder = new TextEncoder();
const loneSurrogate = /\p{Surrogate}/u;
const high64 = 1n << 63n;
const mask64 = (1n << 64n) - 1n;
const bias256 = 1n << 255n;
const microsPerMs = 1_000n;

/** What `encode` wrote last. It is good until the next key is encoded, by anybody. */
function written(bytes: number): Uint8Array {
  if (bytes > keyBytesMax) throw keyTooLarge(bytes);
  let view = views[bytes];
  if (view === undefined) {
    view = new Uint8Array(scratch.buffer, 0, bytes);
    views[bytes] = view;
  }
  return view;
}

/** Encodes and decodes keys of some columns. */
export class KeyCodec {
  readonly parts: readonly KeyPart[];
  readonly #writers: readonly WritePart[];

  constructor(parts: readonly KeyPart[]) {
    this.parts = parts;
    this.#writers = parts.map(writerOf);
  }

  /**
   * The key of `values[positions[0]]`, `values[positions[1]]`, … with `suffix` behind it. The bytes
   * are good until the next call of any codec. Fewer positions than parts make a prefix.
   *
   * @throws CairnError `key_too_large`, `value_invalid` for a lone surrogate.
   */
  encode(
    values: readonly unknown[],
    positions: readonly number[],
    suffix: Uint8Array | undefined = undefined,
  ): Uint8Array {
    const writers = this.#writers;
    let at = 0;
    for (let index = 0; index < positions.length; index++) {
      at = writers[index](at, values[positions[index]]);
      if (at > keyBytesMax) throw keyTooLarge(at);
    }
    if (suffix === undefined) return written(at);
    if (at + suffix.length > keyBytesMax) throw keyTooLarge(at + suffix.length);
    for (let index = 0; index < suffix.length; index++) scratch[at + index] = suffix[index];
    return written(at + suffix.length);
  }

  /** Where the bytes behind the columns begin, when the key begins at `at`. */
  skip(bytes: Uint8Array, at: number): number {
    let end = at;
    for (const part of this.parts) end = skipPart(part, bytes, end);
    return end;
  }

  /** The values of a key. */
  decode(bytes: Uint8Array): unknown[] {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    return this.parts.map((part) => {
      const end = skipPart(part, bytes, at);
      const value = readPart(part, bytes, view, at, end);
      at = end;
      return value;
    });
  }
}

type WritePart = (at: number, value: unknown) => number;

function writerOf(part: KeyPart): WritePart {
  const write = part.isRaw ? writeRaw : writers[part.type];
  if (write === undefined) throw unordered(part.type);
  if (!part.hasMark) return write;
  return (at, value) => {
    if (value === null) {
      scratch[at] = 0;
      return at + 1;
    }
    scratch[at] = 1;
    return write(at + 1, value);
  };
}

function writeSigned(at: number, value: number): number {
  const high = Math.floor(value / 2 ** 32);
  scratchView.setUint32(at, high + 2 ** 31);
  scratchView.setUint32(at + 4, value - high * 2 ** 32);
  return at + 8;
}

function writeSigned64(at: number, value: bigint): number {
  scratchView.setBigUint64(at, (value + high64) & mask64);
  return at + 8;
}

function write256(at: number, value: bigint): number {
  scratchView.setBigUint64(at, value >> 192n);
  scratchView.setBigUint64(at + 8, (value >> 128n) & mask64);
  scratchView.setBigUint64(at + 16, (value >> 64n) & mask64);
  scratchView.setBigUint64(at + 24, value & mask64);
  return at + 32;
}

function writeFloat(at: number, value: number): number {
  // Adding 0 turns -0 into 0.
  scratchView.setFloat64(at, value + 0);
  if (value < 0) {
    scratchView.setUint32(at, ~scratchView.getUint32(at));
    scratchView.setUint32(at + 4, ~scratchView.getUint32(at + 4));
  } else scratch[at] |= 0x80;
  return at + 8;
}

/** The bytes of text or of a blob as they are. */
function writeRaw(at: number, value: unknown): number {
  if (typeof value !== "string") return writeBlob(at, value as Uint8Array);
  const { length } = value;
  if (length > keyBytesMax) throw keyTooLarge(length);
  let index = 0;
  for (; index < length; index++) {
    const code = value.charCodeAt(index);
    if (code > 127) break;
    scratch[at + index] = code;
  }
  if (index === length) return at + length;
  const end = at + textEncoder.encodeInto(value, scratch.subarray(at)).written;
  if (loneSurrogate.test(value)) throw surrogate();
  return end;
}

function writeBlob(at: number, value: Uint8Array): number {
  if (value.length > keyBytesMax) throw keyTooLarge(value.length);
  scratch.set(value, at);
  return at + value.length;
}

function writeEscaped(at: number, value: unknown): number {
  let end = writeRaw(at, value);
  for (let index = at; index < end; index++) {
    if (scratch[index] !== 0) continue;
    scratch.copyWithin(index + 2, index + 1, end);
    scratch[index + 1] = 0xff;
    index++;
    end++;
  }
  scratch[end] = 0;
  scratch[end + 1] = 0;
  return end + 2;
}

const writers: Readonly<Partial<Record<ColumnType, WritePart>>> = {
  u8: (at, value) => {
    scratch[at] = value as number;
    return at + 1;
  },
  boolean: (at, value) => {
    scratch[at] = value === true ? 1 : 0;
    return at + 1;
  },
  u64: (at, value) => {
    scratchView.setBigUint64(at, value as bigint);
    return at + 8;
  },
  integer: (at, value) => writeSigned(at, value as number),
  i64: (at, value) => writeSigned64(at, value as bigint),
  timestamp: (at, value) => writeSigned64(at, BigInt((value as Date).getTime()) * microsPerMs),
  float: (at, value) => writeFloat(at, value as number),
  u256: (at, value) => write256(at, value as bigint),
  i256: (at, value) => write256(at, (value as bigint) + bias256),
  text: writeEscaped,
  blob: writeEscaped,
};

function skipPart(part: KeyPart, bytes: Uint8Array, from: number): number {
  let at = from;
  if (part.hasMark && bytes[at++] === 0) return at;
  if (part.isRaw) return bytes.length;
  switch (part.type) {
    case "u8":
    case "boolean":
      return at + 1;
    case "u256":
    case "i256":
      return at + 32;
    case "text":
    case "blob":
      while (bytes[at] !== 0 || bytes[at + 1] !== 0) at += bytes[at] === 0 ? 2 : 1;
      return at + 2;
    default:
      return at + 8;
  }
}

function readPart(
  part: KeyPart,
  bytes: Uint8Array,
  view: DataView,
  from: number,
  end: number,
): unknown {
  let at = from;
  if (part.hasMark && bytes[at++] === 0) return null;
  switch (part.type) {
    case "u8":
      return bytes[at];
    case "boolean":
      return bytes[at] === 1;
    case "u64":
      return view.getBigUint64(at);
    case "integer":
      return (view.getUint32(at) - 2 ** 31) * 2 ** 32 + view.getUint32(at + 4);
    case "i64":
      return view.getBigUint64(at) - high64;
    case "timestamp":
      return new Date(Number((view.getBigUint64(at) - high64) / microsPerMs));
    case "float":
      return readFloat(view, at);
    case "u256":
      return read256(view, at);
    case "i256":
      return read256(view, at) - bias256;
    default: {
      const raw = part.isRaw ? bytes.slice(at, end) : unescaped(bytes, at, end - 2);
      return part.type === "text" ? decodeText(raw, 0, raw.length) : raw;
    }
  }
}

function readFloat(view: DataView, at: number): number {
  const bits = view.getBigUint64(at);
  const original = bits >= high64 ? bits - high64 : ~bits & mask64;
  const out = new DataView(new ArrayBuffer(8));
  out.setBigUint64(0, original);
  return out.getFloat64(0);
}

function read256(view: DataView, at: number): bigint {
  return (
    (view.getBigUint64(at) << 192n) |
    (view.getBigUint64(at + 8) << 128n) |
    (view.getBigUint64(at + 16) << 64n) |
    view.getBigUint64(at + 24)
  );
}

function unescaped(bytes: Uint8Array, from: number, end: number): Uint8Array {
  const raw = new Uint8Array(end - from);
  let length = 0;
  for (let at = from; at < end; at++) {
    raw[length++] = bytes[at];
    if (bytes[at] === 0) at++;
  }
  return raw.slice(0, length);
}

/** The first key behind all keys that begin with `prefix`; undefined where there is none. */
export function afterPrefix(prefix: Uint8Array): Uint8Array | undefined {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length--;
  if (length === 0) return undefined;
  const bytes = prefix.slice(0, length);
  bytes[length - 1]++;
  return bytes;
}

function keyTooLarge(found: number): CairnError {
  return new CairnError(
    "key_too_large",
    `Cannot make the key of a row or of an index entry: it has ${found} bytes or more, at most ` +
      `${keyBytesMax} are allowed. Shorten the values, or index a hash of them.`,
    { details: { found, expected: keyBytesMax } },
  );
}

function unordered(type: ColumnType): CairnError {
  return new CairnError(
    "schema_invalid",
    `Cannot make a key of a column of type ${type}: it has no order. Use another column.`,
    { details: { type } },
  );
}

function surrogate(): CairnError {
  return new CairnError(
    "value_invalid",
    "Cannot make a key of this text: it contains a lone surrogate, which has no UTF-8 form.",
  );
}
