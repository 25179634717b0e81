/** Iterators over a keyspace's records. */
import type { Range, Snapshot } from "../engine/index.ts";
import type { Key, RowBatch, RowSource } from "../transaction/index.ts";
import { TreeRows } from "../transaction/index.ts";
import type { KeyspaceCore } from "./keyspace-core.ts";
import { emptyRange, rangeOf, type ScanOptions } from "./range.ts";
import { RowReader, type Shape } from "./row-reader.ts";

/** A record as iterators hand it out. */
export interface Entry<K extends Key, V> {
  readonly key: K;
  readonly value: V;
}

export interface Shapes<K extends Key, V> {
  readonly entry: Shape<Entry<K, V>>;
  readonly key: Shape<K>;
  readonly value: Shape<V>;
}

export function shapesOf<K extends Key, V>(core: KeyspaceCore<K, V>): Shapes<K, V> {
  const { fromRow } = core.codec;
  // The keyspace's key option decides both the type K and which of the two it is.
  const keyOf = (
    core.tree.isText
      ? (batch: RowBatch, index: number) => batch.keyText(index)
      : (batch: RowBatch, index: number) => batch.key(index)
  ) as (batch: RowBatch, index: number) => K;
  return {
    entry: {
      hasValues: true,
      row: (batch, index) => ({ key: keyOf(batch, index), value: fromRow(batch, index) }),
    },
    key: { hasValues: false, row: keyOf },
    value: { hasValues: true, row: fromRow },
  };
}

/** Where the rows of a range come from: a snapshot, or a transaction. */
export type OpenSource = (range: Range, hasValues: boolean) => RowSource;

/** A reader of the newest state or of `options.snapshot`, which it pins until it closes. */
export function readSnapshot<K extends Key, V, Row>(
  core: KeyspaceCore<K, V>,
  action: string,
  options: ScanOptions<K>,
  shape: Shape<Row>,
): RowReader<Row> {
  const { context, tree } = core;
  core.requireTree();
  const range = rangeOf(action, tree, options);
  const pinned = options.snapshot === undefined ? context.pin() : undefined;
  const at = (options.snapshot ?? pinned) as Snapshot;
  const state = { at, now: tree.expires ? at.time : 0 };
  const columns = { values: shape.hasValues, meta: false };
  return new RowReader({
    source:
      range === emptyRange ? undefined : new TreeRows(context.engine, tree, range, state, columns),
    shape,
    limit: options.limit,
    isReverse: options.reverse === true,
    hasCursor: true,
    signal: options.signal,
    pinned,
  });
}
