/**
 * What a serializable transaction has read, and whether that is still so when it commits.
 *
 * A record is known by its seq, so a delete followed by an equal put counts as a change. A range is
 * read again in both states side by side; only the part that was really read is compared.
 */
import type { Engine, Range, Rows, Snapshot, Steps } from "../engine/index.ts";
import { compareBytes, type Key, mapKey, ownedKey } from "./key.ts";
import { type At, type RowBatch, type RowSource, TreeRows } from "./rows.ts";
import type { Tree } from "./tree.ts";

const rowsPerBatch = 1_024;
const seqsOnly = { values: false, meta: true } as const;

/** The seqs of the records' last changes; undefined where there is none, or none at `now`. */
export function readSeqs(
  engine: Engine,
  tree: Tree,
  keys: readonly Key[],
  at: At,
  now: number,
): Steps<(number | undefined)[]> {
  return engine.readSeqsSteps(tree.id, keys, at, now);
}

export class ReadSet {
  readonly #points: Map<Tree, Map<string, { key: Key; seq: number }>> = new Map();
  readonly #ranges: RangeRead[] = [];
  readonly #checks: ((base: Snapshot) => Steps<boolean>)[] = [];

  /** `seq` is 0 where there was no record. */
  addPoint(tree: Tree, key: Key, seq: number): void {
    let points = this.#points.get(tree);
    if (points === undefined) {
      points = new Map();
      this.#points.set(tree, points);
    }
    const name = mapKey(key);
    // All reads see one state: the first says it all.
    if (!points.has(name)) points.set(name, { key: ownedKey(key), seq });
  }

  /** Something that was read otherwise; asked at the commit's turn whether it is still so. */
  addCheck(check: (base: Snapshot) => Steps<boolean>): void {
    this.#checks.push(check);
  }

  /** The same rows; how far they are read becomes part of the read set. */
  addRange(rows: TreeRows, tree: Tree, range: Range): RowSource {
    const read = new RangeRead(rows, tree, range);
    this.#ranges.push(read);
    return read;
  }

  /** True while everything that was read at `base` is the same in the newest state. */
  *isCurrent(engine: Engine, base: Snapshot, time: number): Steps<boolean> {
    for (const check of this.#checks) if (!(yield* check(base))) return false;
    for (const [tree, points] of this.#points) {
      if (!(yield* arePointsCurrent(engine, tree, [...points.values()], time))) return false;
    }
    for (const range of this.#ranges) {
      if (!(yield* range.isCurrent(engine, base, time))) return false;
    }
    return true;
  }
}

function* arePointsCurrent(
  engine: Engine,
  tree: Tree,
  points: readonly { key: Key; seq: number }[],
  time: number,
): Steps<boolean> {
  const keys = points.map((point) => point.key);
  const seqs = yield* readSeqs(engine, tree, keys, "newest", time);
  return points.every((point, index) => point.seq === (seqs[index] ?? 0));
}

class RangeRead implements RowSource {
  readonly #rows: TreeRows;
  readonly #tree: Tree;
  readonly #range: Range;

  constructor(rows: TreeRows, tree: Tree, range: Range) {
    this.#rows = rows;
    this.#tree = tree;
    this.#range = range;
  }

  next(limit: number): Steps<RowBatch | undefined> {
    return this.#rows.next(limit);
  }

  *isCurrent(engine: Engine, base: Snapshot, time: number): Steps<boolean> {
    const range = this.#readPart();
    if (range === undefined) return true;
    const before = { at: base, now: base.time };
    const newest = { at: "newest", now: time } as const;
    const then = new SeqRows(new TreeRows(engine, this.#tree, range, before, seqsOnly));
    const now = new SeqRows(new TreeRows(engine, this.#tree, range, newest, seqsOnly));
    for (;;) {
      yield* then.fill();
      yield* now.fill();
      const length = Math.min(then.left, now.left);
      if (length === 0) return then.left === now.left;
      for (let index = 0; index < length; index++) if (!then.isSameRow(now)) return false;
    }
  }

  /** From the beginning of the range to where its rows were read; undefined when none were. */
  #readPart(): Range | undefined {
    const { rest } = this.#rows;
    if (rest === this.#range) return undefined;
    // There is no telling how far into a hashed tree a key is: all of it counts as read.
    if (rest === undefined || this.#tree.kind === "hashed") return this.#range;
    if (this.#range.reverse === true)
      return { ...this.#range, low: rest.high, lowExclusive: false };
    return { ...this.#range, high: rest.low, highInclusive: true };
  }
}

/** Keys and seqs one after the other. */
class SeqRows {
  readonly #rows: TreeRows;
  #batch: Rows | undefined;
  #index = 0;

  constructor(rows: TreeRows) {
    this.#rows = rows;
  }

  /** Rows in hand. */
  get left(): number {
    return this.#batch === undefined ? 0 : this.#batch.count - this.#index;
  }

  /** Fetches until there are rows in hand, or no more at all. */
  *fill(): Steps<void> {
    while (this.left === 0) {
      this.#batch = yield* this.#rows.next(rowsPerBatch);
      this.#index = 0;
      if (this.#batch === undefined) return;
    }
  }

  /** Takes a row of both; true when they are the same. */
  isSameRow(other: SeqRows): boolean {
    const left = this.#batch as Rows;
    const right = other.#batch as Rows;
    const at = this.#index++;
    const otherAt = other.#index++;
    if (left.seq(at) !== right.seq(otherAt)) return false;
    return compareBytes(left.key(at), right.key(otherAt)) === 0;
  }
}
