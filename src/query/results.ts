/** Results as the iterators of this package take them: batch by batch. */
import { type Decode, runSync, type Steps } from "../engine/index.ts";
import { RowReader } from "../kv/row-reader.ts";
import type { RowBatch, RowSource } from "../transaction/index.ts";
import type { QueryCore, QueryOptions, Started } from "./core.ts";
import type { ResultRow } from "./execute.ts";

const noBytes = new Uint8Array(0);

/** Rows that are made already. They have no keys. */
class ResultBatch implements RowBatch {
  readonly rows: readonly ResultRow[];
  readonly count: number;

  constructor(rows: readonly ResultRow[], from: number, to: number) {
    this.rows = from === 0 && to === rows.length ? rows : rows.slice(from, to);
    this.count = this.rows.length;
  }

  key(): Uint8Array {
    return noBytes;
  }

  keyText(): string {
    return "";
  }

  value(): Uint8Array {
    return noBytes;
  }

  decode<T>(_index: number, decode: Decode<T>): T {
    return decode(noBytes, 0, 0);
  }
}

class ResultSource implements RowSource {
  readonly #started: Started;
  readonly #signal: AbortSignal | undefined;
  #rows: readonly ResultRow[] = [];
  #at = 0;

  constructor(started: Started, signal: AbortSignal | undefined) {
    this.#started = started;
    this.#signal = signal;
  }

  *next(limit: number): Steps<RowBatch | undefined> {
    if (this.#at >= this.#rows.length) {
      const rows = yield* this.#started.execution.next(this.#signal);
      if (rows === undefined) return undefined;
      this.#rows = rows;
      this.#at = 0;
    }
    const to = Math.min(this.#rows.length, this.#at + limit);
    const batch = new ResultBatch(this.#rows, this.#at, to);
    this.#at = to;
    return batch;
  }
}

/** A reader of a query's results; what it sees is fixed now, and held until it closes. */
export function readResults<R>(
  core: QueryCore,
  options: QueryOptions | undefined,
  isPatient: boolean,
): RowReader<R> {
  const started = runSync(core.start(options, true, "rows", isPatient));
  return new RowReader<R>({
    source: new ResultSource(started, options?.signal),
    shape: {
      hasValues: true,
      row: (batch, index) => (batch as ResultBatch).rows[index] as R,
    },
    limit: undefined,
    isReverse: false,
    hasCursor: false,
    signal: options?.signal,
    pinned: started.pinned,
  });
}
