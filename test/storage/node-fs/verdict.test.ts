/**
 * When a holder counts as dead: only when that is proven by facts that mean the same to both sides.
 */
import { mkdtempSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { NodeLockFolder } from "../../../src/storage/node-fs/lock-folder.ts";
import type { ClaimRecord } from "../../../src/storage/node-fs/lock-record.ts";
import { processIdentity } from "../../../src/storage/node-fs/process-identity.ts";
import { SignOfLife } from "../../../src/storage/node-fs/sign-of-life.ts";

const ext4 = 0xef53;
const nfs = 0x6969;
const id = "0123456789abcdef";

const disk = vi.hoisted(() => ({ type: 0 }));
vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  return { ...fs, statfsSync: () => ({ type: disk.type }) };
});

let parent: string;
let lock: NodeLockFolder;
let life: SignOfLife;

beforeEach(async () => {
  parent = mkdtempSync(join(tmpdir(), "cairn-verdict-"));
  lock = new NodeLockFolder(parent, "ffffffffffffffff");
  lock.folder.create();
  life = await SignOfLife.listen(lock.folder.path, id);
});

afterEach(() => {
  life.close({ remove: true });
  lock.folder.close();
  rmSync(parent, { recursive: true });
});

const here = processIdentity();
const elsewhere = { host: "other", pidNamespace: "pid:[1]" };
const otherBoot = { bootId: "00000000-0000-0000-0000-000000000000" };
const unknown = { host: "", bootId: "", pidNamespace: "", startTicks: "" };
/** No process has it: Linux ends at 2^22. */
const noPid = { pid: 2 ** 30 };

function isDead(type: number, changes: Partial<ClaimRecord>): Promise<boolean> {
  disk.type = type;
  const claim = { ...here, generation: 1, id, state: "held" as const, since: 0 };
  return lock.isDead({ ...claim, ...changes });
}

describe("a holder whose socket answers", () => {
  test.each([
    ["here", ext4, {}],
    ["in another container on this machine", ext4, elsewhere],
    ["that could not tell who it is", ext4, unknown],
    ["here, on a network file system", nfs, {}],
    ["on another machine, on a network file system", nfs, { ...elsewhere, ...otherBoot }],
  ])("lives: %s", async (_, type, changes) => {
    expect(await isDead(type, changes)).toBe(false);
  });

  test("is dead all the same when its process is certainly gone", async () => {
    expect(await isDead(ext4, noPid)).toBe(true);
    expect(await isDead(ext4, { ...noPid, pidNamespace: "pid:[1]" })).toBe(false);
    expect(await isDead(ext4, { startTicks: "1" })).toBe(true);
    expect(await isDead(ext4, { startTicks: "" })).toBe(false);
  });
});

describe("a holder whose socket refuses", () => {
  beforeEach(() => life.close({ remove: false }));

  test.each([
    ["here", ext4, {}, true],
    ["in another container on this machine", ext4, elsewhere, true],
    ["that could not tell who it is", ext4, unknown, true],
    ["here, on a network file system", nfs, {}, true],
    ["in another container, on a network file system", nfs, elsewhere, false],
    ["that could not tell who it is, on a network file system", nfs, unknown, false],
  ])("%s, on %i: is dead or not", async (_, type, changes, dead) => {
    expect(await isDead(type, changes)).toBe(dead);
  });
});

describe("a holder of another boot", () => {
  beforeEach(() => life.close({ remove: false }));

  test("is dead when the disk is this machine's own", async () => {
    expect(await isDead(ext4, otherBoot)).toBe(true);
    expect(await isDead(ext4, { ...otherBoot, ...elsewhere })).toBe(true);
  });

  test("may live on another machine when the file system is shared", async () => {
    expect(await isDead(nfs, otherBoot)).toBe(false);
    expect(await isDead(nfs, { ...otherBoot, ...elsewhere, ...noPid })).toBe(false);
  });
});

describe("a holder without a socket", () => {
  test.each(["removed", "replaced by a file"])("is judged by its process: %s", async (how) => {
    life.close({ remove: false });
    const socket = lock.folder.file(`${id}.socket`);
    unlinkSync(socket);
    if (how !== "removed") writeFileSync(socket, "");
    expect(await isDead(ext4, {})).toBe(false);
    expect(await isDead(ext4, noPid)).toBe(true);
    expect(await isDead(ext4, { startTicks: "1" })).toBe(true);
    expect(await isDead(ext4, { ...noPid, ...unknown })).toBe(false);
    expect(await isDead(ext4, { ...noPid, ...elsewhere })).toBe(false);
  });
});
