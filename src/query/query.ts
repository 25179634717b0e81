/** The builder of queries. */
import { AsyncRows, type Context, checkWhole, requireSame, SyncRows } from "../kv/index.ts";
import type { Expression, Table } from "../tables/index.ts";
import { expressionInvalid, predicateOf, tableInside } from "../tables/inside.ts";
import type { Attempt } from "../transaction/index.ts";
import { expressionOf } from "./aggregate.ts";
import { type ParameterValues, QueryCore, type QueryOptions } from "./core.ts";
import { DecodedQuery, type RowDecoder } from "./decoded.ts";
import { explain, type QueryExplanation } from "./explain.ts";
import { type Page, type PageOptions, type PageWithTotal, readPage } from "./page.ts";
import type { Direction, JoinKind } from "./plan.ts";
import { notAPoint } from "./point.ts";
import { PreparedQuery } from "./prepared.ts";
import type { Clauses, Output } from "./resolve.ts";
import { readResults } from "./results.ts";
import type {
  AllNullable,
  ColumnName,
  ColumnsOf,
  ColumnValue,
  Condition,
  OutputName,
  Selectable,
  SelectedValue,
  Sources,
  WholeRow,
  With,
} from "./types.ts";

const noClauses: Clauses = {
  joins: [],
  where: [],
  groupBy: [],
  having: [],
  select: undefined,
  isDistinct: false,
  orderBy: [],
  limit: undefined,
  offset: 0,
  index: undefined,
};

/** A query of one table, whose columns are named without it unless `as` says how it is called. */
export function coreOfTable(table: Table<unknown, unknown>, as: string | undefined): QueryCore {
  const { tables, core } = tableInside(table);
  return new QueryCore(tables, [{ alias: as ?? "", core }], noClauses, undefined);
}

/**
 * A query: every method answers a new one, so parts can be kept and built upon. S are the rows of
 * its tables, R is what it answers. Methods that run it may answer `unknown_column`,
 * `type_mismatch`, `expression_invalid`, `query_too_large`, `table_dropped`, `snapshot_expired`,
 * `aborted`, `closed`, and what its expressions do: `overflow`. Those with `Sync` in their name
 * answer in this turn, or `synchronous_unavailable` where the storage cannot.
 */
export class Query<S extends Sources, R> {
  readonly #core: QueryCore;
  /** Only for the compiler. */
  declare readonly types: readonly [S, R];

  /** Not for applications: `db.from` makes it. */
  constructor(core: QueryCore) {
    this.#core = core;
  }

  /** Not for applications: `transaction.query` calls it. */
  joinTransaction(context: Context, attempt: Attempt): Query<S, R> {
    requireSame(context, this.#core.tables.context);
    return new Query(this.#core.within(attempt));
  }

  // ---- building

  /** Only rows for which it is true; several calls are joined by `and`. */
  where(condition: Condition<S>): Query<S, R> {
    const where = [...this.#core.clauses.where, this.#predicate(condition)];
    return this.#with({ where });
  }

  /** Rows of both sides that belong together. */
  join<T, A extends string>(
    table: Table<T, unknown>,
    as: A,
    on: Condition<With<S, A, T>>,
  ): Query<With<S, A, T>, WholeRow<With<S, A, T>>> {
    return this.#join("inner", table, as, on);
  }

  /** The same, and rows before it without a match: their side of this table is null. */
  leftJoin<T, A extends string>(
    table: Table<T, unknown>,
    as: A,
    on: Condition<With<S, A, T>>,
  ): Query<With<S, A, T | null>, WholeRow<With<S, A, T | null>>> {
    return this.#join("left", table, as, on);
  }

  /** The same as `join`, and rows of this table without a match. */
  rightJoin<T, A extends string>(
    table: Table<T, unknown>,
    as: A,
    on: Condition<With<S, A, T>>,
  ): Query<With<AllNullable<S>, A, T>, WholeRow<With<AllNullable<S>, A, T>>> {
    return this.#join("right", table, as, on);
  }

  /** Rows of both sides, with and without a match. */
  fullJoin<T, A extends string>(
    table: Table<T, unknown>,
    as: A,
    on: Condition<With<S, A, T>>,
  ): Query<With<AllNullable<S>, A, T | null>, WholeRow<With<AllNullable<S>, A, T | null>>> {
    return this.#join("full", table, as, on);
  }

  /** Every row with every row. */
  crossJoin<T, A extends string>(
    table: Table<T, unknown>,
    as: A,
  ): Query<With<S, A, T>, WholeRow<With<S, A, T>>> {
    return this.#join("cross", table, as, undefined);
  }

  #join<S2 extends Sources, R2>(
    kind: JoinKind,
    table: Table<unknown, unknown>,
    as: string,
    on: unknown,
  ): Query<S2, R2> {
    const { core: tableCore } = tableInside(table);
    const { tables, sources, clauses, attempt } = this.#core;
    if (sources[0].alias === "") {
      throw expressionInvalid("tables are joined to one without a name; pass one to from");
    }
    if (as === "" || sources.some(({ alias }) => alias === as)) {
      throw expressionInvalid(`two tables of the query have the name "${as}"`);
    }
    const all = [...sources, { alias: as, core: tableCore }];
    const columns = columnsOf(all);
    const predicate = on === undefined ? undefined : predicateIn(on, columns);
    const joins = [...clauses.joins, { kind, on: predicate }];
    return new Query(new QueryCore(tables, all, { ...clauses, joins }, attempt));
  }

  /** What rows are made of: columns by name, or outputs with names of their own. */
  select<N extends ColumnName<S>>(
    ...names: readonly [N, ...N[]]
  ): Query<S, { [K in N as OutputName<K>]: ColumnValue<S, K> }>;
  select<O extends Readonly<Record<string, Selectable<S>>>>(
    outputs: O | ((columns: ColumnsOf<S>) => O),
  ): Query<S, { -readonly [K in keyof O]: SelectedValue<S, O[K]> }>;
  select(...given: readonly unknown[]): Query<S, never> {
    return this.#with({ select: outputsOf(given, columnsOf(this.#core.sources)) }) as never;
  }

  /** One row for each different one; all columns of its order must be selected. */
  distinct(): Query<S, R> {
    return this.#with({ isDistinct: true });
  }

  /** One row for each different combination of these values; aggregates speak of its rows. */
  groupBy(...keys: (ColumnName<S> | Expression)[]): Query<S, R> {
    return this.#with({ groupBy: [...this.#core.clauses.groupBy, ...keys.map(expressionOf)] });
  }

  /** Only groups for which it is true. */
  having(condition: Expression | ((columns: ColumnsOf<S>) => Expression)): Query<S, R> {
    const having = [...this.#core.clauses.having, this.#predicate(condition)];
    return this.#with({ having });
  }

  /** Sorts, after what earlier calls say: by a column, the name of an output, or an expression. */
  orderBy(
    by: ColumnName<S> | (keyof R & string) | Expression,
    direction: Direction = "asc",
  ): Query<S, R> {
    const order = { value: expressionOf(by), isDescending: direction === "desc" };
    return this.#with({ orderBy: [...this.#core.clauses.orderBy, order] });
  }

  /** At most so many rows. */
  limit(rows: number): Query<S, R> {
    checkWhole("build a query", "limit", rows, 0);
    return this.#with({ limit: rows });
  }

  /** Leaves the first rows out. */
  offset(rows: number): Query<S, R> {
    checkWhole("build a query", "offset", rows, 0);
    return this.#with({ offset: rows });
  }

  /** Reads the first table by this index, where it can serve, whatever seems cheapest. */
  useIndex(name: string): Query<S, R> {
    return this.#with({ index: name });
  }

  #with(change: Partial<Clauses>): Query<S, R> {
    return new Query(this.#core.with(change));
  }

  #predicate(condition: unknown): Expression {
    return predicateIn(condition, columnsOf(this.#core.sources));
  }

  // ---- running

  /** All rows. */
  async all(options?: QueryOptions): Promise<R[]> {
    const point = this.#core.point(undefined, options, true);
    if (point !== notAPoint) return (point === undefined ? [] : [point]) as R[];
    return (await this.#core.run((isHeld) => this.#core.all(options, isHeld))) as R[];
  }

  allSync(options?: QueryOptions): R[] {
    const point = this.#core.point(undefined, options, false);
    if (point !== notAPoint) return (point === undefined ? [] : [point]) as R[];
    return this.#core.runSync((isHeld) => this.#core.all(options, isHeld)) as R[];
  }

  /** The first row, or undefined. */
  async first(options?: QueryOptions): Promise<R | undefined> {
    const core = this.#core.first;
    const point = core.point(undefined, options, true);
    if (point !== notAPoint) return point as R | undefined;
    return (await core.run((isHeld) => core.all(options, isHeld)))[0] as R | undefined;
  }

  firstSync(options?: QueryOptions): R | undefined {
    const core = this.#core.first;
    const point = core.point(undefined, options, false);
    if (point !== notAPoint) return point as R | undefined;
    return core.runSync((isHeld) => core.all(options, isHeld))[0] as R | undefined;
  }

  /** The rows one after the other, as they are found. What is seen is fixed by this call. */
  rows(options?: QueryOptions): AsyncRows<R> {
    return new AsyncRows(readResults<R>(this.#core, options, true));
  }

  rowsSync(options?: QueryOptions): SyncRows<R> {
    return new SyncRows(readResults<R>(this.#core, options, false));
  }

  /**
   * One page, and a cursor for the next. The order is made complete by primary keys (by the keys of
   * groups), and the next page begins behind the last row of this one: rows that are written in
   * between are neither repeated nor do they shift others. The query has no limit or offset.
   * @throws CairnError `cursor_invalid`.
   */
  page(options: PageOptions & { readonly total: true }): Promise<PageWithTotal<R>>;
  page(options: PageOptions): Promise<Page<R>>;
  async page(options: PageOptions): Promise<Page<R>> {
    return (await this.#core.run((isHeld) => readPage(this.#core, options, isHeld))) as Page<R>;
  }

  pageSync(options: PageOptions & { readonly total: true }): PageWithTotal<R>;
  pageSync(options: PageOptions): Page<R>;
  pageSync(options: PageOptions): Page<R> {
    return this.#core.runSync((isHeld) => readPage(this.#core, options, isHeld)) as Page<R>;
  }

  /**
   * The same query, whose rows are made into something else when they are answered: by a function,
   * or by a validator (zod, valibot, arktype, …). A row that cannot be is `row_decode_failed`.
   */
  decode<T>(decoder: RowDecoder<R, T>): DecodedQuery<T> {
    const query = this as unknown as Query<never, unknown>;
    return new DecodedQuery(query, decoder as RowDecoder<unknown, T>);
  }

  /** The query for many runs with other values for its parameters. */
  prepare<P extends ParameterValues = ParameterValues>(): PreparedQuery<R, P> {
    this.#core.resolved();
    return new PreparedQuery<R, P>(this as unknown as Query<never, R>, this.#core);
  }

  /**
   * Runs the query, throws its rows away, and tells how it ran: by which keys and indexes, how it
   * joined, and how much it really looked at.
   */
  async explain(options?: QueryOptions): Promise<QueryExplanation> {
    return await this.#core.run((isHeld) => explain(this.#core, options, isHeld));
  }

  explainSync(options?: QueryOptions): QueryExplanation {
    return this.#core.runSync((isHeld) => explain(this.#core, options, isHeld));
  }

  /** How many rows there are, within limit and offset; none is made for it. */
  async count(options?: QueryOptions): Promise<number> {
    return await this.#core.run((isHeld) => this.#core.count(options, isHeld));
  }

  countSync(options?: QueryOptions): number {
    return this.#core.runSync((isHeld) => this.#core.count(options, isHeld));
  }

  /** True when there is a row, within limit and offset; no more than one is looked for. */
  async exists(options?: QueryOptions): Promise<boolean> {
    const core = this.#core.first;
    return (await core.run((isHeld) => core.count(options, isHeld))) > 0;
  }

  existsSync(options?: QueryOptions): boolean {
    const core = this.#core.first;
    return core.runSync((isHeld) => core.count(options, isHeld)) > 0;
  }
}

type AnyColumns = Readonly<Record<string, unknown>>;

/** What callbacks get. */
function columnsOf(sources: QueryCore["sources"]): AnyColumns {
  const of = (prefix: string, at: number): AnyColumns =>
    Object.fromEntries(
      sources[at].core.require().columns.map(({ name }) => [name, expressionOf(prefix + name)]),
    );
  if (sources[0].alias === "") return of("", 0);
  return Object.fromEntries(sources.map(({ alias }, at) => [alias, of(`${alias}.`, at)]));
}

function predicateIn(condition: unknown, columns: AnyColumns): Expression {
  const given = typeof condition === "function" ? condition(columns) : condition;
  return predicateOf(given as Expression);
}

function outputsOf(given: readonly unknown[], columns: AnyColumns): Output[] {
  const outputs: Output[] = [];
  const [first] = given;
  const named = typeof first === "function" ? first(columns) : first;
  if (typeof named === "string") {
    for (const name of given as readonly string[]) {
      outputs.push({ name: name.slice(name.indexOf(".") + 1), value: expressionOf(name) });
    }
  } else {
    for (const [name, value] of Object.entries((named ?? {}) as Record<string, Expression>)) {
      outputs.push({ name, value: expressionOf(value) });
    }
  }
  if (outputs.length === 0) throw expressionInvalid("a select names no output");
  const twin = outputs.find(({ name }, at) => outputs.findIndex((o) => o.name === name) !== at);
  if (twin === undefined) return outputs;
  throw expressionInvalid(`two outputs have the name "${twin.name}"; give one another name`);
}
