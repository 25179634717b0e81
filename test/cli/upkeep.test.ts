import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { open } from "../../src/index.ts";
import { cairn, newDatabase, newPath, printed } from "./cairn.ts";

const json = async (...args: string[]): Promise<Record<string, never>> =>
  JSON.parse(await printed(...args, "--json"));

async function databaseOfRecords(count: number): Promise<string> {
  const path = await newDatabase();
  const db = await open(path);
  const records = await db.keyspace();
  for (let from = 0; from < count; from += 500) {
    await records.batch(
      Array.from({ length: Math.min(500, count - from) }, (_none, index) => ({
        type: "put",
        key: `key ${from + index}`,
        value: "v".repeat(50),
      })),
    );
  }
  await db.close();
  return path;
}

test("init creates a database with its default keyspace, once", async () => {
  const path = newPath();
  expect(await printed("init", path)).toBe(`created ${path}\n`);
  expect(await json("keyspaces", path)).toMatchObject({ name: "", kind: "ordered", value: "json" });
  const again = await cairn(["init", path, "--json"]);
  expect(again.code).toBe(6);
  expect(JSON.parse(again.stderr).error.code).toBe("database_exists");
});

test.each([
  ["info"],
  ["stats"],
  ["keyspaces"],
  ["verify"],
  ["checkpoint"],
  ["compact"],
  ["lock"],
  ["scan"],
  ["get", "k"],
  ["put", "k", "v"],
  ["delete", "k"],
])("%s of nothing is not found, and creates nothing", async (name, ...rest) => {
  const path = newPath();
  const { code, stderr } = await cairn([name, path, ...rest]);
  expect(code).toBe(5);
  expect(stderr).toContain("(database_not_found)");
  expect(existsSync(path)).toBe(false);
});

test("a file is no database, and neither is one in memory", async () => {
  const path = newPath();
  writeFileSync(path, "text");
  expect((await cairn(["get", path, "k"])).code).toBe(5);
  const memory = await cairn(["get", "memory:", "k"]);
  expect(memory.code).toBe(2);
  expect(memory.stderr).toContain("(argument_invalid)");
});

test("info tells identity, format, seq and what opening found", async () => {
  const path = await databaseOfRecords(10);
  const found = await json("info", path);
  expect(found).toMatchObject({ path, formatVersion: 1, keyspaces: 1 });
  expect(found.id).toMatch(/^[0-9a-f]{32}$/);
  expect(found.recovery).toMatchObject({ outcome: "clean", commitsReplayed: 0, droppedBytes: 0 });
  expect(found.seq).toBe(found.checkpointSeq);
  const root = readFileSync(join(path, "root"));
  expect(root.subarray(16, 32).toString("hex")).toBe(found.id);
  const text = await printed("info", path);
  expect(text).toContain(found.id);
  expect(text).toContain("nothing to recover");
});

test("stats counts records and bytes", async () => {
  const path = await databaseOfRecords(1_000);
  const found = await json("stats", path);
  expect(found.records).toBe(1_000);
  const files = readdirSync(path, { recursive: true, encoding: "utf8" })
    .map((name) => statSync(join(path, name)))
    .filter((file) => file.isFile())
    .reduce((sum, file) => sum + file.size, 0);
  const { usedBytes } = found.storage as { usedBytes: number };
  // The lock's files are not counted.
  expect(usedBytes).toBeLessThanOrEqual(files);
  expect(usedBytes).toBeGreaterThan(files - 4_096);
  expect(await printed("stats", path)).toContain("1,000");
});

test("keyspaces creates one as it is told, and lists all by name", async () => {
  const path = await newDatabase();
  const options = ["--kind", "hashed", "--key", "bytes", "--value", "utf8", "--ttl", "5000"];
  const made = await json("keyspaces", path, "--create", "sessions", ...options);
  const expected = { name: "sessions", kind: "hashed", key: "bytes", value: "utf8", ttl: 5_000 };
  expect(made).toMatchObject(expected);
  const listed = (await printed("keyspaces", path, "--json")).trimEnd().split("\n");
  expect(listed.map((line) => JSON.parse(line))).toMatchObject([{ name: "" }, expected]);
  expect(await printed("keyspaces", path)).toMatch(/sessions +hashed +bytes +utf8 +5000 ms +0\n/);
  const other = await cairn(["keyspaces", path, "--create", "sessions", "--value", "json"]);
  expect(other.code).toBe(6);
  expect((await cairn(["keyspaces", path, "--ttl", "5"])).code).toBe(2);
});

test("a keyspace that is missing is not found, and not created", async () => {
  const path = await newDatabase();
  for (const args of [
    ["get", path, "k"],
    ["put", path, "k", "v"],
    ["scan", path],
  ]) {
    const { code, stderr } = await cairn([...args, "--keyspace", "nope"]);
    expect(code).toBe(5);
    expect(stderr).toContain("(keyspace_not_found)");
  }
  expect((await printed("keyspaces", path, "--json")).split("\n")).toHaveLength(2);
});

test("checkpoint leaves no log to replay", async () => {
  const path = await newDatabase();
  await printed("put", path, "k", "v");
  const { seq } = await json("checkpoint", path);
  expect(await json("info", path)).toMatchObject({ seq, checkpointSeq: seq });
});

test("compact returns space", async () => {
  const path = await databaseOfRecords(5_000);
  const db = await open(path);
  await (await db.keyspace()).clear();
  await db.close();
  const { bytesBefore, bytesAfter } = await json("compact", path);
  expect(bytesAfter).toBeLessThan(bytesBefore);
});

test("a backup is a database of its own, and so is what is restored from it", async () => {
  const path = await databaseOfRecords(1_000);
  const [backup, restored] = [newPath(), newPath()];
  const { seq } = await json("backup", path, backup);
  await printed("put", path, "later", "x");
  expect(await json("restore", backup, restored)).toEqual({ path: restored, seq });
  expect((await cairn(["get", restored, "later"])).code).toBe(5);
  expect(await printed("scan", restored)).toBe(await printed("scan", backup));
  expect((await json("verify", restored)).records).toBeGreaterThanOrEqual(1_000);
  await printed("put", restored, "k", "v");
  expect((await cairn(["backup", path, restored])).code).toBe(6);
  expect((await cairn(["restore", newPath(), newPath()])).code).toBe(5);
});

test("verify finds nothing in a sound database, and the page in a damaged one", async () => {
  const path = await databaseOfRecords(5_000);
  const sound = await cairn(["verify", path]);
  expect(sound.code).toBe(0);
  expect(sound.stdout).toMatch(/^ok: \d+ pages, \d+ trees?, [\d,]+ records\n$/);
  const [largest] = readdirSync(join(path, "blobs"))
    .map((name) => join(path, "blobs", name))
    .sort((left, right) => statSync(right).size - statSync(left).size);
  const bytes = readFileSync(largest);
  const slot = 3;
  bytes[slot * 4_096 + 2_000] ^= 1;
  writeFileSync(largest, bytes);
  const damaged = await cairn(["verify", path, "--json"]);
  expect(damaged.code).toBe(1);
  const report = JSON.parse(damaged.stdout);
  expect(report.ok).toBe(false);
  expect(report.findings).toContainEqual(expect.objectContaining({ what: "page", slot }));
  const text = await cairn(["verify", path]);
  expect(text.stdout).toContain("slot 3");
  expect(text.stdout).toMatch(/\d+ findings?: /);
});

test("a database whose root is damaged is corrupt", async () => {
  const path = await newDatabase();
  const root = readFileSync(join(path, "root"));
  for (const slot of [0, 4_096]) root[slot + 40] ^= 1;
  writeFileSync(join(path, "root"), root);
  for (const name of ["info", "verify", "compact"]) {
    const { code, stderr } = await cairn([name, path]);
    expect(code).toBe(4);
    expect(stderr).toContain("(root_corrupt)");
  }
});

test("lock without a holder says so, and there is nothing to break", async () => {
  const path = await newDatabase();
  expect(await printed("lock", path)).toBe("not locked\n");
  expect(await json("lock", path)).toEqual({ locked: false, holder: null });
  expect(await json("lock", path, "--break")).toEqual({ broken: false });
  expect((await cairn(["lock", path, "--force"])).code).toBe(2);
});
