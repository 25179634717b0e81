/** Where iterators get their rows from, batch by batch. */
import type { Columns, Decode, Engine, Range, Rows, Snapshot, Steps } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import { compareBytes, type Key, keyBytes, mapKey, ownedBytes } from "./key.ts";
import { expiryOf, isExpired } from "./lifetime.ts";
import type { OrderedStaged, Overlay } from "./overlay.ts";
import type { Tree } from "./tree.ts";

/** The part of the engine's rows that iterators use. */
export interface RowBatch {
  readonly count: number;
  key(index: number): Uint8Array;
  keyText(index: number): string;
  /** May share memory with the other rows of the batch, and with nothing else. */
  value(index: number): Uint8Array;
  decode<T>(index: number, decode: Decode<T>): T;
}

export interface RowSource {
  /** The next rows, at most `limit` and perhaps none; undefined at the end. */
  next(limit: number): Steps<RowBatch | undefined>;
}

/** The state a source reads: a snapshot, or inside a commit the newest one. */
export type At = Snapshot | "newest";
/** The same; undefined is the newest that is published, for rows that are read in one turn. */
export type ReadAt = At | undefined;

/** Rows of one tree in one state. */
export class TreeRows implements RowSource {
  readonly #engine: Engine;
  readonly #tree: Tree;
  readonly #at: ReadAt;
  readonly #now: number;
  readonly #columns: Columns;
  #range: Range;
  #isDone = false;

  /** `now` in Unix milliseconds: what has expired then is left out. */
  constructor(
    engine: Engine,
    tree: Tree,
    range: Range,
    state: { readonly at: ReadAt; readonly now: number },
    columns: Omit<Columns, "keys">,
  ) {
    this.#engine = engine;
    this.#tree = tree;
    this.#range = range;
    this.#at = state.at;
    this.#now = state.now;
    // Where to go on is told by a key.
    this.#columns = { keys: true, ...columns };
  }

  /** Where the rows that are still to come begin; undefined at the end. */
  get rest(): Range | undefined {
    return this.#isDone ? undefined : this.#range;
  }

  *next(limit: number): Steps<Rows | undefined> {
    if (this.#isDone) return undefined;
    const rows = yield* this.#engine.scanSteps(
      this.#tree.id,
      this.#range,
      this.#at,
      this.#now,
      limit,
      this.#columns,
    );
    if (rows.more) this.#range = resume(this.#range, rows);
    else this.#isDone = true;
    return rows;
  }
}

function resume(range: Range, rows: Rows): Range {
  const from = rows.resume;
  if (from === undefined) {
    throw new CairnError(
      "invariant_broken",
      "Scanning a tree: there are more rows, but not where. This is a fault in CairnDB.",
    );
  }
  if (range.reverse === true) return { ...range, high: from, highInclusive: false };
  return { ...range, low: from, lowExclusive: true };
}

/** Rows of one tree under what a transaction has staged when this is made. */
export class MergedRows implements RowSource {
  readonly #base: RowSource;
  readonly #tree: Tree;
  readonly #isReverse: boolean;
  readonly #hasValues: boolean;
  readonly #staged: readonly OrderedStaged[];
  /** Staged keys as Map keys, where there is no order to merge by. */
  readonly #names: ReadonlySet<string> | undefined;
  #at = 0;
  #batch: RowBatch | undefined;
  #index = 0;
  #isBaseDone = false;

  /** `staged` is in order, within the range. */
  constructor(
    base: RowSource,
    tree: Tree,
    staged: readonly OrderedStaged[],
    options: { isReverse: boolean; hasValues: boolean },
  ) {
    this.#base = base;
    this.#tree = tree;
    this.#isReverse = options.isReverse;
    this.#hasValues = options.hasValues;
    this.#staged = options.isReverse ? staged.toReversed() : staged;
    this.#names =
      tree.kind === "hashed" ? new Set(staged.map(({ bytes }) => mapKey(bytes))) : undefined;
  }

  *next(limit: number): Steps<RowBatch | undefined> {
    const rows = new KeptRows(this.#tree.isText, this.#hasValues);
    if (this.#batch === undefined && !this.#isBaseDone) yield* this.#fetch(limit);
    while (rows.count < limit) {
      // The next batch is fetched by the next call: callers look at their signal in between.
      if (this.#batch === undefined && !this.#isBaseDone) return rows;
      const staged: OrderedStaged | undefined = this.#staged[this.#at];
      if (this.#batch === undefined && staged === undefined) break;
      const order = this.#compare(this.#batch, staged);
      if (order <= 0 && this.#batch !== undefined) this.#takeBase(rows, this.#batch, order < 0);
      if (order >= 0) {
        rows.addStaged(staged);
        this.#at++;
      }
    }
    return rows.count === 0 ? undefined : rows;
  }

  *#fetch(limit: number): Steps<void> {
    this.#batch = yield* this.#base.next(limit);
    this.#index = 0;
    this.#isBaseDone = this.#batch === undefined;
    if (this.#batch?.count === 0) this.#batch = undefined;
  }

  /** Below zero when the base comes first, 0 when what is staged replaces its row. */
  #compare(batch: RowBatch | undefined, staged: OrderedStaged | undefined): number {
    if (batch === undefined) return 1;
    if (staged === undefined || this.#names !== undefined) return -1;
    const order = compareBytes(batch.key(this.#index), staged.bytes);
    return this.#isReverse ? -order : order;
  }

  #takeBase(rows: KeptRows, batch: RowBatch, isKept: boolean): void {
    const index = this.#index++;
    if (isKept && this.#names?.has(mapKey(batch.key(index))) !== true) rows.addRow(batch, index);
    if (this.#index === batch.count) this.#batch = undefined;
  }
}

/** Rows picked from batches and from what is staged. */
class KeptRows implements RowBatch {
  readonly #isText: boolean;
  readonly #hasValues: boolean;
  readonly #keys: Key[] = [];
  readonly #values: Uint8Array[] = [];

  constructor(isText: boolean, hasValues: boolean) {
    this.#isText = isText;
    this.#hasValues = hasValues;
  }

  get count(): number {
    return this.#keys.length;
  }

  addRow(batch: RowBatch, index: number): void {
    this.#keys.push(this.#isText ? batch.keyText(index) : batch.key(index));
    if (this.#hasValues) this.#values.push(batch.value(index));
  }

  addStaged(staged: OrderedStaged): void {
    if (staged.value === undefined) return;
    // Copies: who gets the rows may keep and change them.
    this.#keys.push(this.#isText ? staged.key : ownedBytes(staged.bytes));
    if (this.#hasValues) this.#values.push(ownedBytes(staged.value));
  }

  key(index: number): Uint8Array {
    return keyBytes(this.#keys[index]);
  }

  keyText(index: number): string {
    return this.#keys[index] as string;
  }

  value(index: number): Uint8Array {
    return this.#values[index];
  }

  decode<T>(index: number, decode: Decode<T>): T {
    const value = this.#values[index];
    return decode(value, 0, value.length);
  }
}

/** What is staged for a tree within a range; what has expired at `now` counts as deleted. */
export function stagedWithin(
  overlay: Overlay,
  tree: Tree,
  range: Range,
  now: number,
): OrderedStaged[] {
  return overlay
    .ordered(tree)
    .filter((staged) => isWithin(staged.bytes, range))
    .map((staged) => withoutExpired(staged, now));
}

function withoutExpired(staged: OrderedStaged, now: number): OrderedStaged {
  if (!isExpired(expiryOf(staged.lifetime, now), now)) return staged;
  return { ...staged, value: undefined };
}

function isWithin(bytes: Uint8Array, range: Range): boolean {
  if (range.low !== undefined) {
    const order = compareBytes(bytes, keyBytes(range.low));
    if (order < 0 || (order === 0 && range.lowExclusive === true)) return false;
  }
  if (range.high === undefined) return true;
  const order = compareBytes(bytes, keyBytes(range.high));
  return order < 0 || (order === 0 && range.highInclusive === true);
}
