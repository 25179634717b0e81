/** Deletes expired records, reading only what is due. */
import type { DecodeRecord, EffectBuffer, LongOptions, Steps, Turn } from "../engine/index.ts";
import {
  decodeHint,
  dueBefore,
  type Hint,
  isExpired,
  momentOf,
  throwIfAborted,
} from "../transaction/index.ts";
import type { Context } from "./context.ts";
import { checkOptions, checkWhole } from "./options.ts";

/** How far a sweep goes. */
export interface SweepOptions extends LongOptions {
  /** Records deleted at most; all that have expired by default. */
  readonly limit?: number;
}

/** Entries of the expiry tree per commit: a few milliseconds of the writer's time. */
const hintsPerCommit = 512;
const sweepOptionNames: ReadonlySet<string> = new Set(["signal", "onProgress", "limit"]);
const columns = { keys: true, values: false, meta: false } as const;

const expiresAtOf: DecodeRecord<number> = (_memory, _at, _length, record) => record.expiresAt;

/** Deletes what has expired, in all keyspaces: how many records. */
export async function sweep(context: Context, options: SweepOptions): Promise<number> {
  checkOptions("sweep", options, sweepOptionNames);
  checkWhole("sweep", "limit", options.limit, 0);
  const limit = options.limit ?? Number.POSITIVE_INFINITY;
  let deleted = 0;
  for (;;) {
    throwIfAborted(options.signal);
    const most = Math.min(hintsPerCommit, limit - deleted);
    if (most <= 0 || !context.expiry.isInUse) return deleted;
    const part = await context.commit((effects, turn) => sweepSome(context, effects, turn, most), {
      signal: options.signal,
    });
    deleted += part.deleted;
    options.onProgress?.({
      phase: "sweep",
      done: deleted,
      // What is due but not yet looked at is unknown: the total grows with what was found.
      total: deleted,
      unit: "records",
    });
    if (!part.hasMore) return deleted;
  }
}

/** One commit: looks at the first entries that are due, at most `most`. */
function* sweepSome(
  context: Context,
  effects: EffectBuffer,
  turn: Turn,
  most: number,
): Steps<{ deleted: number; hasMore: boolean }> {
  const { engine, expiry } = context;
  const { id } = expiry;
  const range = { high: dueBefore(turn.time) };
  const rows = yield* engine.scanSteps(id, range, "newest", 0, most, columns);
  let deleted = 0;
  for (let row = 0; row < rows.count; row++) {
    const bytes = rows.key(row);
    const hint = decodeHint(bytes);
    const found = yield* expiryOfRecord(context, hint);
    if (found !== undefined && isExpired(found, turn.time)) {
      effects.delete(hint.tree, hint.key);
      deleted++;
    }
    effects.delete(id, bytes);
  }
  return { deleted, hasMore: rows.more };
}

/**
 * When the record that an entry points to expires; undefined when the entry is not the record's.
 */
function* expiryOfRecord(context: Context, hint: Hint): Steps<number | undefined> {
  const { engine } = context;
  // The keyspace may have been dropped since.
  if (engine.tree(hint.tree) === undefined) return undefined;
  const found = yield* engine.readSteps(hint.tree, hint.key, "newest", 0, expiresAtOf);
  // A record that was put again has an entry at its new moment.
  return found === undefined || momentOf(found) !== hint.moment ? undefined : found;
}
