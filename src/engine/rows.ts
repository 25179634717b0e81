/**
 * Rows of a batch, copied out of the core's columns into one buffer. An array of its own for each
 * column would cost more than all the copying: 5.1 instead of 1.5 microseconds for 100 rows.
 */
import type { Core, PackedKeys } from "../../bindings/core.ts";
import { columns, recordFlags, rowSkipped } from "../../bindings/status.ts";
import type { Decode } from "./decode.ts";

// A key may begin with U+FEFF, which is no byte order mark there.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Which columns a scan fills. */
export interface Columns {
  readonly keys: boolean;
  readonly values: boolean;
  readonly meta: boolean;
  /** Leaves out table rows that do not pass; what is handed out may still hold some. */
  readonly program?: Uint8Array | undefined;
}

/** Rows in the order of the scan. Nothing in it points into Wasm memory. */
export class Rows {
  readonly count: number;
  /** The range may hold more rows behind these. */
  readonly more: boolean;
  /** Rows in the columns: one more than `count` when the last only says how far the batch came. */
  readonly #rows: number;
  /** All columns: ends of keys, ends of values, seqs, expiry times, flags, keys, values. */
  readonly #bytes: Uint8Array;
  readonly #buffer: ArrayBuffer;
  /** Ends of keys, then ends of values. */
  readonly #ends: Uint32Array;
  /** Seqs, then expiry times; only with the `meta` column. */
  readonly #meta: Float64Array | undefined;
  readonly #hasKeys: boolean;
  /** Where the ends of values begin in `#ends`. */
  readonly #valueEndsAt: number;
  readonly #flagsAt: number;
  readonly #keysAt: number;
  readonly #valuesAt: number;
  /** Values from overflow pages, by row. */
  #large: Map<number, Uint8Array> | undefined;
  /** All keys as one string, when they are ASCII: then offsets in it are offsets in bytes. */
  #text: string | undefined;

  constructor(core: Core, rows: number, wanted: Columns, more: boolean) {
    const keyRows = wanted.keys ? rows : 0;
    const valueRows = wanted.values ? rows : 0;
    const keyBytes = core.keyColumnBytes;
    const valueBytes = wanted.values ? core.valueColumnBytes : 0;
    // Eight bytes for each row, whichever columns there are: the f64 behind them are aligned.
    const metaAt = rows * 8;
    const flagsAt = metaAt + (wanted.meta ? rows * 16 : 0);
    const keysAt = flagsAt + rows;
    const valuesAt = keysAt + keyBytes;
    const bytes = new Uint8Array(valuesAt + valueBytes);
    const { output } = core;
    copy(bytes, 0, output, columns.keyEnds, keyRows * 4);
    copy(bytes, keyRows * 4, output, columns.valueEnds, valueRows * 4);
    if (wanted.meta) {
      copy(bytes, metaAt, output, columns.seqs, rows * 8);
      copy(bytes, metaAt + rows * 8, output, columns.expires, rows * 8);
      this.#meta = new Float64Array(bytes.buffer, metaAt, rows * 2);
    }
    copy(bytes, flagsAt, output, columns.flags, rows);
    copy(bytes, keysAt, output, columns.keys, keyBytes);
    copy(bytes, valuesAt, output, columns.values, valueBytes);
    const skipped = rows > 0 && bytes[flagsAt + rows - 1] === rowSkipped;
    this.#bytes = bytes;
    this.#buffer = bytes.buffer;
    this.#ends = new Uint32Array(bytes.buffer, 0, keyRows + valueRows);
    this.#hasKeys = wanted.keys;
    this.#valueEndsAt = keyRows;
    this.#flagsAt = flagsAt;
    this.#keysAt = keysAt;
    this.#valuesAt = valuesAt;
    this.#rows = rows;
    this.count = skipped ? rows - 1 : rows;
    this.more = more;
  }

  /** The last key that the batch has come to, expired records included; to go on behind. */
  get resume(): Uint8Array | undefined {
    return this.more && this.#rows > 0 && this.#hasKeys ? this.key(this.#rows - 1) : undefined;
  }

  key(row: number): Uint8Array {
    const from = row === 0 ? 0 : this.#ends[row - 1];
    // Not `subarray`, which takes twice as long.
    return new Uint8Array(this.#buffer, this.#keysAt + from, this.#ends[row] - from);
  }

  /** What the keys end with: `keyAt` says where that begins in the key at `at`. */
  suffixes(keyAt: (bytes: Uint8Array, at: number) => number): PackedKeys {
    const all = this.#bytes;
    const bytes = new Uint8Array(this.#valuesAt - this.#keysAt);
    const starts = new Uint32Array(this.count + 1);
    let from = this.#keysAt;
    let length = 0;
    for (let row = 0; row < this.count; row++) {
      const end = this.#keysAt + this.#ends[row];
      for (let at = keyAt(all, from); at < end; at++) bytes[length++] = all[at];
      starts[row + 1] = length;
      from = end;
    }
    return { count: this.count, bytes, start: (index) => starts[index] };
  }

  keyText(row: number): string {
    const keyBytes = this.#valuesAt - this.#keysAt;
    this.#text ??= decoder.decode(this.#bytes.subarray(this.#keysAt, this.#valuesAt));
    if (this.#text.length !== keyBytes) return decoder.decode(this.key(row));
    return this.#text.slice(row === 0 ? 0 : this.#ends[row - 1], this.#ends[row]);
  }

  /** The value; views share one buffer with the other rows of the batch. */
  value(row: number): Uint8Array {
    const large = this.#large?.get(row);
    if (large !== undefined) return large;
    const at = this.#valueEndsAt + row;
    const from = row === 0 ? 0 : this.#ends[at - 1];
    return new Uint8Array(this.#buffer, this.#valuesAt + from, this.#ends[at] - from);
  }

  /**
   * Hands a value to a decoder without a view of its own. The memory belongs to the rows alone and
   * may be kept.
   */
  decode<T>(row: number, decode: Decode<T>): T {
    const large = this.#large?.get(row);
    if (large !== undefined) return decode(large, 0, large.length);
    const at = this.#valueEndsAt + row;
    const from = row === 0 ? 0 : this.#ends[at - 1];
    return decode(this.#bytes, this.#valuesAt + from, this.#ends[at] - from);
  }

  /** Needs the `meta` column, as does {@link expiresAt}. */
  seq(row: number): number {
    return (this.#meta as Float64Array)[row];
  }
  /** Unix milliseconds; 0 for never. */
  expiresAt(row: number): number {
    return (this.#meta as Float64Array)[this.#rows + row];
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

function copy(
  target: Uint8Array,
  at: number,
  source: Uint8Array,
  from: number,
  bytes: number,
): void {
  if (bytes > 0) target.set(source.subarray(from, from + bytes), at);
}
