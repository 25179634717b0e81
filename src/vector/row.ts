/**
 * How a vector lies in the trees of its index.
 *
 *     ids       hashed    id -> u32 label
 *     rows      ordered   u32 label, big-endian -> the row below
 *     pending   ordered   u8 0                                   -> u32 the label that is next
 *                         u8 1, u64 seq, u32 label, big-endian   -> nothing: `label` died at `seq`
 *     field     ordered   value (field.ts), u32 label, big-endian -> nothing; one tree per field
 *
 * Every version of a vector has a label of its own, given out in order and never again, so the rows
 * from a label on are what was put since, and a row is never changed. What died since is in
 * `pending`, as long as an image of the graph needs to be told.
 *
 * A row, little-endian:
 *
 *     0    u16   bytes of the id
 *     2    u16   0
 *     4    u32   bytes of the metadata; 0 for none
 *     8    f32   the vector, `dimensions` components as they were put
 *     ..         the id, as it is a key of `ids`
 *     ..         the metadata: JSON, UTF-8
 */
import type { Decode } from "../engine/index.ts";
import { decodeText } from "../kv/index.ts";
import type { Id, IdCodec, RawId } from "./id.ts";

const headBytes = 8;

/** The labels end here. */
export const labelsMax: number = 2 ** 32 - 1;

export const noBytes: Uint8Array = new Uint8Array(0);
/** The key of `pending` under which the next label stands. */
export const nextKey: Uint8Array = new Uint8Array([0]);

const textEncoder = new TextEncoder();

export interface Row {
  readonly id: Id | RawId;
  readonly vector: Float32Array;
  /** Parsed JSON; undefined for none. */
  readonly metadata: unknown;
}

export function encodeRow(vector: Float32Array, id: Uint8Array, metadata: string): Uint8Array {
  const json = metadata === "" ? noBytes : textEncoder.encode(metadata);
  const row = new Uint8Array(headBytes + vector.byteLength + id.length + json.length);
  const view = new DataView(row.buffer);
  view.setUint16(0, id.length, true);
  view.setUint32(4, json.length, true);
  row.set(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength), headBytes);
  row.set(id, headBytes + vector.byteLength);
  row.set(json, headBytes + vector.byteLength + id.length);
  return row;
}

/** A row without its vector. */
export interface RowHead {
  readonly id: Id | RawId;
  readonly metadata: unknown;
}

/** Decoders of rows of an index whose vectors have so many components. */
export class RowDecoder {
  readonly #vectorBytes: number;
  readonly #idCodec: IdCodec<Id | RawId>;

  constructor(dimensions: number, idCodec: IdCodec<Id | RawId>) {
    this.#vectorBytes = dimensions * 4;
    this.#idCodec = idCodec;
  }

  readonly whole: Decode<Row> = (memory, at, length) => ({
    ...this.head(memory, at, length),
    vector: this.vector(memory, at, length),
  });

  readonly head: Decode<RowHead> = (memory, at) => {
    const idAt = at + headBytes + this.#vectorBytes;
    const idBytes = memory[at] + memory[at + 1] * 256;
    return {
      id: this.#idCodec.decode(memory, idAt, idBytes),
      metadata: this.metadata(memory, at, 0),
    };
  };

  readonly metadata: Decode<unknown> = (memory, at) => {
    const bytes =
      memory[at + 4] +
      memory[at + 5] * 2 ** 8 +
      memory[at + 6] * 2 ** 16 +
      memory[at + 7] * 2 ** 24;
    if (bytes === 0) return undefined;
    const from = at + headBytes + this.#vectorBytes + memory[at] + memory[at + 1] * 256;
    return JSON.parse(decodeText(memory, from, bytes)) as unknown;
  };

  readonly vector: Decode<Float32Array> = (memory, at) => {
    const from = at + headBytes;
    return new Float32Array(memory.slice(from, from + this.#vectorBytes).buffer);
  };

  /** Copies a row's vector to `into[index]`, whole vectors one after the other. */
  copyVector(memory: Uint8Array, at: number, into: Uint8Array, index: number): void {
    const from = at + headBytes;
    into.set(memory.subarray(from, from + this.#vectorBytes), index * this.#vectorBytes);
  }
}

export function labelKey(label: number): Uint8Array {
  return writeLabelKey(new Uint8Array(4), label);
}

/** The same, into a key that is used again. */
export function writeLabelKey(key: Uint8Array, label: number): Uint8Array {
  key[0] = label >>> 24;
  key[1] = label >>> 16;
  key[2] = label >>> 8;
  key[3] = label;
  return key;
}

export function labelOfKey(key: Uint8Array, at = 0): number {
  return ((key[at] << 24) | (key[at + 1] << 16) | (key[at + 2] << 8) | key[at + 3]) >>> 0;
}

export function encodeLabel(label: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, label, true);
  return bytes;
}

/** A u32, as values of `ids` and under {@link nextKey} are. */
export const decodeLabel: Decode<number> = (memory, at) =>
  (memory[at] | (memory[at + 1] << 8) | (memory[at + 2] << 16) | (memory[at + 3] << 24)) >>> 0;

/** The key that says that `label` died at `seq`; the first one of a seq with label 0. */
export function deathKey(seq: number, label: number): Uint8Array {
  const key = new Uint8Array(13);
  key[0] = 1;
  const view = new DataView(key.buffer);
  view.setUint32(1, Math.floor(seq / 2 ** 32));
  view.setUint32(5, seq % 2 ** 32);
  view.setUint32(9, label);
  return key;
}

export function deathOfKey(key: Uint8Array): { seq: number; label: number } {
  return { seq: labelOfKey(key, 1) * 2 ** 32 + labelOfKey(key, 5), label: labelOfKey(key, 9) };
}
