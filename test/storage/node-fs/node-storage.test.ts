import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type NodeStorage, openNodeStorage } from "../../../src/storage/node-fs/index.ts";
import { type Claim, rootBytes } from "../../../src/storage/port.ts";
import { expectCode, failure } from "../conformance.ts";
import { failing, type Rule } from "./failing.ts";

vi.mock("node:fs", async (original) => {
  const { failingFs } = await import("./failing.ts");
  return failingFs(await original());
});

let parent: string;
let folder: string;
let storage: NodeStorage;
let claim: Claim | undefined;

beforeEach(async () => {
  parent = mkdtempSync(join(tmpdir(), "cairn-node-"));
  folder = join(parent, "database");
  await open();
});

afterEach(async () => {
  failing.rules = [];
  await close();
  rmSync(parent, { recursive: true });
});

async function open(): Promise<void> {
  storage = openNodeStorage(folder);
  claim = await storage.acquire("exclusive", { create: true });
}

async function close(): Promise<void> {
  storage.close();
  await claim?.release();
  claim = undefined;
}

function file(...names: string[]): string {
  return join(folder, ...names);
}

function fail(call: string, errno: string, more: Partial<Rule> = {}): void {
  failing.rules.push({ call, errno, after: 0, ...more });
}

describe("the folder", () => {
  test("has the layout and the modes that its docs say", async () => {
    storage.log.create(12, 4096);
    storage.root.create(new Uint8Array(rootBytes).fill(1));
    const staged = storage.blobs.stage("c-1");
    staged.write(0, new Uint8Array(10));
    await staged.sealAsync();
    const names = readdirSync(folder, { recursive: true }) as string[];
    expect(names.map((name) => name.replace(/[0-9a-f]{16}/, "ID")).sort()).toEqual([
      "blobs",
      "blobs/c-1.blob",
      "lock",
      "lock/ID.socket",
      "lock/floor",
      "lock/generation-0000000001",
      "log",
      "log/0000000012.segment",
      "root",
    ]);
    for (const name of [".", ...names]) {
      const stat = statSync(file(name));
      if (stat.isDirectory()) expect(stat.mode & 0o777, name).toBe(0o700);
      if (stat.isFile()) expect(stat.mode & 0o777, name).toBe(0o600);
    }
    expect(statSync(file("root")).size).toBe(2 * rootBytes);
    expect(statSync(file("log", "0000000012.segment")).blocks * 512).toBe(4096);
  });

  test("is created with those above it, and found by a relative path", async () => {
    await close();
    folder = join(parent, "x", "y", "z");
    storage = openNodeStorage(relative(process.cwd(), folder));
    expect(storage.name).toBe(folder);
    claim = await storage.acquire("exclusive", { create: true });
    expect(existsSync(file("log"))).toBe(true);
  });

  test("must be there when it may not be created, and nothing is left in another's", async () => {
    await close();
    const other = join(parent, "other");
    for (const [path, expected] of [
      [join(parent, "nothing"), "database_not_found"],
      [other, "database_not_found"],
      [join(parent, "file"), "not_a_database"],
      [join(parent, "file", "below"), "not_a_database"],
    ] as const) {
      if (path === other) mkdirSync(other);
      writeFileSync(join(parent, "file"), "text");
      const wrong = openNodeStorage(path);
      const error = await expectCode(expected, () => wrong.acquire("exclusive", { create: false }));
      expect(error.details.path).toBe(path);
      expect(error.message).toContain(path);
    }
    expect(readdirSync(other)).toEqual([]);
    expect(existsSync(join(parent, "nothing"))).toBe(false);
    const inFile = openNodeStorage(join(parent, "file"));
    await expectCode("not_a_database", () => inFile.acquire("exclusive", { create: true }));
  });

  test("loses what was left unfinished when the next one opens it for writing", async () => {
    storage.root.create(new Uint8Array(rootBytes));
    await close();
    const left = ["log/0000000003.segment.staged", "blobs/a.blob.staged", "root.staged"];
    for (const name of left) writeFileSync(file(name), "unfinished");
    const reader = openNodeStorage(folder);
    await reader.acquire("read-only", { create: false });
    expect(reader.log.list()).toEqual([]);
    expect(reader.blobs.list()).toEqual([]);
    for (const name of left) expect(existsSync(file(name)), name).toBe(true);
    reader.close();
    await open();
    for (const name of left) expect(existsSync(file(name)), name).toBe(false);
    storage.log.create(3, 10);
  });

  test("may contain foreign files", async () => {
    writeFileSync(file("log", "notes.txt"), "x");
    writeFileSync(file("blobs", ".DS_Store"), "x");
    writeFileSync(file("log", "12.segment"), "x");
    expect(storage.log.list()).toEqual([]);
    expect(storage.blobs.list()).toEqual([]);
  });

  test("may lack the folders that are empty, as after a copy", async () => {
    storage.root.create(new Uint8Array(rootBytes));
    await close();
    for (const name of ["log", "blobs", "lock"]) rmSync(file(name), { recursive: true });
    const reader = openNodeStorage(folder);
    await reader.acquire("read-only", { create: false });
    expect([reader.log.list(), reader.blobs.list()]).toEqual([[], []]);
    reader.close();
    await open();
    storage.log.create(1, 10);
  });
});

describe("calls of the system", () => {
  test("an append is one write, a read one read, a sync one sync", async () => {
    storage.log.create(1, 65_536);
    storage.log.append(1, 0, new Uint8Array(200));
    failing.log.length = 0;
    const bytes = new Uint8Array(200);
    for (let i = 1; i <= 100; i++) storage.log.append(1, i * 200, bytes);
    expect(failing.log).toEqual(Array(100).fill("writeSync"));
    failing.log.length = 0;
    storage.log.read(1, 0, bytes);
    storage.log.syncSync(1);
    await storage.log.sync(1);
    expect(failing.log).toEqual(["readSync", "fdatasyncSync", "fdatasync"]);
  });

  test("a blob is opened once and then read", () => {
    const staged = storage.blobs.stage("a");
    staged.write(0, new Uint8Array(1000));
    staged.seal();
    failing.log.length = 0;
    for (let i = 0; i < 10; i++) storage.blobs.read("a", i * 10, new Uint8Array(10));
    expect(failing.log).toEqual(Array(10).fill("readSync"));
  });

  test("a root is one write and one sync", async () => {
    storage.root.create(new Uint8Array(rootBytes));
    storage.root.read();
    failing.log.length = 0;
    storage.root.compareAndSet(0, new Uint8Array(rootBytes));
    await storage.root.compareAndSetAsync(1, new Uint8Array(rootBytes));
    expect(failing.log).toEqual(["writeSync", "fdatasyncSync", "writeSync", "fdatasync"]);
  });

  test("segments are synced before they have their name, and the name after", async () => {
    failing.log.length = 0;
    storage.log.create(1, 2 * 1024 * 1024 + 1);
    const bytes = ["openSync", "writeSync", "writeSync", "writeSync", "fsyncSync"];
    // The folder is opened for the first sync of its names.
    expect(failing.log).toEqual([...bytes, "renameSync", "openSync", "fsyncSync"]);
    failing.log.length = 0;
    await storage.log.createAhead(2, 2 * 1024 * 1024 + 1);
    const ahead = ["openSync", "write", "write", "write", "fsync"];
    expect(failing.log).toEqual([...ahead, "renameSync", "fsync"]);
  });

  test("a blob's bytes are synced before it has its name, and the name after", async () => {
    const order = ["openSync", "writeSync", "fsyncSync", "renameSync", "openSync", "fsyncSync"];
    failing.log.length = 0;
    const first = storage.blobs.stage("a");
    first.write(0, new Uint8Array(10));
    first.seal();
    expect(failing.log).toEqual(order);
    failing.log.length = 0;
    const second = storage.blobs.stage("b");
    second.write(0, new Uint8Array(10));
    await second.sync();
    await second.sealAsync();
    const slices = ["openSync", "writeSync", "fdatasync"];
    expect(failing.log).toEqual([...slices, "fsync", "renameSync", "fsync"]);
  });
});

describe("failures", () => {
  test.each([
    ["ENOSPC", "disk_full"],
    ["EDQUOT", "disk_full"],
    ["EFBIG", "disk_full"],
    ["EROFS", "storage_read_only"],
    ["EACCES", "storage_permission"],
    ["EPERM", "storage_permission"],
    ["EIO", "storage_failed"],
    ["EMFILE", "storage_failed"],
  ] as const)("%s is %s, with what was done where", async (errno, code) => {
    storage.log.create(1, 100);
    fail("writeSync", errno);
    const error = await expectCode(code, () => storage.log.append(1, 0, new Uint8Array(1)));
    const path = file("log", "0000000001.segment");
    expect(error.details).toEqual({ operation: "write", path, errno });
    expect((error.cause as NodeJS.ErrnoException).code).toBe(errno);
    fail("fdatasync", errno);
    expect((await expectCode(code, () => storage.log.sync(1))).details.operation).toBe("sync");
    fail("openSync", errno);
    await expectCode(code, () => storage.blobs.stage("a"));
  });

  test("continues a short write", () => {
    storage.log.create(1, 100);
    const bytes = Uint8Array.from({ length: 90 }, (_, i) => i + 1);
    fail("writeSync", "", { short: 40 });
    fail("writeSync", "", { short: 20 });
    storage.log.append(1, 5, bytes);
    expect(readFileSync(file("log", "0000000001.segment")).subarray(5, 95)).toEqual(
      Buffer.from(bytes),
    );
  });

  test("reports a short write that gets no further", async () => {
    storage.log.create(1, 100);
    const bytes = new Uint8Array(90).fill(7);
    fail("writeSync", "", { short: 40 });
    fail("writeSync", "ENOSPC");
    await expectCode("disk_full", () => storage.log.append(1, 0, bytes));
    fail("writeSync", "", { short: 40 });
    fail("writeSync", "", { short: 0 });
    const error = await expectCode("storage_failed", () => storage.log.append(1, 0, bytes));
    expect((error.cause as Error).message).toBe("wrote 40 of 90 bytes");
  });

  test.each([
    ["create", "writeSync", 1],
    ["create", "fsyncSync", 0],
    ["createAhead", "write", 1],
    ["createAhead", "fsync", 0],
  ] as const)(
    "a segment that cannot be finished by %s (%s) is not there",
    async (how, call, after) => {
      fail(call, "ENOSPC", { after });
      await expectCode("disk_full", () => storage.log[how](1, 3 * 1024 * 1024));
      expect(readdirSync(file("log"))).toEqual([]);
      await storage.log[how](1, 10);
      expect(storage.log.list()).toEqual([1]);
    },
  );

  test("a blob that cannot be sealed can be aborted", async () => {
    for (const call of ["fsync", "fsyncSync"]) {
      const staged = storage.blobs.stage("a");
      staged.write(0, new Uint8Array(10));
      fail(call, "EIO");
      const seal = call === "fsync" ? () => staged.sealAsync() : () => staged.seal();
      await expectCode("storage_failed", seal);
      staged.abort();
      expect(readdirSync(file("blobs"))).toEqual([]);
    }
  });

  test("a root that cannot be created is not there", async () => {
    for (const call of ["writeSync", "fsyncSync", "linkSync"]) {
      fail(call, "ENOSPC");
      await expectCode("disk_full", () => storage.root.create(new Uint8Array(rootBytes)));
      expect(storage.root.read()).toBeUndefined();
      expect(readdirSync(folder).sort()).toEqual(["blobs", "lock", "log"]);
    }
    storage.root.create(new Uint8Array(rootBytes));
  });

  test.each([
    ["EROFS", "storage_read_only"],
    ["ENOSPC", "disk_full"],
    ["EACCES", "storage_permission"],
    ["EOPNOTSUPP", "lock_invalid"],
  ] as const)("%s for the socket of the lock is %s", async (errno, code) => {
    await close();
    fail("renameSync", errno);
    const error = await expectCode(code, () => storage.acquire("exclusive", { create: true }));
    expect(error.details.errno).toBe(errno);
    expect(error.message).toContain(file("lock"));
  });

  test("an opener that fails leaves no lock behind", async () => {
    await close();
    for (const [call, after] of [
      ["writeSync", 0],
      ["fsyncSync", 0],
      ["linkSync", 0],
      ["openSync", 3],
    ] as const) {
      failing.rules = [];
      fail(call, "ENOSPC", { after });
      const other = openNodeStorage(folder);
      const error = await failure(() => other.acquire("exclusive", { create: true }));
      expect(error.code, `${call} ${after}`).toBe("disk_full");
      expect(await other.holder(), `${call} ${after}`).toBeUndefined();
    }
    failing.rules = [];
    await open();
    const left = readdirSync(file("lock")).map((name) => name.replace(/[0-9a-f]{16}/, "ID"));
    expect(left.filter((name) => !name.startsWith("generation")).sort()).toEqual([
      "ID.socket",
      "floor",
    ]);
  });

  test("a lock that cannot be marked as released is released all the same", async () => {
    storage.close();
    fail("writeSync", "ENOSPC");
    await claim?.release();
    expect(await storage.holder()).toBeUndefined();
    await open();
    expect(claim?.generation).toBe(2);
  });
});

describe("files", () => {
  test("a shortened root reads as zeros from there", () => {
    storage.root.create(new Uint8Array(rootBytes).fill(7));
    for (const [bytes, first, second] of [
      [rootBytes + 10, rootBytes, 10],
      [100, 100, 0],
      [0, 0, 0],
    ] as const) {
      truncateSync(file("root"), bytes);
      const [one, two] = storage.root.read() ?? [];
      expect(one?.findIndex((byte) => byte !== 7)).toBe(first === rootBytes ? -1 : first);
      expect(two?.findIndex((byte) => byte !== 7)).toBe(second);
      expect([one?.byteLength, two?.byteLength]).toEqual([rootBytes, rootBytes]);
    }
  });

  test("a reader goes on reading a blob that the writer removed", async () => {
    storage.root.create(new Uint8Array(rootBytes));
    for (const name of ["a", "b"]) {
      const staged = storage.blobs.stage(name);
      staged.write(0, new Uint8Array(100).fill(name.charCodeAt(0)));
      staged.seal();
    }
    const reader = openNodeStorage(folder);
    await reader.acquire("read-only", { create: false });
    // Knowing its size is enough to keep it.
    expect(reader.blobs.size("a")).toBe(100);
    storage.blobs.remove(["a", "b"]);
    const into = new Uint8Array(100);
    expect(reader.blobs.read("a", 0, into)).toBe(100);
    expect(into).toEqual(new Uint8Array(100).fill(97));
    const error = await expectCode("storage_failed", () => reader.blobs.read("b", 0, into));
    expect(error.details.errno).toBe("ENOENT");
    reader.close();
  });

  test("keeps no more blobs open than it may, and those that are used", async () => {
    await close();
    storage = openNodeStorage(folder, { openBlobsMax: 8 });
    claim = await storage.acquire("exclusive", { create: true });
    failing.log.length = 0;
    for (let i = 0; i < 40; i++) {
      const staged = storage.blobs.stage(`blob-${i}`);
      staged.write(0, new Uint8Array(4).fill(i));
      staged.seal();
      storage.blobs.read("blob-0", 0, new Uint8Array(4));
    }
    // Each blob when it was staged, and the folder once: the blob that is read is never reopened.
    expect(failing.log.filter((call) => call === "openSync")).toHaveLength(41);
    expect(openFiles("blob-")).toHaveLength(8);
    expect(openFiles("blob-")).toContain(file("blobs", "blob-0.blob"));
    storage.close();
    expect(openFiles("blob-")).toEqual([]);
  });

  test("gives no name to what was finished after the storage was closed", async () => {
    let letGo = (): void => undefined;
    failing.held = new Promise((resolve) => {
      letGo = resolve;
    });
    const staged = storage.blobs.stage("a");
    const running = [storage.log.createAhead(2, 100), staged.sealAsync()];
    const outcome = Promise.allSettled(running);
    await vi.waitFor(() => expect(failing.log.slice(-3)).toEqual(["write", "fsync", "fsync"]));
    await close();
    await open();
    // The same names, of the next one who may write.
    const ahead = storage.log.createAhead(2, 5);
    const second = storage.blobs.stage("a");
    second.write(0, new Uint8Array(5));
    failing.held = undefined;
    letGo();
    for (const { status } of await outcome) expect(status).toBe("rejected");
    await ahead;
    second.seal();
    expect(storage.log.size(2)).toBe(5);
    expect(storage.blobs.size("a")).toBe(5);
  });

  test("gives no name to a blob that was aborted while it was sealed", async () => {
    let letGo = (): void => undefined;
    failing.held = new Promise((resolve) => {
      letGo = resolve;
    });
    const first = storage.blobs.stage("a");
    const sealing = failure(() => first.sealAsync());
    failing.held = undefined;
    first.abort();
    const second = storage.blobs.stage("a");
    letGo();
    expect((await sealing).code).toBe("invariant_broken");
    expect(storage.blobs.list()).toEqual([]);
    second.seal();
    expect(storage.blobs.list()).toEqual(["a"]);
  });

  test("are opened for reading only by a reader", async () => {
    storage.root.create(new Uint8Array(rootBytes));
    storage.log.create(1, 10);
    const staged = storage.blobs.stage("a");
    staged.seal();
    const reader = openNodeStorage(folder);
    failing.flags.length = 0;
    await reader.acquire("read-only", { create: false });
    reader.root.read();
    reader.log.read(1, 0, new Uint8Array(10));
    reader.blobs.size("a");
    expect(failing.flags).toEqual(["r", "r", "r"]);
    reader.close();
  });

  test("closes every file, also those with a call under way", async () => {
    storage.root.create(new Uint8Array(rootBytes));
    storage.root.read();
    storage.log.create(1, 100);
    const staged = storage.blobs.stage("a");
    staged.write(0, new Uint8Array(100_000));
    const running = [
      storage.log.sync(1),
      storage.log.createAhead(2, 8 * 1024 * 1024),
      staged.sealAsync(),
      storage.root.compareAndSetAsync(0, new Uint8Array(rootBytes)),
    ];
    storage.close();
    await Promise.allSettled(running);
    await claim?.release();
    // Closing the last one is itself a call under way.
    await vi.waitFor(() => expect(openFiles("")).toEqual([]));
    expect(readdirSync(file("log"))).toEqual(["0000000001.segment"]);
    expect(readdirSync(file("blobs"))).toEqual([]);
  });

  function openFiles(part: string): string[] {
    return readdirSync("/proc/self/fd").flatMap((fd) => {
      try {
        const path = readlinkSync(`/proc/self/fd/${fd}`);
        return path.startsWith(folder) && path.includes(part) ? [path] : [];
      } catch {
        return [];
      }
    });
  }
});
