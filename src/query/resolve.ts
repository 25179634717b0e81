/** From what a caller has written to what can be run: every name is looked up, groups are told. */
import { CairnError } from "../errors.ts";
import type { Expression } from "../tables/index.ts";
import { expressionInvalid, type TableState } from "../tables/inside.ts";
import { columnName, groupName } from "./frame.ts";
import { clausesMax, type JoinKind } from "./plan.ts";
import { conjunctsOf, expressionKey, rewrite } from "./rewrite.ts";

/** A table of a query under its name. */
export interface Source {
  /** Empty for the only table of a query without joins. */
  readonly alias: string;
  readonly state: TableState;
}

export interface Join {
  readonly kind: JoinKind;
  readonly on: Expression | undefined;
}

export interface Output {
  readonly name: string;
  readonly value: Expression;
}

export interface Order {
  readonly value: Expression;
  readonly isDescending: boolean;
}

/** What a query says, names as they were written. */
export interface Clauses {
  /** Of the sources behind the first one. */
  readonly joins: readonly Join[];
  readonly where: readonly Expression[];
  readonly groupBy: readonly Expression[];
  readonly having: readonly Expression[];
  /** Undefined for all columns. */
  readonly select: readonly Output[] | undefined;
  readonly isDistinct: boolean;
  readonly orderBy: readonly Order[];
  readonly limit: number | undefined;
  readonly offset: number;
  /** The index that the first table is to be read by, where it can be. */
  readonly index: string | undefined;
}

/** One aggregate of a grouping. */
export type Aggregate = Extract<Expression, { op: "aggregate" }>;

/** A query whose columns are `source.name`, or, behind a grouping, `#index`. */
export interface Resolved {
  readonly sources: readonly Source[];
  /** Where the tables have come to, in the order in which they were written, if in another. */
  readonly written?: readonly number[];
  readonly joins: readonly { readonly kind: JoinKind; readonly on: readonly Expression[] }[];
  readonly where: readonly Expression[];
  readonly isGrouped: boolean;
  readonly groups: readonly Expression[];
  readonly aggregates: readonly Aggregate[];
  readonly having: readonly Expression[];
  readonly outputs: readonly Output[] | undefined;
  readonly orders: readonly Order[];
  readonly isDistinct: boolean;
  readonly limit: number | undefined;
  readonly offset: number;
  /** The index that the first table is to be read by, where it can be. */
  readonly index: string | undefined;
}

/** @throws CairnError `unknown_column`, `expression_invalid`. */
export function resolve(sources: readonly Source[], clauses: Clauses): Resolved {
  const { select, groupBy, orderBy } = clauses;
  if (groupBy.length > clausesMax || orderBy.length > clausesMax) {
    throw expressionInvalid(`groupBy or orderBy has more than ${clausesMax} expressions`);
  }
  const names = new Names(sources, select);
  const grouping = new Grouping(groupBy.map((key) => names.resolve(key, "source first")));
  const isGrouped =
    groupBy.length > 0 ||
    [...(select ?? []), ...orderBy].some(({ value }) => hasAggregate(value)) ||
    clauses.having.length > 0;
  if (isGrouped && select === undefined) {
    throw expressionInvalid("a query with groups or aggregates has no select; name its outputs");
  }
  const behind = (value: Expression): Expression => (isGrouped ? grouping.resolve(value) : value);
  const outputs = select?.map(({ name, value }) => ({
    name,
    value: behind(names.resolve(value, "source only")),
  }));
  const orders = orderBy.map(({ value, isDescending }) => ({
    value: behind(names.resolve(value, "output first")),
    isDescending,
  }));
  const having = clauses.having
    .flatMap((one) => conjunctsOf(names.resolve(one, "source first")))
    .map(behind);
  const isDistinct = clauses.isDistinct && outputs !== undefined;
  if (isDistinct) requireOutputs(orders, outputs);
  if (grouping.aggregates.length > clausesMax) {
    throw expressionInvalid(`there are more than ${clausesMax} aggregates`);
  }
  return {
    sources,
    joins: clauses.joins.map(({ kind, on }) => ({
      kind,
      on: on === undefined ? [] : conjunctsOf(names.resolve(on, "source only")),
    })),
    where: clauses.where.flatMap((one) => conjunctsOf(names.resolve(one, "source only"))),
    isGrouped,
    groups: grouping.keys,
    aggregates: grouping.aggregates,
    having,
    outputs,
    orders,
    isDistinct,
    limit: clauses.limit,
    offset: clauses.offset,
    index: clauses.index,
  };
}

/** Where a name without a table is looked for. */
type Scope = "source only" | "source first" | "output first";

class Names {
  readonly #sources: readonly Source[];
  readonly #select: readonly Output[];

  constructor(sources: readonly Source[], select: readonly Output[] | undefined) {
    this.#sources = sources;
    this.#select = select ?? [];
  }

  resolve(expression: Expression, scope: Scope): Expression {
    return rewrite(expression, (part) => {
      if (part.op !== "column") return undefined;
      const output = this.#select.find(({ name }) => name === part.name)?.value;
      if (output !== undefined && scope === "output first") return this.#own(output);
      const found = this.#find(part.name);
      if (found !== undefined) return found;
      if (output !== undefined && scope === "source first") return this.#own(output);
      throw this.#unknown(part.name);
    });
  }

  /** An output's expression speaks of columns, not of outputs. */
  #own(output: Expression): Expression {
    return this.resolve(output, "source only");
  }

  #find(name: string): Expression | undefined {
    const dot = name.indexOf(".");
    if (dot >= 0) {
      const index = this.#sources.findIndex(({ alias, state }) => {
        return (alias === "" ? state.path.name : alias) === name.slice(0, dot);
      });
      if (index < 0) return undefined;
      const { name: own } = this.#sources[index].state.column(name.slice(dot + 1));
      return { op: "column", name: columnName(index, own) };
    }
    const having = this.#sources.flatMap(({ state }, index) =>
      state.hasColumn(name) ? [index] : [],
    );
    if (having.length === 0) return undefined;
    if (having.length === 1) return { op: "column", name: columnName(having[0], name) };
    throw expressionInvalid(
      `several tables have a column "${name}"; write the table's name before it, as in ` +
        `"${this.#sources[having[0]].alias}.${name}"`,
    );
  }

  #unknown(name: string): CairnError {
    if (this.#sources.length === 1 && !name.includes(".")) {
      return this.#sources[0].state.unknownColumn(name);
    }
    const known = this.#sources.map(({ alias }) => `"${alias}"`).join(", ");
    return new CairnError(
      "unknown_column",
      `The query has no column "${name}". Its tables are ${known}; see describe() of each.`,
    );
  }
}

/** The keys of groups, and the aggregates that are found on the way. */
class Grouping {
  readonly keys: Expression[] = [];
  readonly aggregates: Aggregate[] = [];
  readonly #keyNames: Map<string, number> = new Map();
  readonly #aggregateNames: Map<string, number> = new Map();

  constructor(keys: readonly Expression[]) {
    for (const key of keys) {
      if (hasAggregate(key)) throw expressionInvalid("groupBy has an aggregate");
      const name = expressionKey(key);
      if (this.#keyNames.has(name)) continue;
      this.#keyNames.set(name, this.keys.length);
      this.keys.push(key);
    }
  }

  /** The expression over the values of a group. */
  resolve(expression: Expression): Expression {
    return rewrite(expression, (part) => {
      const name = expressionKey(part);
      const key = this.#keyNames.get(name);
      if (key !== undefined) return { op: "column", name: groupName(key) };
      if (part.op === "aggregate") return this.#aggregate(part, name);
      if (part.op !== "column") return undefined;
      throw expressionInvalid(
        `"${part.name.replace(/^\d+\./, "")}" is used for a group as a whole, but is neither ` +
          "in groupBy nor in an aggregate",
      );
    });
  }

  #aggregate(part: Aggregate, name: string): Expression {
    if (part.of !== undefined && hasAggregate(part.of)) {
      throw expressionInvalid("an aggregate is within another");
    }
    let index = this.#aggregateNames.get(name);
    if (index === undefined) {
      index = this.aggregates.length;
      this.#aggregateNames.set(name, index);
      this.aggregates.push(part);
    }
    return { op: "column", name: groupName(this.keys.length + index) };
  }
}

function hasAggregate(expression: Expression): boolean {
  let found = false;
  rewrite(expression, (part) => {
    found ||= part.op === "aggregate";
    return found ? part : undefined;
  });
  return found;
}

/** Equal rows come out once, so what they are sorted by must be in them. */
function requireOutputs(orders: readonly Order[], outputs: readonly Output[]): void {
  const known = new Set(outputs.map(({ value }) => expressionKey(value)));
  if (orders.every(({ value }) => known.has(expressionKey(value)))) return;
  throw expressionInvalid("distinct rows are sorted by something that is not in their select");
}
