import type { Engine, Range, Snapshot, Steps } from "../engine/index.ts";
import { type Key, keyBytes, TreeRows, throwIfAborted } from "../transaction/index.ts";
import { countRows } from "./changes.ts";
import type { KeyspaceCore } from "./keyspace-core.ts";
import { emptyRange, type RangeOptions, rangeOf } from "./range.ts";

/** Which records to count. */
export interface CountOptions<K extends Key = Key>
  extends Pick<RangeOptions<K>, "gt" | "gte" | "lt" | "lte" | "prefix"> {
  /**
   * Leaves out records that have expired and were not swept yet. That takes a visit to every key,
   * unless the keyspace has never had a record with an expiry.
   */
  readonly exact?: boolean;
  readonly snapshot?: Snapshot;
  readonly signal?: AbortSignal;
}

const countOptionNames: ReadonlySet<string> = new Set([
  "gt",
  "gte",
  "lt",
  "lte",
  "prefix",
  "exact",
  "snapshot",
  "signal",
]);

/** Counts records in the given state. */
export function* countSteps<K extends Key, V>(
  core: KeyspaceCore<K, V>,
  options: CountOptions<K>,
  at: Snapshot,
): Steps<number> {
  const { tree, context } = core;
  const { engine } = context;
  core.requireTree();
  const range = rangeOf("count", tree, options, countOptionNames);
  if (range === emptyRange) return 0;
  if (options.exact === true && tree.expires) {
    const columns = { values: false, meta: false };
    const rows = new TreeRows(engine, tree, range, { at, now: at.time }, columns);
    return yield* countRows(rows, () => throwIfAborted(options.signal));
  }
  if (range.low === undefined && range.high === undefined) return engine.records(tree.id, at);
  return yield* countRange(engine, tree.id, range, at);
}

function countRange(engine: Engine, tree: number, range: Range, at: Snapshot): Steps<number> {
  const low = range.low === undefined ? noBytes : keyBytes(range.low);
  const high = range.high === undefined ? noBytes : keyBytes(range.high);
  return engine.countRangeSteps(
    tree,
    range.lowExclusive === true ? next(low) : low,
    range.highInclusive === true ? next(high) : high,
    at,
  );
}

/** The first key behind a key. */
function next(key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(key.length + 1);
  bytes.set(key);
  return bytes;
}

const noBytes = new Uint8Array(0);
