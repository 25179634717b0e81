/** Pages of a query: each begins behind the last row of the one before, whatever was written. */
import type { Steps } from "../engine/index.ts";
import { checkOptions, checkWhole, invalid } from "../kv/index.ts";
import { drained, type QueryCore, type QueryOptions, queryOptionNames } from "./core.ts";
import { cursorKey, decodeCursor, encodeCursor, queryDigest } from "./cursor.ts";
import type { ResultRow } from "./execute.ts";
import type { Resolved } from "./resolve.ts";
import type { SipKey } from "./siphash.ts";

/** Which page. */
export interface PageOptions extends QueryOptions {
  /** Rows at most, 1 or more. */
  readonly limit: number;
  /** Where the page before ended; the first page without one. */
  readonly cursor?: string;
  /** Also counts all rows of the query, which looks at all of them. */
  readonly total?: boolean;
  /** A secret of at least 16 bytes that signs cursors; the database's id by default. */
  readonly cursorKey?: Uint8Array;
}

/** A page of rows. */
export interface Page<R> {
  readonly rows: R[];
  /** Where the next page begins; undefined behind the last one. */
  readonly cursor: string | undefined;
  /** With `total`: how many rows there are on all pages. */
  readonly total?: number;
  /** The commit that it saw. */
  readonly seq: bigint;
}

/** A page that was asked for with its total. */
export interface PageWithTotal<R> extends Page<R> {
  readonly total: number;
}

const action = "read a page";
const pageOptionNames: ReadonlySet<string> = new Set([
  ...queryOptionNames,
  "limit",
  "cursor",
  "total",
  "cursorKey",
]);
const secretBytesMin = 16;

export function* readPage(
  core: QueryCore,
  options: PageOptions,
  isHeld: boolean,
): Steps<Page<ResultRow>> {
  check(core, options);
  const { limit, cursor, total, cursorKey: secret, ...rest } = options;
  const pinned = isHeld && !rest.snapshot && !core.attempt ? core.tables.context.pin() : undefined;
  const runOptions = pinned === undefined ? rest : { ...rest, snapshot: pinned };
  try {
    const key = keyOf(core, secret);
    const first = core.paged(undefined);
    const digest = queryDigest(descriptionOf(first.resolved(), rest));
    const after = cursor === undefined ? undefined : decodeCursor(key, digest, cursor);
    const paged = core.paged(after).with({ limit: limit + 1 });
    const started = yield* paged.start(runOptions, isHeld, "keyed");
    const found = yield* drained(started, options.signal);
    const hasMore = found.length > limit;
    if (hasMore) found.length = limit;
    const last = hasMore ? (found[limit - 1].keys as readonly unknown[]) : undefined;
    return {
      rows: found.map(({ row }) => row as ResultRow),
      cursor: last === undefined ? undefined : encodeCursor(key, digest, last),
      ...(total === true ? { total: yield* core.count(runOptions, isHeld) } : {}),
      seq: started.seq,
    };
  } finally {
    pinned?.release();
  }
}

function check(core: QueryCore, options: PageOptions): void {
  checkOptions(action, options, pageOptionNames);
  checkWhole(action, "limit", options.limit, 1);
  if (options.limit === undefined) throw invalid(action, "the option limit", "missing", "a number");
  const { clauses } = core;
  if (clauses.limit !== undefined || clauses.offset > 0) {
    throw invalid(
      action,
      "the query",
      "one with a limit or offset",
      "one without: pages have them",
    );
  }
  const { cursorKey: secret } = options;
  if (secret === undefined || secret.length >= secretBytesMin) return;
  throw invalid(action, "the option cursorKey", "shorter", `${secretBytesMin} bytes or more`);
}

function keyOf({ tables }: QueryCore, secret: Uint8Array | undefined): SipKey {
  return cursorKey(secret ?? tables.context.engine.checkpointer.newest.root.databaseId);
}

function descriptionOf(resolved: Resolved, { parameters }: QueryOptions): unknown {
  const { sources, joins, where, groups, having, outputs, orders, isDistinct } = resolved;
  const tables = sources.map(({ state }) => state.rows.id);
  const given = Object.entries(parameters ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return { tables, joins, where, groups, having, outputs, orders, isDistinct, given };
}
