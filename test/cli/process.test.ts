/** The program itself: exit codes of a real process, pipes, signals, and processes beside it. */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { beforeAll, expect, test } from "vitest";
import { open } from "../../src/index.ts";
import { bundle, newDatabase, newPath, type Running, start } from "./cairn.ts";

let program = "";
beforeAll(async () => {
  program = await bundle("src/cli/main.ts");
});

const cairn = (...args: string[]): Running["ended"] => {
  const { child, ended } = start(program, args);
  child.stdin?.end();
  return ended;
};

test("a first session: init, put, get, scan, verify", async () => {
  const path = newPath();
  expect(await cairn("init", path)).toMatchObject({ code: 0, stdout: `created ${path}\n` });
  expect(await cairn("put", path, "k", "v")).toMatchObject({ code: 0, stdout: "", stderr: "" });
  expect(await cairn("get", path, "k")).toMatchObject({ code: 0, stdout: "v\n", stderr: "" });
  expect(await cairn("scan", path, "--json")).toMatchObject({
    stdout: '{"key":"k","value":"v"}\n',
  });
  expect(await cairn("verify", path)).toMatchObject({ code: 0 });
  expect(await cairn("get", path, "nope")).toMatchObject({ code: 5, stdout: "" });
  expect(await cairn("get", path)).toMatchObject({ code: 2, stdout: "" });
});

test("put takes its value from a pipe, binary too", async () => {
  const path = await newDatabase();
  await cairn("keyspaces", path, "--create", "b", "--value", "bytes");
  const { child, ended } = start(program, ["put", path, "k", "--keyspace", "b"]);
  child.stdin?.end(Uint8Array.of(0, 255, 10, 13));
  expect(await ended).toMatchObject({ code: 0, stderr: "" });
  expect(await cairn("get", path, "k", "--keyspace", "b")).toMatchObject({ stdout: "00ff0a0d\n" });
});

/** More than a pipe holds. */
async function largeDatabase(): Promise<string> {
  const path = await newDatabase();
  const db = await open(path);
  const records = await db.keyspace();
  await records.batch(
    Array.from({ length: 20_000 }, (_none, index) => {
      return { type: "put", key: `key ${index}`, value: "v".repeat(100) } as const;
    }),
  );
  await db.close();
  return path;
}

test("a scan whose reader goes away ends quietly", async () => {
  const path = await largeDatabase();
  const { child, ended } = start(program, ["scan", path]);
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  await once(lines, "line");
  child.stdout?.destroy();
  expect(await ended).toMatchObject({ code: 0, stderr: "", signal: null });
});

test("Ctrl-C ends a scan with 130", async () => {
  const path = await largeDatabase();
  const { child, ended } = start(program, ["scan", path]);
  await once(child.stdout as NodeJS.ReadableStream, "data");
  // The pipe is full soon, and the program waits for this one to read.
  child.stdout?.pause();
  child.kill("SIGINT");
  child.stdout?.resume();
  const { code, stdout, stderr } = await ended;
  expect(code).toBe(130);
  expect(stderr).toContain("(interrupted)");
  expect(stdout.split("\n").length).toBeLessThan(20_000);
});

test("Ctrl-C while put waits for its value ends it, and nothing is written", async () => {
  const path = await newDatabase();
  const { child, ended } = start(program, ["put", path, "k"]);
  child.stdin?.write("x");
  // Again and again, because nothing tells when it has begun to wait.
  const signals = setInterval(() => child.kill("SIGINT"), 500);
  const outcome = await ended;
  clearInterval(signals);
  expect(outcome.stdout).toBe("");
  expect(await cairn("get", path, "k")).toMatchObject({ code: 5 });
  expect(await cairn("lock", path)).toMatchObject({ stdout: "not locked\n" });
});

test("while another process writes, writers are refused and readers see a checkpoint", async () => {
  const path = await newDatabase();
  await cairn("put", path, "old", "1");
  const db = await open(path);
  try {
    const records = await db.keyspace();
    await records.put("new", 2);
    const refused = await cairn("put", path, "k", "v", "--json");
    expect(refused.code).toBe(3);
    const { error } = JSON.parse(refused.stderr);
    expect(error).toMatchObject({ code: "lock_held", details: { pid: process.pid } });
    // The newest checkpoint: what was there when it was last closed.
    const read = await cairn("get", path, "old");
    expect(read).toMatchObject({ code: 0, stdout: "1\n" });
    expect(read.stderr).toContain(`process ${process.pid}`);
    expect(await cairn("get", path, "new")).toMatchObject({ code: 5 });
    expect(await cairn("init", path)).toMatchObject({ code: 6 });
    const held = await cairn("lock", path, "--json");
    expect(JSON.parse(held.stdout)).toMatchObject({ locked: true, holder: { pid: process.pid } });
    expect((await cairn("lock", path)).stdout).toContain(`process ${process.pid}`);
    expect(await cairn("lock", path, "--break")).toMatchObject({ code: 3 });
    const target = newPath();
    expect(await cairn("backup", path, target)).toMatchObject({ code: 3 });
    expect(await cairn("backup", path, target, "--checkpoint")).toMatchObject({ code: 0 });
    expect(await cairn("get", target, "old")).toMatchObject({ stdout: "1\n" });
    expect((await cairn("verify", path)).code).toBe(0);
    await db.checkpoint();
    expect(await cairn("get", path, "new")).toMatchObject({ stdout: "2\n" });
  } finally {
    await db.close();
  }
  expect(await cairn("put", path, "k", "v")).toMatchObject({ code: 0 });
});

test("the lock can be taken from a living holder by force, which then cannot go on", async () => {
  const path = await newDatabase();
  const db = await open(path);
  const records = await db.keyspace();
  await records.put("k", 1);
  expect(await cairn("lock", path, "--break", "--force")).toMatchObject({
    stdout: "lock broken\n",
  });
  expect(await cairn("put", path, "other", "2")).toMatchObject({ code: 0 });
  await expect(db.checkpoint()).rejects.toMatchObject({ code: "generation_lost" });
  await db.close().catch(() => undefined);
  expect(await cairn("get", path, "other")).toMatchObject({ stdout: "2\n" });
});

test("a backup that was written to and not closed is restored with what its log has", async () => {
  const path = await newDatabase();
  const killed = await start(await bundle("test/cli/killed-writer.ts"), [path]).ended;
  expect(killed.signal).toBe("SIGKILL");
  const found = JSON.parse((await cairn("info", path, "--json")).stdout);
  expect(found.recovery.outcome).toBe("recovered");
  expect(found.seq).toBeGreaterThan(found.checkpointSeq);
  const restored = newPath();
  expect(await cairn("restore", path, restored)).toMatchObject({ code: 0 });
  expect(await cairn("get", restored, "last")).toMatchObject({ stdout: "words\n" });
});
