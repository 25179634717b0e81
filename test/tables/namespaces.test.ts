import { expect, test } from "vitest";
import { MemoryMedium, MemoryStorage, open, t } from "../../src/index.ts";
import { fails } from "../kv/fails.ts";

const columns = { id: t.integer().primaryKey() };

test("tables of different scopes have nothing in common but their names", async () => {
  const medium = new MemoryMedium();
  const db = await open(new MemoryStorage(medium));
  const casino = db.project("casino");
  const app = await casino.scope().table("players", { columns });
  const test2 = await casino.scope("test").table("players", { columns });
  const root = await db.table("players", { columns });
  await app.insertMany([{ id: 1 }, { id: 2 }]);
  await test2.insert({ id: 3 });
  expect([app.count(), test2.count(), root.count()]).toEqual([2, 1, 0]);
  expect(await db.projects()).toEqual(["casino"]);
  expect(await casino.scopes()).toEqual(["app", "test"]);
  expect(await casino.scope("app").tables()).toEqual([{ name: "players", rows: 2 }]);
  await db.close();
  const again = await open(new MemoryStorage(medium));
  expect((await again.project("casino").scope("test").table("players")).hasSync(3)).toBe(true);
  expect(await again.project("casino").scope("test").drop()).toBe(true);
  expect(await again.project("casino").scopes()).toEqual(["app"]);
  expect(await again.project("casino").drop()).toBe(true);
  expect(await again.project("casino").drop()).toBe(false);
  expect(await again.projects()).toEqual([]);
  expect(await again.tables()).toEqual([{ name: "players", rows: 0 }]);
  expect((await again.verify()).findings).toEqual([]);
  await again.close();
});

test("projects and scopes are created once, and looked for by name", async () => {
  const db = await open("memory:");
  const project = db.project("p");
  expect(await project.exists()).toBe(false);
  await fails("project_not_found", () => project.scopes());
  expect(await project.create()).toBe(true);
  expect(await project.create()).toBe(false);
  await fails("project_already_exists", () => project.create({ ifNotExists: false }));
  expect(await project.scopes()).toEqual(["app"]);
  await fails("scope_not_found", () => project.scope("s").tables());
  expect(await project.scope("s").create()).toBe(true);
  await fails("scope_already_exists", () => project.scope("s").create({ ifNotExists: false }));
  expect(await project.scope("s").exists()).toBe(true);
  expect(await project.scope("s").tables()).toEqual([]);
  for (const name of ["", "a/b", "a::b", "ä", "x".repeat(129), "_system"]) {
    await fails("schema_invalid", () => db.project(name));
  }
  await fails("schema_invalid", () => db.table("a.b", { columns }));
  await db.close();
});

test("a table that another refers to is not dropped, unless both go", async () => {
  const db = await open("memory:");
  const scope = db.project("p").scope("s");
  await scope.table("parents", { columns });
  await scope.table("children", {
    columns: { id: t.integer().primaryKey(), parent: t.integer().references("parents") },
  });
  await fails("foreign_key_violation", () => scope.dropTable("parents"));
  expect(await scope.drop()).toBe(true);
  await db.close();
});

test("keyspaces of different scopes have nothing in common but their names", async () => {
  const medium = new MemoryMedium();
  const db = await open(new MemoryStorage(medium));
  const root = await db.keyspace<string>("settings");
  const first = await db.project("p").scope("a").keyspace("settings", { value: "u64" });
  const second = await db.project("p").scope("b").keyspace<string>("settings");
  await root.put("k", "root");
  await first.put("k", 1n);
  await second.put("k", "second");
  expect(db.keyspaces().map(({ name }) => name)).toEqual(["settings"]);
  expect(await db.project("p").scope("a").keyspaces()).toMatchObject([
    { name: "settings", value: "u64", records: 1 },
  ]);
  expect(await db.project("p").scope("b").drop()).toBe(true);
  await fails("keyspace_dropped", () => second.get("k"));
  await db.close();
  const again = await open(new MemoryStorage(medium));
  const scope = again.project("p").scope("a");
  expect(await (await scope.keyspace("settings", { value: "u64" })).get("k")).toBe(1n);
  expect(await (await again.keyspace("settings")).get("k")).toBe("root");
  expect(await scope.dropKeyspace("settings")).toBe(true);
  expect(await scope.dropKeyspace("settings")).toBe(false);
  expect(await scope.keyspaces()).toEqual([]);
  expect(await again.project("p").drop()).toBe(true);
  expect((await again.verify()).findings).toEqual([]);
  await again.close();
});
