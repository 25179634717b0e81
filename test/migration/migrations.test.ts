import { describe, expect, test } from "vitest";
import {
  type Database,
  type Migration,
  migration,
  open,
  type Progress,
  type Step,
  step,
  t,
} from "../../src/index.ts";
import { MemoryMedium, MemoryStorage } from "../../src/storage/memory/index.ts";
import { contentsOf, migrations, rowsAtFirst } from "./stages.ts";

const notes = { id: t.integer().primaryKey(), text: t.text(), n: t.integer().notNull().default(0) };

function one(version: number, up: readonly Step[], down?: readonly Step[]): Migration {
  return migration({ version, name: `number ${version}`, up, ...(down && { down }) });
}

const create = one(1, [step.createTable("notes", { columns: notes })]);

async function fill(db: Database, count: number): Promise<void> {
  const table = await db.table("notes", { columns: notes });
  await table.insertMany(
    Array.from({ length: count }, (_none, id) => ({ id, text: `text ${id}` })),
  );
}

async function numbersOf(db: Database): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { n } of (await db.table("notes")).rows()) numbers.push(n as number);
  return numbers;
}

describe("going up and down", () => {
  test("applies what is not applied, once, and says so", async () => {
    await using db = await open("memory:");
    const first = await db.migrate(migrations, { to: 2 });
    expect(first).toMatchObject({ applied: [1, 2], skipped: [], reverted: [], currentVersion: 2 });
    expect(first.steps.filter(({ version }) => version === 1)).toEqual([
      { version: 1, name: "people", direction: "up", step: "create the table people" },
      { version: 1, name: "people", direction: "up", step: "the first people" },
    ]);
    const people = await db.table("people");
    expect(people.count()).toBe(rowsAtFirst);
    expect(await people.get(22)).toMatchObject({ n: 221, first: "first", last: "22", visits: 6 });
    const second = await db.migrate(migrations);
    expect(second).toMatchObject({ applied: [3], skipped: [1, 2], currentVersion: 3 });
    expect(await people.get(22)).toMatchObject({ count: 1_221, first: "first" });
    expect(await people.get(9)).toMatchObject({ count: 91 });
    expect(await (await db.table("totals")).get("all")).toEqual({ key: "all", total: 14 });
    const third = await db.migrate(migrations);
    expect(third).toMatchObject({ applied: [], skipped: [1, 2, 3], steps: [] });
    expect(await db.migrations()).toMatchObject(
      migrations.map(({ version, name, checksum }) => {
        return { version, name, checksum, state: "applied", appliedAt: expect.any(Date) };
      }),
    );
  });

  test("goes back, and up again to the same", async () => {
    await using db = await open("memory:");
    await db.migrate(migrations, { to: 2 });
    const before = await contentsOf(db);
    await db.migrate(migrations, { to: 3 });
    const report = await db.migrate(migrations, { to: 2 });
    expect(report).toMatchObject({ applied: [], reverted: [3], skipped: [1, 2] });
    expect(await db.tables()).toMatchObject([{ name: "__migrations" }, { name: "people" }]);
    const people = await db.table("people");
    expect(await people.get(22)).toMatchObject({ n: 221, name: "first 22" });
    expect(before).toMatchObject({ applied: [{ version: 1 }, { version: 2 }] });
    expect(await db.migrate(migrations, { to: 0 })).toMatchObject({
      reverted: [2, 1],
      currentVersion: 0,
    });
    expect(await db.tables()).toEqual([{ name: "__migrations", rows: 0 }]);
  });

  test("a down of its own is run from its first step", async () => {
    await using db = await open("memory:");
    const done: string[] = [];
    const note = (name: string): Step => step.transaction(name, () => void done.push(name));
    const list = [one(1, [note("a"), note("b")], [note("c"), note("d"), note("e")])];
    await db.migrate(list);
    await db.migrate(list, { to: 0 });
    expect(done).toEqual(["a", "b", "c", "d", "e"]);
  });

  test("a dry run says what would be done, and does nothing", async () => {
    await using db = await open("memory:");
    const before = db.stats().seq;
    const report = await db.migrate(migrations, { dryRun: true });
    expect(report).toMatchObject({ applied: [1, 2, 3], currentVersion: 3 });
    expect(report.steps).toHaveLength(13);
    expect(await db.migrations()).toEqual([]);
    expect(db.stats().seq).toBe(before);
    expect(await db.migrate(migrations)).toEqual(report);
  });

  test("in a scope of its own", async () => {
    await using db = await open("memory:");
    const scope = db.project("casino").scope("app");
    expect(await db.migrations(scope)).toEqual([]);
    expect(await db.migrate([create], { scope, dryRun: true })).toMatchObject({ applied: [1] });
    expect(await db.migrate([create], { scope })).toMatchObject({ applied: [1] });
    expect((await scope.tables()).map(({ name }) => name)).toEqual(["__migrations", "notes"]);
    expect(await db.tables()).toEqual([]);
    expect(await db.migrations(scope)).toMatchObject([{ version: 1 }]);
  });

  test("runs at the same time come one after the other", async () => {
    await using db = await open("memory:");
    let runs = 0;
    const list = [create, one(2, [step.transaction("count", () => void runs++)])];
    const reports = await Promise.all([db.migrate(list), db.migrate(list), db.migrate(list)]);
    expect(runs).toBe(1);
    expect(reports.map(({ applied }) => applied)).toEqual([[1, 2], [], []]);
  });

  test("what a table has is taken when it agrees", async () => {
    await using db = await open("memory:");
    await fill(db, 3);
    await db.migrate([create]);
    expect((await db.table("notes")).count()).toBe(3);
    const other = one(1, [step.createTable("notes", { columns: { id: t.text().primaryKey() } })]);
    await using second = await open("memory:");
    await fill(second, 3);
    await expect(second.migrate([other])).rejects.toMatchObject({ code: "table_already_exists" });
  });
});

describe("every step and its way back", () => {
  const index = { columns: ["text"], unique: true } as const;
  const parents = { id: t.integer().primaryKey() };
  const parent = { columns: ["n"], references: { table: "parents" } } as const;
  const prepare: readonly Step[] = [
    step.createTable("notes", { columns: notes, checks: { small: { n: { lt: 100 } } } }),
    step.createTable("parents", { columns: parents }),
    step.createTable("empty", { columns: { ...parents, must: t.text().notNull() } }),
    step.transaction("rows", async ({ table }) => {
      await (await table("parents", parents)).insert({ id: 0 });
      await (await table("notes", notes)).insertMany([
        { id: 1, text: "a" },
        { id: 2, text: "b" },
      ]);
    }),
    step.createIndex("notes", { columns: ["n"] }),
  ];
  const steps: Readonly<Record<string, Step>> = {
    "create a table": step.createTable("more", { columns: parents }),
    "drop a table": step.dropTable("parents", { columns: parents }),
    "add columns": step.addColumns("notes", { x: t.text(), y: t.integer().default(7) }),
    "drop columns": step.dropColumns("notes", ["text"], { text: t.text() }),
    "drop a column that is not null": step.dropColumns("empty", ["must"], {
      must: t.text().notNull(),
    }),
    "rename columns": step.renameColumns("notes", { text: "words", n: "number" }),
    "relax columns": step.relaxColumns("notes", { defaults: { n: 5 } }, { defaults: { n: 0 } }),
    "create an index": step.createIndex("notes", index),
    "drop an index": step.dropIndex("notes", "n_index", { columns: ["n"] }),
    "add a check": step.addConstraint("notes", { name: "positive", check: { id: { gt: 0 } } }),
    "add not null": step.addConstraint("notes", { notNull: "text" }),
    "add a unique constraint": step.addConstraint("notes", { unique: ["text"] }),
    "add a foreign key": step.addConstraint("notes", { foreignKey: parent }),
    "drop a check": step.dropConstraint("notes", { name: "small", check: { n: { lt: 100 } } }),
  };

  test.each(Object.entries(steps))("%s", async (_name, given) => {
    await using db = await open("memory:");
    const list = [one(1, prepare, []), one(2, [given])];
    await db.migrate(list, { to: 1 });
    const before = await schemaOf(db);
    await db.migrate(list);
    expect(await schemaOf(db)).not.toEqual(before);
    const after = await schemaOf(db);
    await db.migrate(list, { to: 1 });
    expect(await schemaOf(db)).toEqual(before);
    await db.migrate(list);
    expect(await schemaOf(db)).toEqual(after);
  });

  async function schemaOf(db: Database): Promise<unknown> {
    const schema: unknown[] = [];
    for (const { name } of await db.tables()) {
      const description = (await db.table(name)).describe();
      const byName = (a: { name: string }, b: { name: string }): number =>
        a.name < b.name ? -1 : 1;
      schema.push({ ...description, columns: description.columns.toSorted(byName) });
    }
    return schema;
  }
});

test("a column that was not null comes back nullable when there are rows", async () => {
  await using db = await open("memory:");
  const must = { must: t.text().notNull() };
  const list = [
    one(1, [step.createTable("notes", { columns: { ...notes, ...must } })]),
    one(2, [step.dropColumns("notes", ["must"], must)]),
  ];
  await db.migrate(list, { to: 1 });
  await (await db.table("notes")).insert({ id: 1, must: "x" });
  await db.migrate(list);
  await db.migrate(list, { to: 1 });
  expect(await (await db.table("notes")).get(1)).toMatchObject({ id: 1, must: null });
});

describe("what is half done", () => {
  const failing = (fails: () => boolean): Migration[] => [
    create,
    one(2, [
      step.addColumns("notes", { extra: t.integer() }),
      step.backfill("count on", {
        table: "notes",
        columns: notes,
        rowsPerCommit: 10,
        up: ({ id, n }) => {
          if (id === 35 && fails()) throw new Error("the row is odd");
          return { n: n + 1 };
        },
        down: ({ n }) => ({ n: n - 1 }),
      }),
      step.createIndex("notes", { columns: ["n"] }),
    ]),
  ];

  test("goes on where an error ended it, and does nothing twice", async () => {
    const medium = new MemoryMedium();
    {
      await using db = await open(new MemoryStorage(medium));
      await fill(db, 50);
      await expect(db.migrate(failing(() => true))).rejects.toThrow("the row is odd");
      expect(await numbersOf(db)).toEqual(Array.from({ length: 50 }, (_none, id) => +(id < 30)));
      expect(await db.migrations()).toMatchObject([
        { version: 1, state: "applied" },
        { version: 2, state: "applying", appliedAt: undefined },
      ]);
    }
    await using db = await open(new MemoryStorage(medium));
    const report = await db.migrate(failing(() => false));
    expect(report).toMatchObject({ applied: [2], skipped: [1] });
    expect(report.steps.map((done) => done.step)).toEqual([
      "count on",
      "create the index n_index of notes",
    ]);
    expect(await numbersOf(db)).toEqual(Array(50).fill(1));
  });

  test("is taken back as far as it has come", async () => {
    await using db = await open("memory:");
    await fill(db, 50);
    await expect(db.migrate(failing(() => true))).rejects.toThrow("the row is odd");
    // Rows that came meanwhile, before and behind the place, are as they were.
    await (await db.table("notes")).insert({ id: 1_000, n: 8 });
    const report = await db.migrate(
      failing(() => true),
      { to: 1 },
    );
    expect(report).toMatchObject({ applied: [], reverted: [2], skipped: [1], currentVersion: 1 });
    expect(await numbersOf(db)).toEqual([...Array(50).fill(0), 8]);
    const { columns } = (await db.table("notes")).describe();
    expect(columns.map(({ name }) => name)).toEqual(["id", "text", "n"]);
    expect(await db.migrations()).toMatchObject([{ version: 1 }]);
  });

  test("a revert that was ended goes on, whatever is asked for next", async () => {
    await using db = await open("memory:");
    await fill(db, 50);
    let fails = true;
    const down = (list: readonly Migration[]): Migration[] => [
      list[0] as Migration,
      one(2, [
        step.backfill("count on", {
          table: "notes",
          columns: notes,
          rowsPerCommit: 10,
          up: ({ n }) => ({ n: n + 1 }),
          down: ({ id, n }) => {
            if (id === 35 && fails) throw new Error("the row is odd");
            return { n: n - 1 };
          },
        }),
      ]),
    ];
    const list = down([create]);
    await db.migrate(list);
    await expect(db.migrate(list, { to: 1 })).rejects.toThrow("the row is odd");
    expect(await db.migrations()).toMatchObject([{}, { version: 2, state: "reverting" }]);
    expect(await numbersOf(db)).toEqual(Array.from({ length: 50 }, (_none, id) => +(id >= 30)));
    fails = false;
    const report = await db.migrate(list);
    expect(report).toMatchObject({ applied: [2], reverted: [2], skipped: [1], currentVersion: 2 });
    expect(await numbersOf(db)).toEqual(Array(50).fill(1));
  });

  test("an index that cannot be built is tried again", async () => {
    await using db = await open("memory:");
    const list = [create, one(2, [step.createIndex("notes", { columns: ["n"], unique: true })])];
    await fill(db, 5);
    await expect(db.migrate(list)).rejects.toMatchObject({ code: "unique_violation" });
    expect((await db.table("notes")).describe().indexes).toEqual([]);
    await (await db.table("notes")).deleteWhere({ id: { gt: 0 } });
    expect(await db.migrate(list)).toMatchObject({ applied: [2] });
  });

  test("an abort ends it between two commits", async () => {
    await using db = await open("memory:");
    await fill(db, 50);
    const controller = new AbortController();
    const seen: Progress[] = [];
    const onProgress = (progress: Progress): void => {
      seen.push(progress);
      if (progress.done === 20) controller.abort();
    };
    const { signal } = controller;
    await expect(
      db.migrate(
        failing(() => false),
        { signal, onProgress },
      ),
    ).rejects.toMatchObject({
      code: "aborted",
    });
    expect(seen.at(-1)).toEqual({ phase: "2: count on", done: 20, total: 50, unit: "records" });
    expect(await numbersOf(db)).toEqual(Array.from({ length: 50 }, (_none, id) => +(id < 20)));
    await db.migrate(failing(() => false));
    expect(await numbersOf(db)).toEqual(Array(50).fill(1));
  });

  test("a batch that meets a conflict runs again", async () => {
    await using db = await open("memory:");
    await fill(db, 30);
    const table = await db.table("notes");
    let runs = 0;
    const list = [
      create,
      one(2, [
        step.backfill("count on", {
          table: "notes",
          columns: notes,
          up: async ({ id, n }) => {
            if (id === 20 && ++runs < 4) await table.increment(7, "n", 100);
            return { n: n + 1 };
          },
        }),
      ]),
    ];
    await db.migrate(list);
    expect(runs).toBe(4);
    expect(await numbersOf(db)).toEqual(
      Array.from({ length: 30 }, (_none, id) => (id === 7 ? 301 : 1)),
    );
  });
});

describe("what is refused", () => {
  test.each([
    ["a gap", [1, 3], "version 3 comes next where version 2 has to"],
    ["a first version that is not 1", [2], "version 2 comes next where version 1 has to"],
    ["a duplicate", [1, 2, 2], "version 2 is there twice where version 3 has to"],
    ["disorder", [2, 1], "version 2 comes next where version 1 has to"],
  ])("%s", async (_name, versions, message) => {
    await using db = await open("memory:");
    const list = versions.map((version) => one(version, []));
    await expect(db.migrate(list)).rejects.toMatchObject({
      code: "migration_invalid",
      message: expect.stringContaining(message),
    });
    expect(await db.tables()).toEqual([]);
  });

  test.each([
    ["another step", one(1, [step.createTable("notes", { columns: { ...notes, x: t.text() } })])],
    [
      "another default",
      one(1, [
        step.createTable("notes", { columns: { ...notes, n: t.integer().notNull().default(1) } }),
      ]),
    ],
    ["another name", migration({ version: 1, name: "other", up: create.up })],
    ["a down that was added", one(1, create.up, [])],
  ])("a migration that was applied and has changed: %s", async (_name, changed) => {
    await using db = await open("memory:");
    await db.migrate([create]);
    for (const list of [[changed], [changed, one(2, [])]]) {
      await expect(db.migrate(list)).rejects.toMatchObject({
        code: "migration_changed",
        class: "integrity",
        details: { version: 1 },
      });
    }
    expect(await db.migrations()).toHaveLength(1);
    expect(await db.migrate([one(1, create.up)])).toMatchObject({ skipped: [1] });
  });

  test("a list without what was applied", async () => {
    await using db = await open("memory:");
    await db.migrate([create, one(2, [])]);
    await expect(db.migrate([create])).rejects.toMatchObject({ code: "migration_changed" });
  });

  test("going back behind what stays, before anything is done", async () => {
    await using db = await open("memory:");
    const list = [
      create,
      one(2, [step.dropColumns("notes", ["text"])]),
      one(3, [step.addColumns("notes", { x: t.text() })]),
    ];
    await db.migrate(list);
    await expect(db.migrate(list, { to: 1 })).rejects.toMatchObject({
      code: "migration_irreversible",
      details: { version: 2 },
    });
    expect(await db.migrations()).toHaveLength(3);
    expect(await db.migrate(list, { to: 2 })).toMatchObject({ reverted: [3] });
  });

  test("versions, names and options that are none", async () => {
    await using db = await open("memory:");
    const definitions = [
      { version: 0, name: "x", up: [] },
      { version: 1.5, name: "x", up: [] },
      { version: 1, name: "", up: [] },
      { version: 1, name: "x", up: [{}] },
    ];
    for (const definition of definitions) {
      expect(() => migration(definition as never)).toThrow(/Cannot migrate/);
    }
    await expect(db.migrate([{ version: 1 } as never])).rejects.toMatchObject({
      code: "migration_invalid",
    });
    await expect(db.migrate([create], { to: 2 })).rejects.toMatchObject({
      code: "migration_invalid",
    });
    await expect(db.migrate([create], { too: 2 } as never)).rejects.toMatchObject({
      code: "option_unknown",
    });
  });
});

test("a checksum does not depend on the run", () => {
  expect(create.checksum).toMatch(/^[0-9a-f]{32}$/);
  const again = one(1, [step.createTable("notes", { columns: { ...notes } })]);
  expect(again.checksum).toBe(create.checksum);
  const odd = {
    id: t.u64().primaryKey().default(18_446_744_073_709_551_615n),
    bytes: t.blob().default(new Uint8Array([1, 2])),
    at: t.timestamp().default(new Date(0)),
  };
  const sums = [odd, { ...odd, bytes: t.blob().default(new Uint8Array([1, 3])) }].map(
    (columns) => one(1, [step.createTable("notes", { columns })]).checksum,
  );
  expect(new Set(sums).size).toBe(2);
});
