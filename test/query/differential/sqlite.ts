/** The other side: SQLite, compiled to Wasm. */
import initSqlJs from "sql.js";
import type { Expression } from "../../../src/index.ts";
import type { RandomQuery } from "./generate.ts";
import type { RandomTable, Type } from "./schema.ts";

type Database = InstanceType<Awaited<ReturnType<typeof initSqlJs>>["Database"]>;

const sqlTypes: Readonly<Record<Type, string>> = {
  integer: "INTEGER",
  u8: "INTEGER",
  i64: "INTEGER",
  u64: "INTEGER",
  float: "REAL",
  boolean: "INTEGER",
  text: "TEXT",
  blob: "BLOB",
  timestamp: "INTEGER",
};

export function literal(value: unknown): string {
  if (value === null) return "NULL";
  if (typeof value === "boolean") return value ? "1" : "0";
  if (typeof value === "bigint") return `(${value})`;
  if (typeof value === "number") {
    return Number.isSafeInteger(value) ? `(${value})` : `(${value.toExponential()})`;
  }
  if (value instanceof Date) return `(${value.getTime()})`;
  if (value instanceof Uint8Array) {
    return `X'${Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("")}'`;
  }
  return `'${String(value).replaceAll("'", "''")}'`;
}

const infix: Readonly<Record<string, string>> = {
  eq: "=",
  ne: "<>",
  lt: "<",
  lte: "<=",
  gt: ">",
  gte: ">=",
  add: "+",
  subtract: "-",
  multiply: "*",
  divide: "/",
  remainder: "%",
};

export function sqlOf(expression: Expression): string {
  switch (expression.op) {
    case "column":
      return expression.name;
    case "value":
      return literal(expression.value);
    case "and":
    case "or":
      return `(${expression.of.map(sqlOf).join(expression.op === "and" ? " AND " : " OR ")})`;
    case "not":
      return `(NOT ${sqlOf(expression.of)})`;
    case "negate":
      return `(- ${sqlOf(expression.of)})`;
    case "isNull":
      return `(${sqlOf(expression.of)} IS NULL)`;
    case "isNotNull":
      return `(${sqlOf(expression.of)} IS NOT NULL)`;
    case "in":
      return `(${sqlOf(expression.of)} IN (${expression.values.map(literal).join(", ")}))`;
    case "between":
      return `(${[expression.of, expression.low].map(sqlOf).join(" BETWEEN ")} AND ${sqlOf(
        expression.high,
      )})`;
    case "like":
      return `(${sqlOf(expression.of)} LIKE ${literal(expression.pattern)} ESCAPE '\\')`;
    case "coalesce":
      return `coalesce(${expression.of.map(sqlOf).join(", ")})`;
    case "aggregate": {
      const of = expression.of === undefined ? "*" : sqlOf(expression.of);
      return `${expression.function}(${expression.isDistinct ? "DISTINCT " : ""}${of})`;
    }
    default:
      if (!("left" in expression)) throw new Error(`no SQL for ${expression.op}`);
      return `(${sqlOf(expression.left)} ${infix[expression.op]} ${sqlOf(expression.right)})`;
  }
}

export function sqlOfQuery(query: RandomQuery): string {
  const outputs = query.select.map(({ name, value }) => `${sqlOf(value)} AS ${name}`);
  const parts = [`SELECT ${query.isDistinct ? "DISTINCT " : ""}${outputs.join(", ")}`];
  query.sources.forEach(({ table, as }, at) => {
    if (at === 0) parts.push(`FROM ${table.name} AS ${as}`);
    else {
      const { kind, on } = query.joins[at - 1];
      const condition = on === undefined ? "" : ` ON ${sqlOf(on)}`;
      parts.push(`${kind.toUpperCase()} JOIN ${table.name} AS ${as}${condition}`);
    }
  });
  if (query.where !== undefined) parts.push(`WHERE ${sqlOf(query.where)}`);
  if (query.groupBy.length > 0) parts.push(`GROUP BY ${query.groupBy.map(sqlOf).join(", ")}`);
  if (query.having !== undefined) parts.push(`HAVING ${sqlOf(query.having)}`);
  if (query.orderBy.length > 0) {
    const keys = query.orderBy.map(({ by, isDescending }) => `${by}${isDescending ? " DESC" : ""}`);
    parts.push(`ORDER BY ${keys.join(", ")}`);
  }
  if (query.limit !== undefined) parts.push(`LIMIT ${query.limit} OFFSET ${query.offset}`);
  return parts.join(" ");
}

export class Sqlite {
  readonly #database: Database;

  private constructor(database: Database) {
    this.#database = database;
  }

  static async create(tables: readonly RandomTable[]): Promise<Sqlite> {
    const { Database } = await initSqlJs();
    const database = new Database();
    database.run("PRAGMA case_sensitive_like = ON");
    for (const { name, columns, rows, primaryKey } of tables) {
      const declared = columns.map((column) => `${column.name} ${sqlTypes[column.type]}`);
      const key = `PRIMARY KEY (${primaryKey.join(", ")})`;
      database.run(`CREATE TABLE ${name} (${declared.join(", ")}, ${key})`);
      for (const row of rows) {
        const values = columns.map((column) => literal(row[column.name]));
        database.run(`INSERT INTO ${name} VALUES (${values.join(", ")})`);
      }
    }
    return new Sqlite(database);
  }

  /** The rows as arrays; whole numbers as bigints. */
  rows(sql: string): unknown[][] {
    const statement = this.#database.prepare(sql);
    const rows: unknown[][] = [];
    while (statement.step()) rows.push(statement.get(null, { useBigInt: true } as never));
    statement.free();
    return rows;
  }

  close(): void {
    this.#database.close();
  }
}
