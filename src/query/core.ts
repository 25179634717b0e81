/** A query whose tables are known: what builders, prepared queries and pages run. */
import { type Engine, runAsync, runSync, type Snapshot, type Steps } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import { checkOptions, checkWhole, invalid } from "../kv/index.ts";
import {
  enterTable,
  kindOfValue,
  StateReader,
  type TableCore,
  type TableReader,
  type Tables,
  TransactionWriter,
} from "../tables/inside.ts";
import { type Attempt, throwIfAborted } from "../transaction/index.ts";
import { type Compiled, compileQuery } from "./compile.ts";
import { type Answer, Execution, type ResultRow } from "./execute.ts";
import { Frame } from "./frame.ts";
import { canReorder, cheaperOrder, reordered } from "./order.ts";
import { notAPoint, Point } from "./point.ts";
import { pagedFrom } from "./position.ts";
import { type Clauses, type Resolved, resolve } from "./resolve.ts";
import { parametersOf } from "./rewrite.ts";
import { Budget, memoryBytesDefault, noCounters, type Run } from "./run.ts";

/** Values of parameters by their names. */
export type ParameterValues = Readonly<Record<string, unknown>>;

/** How a query runs. */
export interface QueryOptions {
  /** Which state it reads; the newest by default, and in a transaction that of the transaction. */
  readonly snapshot?: Snapshot;
  readonly parameters?: ParameterValues;
  /** Looked at between batches of rows. */
  readonly signal?: AbortSignal;
  /** Memory that sorting, grouping and joining may take: 256 MiB by default. */
  readonly memoryBytesMax?: number;
}

export const queryOptionNames: readonly string[] = [
  "snapshot",
  "parameters",
  "signal",
  "memoryBytesMax",
];
const optionNames: ReadonlySet<string> = new Set(queryOptionNames);

/** A table of a query. */
export interface QueryTable {
  readonly alias: string;
  readonly core: TableCore;
}

interface PagePosition {
  readonly after: readonly unknown[] | undefined;
}

/** A compiled query, and the kinds of the parameters that it is for. */
interface Variant {
  readonly kinds: readonly string[];
  readonly compiled: Compiled;
  readonly point: Point | undefined;
  /** The same query with its tables in other orders. */
  readonly orders: Map<string, Compiled>;
}

interface Prepared {
  readonly resolved: Resolved;
  /** Its tables may be joined in another order. */
  readonly canReorder: boolean;
  readonly names: readonly string[];
  readonly variants: Variant[];
  readonly states: readonly unknown[];
}

/** A run that has been set up, and the state that it holds. */
export interface Started {
  readonly run: Run;
  readonly execution: Execution;
  readonly seq: bigint;
  /** A snapshot of the run's own, to be released. */
  readonly pinned: Snapshot | undefined;
}

export class QueryCore {
  readonly tables: Tables;
  readonly sources: readonly QueryTable[];
  readonly clauses: Clauses;
  readonly attempt: Attempt | undefined;
  /** Of a page: where it begins; undefined for what is no page. */
  readonly #page: PagePosition | undefined;
  #prepared: Prepared | undefined;
  #first: QueryCore | undefined;

  constructor(
    tables: Tables,
    sources: readonly QueryTable[],
    clauses: Clauses,
    attempt: Attempt | undefined,
    page?: PagePosition,
  ) {
    this.#page = page;
    this.tables = tables;
    this.sources = sources;
    this.clauses = clauses;
    this.attempt = attempt;
  }

  /** The same query with other clauses. */
  with(change: Partial<Clauses>): QueryCore {
    const clauses = { ...this.clauses, ...change };
    return new QueryCore(this.tables, this.sources, clauses, this.attempt, this.#page);
  }

  /** The same query in an order that leaves nothing open, from behind these values on. */
  paged(after: readonly unknown[] | undefined): QueryCore {
    return new QueryCore(this.tables, this.sources, this.clauses, this.attempt, { after });
  }

  /** The same query within a transaction. */
  within(attempt: Attempt): QueryCore {
    return new QueryCore(this.tables, this.sources, this.clauses, attempt);
  }

  /** The same query for one row at most. */
  get first(): QueryCore {
    this.#first ??= this.clauses.limit === 0 ? this : this.with({ limit: 1 });
    return this.#first;
  }

  /** Names looked up in the tables as they are now. */
  resolved(): Resolved {
    return this.#prepare().resolved;
  }

  #prepare(snapshot?: Snapshot): Prepared {
    const before = this.#prepared;
    if (before !== undefined && this.#isCurrent(before, snapshot)) return before;
    const states = this.sources.map(({ core }) => core.requireAt(snapshot));
    const sources = this.sources.map(({ alias }, at) => ({ alias, state: states[at] }));
    const plain = resolve(sources, this.clauses);
    const paged = this.#page === undefined ? plain : pagedFrom(plain, this.#page.after);
    const isFree = canReorder(paged);
    // In their own order: so that all conditions on two tables are known to their join.
    const resolved = isFree ? reordered(paged, [...paged.sources.keys()]) : paged;
    const names = new Set<string>();
    for (const one of expressionsOf(resolved)) parametersOf(one, names);
    this.#prepared = { resolved, canReorder: isFree, names: [...names], variants: [], states };
    return this.#prepared;
  }

  #isCurrent({ states }: Prepared, snapshot: Snapshot | undefined): boolean {
    const { sources } = this;
    for (let at = 0; at < states.length; at++) {
      if (sources[at].core.requireAt(snapshot) !== states[at]) return false;
    }
    return true;
  }

  #valuesOf({ names }: Prepared, given: ParameterValues | undefined): unknown[] {
    if (given !== undefined) {
      for (const name in given) if (!names.includes(name)) throw unknownParameter(name, names);
    }
    const values: unknown[] = new Array(names.length);
    for (let at = 0; at < names.length; at++) {
      const value = given?.[names[at]];
      if (value === undefined) throw missingParameter(names[at]);
      values[at] = value;
    }
    return values;
  }

  /** The query compiled for values like these. */
  #variant({ resolved, names, variants }: Prepared, values: readonly unknown[]): Variant {
    for (const variant of variants) {
      if (isOfKinds(values, variant.kinds)) return variant;
    }
    const kinds = values.map(kindOfValue);
    const compiled = compileQuery(resolved, { names, kinds });
    const variant = {
      kinds: values.map(kindName),
      compiled,
      point: Point.of(compiled),
      orders: new Map(),
    };
    variants.push(variant);
    return variant;
  }

  /** The query compiled for the order of joins that is best for these values. */
  *#ordered(
    prepared: Prepared,
    values: readonly unknown[],
    statistics: TableReader,
  ): Steps<Compiled> {
    const { compiled, orders } = this.#variant(prepared, values);
    const { resolved, names } = prepared;
    const order = yield* cheaperOrder(resolved, compiled, values, statistics);
    if (order === undefined) return compiled;
    const key = order.join();
    let found = orders.get(key);
    if (found === undefined) {
      found = compileQuery(reordered(resolved, order), { names, kinds: values.map(kindOfValue) });
      orders.set(key, found);
    }
    return found;
  }

  /**
   * The only row, if any, of a query that finds it by its whole primary key. Answers `notAPoint`
   * for other queries, and where that may have to wait unless `canWait` is false.
   */
  point(
    parameters: ParameterValues | undefined,
    options: QueryOptions | undefined,
    canWait: boolean,
  ): ResultRow | undefined | typeof notAPoint {
    if (this.attempt !== undefined || this.#page !== undefined) return notAPoint;
    const { engine } = this.tables.context;
    if (canWait && !engine.storage.capabilities.sync) return notAPoint;
    this.#check(options);
    const snapshot = options?.snapshot;
    const prepared = this.#prepare(snapshot);
    const values = this.#valuesOf(prepared, parameters ?? options?.parameters);
    const { point } = this.#variant(prepared, values);
    if (point === undefined) return notAPoint;
    throwIfAborted(options?.signal);
    return point.readSync(engine, values, snapshot);
  }

  /**
   * Sets a run up. `isHeld`: it may go on in later turns, so what it reads is held meanwhile; one
   * that ends in this turn sees one state anyway. `isPatient`: it may wait in between.
   */
  *start(
    options: QueryOptions | undefined,
    isHeld: boolean,
    answer: Answer = "rows",
    isPatient: boolean = isHeld,
  ): Steps<Started> {
    this.#check(options);
    const { attempt } = this;
    if (attempt !== undefined) {
      attempt.requireOpen();
      for (const { core } of this.sources) yield* enterTable(this.tables, core, attempt);
    }
    const prepared = this.#prepare(options?.snapshot);
    const values = this.#valuesOf(prepared, options?.parameters);
    // Before anything is pinned: what is wrong is told first.
    const { compiled } = this.#variant(prepared, values);
    const { context } = this.tables;
    const { engine } = context;
    const snapshot = options?.snapshot;
    const isPinned = isHeld && snapshot === undefined && attempt === undefined;
    const pinned = isPinned ? context.pin() : undefined;
    const at = snapshot ?? pinned;
    const counters = noCounters();
    const statistics = new StateReader(engine, at);
    const run: Run = {
      reader: this.#reader(engine, at),
      statistics,
      isLent: attempt !== undefined,
      frame: new Frame(compiled.sources.length, values),
      counters,
      budget: new Budget(options?.memoryBytesMax ?? memoryBytesDefault, counters),
      isPatient,
      isDone: false,
    };
    const better = prepared.canReorder
      ? () => this.#ordered(prepared, values, statistics)
      : undefined;
    return {
      run,
      execution: new Execution(run, compiled, answer, better),
      seq: at?.seq ?? BigInt(engine.published.seq),
      pinned,
    };
  }

  #reader(engine: Engine, at: Snapshot | undefined): TableReader {
    const { attempt } = this;
    return attempt === undefined ? new StateReader(engine, at) : new TransactionWriter(attempt);
  }

  #check(options: QueryOptions | undefined): void {
    if (options === undefined) return;
    checkOptions("run a query", options, optionNames);
    checkWhole("run a query", "memoryBytesMax", options.memoryBytesMax, 1);
    if (options.snapshot === undefined || this.attempt === undefined) return;
    throw invalid(
      "run a query",
      "the option snapshot",
      "a snapshot",
      "none: a transaction reads its own state",
    );
  }

  /** All rows. */
  *all(options: QueryOptions | undefined, isHeld: boolean): Steps<ResultRow[]> {
    const started = yield* this.start(options, isHeld);
    try {
      return yield* drained(started, options?.signal);
    } finally {
      started.pinned?.release();
    }
  }

  /** How many rows there are, limit and offset included. */
  *count(options: QueryOptions | undefined, isHeld: boolean): Steps<number> {
    const started = yield* this.start(options, isHeld, "count");
    try {
      yield* drained(started, options?.signal);
      return started.execution.count;
    } finally {
      started.pinned?.release();
    }
  }

  async run<T>(steps: (isHeld: boolean) => Steps<T>): Promise<T> {
    return await runAsync(steps(true));
  }

  runSync<T>(steps: (isHeld: boolean) => Steps<T>): T {
    return runSync(steps(false));
  }
}

/** What values of parameters must have in common to share a compiled query. */
function kindName(value: unknown): string {
  if (typeof value === "number") {
    if (Number.isSafeInteger(value)) return "whole";
    // Nothing is compiled for what is no number.
    return Number.isNaN(value) ? "" : "float";
  }
  if (typeof value !== "object" || value === null) return value === null ? "null" : typeof value;
  const { family } = kindOfValue(value);
  return family;
}

function isOfKinds(values: readonly unknown[], kinds: readonly string[]): boolean {
  for (let at = 0; at < kinds.length; at++) if (kindName(values[at]) !== kinds[at]) return false;
  return true;
}

/** Everything that a run answers. */
export function* drained(
  { execution }: Started,
  signal: AbortSignal | undefined,
): Steps<ResultRow[]> {
  let all: ResultRow[] | undefined;
  for (;;) {
    throwIfAborted(signal);
    const rows = yield* execution.next(signal);
    if (rows === undefined) return all ?? [];
    if (all === undefined) all = rows;
    else for (const row of rows) all.push(row);
  }
}

function* expressionsOf(resolved: Resolved): Generator<Resolved["where"][number]> {
  for (const { on } of resolved.joins) yield* on;
  yield* resolved.where;
  yield* resolved.groups;
  yield* resolved.aggregates;
  yield* resolved.having;
  for (const { value } of resolved.outputs ?? []) yield value;
  for (const { value } of resolved.orders) yield value;
}

function missingParameter(name: string): CairnError {
  return invalid("run a query", `the parameter "${name}"`, "not given", "a value, or null");
}

function unknownParameter(name: string, names: readonly string[]): CairnError {
  const known = names.map((one) => `"${one}"`).join(", ") || "none";
  return new CairnError(
    "option_unknown",
    `Cannot run a query: it has no parameter "${name}". Known are ${known}.`,
    { details: { option: name } },
  );
}
