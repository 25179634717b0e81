/** Random queries, as plain data that both sides can be made of. */
import type { Expression, QueryPlan } from "../../../src/index.ts";
import type { Random } from "../../storage/random.ts";
import {
  type Family,
  familyOf,
  type RandomTable,
  randomValue,
  type TableColumn,
  type Type,
} from "./schema.ts";

/** A column that an expression may name, and what it holds. */
interface Named {
  readonly name: string;
  readonly column: TableColumn;
}

type JoinKind = NonNullable<QueryPlan["joins"]>[number]["kind"];

export interface RandomSource {
  readonly table: RandomTable;
  readonly as: string;
}

export interface RandomQuery {
  readonly sources: readonly RandomSource[];
  readonly joins: readonly { readonly kind: JoinKind; readonly on: Expression | undefined }[];
  readonly where: Expression | undefined;
  readonly groupBy: readonly Expression[];
  readonly having: Expression | undefined;
  readonly select: readonly { readonly name: string; readonly value: Expression }[];
  readonly isDistinct: boolean;
  readonly orderBy: readonly { readonly by: string; readonly isDescending: boolean }[];
  readonly limit: number | undefined;
  readonly offset: number;
  /** An index of the first table; small tables would hardly ever be read by one. */
  readonly useIndex: string | undefined;
}

const comparisons = ["eq", "ne", "lt", "lte", "gt", "gte"] as const;
const patterns = ["a%", "%a", "%", "_", "a_", "%b%", "a\\%", "", "A%", "é", "_%_", "ab%"];
const joinKinds: readonly JoinKind[] = ["inner", "inner", "left", "left", "right", "full", "cross"];

/** Makes expressions over some columns. */
class Writer {
  readonly #random: Random;
  readonly #named: readonly Named[];

  constructor(random: Random, named: readonly Named[]) {
    this.#random = random;
    this.#named = named;
  }

  of(family: Family): Named[] {
    return this.#named.filter(({ column }) => familyOf(column.type) === family);
  }

  column(name: string): Expression {
    return { op: "column", name };
  }

  literal(type: Type): Expression {
    return {
      op: "value",
      value: this.#random.chance(0.04) ? null : randomValue(this.#random, type),
    };
  }

  /** A value of the family of `near`, mostly of its very type. */
  value(near: TableColumn, depth: number): Expression {
    const random = this.#random;
    const family = familyOf(near.type);
    const same = this.of(family);
    const roll = random.fraction();
    if (roll < 0.5 || depth <= 0) return this.literal(this.#near(near.type));
    if (roll < 0.75 || family !== "number") return this.column(random.pick(same).name);
    return this.number(depth - 1);
  }

  #near(type: Type): Type {
    if (familyOf(type) !== "number" || this.#random.chance(0.6)) return type;
    return this.#random.pick(["integer", "i64", "float"]);
  }

  /** A number; without large bigints in products, which SQLite turns into floats. */
  number(depth: number): Expression {
    const random = this.#random;
    const numbers = this.of("number");
    if (numbers.length === 0 || depth <= 0) return this.literal("integer");
    const roll = random.fraction();
    if (roll < 0.4) return this.column(random.pick(numbers).name);
    if (roll < 0.5) return { op: "negate", of: this.number(depth - 1) };
    if (roll < 0.6) {
      const { name, column } = random.pick(numbers);
      // A whole number would be a float with us, by its column, and not with SQLite, by its value.
      const other: Expression =
        column.type === "float"
          ? { op: "value", value: random.whole(-50, 50) + 0.5 }
          : this.literal(column.type);
      return { op: "coalesce", of: [this.column(name), other] };
    }
    if (roll < 0.85) {
      const op = random.pick(["add", "subtract"] as const);
      return { op, left: this.number(depth - 1), right: this.number(depth - 1) };
    }
    const small = numbers.filter(({ column }) => column.type === "integer" || column.type === "u8");
    if (small.length === 0) return this.literal("integer");
    const op = random.pick(["multiply", "divide", "remainder"] as const);
    const left = this.column(random.pick(small).name);
    return { op, left, right: { op: "value", value: random.whole(-3, 3) } };
  }

  predicate(depth: number): Expression {
    const random = this.#random;
    const roll = random.fraction();
    if (depth > 0 && roll < 0.3) {
      const of = Array.from({ length: random.whole(1, 3) }, () => this.predicate(depth - 1));
      return { op: random.pick(["and", "and", "or"] as const), of };
    }
    if (depth > 0 && roll < 0.38) return { op: "not", of: this.predicate(depth - 1) };
    const { name, column } = random.pick(this.#named);
    const of = this.column(name);
    const family = familyOf(column.type);
    if (roll < 0.46) return { op: random.pick(["isNull", "isNotNull"] as const), of };
    if (roll < 0.54) {
      const values = Array.from({ length: random.whole(0, 4) }, () => {
        return random.chance(0.1) ? null : randomValue(random, this.#near(column.type));
      });
      return { op: "in", of, values };
    }
    if (roll < 0.62)
      return { op: "between", of, low: this.value(column, 1), high: this.value(column, 1) };
    if (family === "text" && roll < 0.72) return { op: "like", of, pattern: random.pick(patterns) };
    if (family === "number" && roll < 0.72) {
      return { op: random.pick(comparisons), left: this.number(2), right: this.number(1) };
    }
    if (family === "boolean" && roll < 0.72) return of;
    const other = this.value(column, 1);
    const op = random.chance(0.5) ? "eq" : random.pick(comparisons);
    return random.chance(0.2) ? { op, left: other, right: of } : { op, left: of, right: other };
  }

  any(): Expression {
    const random = this.#random;
    if (random.chance(0.25)) return this.number(2);
    if (random.chance(0.1)) return this.predicate(1);
    return this.column(random.pick(this.#named).name);
  }

  aggregate(): Expression {
    const random = this.#random;
    const roll = random.fraction();
    if (roll < 0.25) return { op: "aggregate", function: "count" };
    const isDistinct = random.chance(0.2);
    const any = random.pick(this.#named);
    const of = this.column(any.name);
    const distinct = isDistinct ? { isDistinct } : {};
    if (roll < 0.4) return { op: "aggregate", function: "count", of, ...distinct };
    if (roll < 0.65) return { op: "aggregate", function: random.pick(["min", "max"] as const), of };
    const numbers = this.of("number");
    const number =
      numbers.length === 0 ? this.literal("integer") : this.column(random.pick(numbers).name);
    const inner = random.chance(0.3) ? this.number(1) : number;
    return {
      op: "aggregate",
      function: random.pick(["sum", "avg"] as const),
      of: inner,
      ...distinct,
    };
  }
}

function namedOf(sources: readonly RandomSource[]): Named[] {
  return sources.flatMap(({ table, as }) =>
    table.columns.map((column) => ({ name: `${as}.${column.name}`, column })),
  );
}

export function queryOf(random: Random, tables: readonly RandomTable[]): RandomQuery {
  const joined = random.chance(0.45) ? 0 : random.whole(1, 2);
  const sources = Array.from({ length: joined + 1 }, (_one, at) => ({
    table: random.pick(tables),
    as: `s${at}`,
  }));
  const joins = sources.slice(1).map((_one, at) => {
    const kind = random.pick(joinKinds);
    const known = sources.slice(0, at + 2);
    return { kind, on: kind === "cross" ? undefined : onOf(random, known) };
  });
  const named = namedOf(sources);
  const writer = new Writer(random, named);
  const where = whereOf(random, sources, writer);
  const isGrouped = random.chance(0.3);
  const groups = isGrouped ? random.some(named, random.whole(0, 2)) : [];
  const groupBy = groups.map(({ name }) => writer.column(name));
  const values = isGrouped
    ? [...groupBy, ...Array.from({ length: random.whole(1, 3) }, () => writer.aggregate())]
    : Array.from({ length: random.whole(1, 4) }, () => writer.any());
  const select = values.map((value, at) => ({ name: `o${at}`, value }));
  const limit = random.chance(0.4) ? random.whole(0, 12) : undefined;
  const order = random.some(select, random.whole(0, select.length));
  // With a limit, equal rows behind the same order must be the same rows.
  const rest = limit === undefined ? [] : select.filter((output) => !order.includes(output));
  return {
    sources,
    joins,
    where,
    groupBy,
    having: isGrouped && random.chance(0.4) ? havingOf(random, writer) : undefined,
    select,
    isDistinct: random.chance(0.15),
    orderBy: [...order, ...rest].map(({ name }) => ({
      by: name,
      isDescending: random.chance(0.4),
    })),
    limit,
    offset: limit !== undefined && random.chance(0.4) ? random.whole(0, 6) : 0,
    useIndex: random.chance(0.5) ? indexOf(random, sources[0].table) : undefined,
  };
}

function indexOf(random: Random, { indexes }: RandomTable): string | undefined {
  return indexes.length === 0 ? undefined : random.pick(indexes).name;
}

/** Mostly anything; sometimes what a partial index holds, or an `or` of what keys can find. */
function whereOf(
  random: Random,
  sources: readonly RandomSource[],
  writer: Writer,
): Expression | undefined {
  const of: Expression[] = [];
  if (random.chance(0.7)) of.push(writer.predicate(2));
  const { table, as } = random.chance(0.7) ? sources[0] : random.pick(sources);
  const partial = table.indexes.filter(({ where }) => where !== undefined);
  if (partial.length > 0 && random.chance(0.5)) {
    const { where, columns } = random.pick(partial);
    if (where !== undefined) of.push(impliedPart(random, table, as, where));
    if (random.chance(0.7)) of.push(found(random, table, as, columns[0]));
  }
  if (random.chance(0.2)) {
    const first = [table.primaryKey[0], ...table.indexes.map(({ columns }) => columns[0])];
    const branches = Array.from({ length: random.whole(1, 3) }, () => {
      const branch = found(random, table, as, random.pick(first));
      if (random.chance(0.7)) return branch;
      return { op: "and", of: [branch, writer.predicate(1)] } as Expression;
    });
    of.push({ op: "or", of: branches });
  }
  if (of.length === 0) return undefined;
  return of.length === 1 ? of[0] : { op: "and", of };
}

/** What a key or an index may find. */
function found(random: Random, table: RandomTable, as: string, name: string): Expression {
  const type = table.columns.find((column) => column.name === name)?.type ?? "integer";
  const left: Expression = { op: "column", name: `${as}.${name}` };
  const value = (): Expression => ({ op: "value", value: randomValue(random, type) });
  const roll = random.fraction();
  if (roll < 0.6) return { op: "eq", left, right: value() };
  if (roll < 0.7) {
    const values = [randomValue(random, type), randomValue(random, type)];
    return { op: "in", of: left, values };
  }
  if (roll < 0.8) return { op: "isNull", of: left };
  return { op: random.pick(["gt", "gte", "lt", "lte"] as const), left, right: value() };
}

/** A condition like that of a partial index, which may say as much, more, or less. */
function impliedPart(
  random: Random,
  table: RandomTable,
  as: string,
  where: Expression,
): Expression {
  const of = "left" in where ? where.left : (where as { of: Expression }).of;
  const name = of.op === "column" ? of.name : "";
  const left: Expression = { op: "column", name: `${as}.${name}` };
  if (random.chance(0.5)) return found(random, table, as, name);
  if (where.op === "isNotNull") return { op: "isNotNull", of: left };
  return { ...where, left } as Expression;
}

function havingOf(random: Random, writer: Writer): Expression {
  const left: Expression = { op: "aggregate", function: "count" };
  const right: Expression = { op: "value", value: random.whole(0, 4) };
  const counted: Expression = { op: random.pick(comparisons), left, right };
  const numbers = writer.of("number");
  if (numbers.length === 0 || random.chance(0.5)) return counted;
  const of = writer.column(random.pick(numbers).name);
  const least: Expression = { op: "aggregate", function: "min", of };
  const other: Expression = { op: "gt", left: least, right: { op: "value", value: 0 } };
  return { op: random.pick(["and", "or"] as const), of: [counted, other] };
}

/** Mostly an equality between the new table and one before it. */
function onOf(random: Random, sources: readonly RandomSource[]): Expression {
  const before = namedOf(sources.slice(0, -1));
  const own = namedOf(sources.slice(-1));
  const pairs = before.flatMap((left) =>
    own
      .filter(({ column }) => familyOf(column.type) === familyOf(left.column.type))
      .map((right) => ({ left, right })),
  );
  const writer = new Writer(random, [...before, ...own]);
  const of: Expression[] = [];
  if (pairs.length > 0 && random.chance(0.9)) {
    for (let at = random.whole(1, 2); at > 0; at--) {
      const { left, right } = random.pick(pairs);
      const op = at === 1 && random.chance(0.1) ? "lte" : "eq";
      of.push({ op, left: writer.column(left.name), right: writer.column(right.name) });
    }
  }
  if (of.length === 0 || random.chance(0.2)) of.push(writer.predicate(1));
  return of.length === 1 ? of[0] : { op: "and", of };
}
