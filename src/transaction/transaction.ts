/**
 * One attempt of a transaction: reads of one state, writes staged over it, and the decision when it
 * commits.
 *
 * Over a snapshot it is optimistic: somebody may have committed since, and the commit says
 * `conflict` when that touched what this one writes (or, serializable, what it has read). Within a
 * commit (`at: "newest"`) nobody can come between, and there is nothing to compare.
 */
import type {
  DecodeRecord,
  EffectBuffer,
  Engine,
  Range,
  Snapshot,
  Steps,
  Turn,
} from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import type { ExpiryTree } from "./expiry.ts";
import type { Key } from "./key.ts";
import { expiryOf, isExpired, type Lifetime } from "./lifetime.ts";
import { Overlay, type Staged } from "./overlay.ts";
import { ReadSet, readSeqs } from "./read-set.ts";
import {
  type At,
  MergedRows,
  type RowBatch,
  type RowSource,
  stagedWithin,
  TreeRows,
} from "./rows.ts";
import type { Tree } from "./tree.ts";

/**
 * `snapshot`: of two transactions that write the same record, the second to commit fails.
 * `serializable`: as if they had run one after the other; what was read counts too.
 */
export type Isolation = "snapshot" | "serializable";

export class Attempt {
  /** What expires is judged at this time, Unix milliseconds. */
  readonly time: number;
  readonly #engine: Engine;
  readonly #expiry: ExpiryTree;
  readonly #at: At;
  readonly #overlay: Overlay = new Overlay();
  /** What must still be so when it commits; undefined where nobody can come between. */
  readonly #reads: ReadSet | undefined;
  readonly #isSerializable: boolean;
  /** It needs something that was changed since it began: its conflict is worth another attempt. */
  isOutdated = false;
  #isOpen = true;

  constructor(engine: Engine, expiry: ExpiryTree, at: At, time: number, isolation: Isolation) {
    this.#engine = engine;
    this.#expiry = expiry;
    this.#at = at;
    this.time = time;
    this.#reads = at !== "newest" ? new ReadSet() : undefined;
    this.#isSerializable = isolation === "serializable";
  }

  /** True when committing would change nothing. */
  get isReadOnly(): boolean {
    return this.#overlay.isEmpty;
  }

  /** It reads the newest state, within a commit. */
  get isNewest(): boolean {
    return this.#at === "newest";
  }

  /** The state under what is staged. */
  get at(): At {
    return this.#at;
  }

  /** What is staged for a tree now, in the order in which the keys were first staged. */
  staged(tree: Tree): Staged[] {
    this.requireOpen();
    return this.#overlay.of(tree);
  }

  /** Serializable, it commits only if what was read is still so: `check` says it at that turn. */
  noteRead(check: (base: Snapshot) => Steps<boolean>): void {
    if (this.#isSerializable) this.#reads?.addCheck(check);
  }

  /** Nothing can be read or written from now on: `transaction_closed`. */
  end(): void {
    this.#isOpen = false;
  }

  requireOpen(): void {
    if (this.#isOpen) return;
    throw new CairnError(
      "transaction_closed",
      "Cannot use this transaction: it has ended. Use it only while its callback runs, and await " +
        "everything in there.",
    );
  }

  put(tree: Tree, key: Key, value: Uint8Array, lifetime: Lifetime): void {
    this.requireOpen();
    // Too late a moment is refused here, not when everything commits.
    expiryOf(lifetime, this.time);
    this.#overlay.set(tree, key, value, lifetime);
  }

  delete(tree: Tree, key: Key): void {
    this.requireOpen();
    this.#overlay.set(tree, key, undefined, undefined);
  }

  /** `isChecked`: it must still be so when this commits, however the transaction is isolated. */
  *read<T>(
    tree: Tree,
    key: Key,
    decode: DecodeRecord<T>,
    isChecked: boolean = false,
  ): Steps<T | undefined> {
    this.requireOpen();
    const staged = this.#overlay.get(tree, key);
    if (staged !== undefined) return this.#readStaged(staged, decode);
    const reads = this.#reads;
    if (reads === undefined || !(isChecked || this.#isSerializable)) {
      return yield* this.#engine.readSteps(tree.id, key, this.#at, this.time, decode);
    }
    let found = 0;
    const value = yield* this.#engine.readSteps(
      tree.id,
      key,
      this.#at,
      this.time,
      (memory, at, length, record) => {
        found = record.seq;
        return decode(memory, at, length, record);
      },
    );
    reads.addPoint(tree, key, found);
    return value;
  }

  /**
   * As `read` within a commit, where nothing has to be noted: the value where it is at hand, and
   * otherwise a promise. For what is done in every commit: it makes no generator.
   */
  readNewest<T>(tree: Tree, key: Key, decode: DecodeRecord<T>): T | undefined | Promise<unknown> {
    const staged = this.#overlay.get(tree, key);
    if (staged !== undefined) return this.#readStaged(staged, decode);
    return this.#engine.read(tree.id, key, "newest", this.time, decode);
  }

  /**
   * Reads a record of another tree in the same state: one that never changes while the record that
   * leads to it, read before, stays as it is.
   */
  *readBeside<T>(tree: number, key: Key, decode: DecodeRecord<T>): Steps<T | undefined> {
    this.requireOpen();
    return yield* this.#engine.readSteps(tree, key, this.#at, this.time, decode);
  }

  #readStaged<T>(staged: Staged, decode: DecodeRecord<T>): T | undefined {
    if (staged.value === undefined) return undefined;
    const expiresAt = expiryOf(staged.lifetime, this.time);
    if (isExpired(expiresAt, this.time)) return undefined;
    return decode(staged.value, 0, staged.value.length, { seq: 0, expiresAt });
  }

  /** Rows of the state under what is staged now. `isChecked` as in `read`. */
  scan(tree: Tree, range: Range, hasValues: boolean, isChecked: boolean = false): RowSource {
    this.requireOpen();
    const staged = stagedWithin(this.#overlay, tree, range, this.time);
    const state = { at: this.#at, now: this.time };
    const columns = { values: hasValues, meta: false };
    const rows = new TreeRows(this.#engine, tree, range, state, columns);
    const isNoted = this.#reads !== undefined && (isChecked || this.#isSerializable);
    const base = isNoted ? (this.#reads as ReadSet).addRange(rows, tree, range) : rows;
    const isReverse = range.reverse === true;
    const merged =
      staged.length === 0 ? base : new MergedRows(base, tree, staged, { isReverse, hasValues });
    return { next: (limit) => this.#nextRows(merged, limit) };
  }

  *#nextRows(source: RowSource, limit: number): Steps<RowBatch | undefined> {
    this.requireOpen();
    return yield* source.next(limit);
  }

  /** Refuses with `conflict`, at a commit's turn, when something that was read has changed. */
  *requireCurrent(time: number): Steps<void> {
    if (this.#at === "newest" || this.#reads === undefined) return;
    if (!(yield* this.#reads.isCurrent(this.#engine, this.#at, time))) throw conflict();
  }

  /** Decides the commit at its turn: the effects, or `conflict`. */
  *decide(effects: EffectBuffer, turn: Turn): Steps<void> {
    if (this.#at !== "newest" && !(yield* this.#isCurrent(this.#at, turn.time))) throw conflict();
    for (const [tree, staged] of this.#overlay.trees()) {
      if (tree.write !== undefined) {
        yield* tree.write(effects, turn, [...staged.values()]);
        continue;
      }
      const deleted: Key[] = [];
      for (const { key, value, lifetime } of staged.values()) {
        if (value === undefined) {
          deleted.push(key);
          continue;
        }
        this.#expiry.put(effects, tree, key, value, expiryOf(lifetime, turn.time));
      }
      if (deleted.length === 0) continue;
      // The log need not say that nothing happened.
      const seqs = yield* readSeqs(this.#engine, tree, deleted, "newest", 0);
      deleted.forEach((key, index) => {
        if (seqs[index] !== undefined) effects.delete(tree.id, key);
      });
    }
  }

  /** True when nothing has changed since `base` that this transaction writes or, maybe, reads. */
  *#isCurrent(base: Snapshot, time: number): Steps<boolean> {
    for (const [tree, staged] of this.#overlay.trees()) {
      const keys = Array.from(staged.values(), (entry) => entry.key);
      if (!(yield* this.#areUnwritten(base, tree, keys))) return false;
    }
    return this.#reads === undefined || (yield* this.#reads.isCurrent(this.#engine, base, time));
  }

  /** True when nobody has written or deleted a record of these keys since `base`. */
  *#areUnwritten(base: Snapshot, tree: Tree, keys: readonly Key[]): Steps<boolean> {
    const baseSeq = Number(base.seq);
    // Expiry is no write: both states are judged at the same time.
    const seqs = yield* readSeqs(this.#engine, tree, keys, "newest", base.time);
    if (seqs.some((seq) => seq !== undefined && seq > baseSeq)) return false;
    const absent = keys.filter((_key, index) => seqs[index] === undefined);
    const before = yield* readSeqs(this.#engine, tree, absent, base, base.time);
    return before.every((seq) => seq === undefined);
  }
}

function conflict(): CairnError {
  return new CairnError(
    "conflict",
    "Cannot commit the transaction: another commit has changed, since it began, what it writes " +
      "or has read. Nothing was applied. Run it again, or allow more retries.",
  );
}
