/** What statements read from and write to: a snapshot, a commit at its turn, or a transaction. */
import type {
  Decode,
  EffectBuffer,
  Engine,
  FoldResult,
  Gathered,
  Gathering,
  Program,
  Range,
  Snapshot,
  Steps,
  Turn,
} from "../engine/index.ts";
import {
  type Attempt,
  type Key,
  type OverlayWrite,
  ownedBytes,
  type RowBatch,
  type RowSource,
  type Tree,
  TreeRows,
} from "../transaction/index.ts";
import type { KeyBatch } from "./key-batch.ts";
import type { TableIndex } from "./table-index.ts";

/** Reads of tables. Keys are not kept, unless a read has to wait: then they must not change. */
export interface TableReader {
  read<T>(tree: Tree, key: Key, decode: Decode<T>): Steps<T | undefined>;
  /** In the order of the keys, undefined where there is no record. */
  readMany<T>(tree: Tree, keys: readonly Key[], decode: Decode<T>): Steps<(T | undefined)[]>;
  /**
   * Records in the order of their keys. With a program (`programOf`), rows that do not pass may be
   * left out; those that come have to be judged all the same.
   */
  scan(tree: Tree, range: Range, hasValues: boolean, program?: Program): RowSource;
  /** How many records a range has: exact, and in a time that hardly grows with the number. */
  count(tree: Tree, range: Range): Steps<number>;
}

/**
 * Reads and writes of one statement. What it writes, it does not read again: that is up to the
 * statement. `checked` reads must still be true when a transaction commits.
 */
export interface TableWriter extends TableReader {
  checked(): TableReader;
  /** The first of these keys that has a record (`isPresent`), or has none; -1 for none. */
  find(tree: Tree, keys: KeyBatch, isPresent: boolean): Steps<number>;
  put(tree: Tree, key: Uint8Array, value: Uint8Array): void;
  delete(tree: Tree, key: Uint8Array): void;
}

const isThere: Decode<true> = () => true;
const noBytes = new Uint8Array(0);
const rowsPerBatch = 4_096;

/**
 * One state: a snapshot, the newest within a commit, or (undefined) the newest that is published.
 * Table rows never expire.
 */
export class StateReader implements TableReader {
  readonly engine: Engine;
  readonly #at: Snapshot | "newest" | undefined;

  constructor(engine: Engine, at: Snapshot | "newest" | undefined) {
    this.engine = engine;
    this.#at = at;
  }

  read<T>(tree: Tree, key: Key, decode: Decode<T>): Steps<T | undefined> {
    return this.engine.readSteps(tree.id, key, this.#at, 0, decode);
  }

  readMany<T>(tree: Tree, keys: readonly Key[], decode: Decode<T>): Steps<(T | undefined)[]> {
    return this.engine.readManySteps(tree.id, keys, this.#at, 0, decode);
  }

  scan(tree: Tree, range: Range, hasValues: boolean, program?: Program): RowSource {
    const columns = { values: hasValues, meta: false, program: program?.bytes };
    return new TreeRows(this.engine, tree, range, { at: this.#at, now: 0 }, columns);
  }

  /**
   * Gathers over the rows of a range that pass a program without taking them out of the core;
   * undefined where there are rows that only the host can judge: older layouts, very long rows.
   */
  fold(tree: Tree, range: Range, program: Program): Steps<FoldResult | undefined> {
    return this.engine.foldSteps(tree.id, range, this.#at, program);
  }

  /**
   * Gathers columns of the first rows of a range (`gather.ts`); undefined where there are rows that
   * only the host can judge.
   */
  gather<T>(
    tree: Tree,
    range: Range,
    gathering: Gathering,
    decode: Decode<T>,
  ): Steps<Gathered<T> | undefined> {
    return this.engine.gatherSteps(tree.id, range, this.#at, gathering, decode);
  }

  /**
   * Hands `take` the rows that the entries of an index lead to, in the order of the entries, of
   * which it looks at `limit` at most. Their keys must hold the primary keys.
   */
  readEntries(
    index: TableIndex,
    range: Range,
    limit: number,
    rows: Tree,
    take: Decode<void>,
  ): Steps<{ readonly entries: number; readonly resume: Uint8Array | undefined }> {
    const { tree, rowKeyAt } = index;
    return this.engine.readEntriesSteps(tree.id, range, this.#at, limit, rowKeyAt, rows.id, take);
  }

  *count(tree: Tree, range: Range): Steps<number> {
    if (range.low === undefined && range.high === undefined) {
      return this.engine.records(tree.id, this.#at);
    }
    const low = boundOf(range.low, range.lowExclusive === true);
    const high = boundOf(range.high, range.highInclusive === true);
    return yield* this.engine.countRangeSteps(tree.id, low, high, this.#at);
  }
}

/** The bound, or the first key behind it. */
function boundOf(bound: Key | undefined, isBehind: boolean): Uint8Array {
  if (bound === undefined) return noBytes;
  const bytes = typeof bound === "string" ? new TextEncoder().encode(bound) : bound;
  if (!isBehind) return bytes;
  const next = new Uint8Array(bytes.length + 1);
  next.set(bytes);
  return next;
}

/**
 * A commit that decides at its turn: writes go straight to its effects, except for those of trees
 * that encode them by themselves. `finish` must be run at the end, or those are lost.
 */
export class CommitWriter extends StateReader implements TableWriter {
  readonly #effects: EffectBuffer;
  /** Writes of trees that encode them by themselves, all of them at the end. */
  #late: Map<Tree, Map<string, OverlayWrite>> | undefined;

  constructor(engine: Engine, effects: EffectBuffer) {
    super(engine, "newest");
    this.#effects = effects;
  }

  /** Encodes what is left of a statement's writes. */
  *finish(turn: Turn): Steps<void> {
    for (const [tree, writes] of this.#late ?? []) {
      yield* (tree.write as NonNullable<Tree["write"]>)(this.#effects, turn, [...writes.values()]);
    }
  }

  #setLate(tree: Tree, key: Uint8Array, value: Uint8Array | undefined): void {
    this.#late ??= new Map();
    let writes = this.#late.get(tree);
    if (writes === undefined) {
      writes = new Map();
      this.#late.set(tree, writes);
    }
    writes.set(String.fromCharCode(...key), { key, value });
  }

  /** Nobody can come between. */
  checked(): TableReader {
    return this;
  }

  find(tree: Tree, keys: KeyBatch, isPresent: boolean): Steps<number> {
    return this.engine.findSteps(tree.id, keys, "newest", isPresent);
  }

  put(tree: Tree, key: Uint8Array, value: Uint8Array): void {
    if (tree.write === undefined) this.#effects.put(tree.id, key, value);
    else this.#setLate(tree, key.slice(), value);
  }

  delete(tree: Tree, key: Uint8Array): void {
    if (tree.write === undefined) this.#effects.delete(tree.id, key);
    else this.#setLate(tree, key.slice(), undefined);
  }
}

/** A transaction: reads see what it has written; a statement's writes arrive when it has ended. */
export class TransactionWriter implements TableWriter {
  readonly #attempt: Attempt;
  readonly #isChecked: boolean;
  #writes: { tree: Tree; key: Uint8Array; value: Uint8Array | undefined }[] = [];

  constructor(attempt: Attempt, isChecked: boolean = false) {
    this.#attempt = attempt;
    this.#isChecked = isChecked;
  }

  checked(): TableReader {
    return new TransactionWriter(this.#attempt, true);
  }

  read<T>(tree: Tree, key: Key, decode: Decode<T>): Steps<T | undefined> {
    return this.#attempt.read(tree, key, decode, this.#isChecked);
  }

  *readMany<T>(tree: Tree, keys: readonly Key[], decode: Decode<T>): Steps<(T | undefined)[]> {
    const found: (T | undefined)[] = [];
    for (const key of keys) found.push(yield* this.read(tree, key, decode));
    return found;
  }

  scan(tree: Tree, range: Range, hasValues: boolean): RowSource {
    return this.#attempt.scan(tree, range, hasValues, this.#isChecked);
  }

  *count(tree: Tree, range: Range): Steps<number> {
    const rows = this.scan(tree, range, false);
    let count = 0;
    for (;;) {
      const batch: RowBatch | undefined = yield* rows.next(rowsPerBatch);
      if (batch === undefined) return count;
      count += batch.count;
    }
  }

  *find(tree: Tree, keys: KeyBatch, isPresent: boolean): Steps<number> {
    for (let index = 0; index < keys.count; index++) {
      const found = yield* this.read(tree, keys.key(index), isThere);
      if ((found === true) === isPresent) return index;
    }
    return -1;
  }

  put(tree: Tree, key: Uint8Array, value: Uint8Array): void {
    this.#writes.push({ tree, key: ownedBytes(key), value: ownedBytes(value) });
  }

  delete(tree: Tree, key: Uint8Array): void {
    this.#writes.push({ tree, key: ownedBytes(key), value: undefined });
  }

  /** Stages what the statement has written: all of it, or, when it failed, nothing. */
  flush(): void {
    for (const { tree, key, value } of this.#writes) {
      if (value === undefined) this.#attempt.delete(tree, key);
      else this.#attempt.put(tree, key, value, undefined);
    }
    this.#writes = [];
  }
}
