/**
 * Goal: a query answers what SQL says, whatever path, join and order it takes inside.
 * Method: random tables with random indexes, and random queries over them, run here and in SQLite.
 * Rows are compared in order where the order is told, otherwise as a bag; floats to 12 digits.
 * `QUERIES` says how many, `SEED` repeats a run.
 */
import process from "node:process";
import { expect, test } from "vitest";
import {
  type Columns,
  type Database,
  type Expression,
  isCairnError,
  MemoryStorage,
  open,
  type Query,
  type QueryExplanation,
  type QueryPlan,
  t,
} from "../../../src/index.ts";
import { seed } from "../../seed.ts";
import { Random } from "../../storage/random.ts";
import { queryOf, type RandomQuery } from "./generate.ts";
import { type RandomTable, tableOf } from "./schema.ts";
import { Sqlite, sqlOfQuery } from "./sqlite.ts";

const queries = Number(process.env.QUERIES ?? 2_000);
const queriesPerSchema = 50;
/** How often each way was taken, so that none is left out unnoticed. */
const ways = new Map<string, number>();

async function create(db: Database, tables: readonly RandomTable[]): Promise<void> {
  for (const { name, columns, primaryKey, indexes, rows } of tables) {
    const declared: Columns = Object.fromEntries(
      columns.map((column) => {
        const fresh = t[column.type]();
        return [column.name, column.isNullable ? fresh : fresh.notNull()];
      }),
    );
    const table = await db.table(name, { columns: declared, primaryKey, indexes });
    await table.insertMany(rows);
  }
}

/** Literals become parameters, so that prepared queries are tried as well. */
function parametrised(expression: Expression, values: Record<string, unknown>): Expression {
  if (expression.op === "value" && expression.value !== null) {
    const name = `p${Object.keys(values).length}`;
    values[name] = expression.value;
    return { op: "parameter", name };
  }
  const again = (inner: Expression): Expression => parametrised(inner, values);
  if ("left" in expression) {
    return { ...expression, left: again(expression.left), right: again(expression.right) };
  }
  if (expression.op === "and" || expression.op === "or") {
    return { op: expression.op, of: expression.of.map(again) };
  }
  if (expression.op === "not") return { op: "not", of: again(expression.of) };
  return expression;
}

function planOf(query: RandomQuery, where: Expression | undefined): QueryPlan {
  const [first, ...others] = query.sources;
  return {
    from: { table: first.table.name, as: first.as },
    joins: others.map(({ table, as }, at) => {
      const { kind, on } = query.joins[at];
      return { kind, table: table.name, as, ...(on === undefined ? {} : { on }) };
    }),
    ...(where === undefined ? {} : { where }),
    groupBy: query.groupBy,
    ...(query.having === undefined ? {} : { having: query.having }),
    select: Object.fromEntries(query.select.map(({ name, value }) => [name, value])),
    distinct: query.isDistinct,
    orderBy: query.orderBy.map(({ by, isDescending }) => ({
      by,
      direction: isDescending ? "desc" : "asc",
    })),
    ...(query.limit === undefined ? {} : { limit: query.limit }),
    offset: query.offset,
    ...(query.useIndex === undefined ? {} : { useIndex: query.useIndex }),
  };
}

async function run(db: Database, query: RandomQuery, random: Random): Promise<unknown[][]> {
  const parameters: Record<string, unknown> = {};
  const { where } = query;
  const isPrepared = random.chance(0.3) && where !== undefined;
  const plan = planOf(query, isPrepared ? parametrised(where, parameters) : where);
  const made: Query<Record<never, unknown>, Record<string, unknown>> = await db.query(plan);
  const options = { parameters };
  if (random.chance(0.2)) noteWays(made.explainSync(options), query);
  const way = random.whole(0, 3);
  let rows: Record<string, unknown>[];
  if (way === 0) rows = made.allSync(options);
  else if (way === 1) rows = await made.all(options);
  else if (way === 2) rows = await made.rows(options).toArray();
  else {
    const isolation = random.pick(["snapshot", "serializable"] as const);
    rows = await db.transaction((tx) => tx.query(made).all(options), { isolation });
  }
  return rows.map((row) => query.select.map(({ name }) => row[name]));
}

function noteWays({ tables, sorted, gathered }: QueryExplanation, query: RandomQuery): void {
  const note = (way: string): void => {
    ways.set(way, (ways.get(way) ?? 0) + 1);
  };
  for (const { access, join, index } of tables) {
    note(`${join?.method ?? "first"} ${access}`);
    if (index?.startsWith("partial_"))
      note(join === undefined ? "first partial" : "joined partial");
  }
  note(sorted ? "sorted" : "in order");
  if (tables.some(({ as }, at) => as !== query.sources[at].as)) {
    note(`${tables.length} tables reordered`);
  }
  if (gathered) note(tables.length > 1 ? "gathered, joined" : "gathered");
}

/** One text for values that are the same; those of floats to 12 digits. */
function named(value: unknown, isFloat: boolean): string {
  if (value === null || value === undefined) return "null";
  if (value instanceof Date) return named(value.getTime(), isFloat);
  if (value instanceof Uint8Array) return `x${value.join(",")}`;
  if (typeof value === "boolean") return value ? "1" : "0";
  if (typeof value === "string") return JSON.stringify(value);
  if (isFloat) return String(Number(Number(value as number).toPrecision(12)));
  return String(BigInt(value as number));
}

function compare(ours: unknown[][], theirs: unknown[][], query: RandomQuery): void {
  // SQLite hands whole numbers out as bigints, and floats as numbers.
  const isFloat = query.select.map((_output, at) =>
    theirs.some((row) => typeof row[at] === "number"),
  );
  const names = (rows: unknown[][]): string[][] =>
    rows.map((row) => row.map((value, at) => named(value, isFloat[at])));
  const ourNames = names(ours);
  const theirNames = names(theirs);
  const bag = (rows: string[][]): string[] => rows.map((row) => row.join(" | ")).sort();
  expect(bag(ourNames)).toEqual(bag(theirNames));
  // What the order says must be in order; what it leaves open may differ.
  const at = query.orderBy.map(({ by }) => query.select.findIndex(({ name }) => name === by));
  const keys = (rows: string[][]): string[] =>
    rows.map((row) => at.map((index) => row[index]).join(" | "));
  expect(keys(ourNames)).toEqual(keys(theirNames));
}

async function tryQuery(
  db: Database,
  sqlite: Sqlite,
  query: RandomQuery,
  random: Random,
): Promise<boolean> {
  let theirs: ReturnType<Sqlite["rows"]>;
  try {
    theirs = sqlite.rows(sqlOfQuery(query));
  } catch (error) {
    // Its sums of whole numbers end at 64 bits, ours do not.
    if ((error as Error).message !== "integer overflow") throw error;
    return false;
  }
  try {
    compare(await run(db, query, random), theirs, query);
    return true;
  } catch (error) {
    // SQLite goes over to floats where we refuse.
    if (isCairnError(error, "overflow")) return false;
    throw error;
  }
}

const first = ["scan", "range", "key", "index", "union", "nothing", "partial"];
const scans = first.map((way) => `first ${way}`);
const joins = ["hash scan", "joined partial", "lookup key", "lookup index"];
const orders = [2, 3].map((count) => `${count} tables reordered`);
const others = ["gathered", "gathered, joined", ...orders];
const wanted = queries < 1_000 ? [] : [...scans, ...joins, "sorted", ...others];

/** Enough queries, and every way of running one among them; some are rare. */
function isEnough(done: number): boolean {
  return done >= queries && (done >= queries * 10 || wanted.every((way) => ways.has(way)));
}

test(`${queries} random queries answer what SQLite does`, {
  timeout: 120_000 + queries * 100,
}, async () => {
  const random = new Random(seed);
  let done = 0;
  let refused = 0;
  while (!isEnough(done)) {
    const rowsMost = random.pick([8, 30, 30, 120]);
    const tables = [0, 1, 2].map((at) => tableOf(random, `t${at}`, rowsMost));
    const db = await open(new MemoryStorage());
    const sqlite = await Sqlite.create(tables);
    await create(db, tables);
    for (let at = 0; at < queriesPerSchema && !isEnough(done); at++, done++) {
      const query = queryOf(random, tables);
      try {
        if (!(await tryQuery(db, sqlite, query, random))) refused++;
      } catch (error) {
        const where = `seed ${seed}, query ${done}: ${sqlOfQuery(query)}`;
        throw new Error(`${where}\n${(error as Error).message}`, { cause: error });
      }
    }
    sqlite.close();
    await db.close();
  }
  expect(refused).toBeLessThan(done / 20);
  expect([...ways.keys()]).toEqual(expect.arrayContaining(wanted));
  if (process.env.WAYS !== undefined) process.stdout.write(`${JSON.stringify([...ways])}\n`);
});
