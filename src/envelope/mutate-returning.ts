/** Changes of rows that answer with the rows as they were and as they are. */
import type { Receipt, Steps } from "../engine/index.ts";
import {
  type Context,
  checkOptions,
  checkWhole,
  checkWriteOptions,
  invalid,
  receiptOfNothing,
  type WriteOptions,
} from "../kv/index.ts";
import type { PatchOf, Table, Tables, Where } from "../tables/index.ts";
import {
  findRows,
  predicateOf,
  requireSame,
  TableCalls,
  TransactionWriter,
  tableInside,
} from "../tables/inside.ts";
import { Attempt } from "../transaction/index.ts";

/** Which rows are changed, and how. */
export interface RowsChange<Select> extends WriteOptions {
  readonly where: Where;
  readonly patch: PatchOf<Select>;
  /** Rows at most, the first by primary key. */
  readonly limit?: number;
}

/** A row that was changed. */
export interface ChangedRow<Select> {
  readonly before: Select;
  readonly after: Select;
}

/** Rows that were changed in one commit. */
export interface ChangedRows<Select> extends Receipt {
  readonly rows: readonly ChangedRow<Select>[];
}

const action = "change rows";
const names: ReadonlySet<string> = new Set(["where", "patch", "limit", "finality", "signal"]);
const writeNames: ReadonlySet<string> = new Set(["finality", "signal"]);

/** Finds and changes rows in one turn: of several callers, one gets each row. */
export async function mutateReturning<Select>(
  context: Context,
  tables: Tables,
  table: Table<Select, unknown>,
  change: RowsChange<Select>,
): Promise<ChangedRows<Select>> {
  checkOptions(action, change, names);
  const { where, patch, limit, finality, signal } = change;
  checkWhole(action, "limit", limit, 1);
  const options = { finality, signal } as WriteOptions;
  checkWriteOptions(action, options, writeNames);
  const { core, tables: own } = tableInside(table);
  if (own !== tables) throw invalid(action, "the table's database", "another one", "this one");
  const calls = new TableCalls(tables, core);
  const statement = calls.updateWhere(where, patch, limit === undefined ? undefined : { limit });
  const { state } = statement;
  const predicate = predicateOf(where);
  context.requireIdle();
  const { receipt, result } = await context.engine.commit(function* (
    effects,
    turn,
  ): Steps<ChangedRow<Select>[]> {
    tables.adopt();
    requireSame(core, state);
    const attempt = new Attempt(context.engine, context.expiry, "newest", turn.time, "snapshot");
    const writer = new TransactionWriter(attempt);
    const most = limit ?? Number.POSITIVE_INFINITY;
    const found = yield* findRows(state, writer, predicate, most);
    const before = found.map(({ values }) => state.codec.rowOf(values) as Select);
    const { rows } = yield* statement.run(writer);
    writer.flush();
    yield* attempt.decide(effects, turn);
    return rows.map((values, at) => {
      return { before: before[at], after: state.codec.rowOf(values) as Select };
    });
  }, options);
  return { ...(receipt ?? receiptOfNothing(context)), rows: result };
}
