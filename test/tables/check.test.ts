/** What the check of a table finds: every way in which rows and entries can disagree. */
import { expect, test } from "vitest";
import { type Database, open, type Table, t } from "../../src/index.ts";
import { tableInside } from "../../src/tables/table.ts";
import { fails } from "../kv/fails.ts";

const people = {
  columns: {
    id: t.integer().primaryKey(),
    email: t.text().unique(),
    team: t.text().references("teams"),
    points: t.integer().notNull(),
    taste: t.vector(2),
  },
  indexes: [
    { columns: ["points"] as const },
    { name: "many", columns: ["points"] as const, where: { points: { gt: 5 } } },
    { name: "hash", columns: ["points"] as const, kind: "hashed" as const },
    { columns: ["taste"] as const, kind: "vector" as const, metric: "l2" as const },
  ],
  checks: { low: { points: { lt: 1_000 } } },
};

type Row = Record<string, unknown>;

async function filled(): Promise<{ db: Database; table: Table<Row, Row> }> {
  const db = await open("memory:");
  await (await db.table("teams", { columns: { name: t.text().primaryKey() } })).insert({
    name: "red",
  });
  const table = (await db.table("people", people)) as unknown as Table<Row, Row>;
  await table.insertMany(
    Array.from({ length: 1_300 }, (_, id) => ({
      id,
      email: id % 3 === 0 ? null : `e${id}`,
      team: id % 2 === 0 ? "red" : null,
      points: id % 10,
      taste: id % 5 === 0 ? null : [id, 1],
    })),
  );
  return { db, table };
}

/** Writes past the table. */
async function spoil(
  table: Table<Row, Row>,
  write: (
    put: (tree: number, key: Uint8Array, value: Uint8Array) => void,
    remove: (tree: number, key: Uint8Array) => void,
  ) => void,
): Promise<void> {
  const { tables } = tableInside(table);
  await tables.context.commit(function* (effects) {
    write(
      (tree, key, value) => effects.put(tree, key, value),
      (tree, key) => effects.delete(tree, key),
    );
  }, undefined);
}

test("a table that is as it should be has no findings", async () => {
  const { db, table } = await filled();
  const steps: number[] = [];
  const report = await table.check({ onProgress: ({ done }) => void steps.push(done) });
  expect(report).toMatchObject({ ok: true, rows: 1_300, findings: [] });
  // Three times all, those above 5, those with a vector.
  expect(report.entries).toBe(1_300 * 4 + 520 + 1_040);
  expect(steps.at(-1)).toBe(1_300);
  expect(await db.verify()).toMatchObject({ ok: true, findings: [] });
  const abort = new AbortController();
  abort.abort();
  await fails("aborted", () => table.check({ signal: abort.signal }));
  await db.close();
});

const rowOf = (values: Row): unknown[] => [
  values.id,
  values.email ?? null,
  values.team ?? null,
  values.points,
  values.taste ?? null,
];

test.each<
  [what: string, where: string, reason: string, spoil: (table: Table<Row, Row>) => Promise<void>]
>([
  ...["points_index", "many", "hash", "email_unique"].map(
    (name) =>
      [
        `a missing entry: ${name}`,
        name,
        "rows without an entry",
        (table: Table<Row, Row>) => {
          const { state } = tableInside(table).core;
          const index = state.index(name);
          const values = rowOf({ id: 7, email: "e7", points: 7, taste: [7, 1] });
          const entry = index.entryKey(values, state.key.encode([7], [0]).slice()).slice();
          return spoil(table, (_put, remove) => remove(index.tree.id, entry));
        },
      ] as [string, string, string, (table: Table<Row, Row>) => Promise<void>],
  ),
  [
    "an entry without a row",
    "points_index",
    "entries without a row",
    (table) => {
      const index = tableInside(table).core.state.index("points_index");
      return spoil(table, (put) => put(index.tree.id, Uint8Array.of(1, 2, 3), new Uint8Array(0)));
    },
  ],
  [
    "an entry that leads to another row",
    "email_unique",
    "rows whose entry belongs to another one",
    (table) => {
      const { state } = tableInside(table).core;
      const index = state.index("email_unique");
      const values = rowOf({ id: 7, email: "e7", points: 7 });
      const entry = index.entryKey(values, new Uint8Array(0)).slice();
      const other = state.key.encode([8], [0]).slice();
      return spoil(table, (put) => put(index.tree.id, entry, other));
    },
  ],
  [
    "a row without its vector",
    "taste_index",
    "rows without an entry",
    (table) => {
      const { state } = tableInside(table).core;
      const key = state.key.encode([7], [0]).slice();
      const { ids } = state.vectorIndexes[0].stored;
      return spoil(table, (_put, remove) => remove(ids, key));
    },
  ],
  [
    "a row with the vector of another one",
    "taste_index",
    "rows whose entry belongs to another one",
    (table) => {
      const { state } = tableInside(table).core;
      const key = state.key.encode([7], [0]).slice();
      const { ids } = state.vectorIndexes[0].stored;
      return spoil(table, (put) => put(ids, key, Uint8Array.of(0, 0, 0, 0)));
    },
  ],
  [
    "a row that breaks a check",
    "low",
    "rows that break the check",
    (table) => putRow(table, { id: 9_999, points: 5_000 }),
  ],
  [
    "a row that refers to nothing",
    "team_reference",
    "rows that refer to nothing",
    (table) => putRow(table, { id: 9_999, points: 1, team: "green" }),
  ],
  [
    "a row under another key",
    "",
    "rows under the key of another one",
    (table) => {
      const { state } = tableInside(table).core;
      const row = state.codec.encode(rowOf({ id: 9_999, points: 1 })).slice();
      return spoil(table, (put) => put(state.rows.id, state.key.encode([3], [0]).slice(), row));
    },
  ],
])("finds %s", async (_what, where, reason, spoilIt) => {
  const { db, table } = await filled();
  await spoilIt(table);
  const { ok, findings } = await table.check();
  expect(ok).toBe(false);
  expect(findings).toContainEqual({ where, reason, count: 1 });
  const report = await db.verify();
  expect(report.ok).toBe(false);
  const place = where === "" ? "table people" : `table people, ${where}`;
  expect(report.findings).toContainEqual({ what: "index", where: place, reason: `1 ${reason}` });
  await db.close();
});

function putRow(table: Table<Row, Row>, values: Row): Promise<void> {
  const { state } = tableInside(table).core;
  const row = state.codec.encode(rowOf(values)).slice();
  const key = state.key.encode([values.id], [0]).slice();
  return spoil(table, (put) => put(state.rows.id, key, row));
}
