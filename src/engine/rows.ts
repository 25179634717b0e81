/** Rows of a batch, copied out of the core's columns: two copies for the batch, none per row. */
import type { Core } from "../../bindings/core.ts";
import { columns, recordFlags, rowAbsent, rowSkipped } from "../../bindings/status.ts";
import type { Decode } from "./decode.ts";

// A key may begin with U+FEFF, which is no byte order mark there.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const noNumbers = new Float64Array(0);

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
  readonly #keys: Uint8Array;
  readonly #keyEnds: Uint32Array;
  readonly #values: Uint8Array;
  readonly #valueEnds: Uint32Array;
  readonly #flags: Uint8Array;
  readonly #seqs: Float64Array;
  readonly #expires: Float64Array;
  /** Values from overflow pages, by row. */
  readonly #large: Map<number, Uint8Array> = new Map();
  /** All keys as one string, when they are ASCII: then offsets in it are offsets in bytes. */
  #text: string | undefined;

  constructor(core: Core, rows: number, wanted: Columns, more: boolean) {
    const keyBytes = core.keyColumnBytes;
    const keysAt = core.outputAddress + columns.keys;
    this.#keyEnds = core.columnU32(columns.keyEnds, wanted.keys ? rows : 0).slice();
    this.#keys = core.bytes.slice(keysAt, keysAt + keyBytes);
    const flagsAt = core.outputAddress + columns.flags;
    this.#flags = core.bytes.slice(flagsAt, flagsAt + rows);
    const valuesAt = core.outputAddress + columns.values;
    const valueBytes = wanted.values ? core.valueColumnBytes : 0;
    this.#values = core.bytes.slice(valuesAt, valuesAt + valueBytes);
    this.#valueEnds = core.columnU32(columns.valueEnds, wanted.values ? rows : 0).slice();
    this.#seqs = wanted.meta ? core.columnF64(columns.seqs, rows).slice() : noNumbers;
    this.#expires = wanted.meta ? core.columnF64(columns.expires, rows).slice() : noNumbers;
    const skipped = rows > 0 && this.#flags[rows - 1] === rowSkipped;
    this.count = skipped ? rows - 1 : rows;
    this.more = more;
    this.resume = more && rows > 0 && wanted.keys ? this.key(rows - 1) : undefined;
  }

  key(row: number): Uint8Array {
    return this.#keys.subarray(row === 0 ? 0 : this.#keyEnds[row - 1], this.#keyEnds[row]);
  }

  keyText(row: number): string {
    this.#text ??= decoder.decode(this.#keys);
    if (this.#text.length !== this.#keys.length) return decoder.decode(this.key(row));
    return this.#text.slice(row === 0 ? 0 : this.#keyEnds[row - 1], this.#keyEnds[row]);
  }

  /** The value; views share one buffer with the other rows of the batch. */
  value(row: number): Uint8Array {
    const large = this.#large.size === 0 ? undefined : this.#large.get(row);
    return (
      large ?? this.#values.subarray(row === 0 ? 0 : this.#valueEnds[row - 1], this.#valueEnds[row])
    );
  }

  /**
   * Hands a value to a decoder without a view of its own. Needs the `values` and `meta` columns.
   */
  decode<T>(row: number, decode: Decode<T>): T {
    const large = this.#large.size === 0 ? undefined : this.#large.get(row);
    const seq = this.#seqs[row];
    const expiresAt = this.#expires[row];
    if (large !== undefined) return decode(large, 0, large.length, seq, expiresAt);
    const at = row === 0 ? 0 : this.#valueEnds[row - 1];
    return decode(this.#values, at, this.#valueEnds[row] - at, seq, expiresAt);
  }

  /** False for a row of `readMany` whose key has no record. */
  has(row: number): boolean {
    return this.#flags[row] !== rowAbsent;
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
    const flags = this.#flags[row];
    return flags < rowSkipped && (flags & recordFlags.overflow) !== 0;
  }
  setLarge(row: number, value: Uint8Array): void {
    this.#large.set(row, value);
  }
}
