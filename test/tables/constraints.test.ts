/** Constraints that come and go while a table has rows. */
import { expect, test } from "vitest";
import {
  type ConstraintDefinition,
  type Database,
  isCairnError,
  MemoryMedium,
  MemoryStorage,
  open,
  type Table,
  t,
} from "../../src/index.ts";
import { fails } from "../kv/fails.ts";
import { FaultStorage } from "../storage/fault-storage.ts";

const teams = { columns: { name: t.text().primaryKey() } };
const people = {
  columns: {
    id: t.integer().primaryKey(),
    email: t.text(),
    team: t.text(),
    points: t.integer().default(0),
  },
  indexes: [{ columns: ["points"] as const }],
};
const count = 3_000;

interface Person {
  id: number;
  email: string | null;
  team: string | null;
  points: number | null;
}

async function filled(medium: MemoryMedium = new MemoryMedium()) {
  const db = await open(new MemoryStorage(medium));
  await (await db.table("teams", teams)).insertMany([{ name: "red" }, { name: "blue" }]);
  const table: Table<Person, Partial<Person> & { id: number }> = await db.table("people", people);
  await table.insertMany(
    Array.from({ length: count }, (_, id) => ({
      id,
      email: `e${id}`,
      team: id % 2 === 0 ? "red" : "blue",
      points: id % 100,
    })),
  );
  return { db, table };
}

const kinds: [kind: string, constraint: ConstraintDefinition, code: string, bad: object][] = [
  [
    "check",
    { name: "low", check: { points: { lt: 100 } } },
    "check_constraint_failed",
    { points: 100 },
  ],
  ["not null", { notNull: "email" }, "not_null_violation", { email: null }],
  ["not null, indexed", { notNull: "points" }, "not_null_violation", { points: null }],
  ["unique", { unique: ["email"] }, "unique_violation", { email: "e1" }],
  [
    "foreign key",
    { foreignKey: { columns: ["team"], references: { table: "teams" }, onDelete: "cascade" } },
    "foreign_key_violation",
    { team: "green" },
  ],
];

test.each(kinds)(
  "a constraint is added to rows that meet it: %s",
  async (_kind, constraint, code, bad) => {
    const medium = new MemoryMedium();
    const { db, table } = await filled(medium);
    const steps: [number, number][] = [];
    await table.addConstraint(constraint as never, {
      onProgress: ({ done, total }) => void steps.push([done, total]),
    });
    expect(steps.length).toBeGreaterThan(1);
    expect(steps.at(-1)).toEqual([count, count]);
    await fails(code as never, () => table.update(7, bad));
    await db.close();
    const again = await open(new MemoryStorage(medium));
    const reopened = await again.table("people");
    await fails(code as never, () => reopened.update(7, bad));
    expect(reopened.count()).toBe(count);
    expect((await again.verify()).findings).toEqual([]);
    await again.close();
  },
);

test.each(kinds)("one that a row breaks is not added: %s", async (_kind, constraint, code, bad) => {
  const { db, table } = await filled();
  await table.update(2_000, bad);
  const before = table.describe();
  const error = await fails(code as never, () => table.addConstraint(constraint as never));
  expect(error.details).toMatchObject({ table: "people", row: 2_001 });
  expect(error.message).not.toMatch(/2000|e1"|green/);
  expect(table.describe()).toEqual(before);
  await table.update(8, bad);
  await db.close();
});

test.each(kinds)(
  "one that is given up leaves nothing: %s",
  async (_kind, constraint, _code, bad) => {
    const { db, table } = await filled();
    const before = table.describe();
    const abort = new AbortController();
    const adding = table.addConstraint(constraint as never, {
      signal: abort.signal,
      onProgress: () => abort.abort(),
    });
    await fails("aborted", () => adding);
    expect(table.describe()).toEqual(before);
    await table.update(8, bad);
    await db.close();
  },
);

test.each(kinds)(
  "writes meet it while rows are looked at: %s",
  async (_kind, constraint, code, bad) => {
    const { db, table } = await filled();
    let looked = 0;
    let refused = 0;
    let written = 0;
    const writes: Promise<unknown>[] = [];
    const attempt = async (id: number, patch: object): Promise<void> => {
      try {
        await table.update(id, patch);
        written++;
      } catch (error) {
        // A call that was made before the table was changed is refused as a whole.
        if (isCairnError(error, "conflict")) return;
        expect(isCairnError(error, code as never)).toBe(true);
        refused++;
      }
    };
    const adding = table.addConstraint(constraint as never, {
      onProgress: ({ phase }) => {
        // The index of a foreign key comes first.
        if (phase === "index" && code !== "unique_violation") return;
        // Behind what was looked at, and before it.
        writes.push(attempt(5 + looked, bad), attempt(2_900 + looked, bad));
        writes.push(attempt(looked, { points: 99 }));
        looked++;
      },
    });
    await adding;
    await Promise.all(writes);
    expect(looked).toBeGreaterThan(1);
    expect(refused).toBeGreaterThan(0);
    expect(written).toBeGreaterThan(0);
    const rows = table.rowsSync().toArray();
    expect(
      rows.filter((row) => Object.entries(bad).every(([key, value]) => row[key as "id"] === value)),
    ).toHaveLength(code === "unique_violation" ? 1 : 0);
    await db.close();
  },
);

test("a transaction that began before a constraint was there meets it", async () => {
  const { db, table } = await filled();
  let runs = 0;
  const run = db.transaction(async (tx) => {
    runs++;
    await tx.table(table).update(7, { points: 500 });
    if (runs === 1) await table.addConstraint({ name: "low", check: { points: { lt: 100 } } });
  });
  await fails("check_constraint_failed", () => run);
  expect(runs).toBe(2);
  expect(table.getSync(7)?.points).toBe(7);
  await db.close();
});

test("what a definition declares is the same as what was added", async () => {
  const { db, table } = await filled();
  for (const [, constraint] of kinds) await table.addConstraint(constraint as never);
  await table.alter({ defaults: { team: "red", points: null } });
  const columns = {
    id: t.integer().primaryKey(),
    email: t.text().notNull().unique(),
    team: t.text().default("red").references("teams", { onDelete: "cascade" }),
    points: t.integer().notNull(),
  };
  const checks = { low: { points: { lt: 100 } } };
  const same = await db.table("people", { columns, checks, indexes: [{ columns: ["points"] }] });
  await same.insert({ id: -1, email: "x", points: 3 });
  expect(same.getSync(-1)?.team).toBe("red");
  await (await db.table("teams")).delete("blue");
  expect(same.count()).toBe(count / 2 + 1);
  await db.close();
});

test("constraints are dropped, and with them what stood in the way", async () => {
  const { db, table } = await filled();
  for (const [, constraint] of kinds) await table.addConstraint(constraint as never);
  for (const name of ["email", "team", "points"]) {
    await fails("schema_invalid", () => table.alter({ drop: [name] }));
  }
  await fails("constraint_not_found", () => table.alter({ dropConstraints: ["nothing"] }));
  await fails("constraint_not_found", () => table.alter({ dropConstraints: ["points_index"] }));
  await fails("constraint_already_exists", () =>
    table.addConstraint({ name: "low", check: { points: 1 } }),
  );
  await fails("constraint_already_exists", () =>
    table.addConstraint({ name: "team_reference", check: { points: 1 } }),
  );
  await table.alter({ rename: { points: "score" } });
  await fails("check_constraint_failed", () => table.update(1, { score: 100 } as never));
  await table.alter({ dropConstraints: ["low", "email_unique", "team_reference"] });
  await table.alter({ nullable: ["email", "score"] });
  await table.update(1, { score: 100, email: null, team: "green" } as never);
  await table.dropIndex("team_reference_index");
  await table.alter({ drop: ["team"] });
  expect(table.getSync(1)).toEqual({ id: 1, email: null, score: 100 });
  expect((await db.verify()).findings).toEqual([]);
  await db.close();
});

test("an index of a column that must not be null any more still finds and counts", async () => {
  const { db, table } = await filled();
  await table.addConstraint({ notNull: "points" });
  const expected = count / 100;
  expect(await db.from(table).where({ points: 42 }).count()).toBe(expected);
  expect(
    await db
      .from(table)
      .where({ points: { gte: 98 } })
      .count(),
  ).toBe(2 * expected);
  expect(
    await db
      .from(table)
      .where({ points: { lt: 2 } })
      .count(),
  ).toBe(2 * expected);
  await table.updateWhere({ points: 42 }, { points: 43 });
  expect(await db.from(table).where({ points: 43 }).count()).toBe(2 * expected);
  await table.alter({ nullable: ["points"] });
  await table.update(1, { points: null });
  expect(await db.from(table).where({ points: null }).count()).toBe(1);
  expect(
    await db
      .from(table)
      .where({ points: { gte: 0 } })
      .count(),
  ).toBe(count - 1);
  await db.close();
});

test("an older state shows the nulls that it had", async () => {
  const { db, table } = await filled();
  await table.update(5, { email: null, points: null });
  const then = db.snapshot();
  await table.update(5, { email: "e5", points: 5 });
  await table.addConstraint({ notNull: "email" });
  await table.addConstraint({ notNull: "points" });
  expect(table.getSync(5, { snapshot: then })).toMatchObject({ email: null, points: null });
  expect(table.getSync(5)).toMatchObject({ email: "e5", points: 5 });
  then.release();
  await db.close();
});

test("rules that contradict each other are refused", async () => {
  const { db, table } = await filled();
  const setNull = {
    columns: ["team"],
    references: { table: "teams" },
    onDelete: "set null",
  } as const;
  await table.addConstraint({ foreignKey: setNull });
  await fails("schema_invalid", () => table.addConstraint({ notNull: "team" }));
  await table.createIndex({ columns: ["team"], unique: false });
  await fails("schema_invalid", () => table.alter({ nullable: ["id"] }));
  await fails("unknown_column", () => table.addConstraint({ notNull: "nothing" as never }));
  await fails("schema_invalid", () =>
    table.addConstraint({ name: "n", check: { nothing: 1 } } as never),
  );
  await fails("option_unknown", () => table.addConstraint({ notNull: "id", more: 1 } as never));
  await db.close();
});

test("foreign keys form no circle and no long chain", async () => {
  const db = await open("memory:");
  const tables = [];
  for (let at = 0; at < 9; at++) {
    const columns = { id: t.integer().primaryKey(), up: t.integer() };
    tables.push(await db.table(`t${at}`, { columns }));
  }
  const refer = (from: number, to: number): Promise<string> =>
    tables[from].addConstraint({
      foreignKey: { columns: ["up"], references: { table: `t${to}` } },
    });
  await fails("schema_invalid", () => refer(0, 0));
  // From the ends to the middle: either half counts.
  for (const at of [1, 2, 3, 7, 6, 5]) await refer(at, at - 1);
  await refer(4, 3);
  await fails("schema_invalid", () => refer(0, 7));
  await fails("schema_invalid", () => refer(8, 7));
  expect(tables[0].describe().indexes).toEqual([]);
  await db.close();
});

test("a database closed in the middle has the table as it was", async () => {
  const medium = new MemoryMedium();
  const { db, table } = await filled(medium);
  const before = table.describe();
  let closing: Promise<void> | undefined;
  const adding = table.addConstraint(
    { name: "low", check: { points: { lt: 100 } } },
    {
      onProgress: () => {
        closing ??= (db as Database).close();
      },
    },
  );
  await fails("closed", () => adding);
  await closing;
  const again = await open(new MemoryStorage(medium));
  expect((await again.table("people", people)).describe()).toEqual(before);
  await again.close();
});

test("wherever a crash comes, a constraint is there with good rows, or not at all", async () => {
  const begin = new MemoryMedium();
  const { db } = await filled(begin);
  await db.close();
  const add = async (storage: FaultStorage): Promise<void> => {
    const crashing = await open(storage);
    const table = await crashing.table<typeof people.columns>("people", people);
    for (const [kind, constraint] of kinds) {
      if (kind === "not null, indexed") continue;
      await table.addConstraint(constraint as never);
    }
    await crashing.close();
  };
  const whole = new FaultStorage({ medium: begin.copy() });
  await add(whole);
  const calls = whole.trace.length;
  const seen = new Set<number>();
  for (let call = 1; call <= calls; call++) {
    const storage = new FaultStorage({ medium: begin.copy() });
    storage.crashAt(call, call % 3 === 0 ? 40 : undefined);
    await add(storage).catch(() => undefined);
    const personality = (["kill", "synced", "prefix", "adversary"] as const)[call % 4];
    const again = await open(new MemoryStorage(storage.survivors(call, personality)));
    const table = await again.table("people");
    const { columns, checks, foreignKeys, indexes } = table.describe();
    const hasUnique = indexes.some(({ isUnique, isReady }) => isUnique && isReady);
    const email = columns.find(({ name }) => name === "email");
    const found = [
      checks.length > 0,
      email?.isNullable === false,
      hasUnique,
      foreignKeys.length > 0,
    ];
    // They came one after the other.
    const number = found.filter(Boolean).length;
    expect(found).toEqual(found.map((_is, at) => at < number));
    seen.add(number);
    const outcomes = await Promise.all(
      [{ points: 100 }, { email: null }, { email: "e1" }, { team: "green" }].map((bad, at) =>
        table.update(10 + at, bad).then(
          () => false,
          () => true,
        ),
      ),
    );
    // A unique index that is being built is kept up already.
    const isBuilding = indexes.some(({ isUnique }) => isUnique) && !hasUnique;
    expect(outcomes.map((isRefused, at) => isRefused && !(isBuilding && at === 2))).toEqual(found);
    expect((await again.verify()).findings).toEqual([]);
    await again.close();
  }
  expect([...seen].sort()).toEqual([0, 1, 2, 3, 4]);
}, 60_000);
