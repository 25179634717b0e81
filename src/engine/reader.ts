/**
 * Reads: one record, many, a range. Every read names the epoch it sees; the caller has it pinned,
 * or reads the published one and is done in this turn.
 */
import type { Core, PackedKeys } from "../../bindings/core.ts";
import {
  columns,
  coreKeyBytesMax,
  foldEnds,
  gatherAt,
  gatherBytes,
  recordFlags,
  rowAbsent,
  rowsMax,
  scanFlags,
  status,
} from "../../bindings/status.ts";
import type { Decode, DecodeRecord } from "./decode.ts";
import {
  addFold,
  emptyFold,
  type FoldResult,
  type Gathered,
  type Gathering,
  type Program,
} from "./fold.ts";
import type { Pager } from "./pager.ts";
import { type Columns, Rows } from "./rows.ts";
import type { Steps } from "./steps.ts";
import type { Trees } from "./trees.ts";

/** Longest key of the API, in bytes. */
export const keyBytesMax = 1024;
/** Longest value, in bytes. */
export const valueBytesMax: number = 64 * 1024 * 1024;

/** Bounds of a scan; absent ones are open. */
export interface Range {
  readonly low?: Uint8Array | string;
  readonly lowExclusive?: boolean;
  readonly high?: Uint8Array | string;
  readonly highInclusive?: boolean;
  readonly reverse?: boolean;
}

/** Overflow pages read per call: as many as fit into the output area. */
const overflowPagesPerRead = 250;

export class Reader {
  readonly #core: Core;
  readonly #pager: Pager;
  readonly #trees: Trees;

  constructor(pager: Pager, trees: Trees) {
    this.#core = pager.core;
    this.#pager = pager;
    this.#trees = trees;
  }

  /** What to do about a result below zero; afterwards the call can be made again. */
  *#resolve(result: number, tree: number): Steps<void> {
    if (result === status.treeUnknown) throw this.#trees.unknown(tree);
    yield* this.#pager.resolve(result);
  }

  *read<T>(
    tree: number,
    key: Uint8Array | string,
    epoch: number,
    now: number,
    decode: DecodeRecord<T>,
  ): Steps<T | undefined> {
    const core = this.#core;
    for (;;) {
      const keyLength = core.writeKey(key, 0, coreKeyBytesMax);
      const flags = core.exports.get(tree, epoch, keyLength, now);
      if (flags === status.notFound) return undefined;
      if (flags < 0) {
        yield* this.#resolve(flags, tree);
        continue;
      }
      const { valueAddress, valueBytes } = core;
      if ((flags & recordFlags.overflow) === 0) {
        return decode(core.bytes, valueAddress, valueBytes, core);
      }
      const record = { seq: core.seq, expiresAt: core.expiresAt };
      const descriptor = core.bytes.slice(valueAddress, valueAddress + valueBytes);
      const value = yield* this.readLarge(descriptor);
      return decode(value, 0, value.length, record);
    }
  }

  /** Lends a value to `fn`; a value in overflow pages is gathered first. */
  *view<T>(
    tree: number,
    key: Uint8Array | string,
    epoch: number,
    now: number,
    fn: (bytes: Uint8Array) => T,
  ): Steps<T | undefined> {
    const core = this.#core;
    return yield* this.read(tree, key, epoch, now, (memory, at, length) => {
      if (memory !== core.bytes) return fn(memory.subarray(at, at + length));
      return core.lend(at, length, fn);
    });
  }

  /** The value that an overflow descriptor leads to. */
  *readLarge(descriptor: Uint8Array): Steps<Uint8Array> {
    const core = this.#core;
    const view = new DataView(descriptor.buffer, descriptor.byteOffset, descriptor.length);
    const valueBytes = view.getUint32(0, true);
    const value = new Uint8Array(valueBytes);
    let skip = -1;
    let filled = 0;
    for (let at = 4; at < descriptor.length; at += 8) {
      let id = view.getUint32(at, true) + view.getUint16(at + 4, true) * 2 ** 32;
      let left = view.getUint16(at + 6, true);
      while (left > 0) {
        const bytes = core.exports.overflowRead(id, Math.min(left, overflowPagesPerRead));
        if (bytes < 0) {
          yield* this.#pager.resolve(bytes);
          continue;
        }
        const pages = core.consumed;
        let from = core.outputAddress;
        const end = from + bytes;
        // The content begins with the key that owns it.
        if (skip < 0) skip = 2 + core.bytes[from] + core.bytes[from + 1] * 256;
        const drop = Math.min(skip, bytes);
        skip -= drop;
        from += drop;
        value.set(core.bytes.subarray(from, Math.min(end, from + valueBytes - filled)), filled);
        filled += end - from;
        id += pages;
        left -= pages;
      }
    }
    return value;
  }

  /** Looks many keys up in one crossing per batch; undefined where there is no record. */
  *readMany<T>(
    tree: number,
    keys: readonly (Uint8Array | string)[],
    epoch: number,
    now: number,
    decode: Decode<T>,
  ): Steps<(T | undefined)[]> {
    const core = this.#core;
    const found: (T | undefined)[] = new Array(keys.length);
    let done = 0;
    while (done < keys.length) {
      const count = core.writeKeys(keys, done);
      const rows = core.exports.getMany(tree, epoch, count, now, scanFlags.values);
      if (rows < 0) {
        yield* this.#resolve(rows, tree);
        continue;
      }
      const large = this.#decodeMany(rows, done, found, decode);
      for (const { at, descriptor } of large) {
        const value = yield* this.readLarge(descriptor);
        found[at] = decode(value, 0, value.length);
      }
      done += rows;
    }
    return found;
  }

  /** Fills `found` from `done` on with the rows in the output area; the large ones are left. */
  #decodeMany<T>(
    rows: number,
    done: number,
    found: (T | undefined)[],
    decode: Decode<T>,
  ): { readonly at: number; readonly descriptor: Uint8Array }[] {
    const { output, valueEnds, valueColumnBytes } = this.#core;
    const large: { at: number; descriptor: Uint8Array }[] = [];
    // One copy for all values: nothing of a row is touched again until somebody looks at it.
    const values = output.slice(columns.values, columns.values + valueColumnBytes);
    let from = 0;
    for (let row = 0; row < rows; row++) {
      const end = valueEnds[row];
      const flags = output[columns.flags + row];
      if (flags !== rowAbsent) {
        if ((flags & recordFlags.overflow) === 0) {
          found[done + row] = decode(values, from, end - from);
        } else large.push({ at: done + row, descriptor: values.subarray(from, end) });
      }
      from = end;
    }
    return large;
  }

  /** The seqs of the records' last changes; undefined where there is no record. */
  *readSeqs(
    tree: number,
    keys: readonly (Uint8Array | string)[],
    epoch: number,
    now: number,
  ): Steps<(number | undefined)[]> {
    const core = this.#core;
    const found: (number | undefined)[] = new Array(keys.length);
    let done = 0;
    while (done < keys.length) {
      const count = core.writeKeys(keys, done);
      const rows = core.exports.getMany(tree, epoch, count, now, scanFlags.meta);
      if (rows < 0) {
        yield* this.#resolve(rows, tree);
        continue;
      }
      const seqs = core.columnF64(columns.seqs, rows);
      for (let row = 0; row < rows; row++) {
        if (core.output[columns.flags + row] !== rowAbsent) found[done + row] = seqs[row];
      }
      done += rows;
    }
    return found;
  }

  /**
   * The first key that has a record (`isPresent`), or has none; -1 for none. Nothing is copied but
   * the keys.
   */
  *find(tree: number, keys: PackedKeys, epoch: number, isPresent: boolean): Steps<number> {
    const core = this.#core;
    let done = 0;
    while (done < keys.count) {
      const count = core.writePackedKeys(keys, done);
      const rows = core.exports.getMany(tree, epoch, count, 0, 0);
      if (rows < 0) {
        yield* this.#resolve(rows, tree);
        continue;
      }
      for (let row = 0; row < rows; row++) {
        if ((core.output[columns.flags + row] !== rowAbsent) === isPresent) return done + row;
      }
      done += rows;
    }
    return -1;
  }

  /** One batch of a range: up to `limit` rows, fewer when the columns are full. */
  *scan(
    tree: number,
    range: Range,
    epoch: number,
    now: number,
    limit: number,
    wanted: Columns,
  ): Steps<Rows> {
    const core = this.#core;
    const flags =
      (range.reverse ? scanFlags.reverse : 0) |
      (range.lowExclusive ? scanFlags.afterLow : 0) |
      (range.highInclusive ? scanFlags.throughHigh : 0) |
      (wanted.keys ? scanFlags.keys : 0) |
      (wanted.values ? scanFlags.values : 0) |
      (wanted.meta ? scanFlags.meta : 0) |
      (wanted.program === undefined ? 0 : scanFlags.program);
    for (;;) {
      if (wanted.program !== undefined) core.setProgram(wanted.program);
      const low = range.low === undefined ? -1 : core.writeKey(range.low, 0, coreKeyBytesMax);
      const highAt = Math.max(low, 0);
      const high =
        range.high === undefined ? -1 : core.writeKey(range.high, highAt, coreKeyBytesMax);
      const most = Math.min(limit, rowsMax);
      const rows = core.exports.scan(tree, epoch, flags, low, high, now, most);
      if (rows < 0) {
        yield* this.#resolve(rows, tree);
        continue;
      }
      const batch = new Rows(core, rows, wanted, core.more);
      if (wanted.values) {
        for (let row = 0; row < batch.count; row++) {
          if (batch.isLarge(row)) batch.setLarge(row, yield* this.readLarge(batch.value(row)));
        }
      }
      return batch;
    }
  }

  /**
   * Gathers over the table rows of a range that pass a program; undefined where there are rows that
   * only the host can judge.
   */
  *fold(
    tree: number,
    range: Range,
    epoch: number,
    program: Program,
  ): Steps<FoldResult | undefined> {
    const core = this.#core;
    const result = emptyFold(program);
    let { low, lowExclusive } = range;
    const { high } = range;
    for (;;) {
      const flags =
        (lowExclusive ? scanFlags.afterLow : 0) | (range.highInclusive ? scanFlags.throughHigh : 0);
      core.setProgram(program.bytes);
      const lowBytes = low === undefined ? -1 : core.writeKey(low, 0, coreKeyBytesMax);
      const highAt = Math.max(lowBytes, 0);
      const highBytes = high === undefined ? -1 : core.writeKey(high, highAt, coreKeyBytesMax);
      const end = core.exports.fold(tree, epoch, flags, lowBytes, highBytes);
      if (end < 0) {
        yield* this.#resolve(end, tree);
        continue;
      }
      if (end === foldEnds.undecided) return undefined;
      addFold(result, program, core);
      if (end === foldEnds.done) return result;
      low = core.output.slice(columns.keys, columns.keys + core.keyColumnBytes);
      lowExclusive = true;
    }
  }

  /**
   * Gathers columns of the first rows of a range, as many as there is room for; undefined where the
   * host must look at rows. `decode` gets the plan and the room behind it.
   */
  *gather<T>(
    tree: number,
    range: Range,
    epoch: number,
    { program, plan }: Gathering,
    decode: Decode<T>,
  ): Steps<Gathered<T> | undefined> {
    const core = this.#core;
    const flags =
      (range.lowExclusive ? scanFlags.afterLow : 0) |
      (range.highInclusive ? scanFlags.throughHigh : 0);
    for (;;) {
      core.setProgram(program);
      core.output.set(plan, gatherAt);
      const low = range.low === undefined ? -1 : core.writeKey(range.low, 0, coreKeyBytesMax);
      const highAt = Math.max(low, 0);
      const high =
        range.high === undefined ? -1 : core.writeKey(range.high, highAt, coreKeyBytesMax);
      const end = core.exports.fold(tree, epoch, flags, low, high);
      if (end < 0) {
        yield* this.#resolve(end, tree);
        continue;
      }
      if (end === foldEnds.undecided) return undefined;
      const keys = core.output.subarray(columns.keys, columns.keys + core.keyColumnBytes);
      const resume = end === foldEnds.more ? keys.slice() : undefined;
      return { value: decode(core.bytes, core.outputAddress + gatherAt, gatherBytes), resume };
    }
  }

  /**
   * The records of `tree` whose keys the entries of a range of `index` hold, in the order of the
   * entries, and how many entries there were: `limit` at most. `keyAt` says where such a key begins
   * in the key of an entry, which ends with it.
   */
  *readEntries(
    index: number,
    range: Range,
    epoch: number,
    limit: number,
    keyAt: (bytes: Uint8Array, at: number) => number,
    tree: number,
    take: Decode<void>,
  ): Steps<{ readonly entries: number; readonly resume: Uint8Array | undefined }> {
    const wanted = { keys: true, values: false, meta: false };
    const rows = yield* this.scan(index, range, epoch, 0, limit, wanted);
    const keys = rows.suffixes(keyAt);
    const core = this.#core;
    let done = 0;
    while (done < keys.count) {
      const count = core.writePackedKeys(keys, done);
      const found = core.exports.getMany(tree, epoch, count, 0, scanFlags.values);
      if (found < 0) {
        yield* this.#resolve(found, tree);
        continue;
      }
      yield* this.#takeMany(found, take);
      done += found;
    }
    return { entries: rows.count, resume: rows.resume };
  }

  /** Hands the rows in the output area out, in their order. */
  *#takeMany(rows: number, take: Decode<void>): Steps<void> {
    const { output, valueEnds, valueColumnBytes } = this.#core;
    // Copies: what takes a row may call the core.
    const values = output.slice(columns.values, columns.values + valueColumnBytes);
    const flags = output.slice(columns.flags, columns.flags + rows);
    const ends = valueEnds.slice(0, rows);
    let from = 0;
    for (let row = 0; row < rows; row++) {
      const end = ends[row];
      if (flags[row] !== rowAbsent) {
        if ((flags[row] & recordFlags.overflow) === 0) take(values, from, end - from);
        else {
          const value = yield* this.readLarge(values.subarray(from, end));
          take(value, 0, value.length);
        }
      }
      from = end;
    }
  }

  /** Records with low <= key < high; an empty high is no bound. */
  *countRange(
    tree: number,
    low: Uint8Array | string,
    high: Uint8Array | string,
    epoch: number,
  ): Steps<number> {
    const core = this.#core;
    for (;;) {
      const lowLength = core.writeKey(low, 0, coreKeyBytesMax);
      const highLength = core.writeKey(high, lowLength, coreKeyBytesMax);
      const result = core.exports.countRange(tree, epoch, lowLength, highLength);
      if (result === 0) return core.count;
      yield* this.#resolve(result, tree);
    }
  }
}
