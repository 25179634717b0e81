/** Writes that depend on what is there, decided at their commit's turn. */
import type { Decide, DecodeRecord, EffectBuffer, Steps, Turn } from "../engine/index.ts";
import { type Key, ownedKey, TreeRows } from "../transaction/index.ts";
import { isThere, type KeyspaceCore } from "./keyspace-core.ts";

const rowsPerBatch = 4_096;

interface StoredRecord {
  readonly bytes: Uint8Array;
  readonly expiresAt: number;
}

const copyRecord: DecodeRecord<StoredRecord> = (memory, at, length, { expiresAt }) => ({
  bytes: memory.slice(at, at + length),
  expiresAt,
});

/** Deletes a record: true when it was there and had not expired. */
export function decideDelete<K extends Key, V>(core: KeyspaceCore<K, V>, key: K): Decide<boolean> {
  const { tree, context } = core;
  const owned = ownedKey(key);
  return function* (effects: EffectBuffer, turn: Turn): Steps<boolean> {
    const { engine } = context;
    const found = yield* engine.readSteps(tree.id, owned, "newest", turn.time, isThere);
    if (found === undefined) return false;
    effects.delete(tree.id, owned);
    return true;
  };
}

/** Lets a record live for ever: true when it was there and would have expired. */
export function decidePersist<K extends Key, V>(core: KeyspaceCore<K, V>, key: K): Decide<boolean> {
  const { tree, context } = core;
  const owned = ownedKey(key);
  return function* (effects: EffectBuffer, turn: Turn): Steps<boolean> {
    const { engine } = context;
    const found = yield* engine.readSteps(tree.id, owned, "newest", turn.time, copyRecord);
    if (found === undefined || found.expiresAt === 0) return false;
    effects.put(tree.id, owned, found.bytes);
    return true;
  };
}

/**
 * Deletes the records from `low` to before `high`: how many there were. One effect, and without
 * expiries the count comes from the inner pages; with them the keys have to be looked at.
 */
export function decideDeleteRange<K extends Key, V>(
  core: KeyspaceCore<K, V>,
  low: string,
  high: string,
): Decide<number> {
  const { tree, context } = core;
  return function* (effects: EffectBuffer, turn: Turn): Steps<number> {
    const { engine } = context;
    const stored = yield* engine.countRangeSteps(tree.id, low, high, "newest");
    if (stored === 0) return 0;
    effects.deleteRange(tree.id, low, high);
    if (!tree.expires) return stored;
    const state = { at: "newest", now: turn.time } as const;
    return yield* countRows(
      new TreeRows(engine, tree, { low, high }, state, { values: false, meta: false }),
    );
  };
}

/** Counts what is left of some rows; `check` is called between batches. */
export function* countRows(rows: TreeRows, check: () => void = () => undefined): Steps<number> {
  let count = 0;
  for (;;) {
    check();
    const batch = yield* rows.next(rowsPerBatch);
    if (batch === undefined) return count;
    count += batch.count;
  }
}
