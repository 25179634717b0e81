import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MemoryMedium, MemoryStorage, open } from "../../src/index.ts";
import { applicationFolder } from "../../src/kv/application-folder.ts";
import { fails } from "./fails.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "cairn-open-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("where a database is", () => {
  test("a path keeps what is put, and memory: forgets it", async () => {
    const path = join(root, "deep", "er", "db");
    const first = await open(path);
    expect(first.recovery.outcome).toBe("created");
    await (await first.keyspace("a")).put("k", 1);
    await first.close();
    const second = await open(path);
    expect(second.recovery.outcome).toBe("clean");
    expect(await (await second.keyspace("a")).get("k")).toBe(1);
    await second.close();
    const memory = await open("memory:");
    expect(memory.keyspaces()).toEqual([]);
    await memory.close();
  });

  test("a storage is used as it is, and a memory medium outlives its storage", async () => {
    const medium = new MemoryMedium();
    const first = await open(new MemoryStorage(medium));
    await (await first.keyspace("a")).put("k", 1);
    await fails("lock_held", () => open(new MemoryStorage(medium)));
    await first.close();
    const second = await open(new MemoryStorage(medium), { readOnly: true });
    expect(await (await second.keyspace("a")).get("k")).toBe(1);
    await second.close();
  });

  test("its id tells it from others, wherever it lies, and its backups have the same", async () => {
    const medium = new MemoryMedium();
    const first = await open(new MemoryStorage(medium));
    const { id } = first;
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(first.identity).toMatchObject({ id });
    const copy = join(root, "copy");
    await first.backup(copy);
    await first.close();
    for (const target of [new MemoryStorage(medium), copy]) {
      const again = await open(target, { create: false });
      expect(again.id).toBe(id);
      await again.close();
    }
    const other = await open("memory:");
    expect(other.id).not.toBe(id);
    await other.close();
  });

  test("an application's name leads to the data folder", async () => {
    const target = { application: " shop ", database: "main", dataRoot: root };
    const db = await open(target);
    await db.keyspace("a");
    await db.close();
    const again = await open(join(root, "shop", "main"), { create: false });
    expect(again.keyspaces()).toHaveLength(1);
    await again.close();
    await fails("option_unknown", () => open({ ...target, databse: "x" } as never));
  });

  test("data folders follow the operating system", () => {
    const linux = (environment: Record<string, string>) =>
      applicationFolder({ application: "app", database: "db" }, { platform: "linux", environment });
    expect(linux({ HOME: "/home/u", XDG_DATA_HOME: "/data" })).toBe("/data/app/db");
    expect(linux({ HOME: "/home/u" })).toBe("/home/u/.local/share/app/db");
    expect(linux({})).toBe("./app/db");
    const mac = { platform: "darwin", environment: { HOME: "/Users/u" } };
    expect(applicationFolder({ application: "app" }, mac)).toBe(
      "/Users/u/Library/Application Support/app/default.cairn",
    );
    const windows = (environment: Record<string, string>) =>
      applicationFolder({ application: " " }, { platform: "win32", environment });
    const roots = { LOCALAPPDATA: "L:", APPDATA: "R:", USERPROFILE: "C:\\u" };
    expect(windows(roots)).toBe("L:\\cairndb\\default.cairn");
    expect(windows({ ...roots, LOCALAPPDATA: "" })).toBe("R:\\cairndb\\default.cairn");
    expect(windows({ USERPROFILE: "C:\\u" })).toBe("C:\\u\\AppData\\Local\\cairndb\\default.cairn");
  });

  test("names that lead elsewhere are argument_invalid", async () => {
    for (const name of ["a/b", "a\\b", "..", "a..b", "/", ".", "a\0b"]) {
      await fails("argument_invalid", () => open({ application: name, dataRoot: root }));
      await fails("argument_invalid", () =>
        open({ application: "app", database: name, dataRoot: root }),
      );
    }
    await fails("argument_invalid", () => open({ application: 7, dataRoot: root } as never));
  });

  test("SQLite's name for memory becomes no folder", async () => {
    await fails("argument_invalid", () => open(":memory:"));
    expect(existsSync(":memory:")).toBe(false);
  });

  test("targets that are none are argument_invalid", async () => {
    for (const target of ["", undefined, null, 7, true]) {
      await fails("argument_invalid", () => open(target as never));
    }
  });

  test("a file is not_a_database, and nothing is database_not_found without create", async () => {
    const file = join(root, "file");
    writeFileSync(file, "text");
    await fails("not_a_database", () => open(file));
    await fails("database_not_found", () => open(join(root, "none"), { create: false }));
    await fails("database_not_found", () => open(join(root, "none"), { readOnly: true }));
    await fails("database_not_found", () => open(new MemoryStorage(), { create: false }));
  });
});

test("a database and its backup have the same id, another one has not", async () => {
  const db = await open(join(root, "db"));
  await db.backup(join(root, "copy"));
  const copy = await open(join(root, "copy"));
  const other = await open("memory:");
  expect(db.identity).toEqual({ path: join(root, "db"), id: copy.identity.id, format: 1 });
  expect(db.identity.id).toMatch(/^[0-9a-f]{32}$/);
  expect(other.identity.id).not.toBe(db.identity.id);
  for (const each of [db, copy, other]) await each.close();
});

describe("how it is opened", () => {
  test("unknown options are option_unknown", async () => {
    await fails("option_unknown", () => open("memory:", { readonly: true } as never));
    await fails("option_unknown", () => open("memory:", { memoryBudgt: 1 } as never));
  });

  test("durability is full, none or relaxed; anything else is durability_invalid", async () => {
    for (const durability of ["full", "none", { relaxed: 5 }] as const) {
      const db = await open("memory:", { durability });
      await (await db.keyspace("a")).put("k", 1);
      await db.flush();
      await db.close();
    }
    const senseless = [
      "",
      "fast",
      "relaxed",
      null,
      5,
      {},
      { relaxed: 0 },
      { relaxed: -1 },
      { relaxed: 1.5 },
      { relaxed: "5" },
      { relaxed: 5, other: 1 },
    ];
    for (const durability of senseless) {
      await fails("durability_invalid", () => open("memory:", { durability } as never));
    }
  });

  test("numbers out of range and things of the wrong type are argument_invalid", async () => {
    const senseless = [
      { memoryBudget: 1_000 },
      { memoryBudget: "64 MiB" },
      { leaseMs: 0 },
      { checkpointIdleMs: -1 },
      { readOnly: 1 },
      { create: "yes" },
      { value: "xml" },
      { clock: 7 },
    ];
    for (const options of senseless) {
      await fails("argument_invalid", () => open("memory:", options as never));
    }
    await fails("argument_invalid", () => open("memory:", 7 as never));
  });

  test("a signal that is aborted opens nothing", async () => {
    await fails("aborted", () => open(join(root, "db"), { signal: AbortSignal.abort() }));
    await fails("database_not_found", () => open(join(root, "db"), { create: false }));
  });

  test("finality decides when a write is answered, and durable forces a sync", async () => {
    const db = await open(join(root, "db"), { durability: "none" });
    const kv = await db.keyspace("a");
    expect((await kv.put("a", 1)).durable).toBe(false);
    expect((await kv.put("b", 1, { finality: "durable" })).durable).toBe(true);
    expect(kv.putSync("c", 1, { finality: "durable" }).durable).toBe(true);
    await fails("argument_invalid", () => kv.put("d", 1, { finality: "eventually" } as never));
    await db.close();
    const full = await open(join(root, "full"));
    const records = await full.keyspace("a");
    expect((await records.put("a", 1)).durable).toBe(true);
    expect((await records.put("b", 1, { finality: "visible" })).durable).toBe(false);
    await full.close();
  });

  test("a backup is an ordinary database, and never replaces one", async () => {
    const db = await open(join(root, "db"));
    const kv = await db.keyspace("a");
    await kv.put("k", 1, { ttl: 1e9 });
    const target = join(root, "copy");
    await db.backup(target);
    await kv.put("k", 2);
    await fails("target_exists", () => db.backup(target));
    const medium = new MemoryMedium();
    await db.backup(new MemoryStorage(medium));
    await db.close();
    const copy = await open(target);
    const found = await copy.keyspace("a");
    expect(await found.get("k")).toBe(1);
    expect(await found.ttl("k")).toBeGreaterThan(0);
    expect((await copy.verify()).ok).toBe(true);
    await copy.close();
    const memory = await open(new MemoryStorage(medium));
    expect(await (await memory.keyspace("a")).get("k")).toBe(2);
    await memory.close();
  });
});
