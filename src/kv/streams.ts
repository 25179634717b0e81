/** Records as Web Streams. */

import { runAsync } from "../engine/index.ts";
import type { Key } from "../transaction/index.ts";
import { throwIfAborted } from "../transaction/index.ts";
import type { BatchOperation, LifetimeOptions, WriteOptions } from "./keyspace-core.ts";
import { checkOptions, checkWhole } from "./options.ts";
import type { RowReader } from "./row-reader.ts";
import type { Entry } from "./scan.ts";

/** Rows a stream holds in advance. */
const rowsAhead = 256;
const batchRowsDefault = 1_000;
const writableOptionNames: ReadonlySet<string> = new Set([
  "batchRows",
  "ttl",
  "expiresAt",
  "finality",
  "signal",
]);

/** How a stream of records is put: how many to a commit, how long they live, what answers. */
export interface WritableOptions extends WriteOptions, LifetimeOptions {
  /** Records per commit; 1,000 by default. */
  readonly batchRows?: number;
}

/** Rows, fetched as fast as they are taken. Cancelling lets go of the snapshot. */
export function readableOf<Row>(reader: RowReader<Row>): ReadableStream<Row> {
  return new ReadableStream<Row>(
    {
      async pull(controller) {
        const rows = await runAsync(reader.takeMany(Math.max(1, controller.desiredSize ?? 1)));
        for (const row of rows) controller.enqueue(row);
        if (rows.length === 0) controller.close();
      },
      cancel() {
        reader.close();
      },
    },
    { highWaterMark: rowsAhead },
  );
}

/**
 * Puts records, `batchRows` to a commit, one commit at a time. Each commit is whole; the stream as
 * a whole is not: aborting it keeps what has been committed and drops the rest.
 */
export function writableOf<K extends Key, V>(
  commit: (operations: BatchOperation<K, V>[], options: WriteOptions) => Promise<unknown>,
  options: WritableOptions,
): WritableStream<Entry<K, V>> {
  checkOptions("open a writable stream", options, writableOptionNames);
  checkWhole("open a writable stream", "batchRows", options.batchRows, 1);
  const { batchRows = batchRowsDefault, ttl, expiresAt, ...writeOptions } = options;
  const lifetime = {
    ...(ttl === undefined ? {} : { ttl }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
  let waiting: BatchOperation<K, V>[] = [];
  const flush = async (): Promise<void> => {
    if (waiting.length === 0) return;
    const operations = waiting;
    waiting = [];
    await commit(operations, writeOptions);
  };
  return new WritableStream<Entry<K, V>>(
    {
      async write({ key, value }) {
        throwIfAborted(options.signal);
        waiting.push({ type: "put", key, value, ...lifetime });
        if (waiting.length >= batchRows) await flush();
      },
      close: flush,
      abort() {
        waiting = [];
      },
    },
    { highWaterMark: batchRows },
  );
}
