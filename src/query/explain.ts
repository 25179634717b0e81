/** How a query ran. */
import type { Steps } from "../engine/index.ts";
import { drained, type QueryCore, type QueryOptions } from "./core.ts";
import type { Path } from "./path.ts";
import type { JoinKind } from "./plan.ts";
import type { Counters } from "./run.ts";

/** How the rows of one table were reached. */
export interface ExplainedTable {
  readonly table: string;
  readonly as: string;
  /**
   * `key`: whole primary keys. `range`: a range of them. `index`: entries of an index. `scan`: all
   * rows. `union`: several ways together, for an `or`. `nothing`: its conditions cannot be true.
   * Of a `lookup` join: how its rows are found.
   */
  readonly access: "key" | "range" | "index" | "scan" | "union" | "nothing";
  readonly index?: string;
  readonly reverse: boolean;
  /** Rows or entries that the ranges hold, counted before it ran. */
  readonly estimatedRows: number;
  /** Conditions that are tested on each row, because no range says them. */
  readonly filters: number;
  /** `hash`: held in memory; `lookup`: found row by row. Absent for the first table. */
  readonly join?: { readonly kind: JoinKind; readonly method: "hash" | "lookup" };
}

/** How a query ran, and what it really did. */
export interface QueryExplanation {
  readonly tables: readonly ExplainedTable[];
  readonly groups: boolean;
  /** False where the rows came in the order that was asked for. */
  readonly sorted: boolean;
  /** The rows of the first table came as the columns that are needed of them. */
  readonly gathered: boolean;
  readonly rowsScanned: number;
  readonly entriesScanned: number;
  readonly bytesRead: number;
  /** Rows, groups and keys that were in memory at most at one time. */
  readonly rowsKept: number;
  readonly rowsReturned: number;
  /** The commit that it saw. */
  readonly seq: bigint;
}

export function* explain(
  core: QueryCore,
  options: QueryOptions | undefined,
  isHeld: boolean,
): Steps<QueryExplanation> {
  const started = yield* core.start(options, isHeld);
  const { execution, run, seq } = started;
  try {
    yield* drained(started, options?.signal);
  } finally {
    started.pinned?.release();
  }
  const { choices, compiled } = execution;
  const tables = compiled.sources.map(({ alias, state, tests }, at): ExplainedTable => {
    const name = state.path.name;
    const path = choices.paths[at];
    const found = choices.joins[at - 1];
    const isLookup = found !== undefined && found !== "hash";
    const index = isLookup ? found.index : path.index;
    const byKey = isLookup && found.isUnique ? "key" : "range";
    const lookup = index === undefined ? byKey : "index";
    return {
      table: name,
      as: alias === "" ? name : alias,
      access: isLookup ? lookup : accessOf(path),
      ...(index === undefined ? {} : { index: index.name }),
      reverse: path.isReverse,
      estimatedRows: path.rows,
      filters: isLookup ? tests.length : tests.length - path.consumed.size,
      ...(at === 0
        ? {}
        : { join: { kind: compiled.joins[at - 1].kind, method: methodOf(isLookup) } }),
    };
  });
  const { rowsScanned, entriesScanned, bytesRead, rowsKept, rowsReturned }: Counters = run.counters;
  return {
    tables,
    groups: compiled.grouping !== undefined,
    sorted: choices.isSorted,
    gathered: choices.isGathered,
    rowsScanned,
    entriesScanned,
    bytesRead,
    rowsKept,
    rowsReturned,
    seq,
  };
}

function methodOf(isLookup: boolean): "hash" | "lookup" {
  return isLookup ? "lookup" : "hash";
}

function accessOf({ kind, index, ranges }: Path): ExplainedTable["access"] {
  if (kind === "nothing" || kind === "union") return kind;
  if (index !== undefined) return "index";
  if (kind === "keys") return "key";
  return ranges.every(({ low, high }) => low === undefined && high === undefined)
    ? "scan"
    : "range";
}
