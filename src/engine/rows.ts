/**
 * Rows of a batch, copied out of the core's columns into one buffer. An array of its own for each
 * column would cost more than all the copying: 5.1 instead of 1.5 microseconds for 100 rows.
 */
import type { Core } from "../../bindings/core.ts";
import { columns, recordFlags, rowSkipped } from "../../bindings/status.ts";
import type { Decode } from "./decode.ts";

// A key may begin with U+FEFF, which is no byte order mark there.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Which columns a scan fills. */
export interface Columns {
  readonly keys: boolean;
  readonly values: boolean;
  readonly meta: boolean;
}

/** Rows in the order of the scan. Nothing in it points into Wasm memory. */
export class Rows {
  readonly count: number;
  /** The range may hold more rows behind these. */
  readonly more: boolean;
  /** The last key that the batch has come to, expired records included; to go on behind. */
  readonly resume: Uint8Array | undefined;
  /** All columns: seqs, expiry times, ends of keys, ends of values, flags, keys, values. */
  readonly #bytes: Uint8Array;
  readonly #seqs: Float64Array;
  readonly #expires: Float64Array;
  readonly #keyEnds: Uint32Array;
  readonly #valueEnds: Uint32Array;
  readonly #flagsAt: number;
  readonly #keysAt: number;
  readonly #valuesAt: number;
  /** Values from overflow pages, by row. */
  #large: Map<number, Uint8Array> | undefined;
  /** All keys as one string, when they are ASCII: then offsets in it are offsets in bytes. */
  #text: string | undefined;

  constructor(core: Core, rows: number, wanted: Columns, more: boolean) {
    const metaRows = wanted.meta ? rows : 0;
    const keyRows = wanted.keys ? rows : 0;
    const valueRows = wanted.values ? rows : 0;
    const keyBytes = core.keyColumnBytes;
    const valueBytes = wanted.values ? core.valueColumnBytes : 0;
    const keyEndsAt = metaRows * 16;
    const valueEndsAt = keyEndsAt + keyRows * 4;
    this.#flagsAt = valueEndsAt + valueRows * 4;
    this.#keysAt = this.#flagsAt + rows;
    this.#valuesAt = this.#keysAt + keyBytes;
    const bytes = new Uint8Array(this.#valuesAt + valueBytes);
    const copy = (column: number, count: number, to: number): void => {
      if (count > 0) bytes.set(core.output.subarray(column, column + count), to);
    };
    copy(columns.seqs, metaRows * 8, 0);
    copy(columns.expires, metaRows * 8, metaRows * 8);
    copy(columns.keyEnds, keyRows * 4, keyEndsAt);
    copy(columns.valueEnds, valueRows * 4, valueEndsAt);
    copy(columns.flags, rows, this.#flagsAt);
    copy(columns.keys, keyBytes, this.#keysAt);
    copy(columns.values, valueBytes, this.#valuesAt);
    const { buffer } = bytes;
    this.#bytes = bytes;
    this.#seqs = new Float64Array(buffer, 0, metaRows);
    this.#expires = new Float64Array(buffer, metaRows * 8, metaRows);
    this.#keyEnds = new Uint32Array(buffer, keyEndsAt, keyRows);
    this.#valueEnds = new Uint32Array(buffer, valueEndsAt, valueRows);
    const skipped = rows > 0 && bytes[this.#flagsAt + rows - 1] === rowSkipped;
    this.count = skipped ? rows - 1 : rows;
    this.more = more;
    this.resume = more && rows > 0 && wanted.keys ? this.key(rows - 1) : undefined;
  }

  key(row: number): Uint8Array {
    const from = row === 0 ? 0 : this.#keyEnds[row - 1];
    // Not `subarray`, which takes twice as long.
    return new Uint8Array(this.#bytes.buffer, this.#keysAt + from, this.#keyEnds[row] - from);
  }

  keyText(row: number): string {
    const keyBytes = this.#valuesAt - this.#keysAt;
    this.#text ??= decoder.decode(this.#bytes.subarray(this.#keysAt, this.#valuesAt));
    if (this.#text.length !== keyBytes) return decoder.decode(this.key(row));
    return this.#text.slice(row === 0 ? 0 : this.#keyEnds[row - 1], this.#keyEnds[row]);
  }

  /** The value; views share one buffer with the other rows of the batch. */
  value(row: number): Uint8Array {
    const large = this.#large?.get(row);
    if (large !== undefined) return large;
    const from = row === 0 ? 0 : this.#valueEnds[row - 1];
    return new Uint8Array(this.#bytes.buffer, this.#valuesAt + from, this.#valueEnds[row] - from);
  }

  /**
   * Hands a value to a decoder without a view of its own. The memory belongs to the rows alone and
   * may be kept.
   */
  decode<T>(row: number, decode: Decode<T>): T {
    const large = this.#large?.get(row);
    if (large !== undefined) return decode(large, 0, large.length);
    const from = row === 0 ? 0 : this.#valueEnds[row - 1];
    return decode(this.#bytes, this.#valuesAt + from, this.#valueEnds[row] - from);
  }

  seq(row: number): number {
    return this.#seqs[row];
  }
  /** Unix milliseconds; 0 for never. */
  expiresAt(row: number): number {
    return this.#expires[row];
  }

  /** True where `value` is an overflow descriptor that must be replaced by `setLarge`. */
  isLarge(row: number): boolean {
    const flags = this.#bytes[this.#flagsAt + row];
    return flags < rowSkipped && (flags & recordFlags.overflow) !== 0;
  }
  setLarge(row: number, value: Uint8Array): void {
    this.#large ??= new Map();
    this.#large.set(row, value);
  }
}
