/** A history of migrations that tells when anything in it is done twice, or not at all. */
import { type Database, type Migration, migration, step, t } from "../../src/index.ts";

const people = {
  id: t.integer().primaryKey(),
  name: t.text().notNull(),
  n: t.integer().notNull(),
};
const split = { first: t.text(), last: t.text(), visits: t.integer().notNull().default(5) };
const totals = { key: t.text().primaryKey(), total: t.integer().notNull() };
export const rowsAtFirst = 23;

export const migrations: readonly Migration[] = [
  migration({
    version: 1,
    name: "people",
    up: [
      step.createTable("people", { columns: people }),
      step.transaction(
        "the first people",
        async ({ table }) => {
          const rows = Array.from({ length: rowsAtFirst }, (_none, id) => {
            return { id, name: `first ${id}`, n: id * 10 };
          });
          await (await table("people", people)).insertMany(rows);
        },
        async ({ table }) => {
          await (await table("people", people)).deleteWhere({});
        },
      ),
    ],
  }),
  migration({
    version: 2,
    name: "names in two",
    up: [
      step.addColumns("people", split),
      step.backfill("split names", {
        table: "people",
        columns: { ...people, ...split },
        rowsPerCommit: 7,
        up: ({ name, n, visits }) => {
          const [first, last] = name.split(" ");
          return { first: first ?? "", last: last ?? "", n: n + 1, visits: visits + 1 };
        },
        down: ({ n }) => ({ n: n - 1 }),
      }),
      step.createIndex("people", { columns: ["last"], unique: true }),
      step.addConstraint("people", { notNull: "last" }),
      step.addConstraint("people", { name: "positive", check: { n: { gt: 0 } } }),
    ],
  }),
  migration({
    version: 3,
    name: "totals",
    up: [
      step.createTable("totals", { columns: totals }),
      step.transaction(
        "count all",
        async ({ table }) => {
          const inside = await table("totals", totals);
          const before = await inside.get("all");
          await inside.upsert({ key: "all", total: (before?.total ?? 0) + 1 });
        },
        async () => undefined,
      ),
      step.backfill("names are first and last", {
        table: "people",
        columns: { ...split, name: t.text() },
        rowsPerCommit: 9,
        up: () => undefined,
        down: ({ first, last }) => ({ name: `${first} ${last}` }),
      }),
      step.dropColumns("people", ["name"], { name: t.text() }),
      step.renameColumns("people", { n: "count" }),
      step.backfill("count on", {
        table: "people",
        columns: { id: t.integer(), count: t.integer().notNull() },
        where: { id: { gte: 10 } },
        rowsPerCommit: 5,
        up: async ({ count }, { table }) => {
          await (await table("totals", totals)).increment("all", "total", 1);
          return { count: count + 1_000 };
        },
        down: ({ count }) => ({ count: count - 1_000 }),
      }),
    ],
  }),
];

/** Everything that a database says of its tables, without times. */
export async function contentsOf(db: Database): Promise<unknown> {
  const contents: Record<string, unknown> = {};
  for (const { name } of await db.tables()) {
    if (name === "__migrations") continue;
    const table = await db.table(name);
    const rows: unknown[] = [];
    for await (const row of table.rows()) rows.push(row);
    contents[name] = { ...table.describe(), rows };
  }
  const records = await db.migrations();
  const applied = records.map(({ version, state }) => ({ version, state }));
  return { contents, applied };
}
