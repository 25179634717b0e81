import type { Snapshot, Steps } from "../engine/index.ts";
import { type RowBatch, type RowSource, throwIfAborted } from "../transaction/index.ts";
import { encodeCursor } from "./cursor.ts";

/** Rows of the first batch where no limit is given; each next one has four times as many. */
const firstRows = 64;
const rowsMax = 1_024;

/** How rows become what the caller asked for. */
export interface Shape<Row> {
  readonly hasValues: boolean;
  readonly row: (batch: RowBatch, index: number) => Row;
}

export interface ReaderSetup<Row> {
  /** Undefined where the range can hold nothing. */
  readonly source: RowSource | undefined;
  readonly shape: Shape<Row>;
  readonly limit: number | undefined;
  readonly isReverse: boolean;
  /** False where a position cannot be found again. */
  readonly hasCursor: boolean;
  readonly signal: AbortSignal | undefined;
  /** A snapshot of the reader's own, released when it closes. */
  readonly pinned: Snapshot | undefined;
}

/** Takes rows out of batches, one after the other; what both kinds of iterator share. */
export class RowReader<Row> {
  readonly #setup: ReaderSetup<Row>;
  #left: number;
  #batch: RowBatch | undefined;
  #index = 0;
  /** The row taken last, for the cursor. */
  #lastBatch: RowBatch | undefined;
  #lastIndex = 0;
  #rows: number;
  #isOpen: boolean;

  constructor(setup: ReaderSetup<Row>) {
    this.#setup = setup;
    this.#left = setup.limit ?? Number.POSITIVE_INFINITY;
    // With a limit it is known how many will be wanted: one batch, not a small and a large one.
    this.#rows = setup.limit === undefined ? firstRows : rowsMax;
    this.#isOpen = true;
    if (this.#left === 0 || setup.source === undefined) this.close();
  }

  /** A row is in hand. */
  get isReady(): boolean {
    return this.#isOpen && this.#batch !== undefined && this.#index < this.#batch.count;
  }

  /** Gets a row in hand; false at the end. */
  *fill(): Steps<boolean> {
    try {
      while (!this.isReady) {
        if (!this.#isOpen || this.#setup.source === undefined) return false;
        throwIfAborted(this.#setup.signal);
        const batch = yield* this.#setup.source.next(Math.min(this.#rows, this.#left));
        // It may have been closed while the storage was asked.
        if (!this.#isOpen) return false;
        if (batch === undefined) {
          this.close();
          return false;
        }
        this.#rows = Math.min(this.#rows * 4, rowsMax);
        if (batch.count === 0) continue;
        this.#batch = batch;
        this.#index = 0;
      }
      return true;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The row in hand. */
  take(): Row {
    const batch = this.#batch as RowBatch;
    const index = this.#index++;
    this.#lastBatch = batch;
    this.#lastIndex = index;
    if (--this.#left === 0) this.close();
    try {
      return this.#setup.shape.row(batch, index);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Takes up to `most` rows. */
  *takeMany(most: number): Steps<Row[]> {
    const rows: Row[] = [];
    while (rows.length < most && (this.isReady || (yield* this.fill()))) {
      this.#takeInto(rows, most - rows.length);
    }
    return rows;
  }

  /** Takes rows out of the batch in hand: the same as `take`, without its cost for each. */
  #takeInto(rows: Row[], most: number): void {
    const batch = this.#batch as RowBatch;
    const { row } = this.#setup.shape;
    const end = Math.min(batch.count, this.#index + Math.min(most, this.#left));
    this.#left -= end - this.#index;
    this.#lastBatch = batch;
    try {
      for (; this.#index < end; this.#index++) rows.push(row(batch, this.#index));
    } catch (error) {
      this.close();
      throw error;
    } finally {
      this.#lastIndex = this.#index - 1;
    }
    if (this.#left === 0) this.close();
  }

  /** The position behind the last row taken; undefined before the first one. */
  get cursor(): string | undefined {
    if (this.#lastBatch === undefined || !this.#setup.hasCursor) return undefined;
    return encodeCursor(this.#lastBatch.key(this.#lastIndex), this.#setup.isReverse);
  }

  close(): void {
    this.#isOpen = false;
    this.#setup.pinned?.release();
  }
}
