/**
 * Goal: whatever statements are made in whatever order, a table says what a plain array says, and
 * every index holds exactly the entries of its rows.
 * Method: fast-check draws statements, transactions that are taken back, reopenings, and indexes
 * that come and go. The oracle knows nothing of keys, rows or trees.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  add,
  CairnError,
  column,
  type Database,
  excluded,
  MemoryMedium,
  MemoryStorage,
  open,
  type Table,
  t,
} from "../../src/index.ts";
import { tableInside } from "../../src/tables/table.ts";
import "../seed.ts";

const columns = {
  id: t.integer().primaryKey(),
  email: t.text().unique(),
  team: t.text(),
  points: t.integer().notNull().default(0),
};
const definition = {
  columns,
  indexes: [
    { columns: ["team", "points"] as const },
    { name: "many", columns: ["team"] as const, where: { points: { gt: 5 } } },
    { name: "hash", columns: ["team"] as const, kind: "hashed" as const },
    {
      name: "pair",
      columns: ["team", "points"] as const,
      unique: true,
      kind: "hashed" as const,
      where: { points: { gt: 90 } },
    },
  ],
  checks: { bounded: { points: { lte: 100 } } },
};

interface Row {
  id: number;
  email: string | null;
  team: string | null;
  points: number;
}

type Rows = Map<number, Row>;
type People = Table<Row, Partial<Row> & { id: number }>;

const rowArbitrary: fc.Arbitrary<Row> = fc.record({
  id: fc.integer({ min: -3, max: 8 }),
  email: fc.constantFrom(null, null, "a", "b", "c\0", "c"),
  team: fc.constantFrom(null, "red", "blue"),
  points: fc.constantFrom(0, 1, 5, 6, 91, 92, 100, 101),
});

/** The error that these rows deserve, if they are to be all there is. */
function faultOf(rows: Rows): string | undefined {
  const all = [...rows.values()];
  if (all.some(({ points }) => points > 100)) return "check_constraint_failed";
  const emails = all.flatMap(({ email }) => (email === null ? [] : [email]));
  if (new Set(emails).size < emails.length) return "unique_violation";
  const pairs = all.flatMap(({ team, points }) =>
    team !== null && points > 90 ? [`${team} ${points}`] : [],
  );
  return new Set(pairs).size < pairs.length ? "unique_violation" : undefined;
}

interface Step {
  readonly name: string;
  /** The rows afterwards, or the code of the error. */
  readonly model: (rows: Rows) => Rows | string;
  readonly real: (table: People) => Promise<unknown>;
}

const step = (name: string, model: Step["model"], real: Step["real"]): Step => {
  return { name, model, real };
};
const changed = (rows: Rows, change: (copy: Rows) => void): Rows => {
  const copy = new Map(Array.from(rows, ([id, row]) => [id, { ...row }]));
  change(copy);
  return copy;
};

const insertStep = fc.array(rowArbitrary, { minLength: 1, maxLength: 3 }).map((rows) =>
  step(
    `insert ${JSON.stringify(rows)}`,
    (before) => {
      const ids = rows.map(({ id }) => id);
      const isTaken = ids.some((id) => before.has(id)) || new Set(ids).size < ids.length;
      const after = changed(before, (copy) => {
        for (const row of rows) copy.set(row.id, row);
      });
      // A check is judged row by row, before keys are.
      if (rows.some(({ points }) => points > 100)) return "any";
      return isTaken ? "any" : after;
    },
    (table) => table.insertMany(rows),
  ),
);
const upsertStep = fc.array(rowArbitrary, { minLength: 1, maxLength: 2 }).map((rows) =>
  step(
    `upsert ${JSON.stringify(rows)}`,
    (before) => {
      // Each row has to be good by itself, also one that a later row replaces.
      if (rows.some(({ points }) => points > 100)) return "any";
      return changed(before, (copy) => {
        for (const row of rows) copy.set(row.id, row);
      });
    },
    (table) => table.upsertMany(rows),
  ),
);
const ignoreStep = rowArbitrary.map((row) =>
  step(
    `insert or nothing ${JSON.stringify(row)}`,
    (before) => {
      if (row.points > 100) return "any";
      if (before.has(row.id)) return before;
      const after = changed(before, (copy) => copy.set(row.id, row));
      return faultOf(after) === undefined ? after : before;
    },
    (table) => table.insert(row, { onConflict: "nothing" }),
  ),
);
const addStep = rowArbitrary.map((row) =>
  step(
    `insert or add ${JSON.stringify(row)}`,
    (before) => {
      if (row.points > 100) return "any";
      return changed(before, (copy) => {
        const existing = copy.get(row.id);
        if (existing === undefined) copy.set(row.id, row);
        else if (existing.team !== null) {
          existing.points += row.points;
          existing.team = row.team;
        }
      });
    },
    (table) =>
      table.insert(row, {
        onConflict: {
          target: ["id"],
          update: { points: add(column("points"), excluded("points")), team: excluded("team") },
          where: { op: "isNotNull", of: column("team") },
        },
      }),
  ),
);
const updateStep = fc.tuple(rowArbitrary, fc.boolean()).map(([row, byTeam]) =>
  step(
    `update ${byTeam ? "where team" : "by key"} ${JSON.stringify(row)}`,
    (before) =>
      changed(before, (copy) => {
        for (const one of copy.values()) {
          if (byTeam ? one.team === null || one.team !== row.team : one.id !== row.id) continue;
          one.points += 1;
          if (!byTeam) one.email = row.email;
        }
      }),
    (table) => {
      const points = add(column("points"), 1);
      if (!byTeam) return table.update(row.id, { points, email: row.email });
      return table.updateWhere(
        { op: "eq", left: column("team"), right: value(row.team) },
        { points },
      );
    },
  ),
);
const deleteStep = fc.tuple(rowArbitrary, fc.nat(2)).map(([row, how]) =>
  step(
    `delete ${how} ${JSON.stringify(row)}`,
    (before) =>
      changed(before, (copy) => {
        for (const one of [...copy.values()]) {
          const isGone = [one.id === row.id, one.team === row.team, one.points > 90][how];
          if (isGone) copy.delete(one.id);
        }
      }),
    (table) => {
      if (how === 0) return table.delete(row.id);
      return table.deleteWhere(how === 1 ? { team: row.team } : { points: { gt: 90 } });
    },
  ),
);
const value = (found: unknown): { op: "value"; value: unknown } => ({ op: "value", value: found });

const stepArbitrary = fc.oneof(
  { weight: 4, arbitrary: insertStep },
  { weight: 3, arbitrary: upsertStep },
  { weight: 2, arbitrary: ignoreStep },
  { weight: 2, arbitrary: addStep },
  { weight: 4, arbitrary: updateStep },
  { weight: 2, arbitrary: deleteStep },
  { weight: 1, arbitrary: fc.constantFrom("reopen" as const, "build" as const, "back" as const) },
);

/** Every index has the entries of the rows, no more and no fewer. */
async function checkIndexes(table: People, rows: Rows): Promise<void> {
  const { core, tables } = tableInside(table as never);
  for (const index of core.state.indexes) {
    const isPartial = index.name === "many" ? 5 : index.name === "pair" ? 90 : -1;
    const expected = [...rows.values()].filter(({ points }) => points > isPartial).length;
    expect(tables.context.engine.records(index.tree.id), index.name).toBe(expected);
  }
  for (const team of ["red", "blue", null]) {
    const expected = [...rows.values()].filter((row) => row.team === team).length;
    const found = await table.updateWhere({ team }, { team });
    expect(found.changed, `rows of the team ${team}`).toBe(expected);
  }
}

/** Answers later, so that steps of others come in between. */
const slow = { latency: (): Promise<void> => Promise.resolve() };

async function run(
  steps: readonly (Step | "reopen" | "build" | "back")[],
  isSlow: boolean,
): Promise<void> {
  const medium = new MemoryMedium();
  const reopen = (): Promise<Database> => {
    const options = { memoryBudget: 4 * 1024 * 1024 };
    return open(new MemoryStorage(medium, isSlow ? slow : {}), options);
  };
  let db = await reopen();
  let table: People = await db.table("people", definition);
  let rows: Rows = new Map();
  for (const one of steps) {
    if (one === "reopen") {
      await db.close();
      db = await reopen();
      table = await db.table("people", definition);
    } else if (one === "build") {
      await table.createIndex({ name: "built", columns: ["points"] });
      await checkIndexes(table, rows);
      await table.dropIndex("built");
    } else if (one === "back") {
      const undone = db.transaction(async (tx) => {
        const inside = tx.table(table);
        await inside.deleteWhere({ points: { gte: 0 } });
        await inside.upsert({ id: 77 });
        throw new Error("back");
      });
      await expect(undone).rejects.toThrow("back");
    } else rows = await perform(one, table, rows);
    const found = new Map((await table.rows().toArray()).map((row) => [row.id, row]));
    expect(found).toEqual(new Map([...rows].sort(([left], [right]) => left - right)));
    await checkIndexes(table, rows);
  }
  expect((await db.verify()).findings).toEqual([]);
  await db.close();
}

async function perform(one: Step, table: People, before: Rows): Promise<Rows> {
  const wanted = one.model(before);
  const fault = typeof wanted === "string" ? wanted : faultOf(wanted);
  const failure = await one.real(table).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (fault === undefined) {
    expect(failure, one.name).toBeUndefined();
    return wanted as Rows;
  }
  expect(failure, one.name).toBeInstanceOf(CairnError);
  const { code } = failure as CairnError;
  if (fault !== "any") expect(code).toMatch(/check_constraint_failed|unique_violation/);
  return before;
}

test.each([false, true])(
  "a table says what an array says",
  { timeout: 120_000 },
  async (isSlow) => {
    await fc.assert(
      fc.asyncProperty(fc.array(stepArbitrary, { minLength: 1, maxLength: 25 }), (steps) =>
        run(steps, isSlow),
      ),
      { numRuns: 40 },
    );
  },
);
