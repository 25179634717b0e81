/** Goal: references always lead somewhere, and each action does what its name says. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Database, open, type ReferenceAction, t } from "../../src/index.ts";
import { fails } from "../kv/fails.ts";
import "../seed.ts";

const children = (onDelete: ReferenceAction, onUpdate: ReferenceAction = "no action") => ({
  columns: {
    id: t.integer().primaryKey(),
    parent: t.text().default("home").references("parents", { column: "name", onDelete, onUpdate }),
  },
});

async function family(onDelete: ReferenceAction, onUpdate?: ReferenceAction) {
  const db = await open("memory:");
  const parents = await db.table("parents", {
    columns: { id: t.integer().primaryKey(), name: t.text().unique() },
  });
  await parents.insertMany([
    { id: 1, name: "ada" },
    { id: 2, name: "bob" },
    { id: 3, name: "home" },
  ]);
  const kids = await db.table("children", children(onDelete, onUpdate));
  await kids.insertMany([
    { id: 10, parent: "ada" },
    { id: 11, parent: "ada" },
    { id: 12, parent: "bob" },
    { id: 13, parent: null },
  ]);
  const parentsOf = (): unknown[] =>
    kids
      .rowsSync()
      .toArray()
      .map(({ parent }) => parent);
  return { db, parents, kids, parentsOf };
}

async function sound(db: Database): Promise<void> {
  expect((await db.verify()).findings).toEqual([]);
  await db.close();
}

describe("a row that others refer to", () => {
  test.each(["no action", "restrict"] as const)("is not deleted with %s", async (action) => {
    const { db, parents, parentsOf } = await family(action, action);
    await fails("foreign_key_violation", () => parents.delete(1));
    await fails("foreign_key_violation", () => parents.update(1, { name: "other" }));
    expect((await parents.delete(3)).changed).toBe(1);
    expect(parentsOf()).toEqual(["ada", "ada", "bob", null]);
    await sound(db);
  });

  test("takes them with it with cascade, and gives them its new key", async () => {
    const { db, parents, parentsOf } = await family("cascade", "cascade");
    await parents.update(2, { name: "robert" });
    expect(parentsOf()).toEqual(["ada", "ada", "robert", null]);
    expect((await parents.delete(1)).changed).toBe(1);
    expect(parentsOf()).toEqual(["robert", null]);
    await sound(db);
  });

  test("leaves null with set null", async () => {
    const { db, parents, kids, parentsOf } = await family("set null", "set null");
    await parents.delete(1);
    await parents.update(2, { name: "robert" });
    expect(parentsOf()).toEqual([null, null, null, null]);
    expect((await kids.deleteWhere({ parent: null })).changed).toBe(4);
    await sound(db);
  });

  test("leaves the default with set default, if that leads somewhere", async () => {
    const { db, parents, parentsOf } = await family("set default");
    await parents.delete(1);
    expect(parentsOf()).toEqual(["home", "home", "bob", null]);
    await fails("foreign_key_violation", () => parents.delete(3));
    await sound(db);
  });
});

test("a statement is judged at its end: what it takes away it may put back", async () => {
  const { db, parents } = await family("no action");
  await parents.updateWhere({ name: { in: ["ada", "bob"] } }, { name: "swap" }).then(
    () => expect.unreachable(),
    (error) => expect(error.code).toBe("unique_violation"),
  );
  const { rows } = await parents.upsertMany(
    [
      { id: 1, name: "bob" },
      { id: 2, name: "ada" },
    ],
    { returning: true },
  );
  expect(rows.map(({ name }) => name)).toEqual(["bob", "ada"]);
  await sound(db);
});

test("declarations that cannot be are refused", async () => {
  const { db } = await family("cascade");
  const refused = (column: { references: unknown }, type = t.text()): Promise<unknown> =>
    fails("schema_invalid", () =>
      db.table("more", {
        columns: {
          id: t.integer().primaryKey(),
          other: type.references("parents", column.references as object),
        },
      }),
    );
  await refused({ references: {} });
  await refused({ references: { column: "id" } });
  await refused(
    { references: { column: "name", onDelete: "set null" } },
    t.text().notNull() as never,
  );
  await fails("table_not_found", () =>
    db.table("self", { columns: { id: t.integer().primaryKey().references("self") } }),
  );
  let last = "parents";
  for (let depth = 1; depth <= 7; depth++) {
    const name = `level-${depth}`;
    await db.table(name, { columns: { id: t.integer().primaryKey().references(last) } });
    last = name;
  }
  await fails("schema_invalid", () =>
    db.table("deeper", { columns: { id: t.integer().primaryKey().references(last) } }),
  );
  await db.close();
});

type Action = "cascade" | "set null" | "no action";
interface Model {
  a: Set<number>;
  b: Map<number, number | null>;
  c: Map<number, number | null>;
}

/** The model after deleting rows of `a`; undefined where that is refused. */
function deleted(
  model: Model,
  ids: readonly number[],
  toB: Action,
  toC: Action,
): Model | undefined {
  const a = new Set([...model.a].filter((id) => !ids.includes(id)));
  const b = follow(model.b, (id) => a.has(id), toB);
  const c = b && follow(model.c, (id) => b.has(id), toC);
  return b === undefined || c === undefined ? undefined : { a, b, c };
}

function follow(
  rows: Map<number, number | null>,
  exists: (id: number) => boolean,
  action: Action,
): Map<number, number | null> | undefined {
  const after = new Map<number, number | null>();
  for (const [id, to] of rows) {
    if (to === null || exists(to)) after.set(id, to);
    else if (action === "no action") return undefined;
    else if (action === "set null") after.set(id, null);
  }
  return after;
}

test("chains of references end as a model says", { timeout: 60_000 }, async () => {
  const action = fc.constantFrom<Action>("cascade", "set null", "no action");
  const links = fc.array(fc.option(fc.nat(5), { nil: null }), { minLength: 6, maxLength: 6 });
  const ids = fc.array(fc.nat(5), { minLength: 1, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(action, action, links, links, fc.array(ids), async (toB, toC, b, c, steps) => {
      const db = await open("memory:");
      const id = t.integer().primaryKey();
      const a = await db.table("a", { columns: { id } });
      const to = (table: string, onDelete: Action) => t.integer().references(table, { onDelete });
      const tableB = await db.table("b", { columns: { id, to: to("a", toB) } });
      const tableC = await db.table("c", { columns: { id, to: to("b", toC) } });
      const six = [0, 1, 2, 3, 4, 5];
      await a.insertMany(six.map((one) => ({ id: one })));
      await tableB.insertMany(six.map((one) => ({ id: one, to: b[one] })));
      await tableC.insertMany(six.map((one) => ({ id: one, to: c[one] })));
      let model: Model = {
        a: new Set(six),
        b: new Map(b.map((one, at) => [at, one])),
        c: new Map(c.map((one, at) => [at, one])),
      };
      for (const wanted of steps) {
        const after = deleted(model, wanted, toB, toC);
        const done = a.deleteWhere({ id: { in: wanted } });
        if (after === undefined) await fails("foreign_key_violation", () => done);
        else await done;
        model = after ?? model;
        expect(
          a
            .rowsSync()
            .toArray()
            .map((row) => row.id),
        ).toEqual([...model.a]);
        const rowsOf = (table: typeof tableB) =>
          new Map(
            table
              .rowsSync()
              .toArray()
              .map((row) => [row.id, row.to]),
          );
        expect(rowsOf(tableB)).toEqual(model.b);
        expect(rowsOf(tableC)).toEqual(model.c);
      }
      await db.close();
    }),
    { numRuns: 60 },
  );
});
