/** The iterators that callers get. */
import { runAsync, runSync } from "../engine/index.ts";
import { checkWhole } from "./options.ts";
import type { RowReader } from "./row-reader.ts";

/**
 * Rows of one state, as an async iterator. What it sees is fixed when it is made; a snapshot is
 * held until the last row, `return` or an error. Leave a loop early with `break`, or dispose it.
 */
export class AsyncRows<Row> implements AsyncIterableIterator<Row, undefined> {
  readonly #reader: RowReader<Row>;
  /** Calls of `next` that overlap are answered in order. */
  #queue: Promise<unknown> | undefined;

  /** Not for applications: keyspaces make it. */
  constructor(reader: RowReader<Row>) {
    this.#reader = reader;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /**
   * A position behind the last row that was handed out, for the option `cursor` of a later
   * iterator with the same bounds and direction; undefined before the first row.
   */
  get cursor(): string | undefined {
    return this.#reader.cursor;
  }

  /**
   * @throws CairnError `snapshot_expired`, `aborted`, `closed`, `keyspace_dropped`, `codec_failed`.
   */
  next(): Promise<IteratorResult<Row, undefined>> {
    const reader = this.#reader;
    if (this.#queue !== undefined || !reader.isReady) return this.#nextLater();
    // In hand: one promise, and no function that waits.
    try {
      return Promise.resolve({ done: false, value: reader.take() });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #nextLater(): Promise<IteratorResult<Row, undefined>> {
    const rows = await this.#take(1);
    return rows.length === 0 ? { done: true, value: undefined } : { done: false, value: rows[0] };
  }

  async return(): Promise<IteratorResult<Row, undefined>> {
    this.#reader.close();
    return { done: true, value: undefined };
  }

  async throw(error: unknown): Promise<IteratorResult<Row, undefined>> {
    this.#reader.close();
    throw error;
  }

  /** All rows that are left. */
  async toArray(): Promise<Row[]> {
    return await this.#take(Number.POSITIVE_INFINITY);
  }

  /** The rows in arrays of `rows`, the last one perhaps shorter: one await for many rows. */
  async *batches(rows: number): AsyncGenerator<Row[], undefined> {
    checkWhole("iterate in batches", "rows", rows, 1);
    try {
      for (;;) {
        const batch = await this.#take(rows);
        if (batch.length > 0) yield batch;
        if (batch.length < rows) return undefined;
      }
    } finally {
      this.#reader.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#reader.close();
  }

  /** Up to `most` rows, after what was asked for before. */
  #take(most: number): Promise<Row[]> {
    const taken = runAsync(takeAfter(this.#queue, this.#reader, most));
    const settled = taken
      .catch(() => undefined)
      .then(() => {
        if (this.#queue === settled) this.#queue = undefined;
      });
    this.#queue = settled;
    return taken;
  }
}

function* takeAfter<Row>(
  before: Promise<unknown> | undefined,
  reader: RowReader<Row>,
  most: number,
): Generator<Promise<unknown>, Row[], unknown> {
  if (before !== undefined) yield before;
  return yield* reader.takeMany(most);
}

/** The same in turns: for storages that answer at once. */
export class SyncRows<Row> implements IterableIterator<Row, undefined> {
  readonly #reader: RowReader<Row>;

  /** Not for applications: keyspaces make it. */
  constructor(reader: RowReader<Row>) {
    this.#reader = reader;
  }

  [Symbol.iterator](): this {
    return this;
  }

  /** See {@link AsyncRows.cursor}. */
  get cursor(): string | undefined {
    return this.#reader.cursor;
  }

  /** @throws CairnError as {@link AsyncRows.next}, and `synchronous_unavailable`. */
  next(): IteratorResult<Row, undefined> {
    const reader = this.#reader;
    if (!reader.isReady && !runSync(reader.fill())) return { done: true, value: undefined };
    return { done: false, value: reader.take() };
  }

  return(): IteratorResult<Row, undefined> {
    this.#reader.close();
    return { done: true, value: undefined };
  }

  throw(error: unknown): IteratorResult<Row, undefined> {
    this.#reader.close();
    throw error;
  }

  /** All rows that are left. */
  toArray(): Row[] {
    return runSync(this.#reader.takeMany(Number.POSITIVE_INFINITY));
  }

  [Symbol.dispose](): void {
    this.#reader.close();
  }
}
