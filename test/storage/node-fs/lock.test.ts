import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { breakLock, lockHolder, openNodeStorage } from "../../../src/storage/node-fs/index.ts";
import type { Claim } from "../../../src/storage/port.ts";
import { expectCode, failure } from "../conformance.ts";
import { bundle, type Command, Running, runtimes } from "./processes.ts";

let parent: string;
let folder: string;
let program: string;
let running: Running[] = [];

beforeAll(async () => {
  program = await bundle("holder.ts");
});

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "cairn-lock-"));
  folder = join(parent, "database");
});

afterEach(async () => {
  for (const one of running) await one.kill();
  running = [];
  rmSync(parent, { recursive: true });
});

function run(command: Command, ...args: string[]): Running {
  const one = new Running(command, [program, folder, ...args]);
  running.push(one);
  return one;
}

async function acquire(): Promise<Claim> {
  return openNodeStorage(folder).acquire("exclusive", { create: true });
}

function lockFiles(): string[] {
  return readdirSync(join(folder, "lock"))
    .map((name) => name.replace(/^[0-9a-f]{16}/, "ID"))
    .sort();
}

function editClaim(generation: number, edit: (claim: Record<string, unknown>) => void): void {
  const path = join(folder, "lock", `generation-${String(generation).padStart(10, "0")}`);
  const claim = JSON.parse(readFileSync(path, "utf8"));
  edit(claim);
  writeFileSync(path, JSON.stringify(claim));
}

describe.each(runtimes())("a holder on %s", (name, command) => {
  test("keeps others out and is named", async () => {
    const holder = run(command);
    expect(await holder.line()).toBe("held 1");
    const error = await expectCode("lock_held", acquire);
    const pid = Number(error.details.pid);
    expect(error.details).toMatchObject({ host: hostname(), generation: 1 });
    expect(String(error.details.runtime)).toMatch(new RegExp(`^${name.split(" ")[0]} \\d+\\.`));
    expect(Math.abs(Number(error.details.since) - Date.now())).toBeLessThan(60_000);
    expect(error.message).toContain(`process ${pid} on ${hostname()}`);
    expect(await lockHolder(folder)).toMatchObject({ pid, host: hostname(), generation: 1 });
    expect(await run(command).line()).toBe(`lock_held ${pid}`);
    expect(await holder.ask("check")).toBe("ok");
  });

  test("leaves the lock to the next when it is killed", async () => {
    for (let generation = 1; generation <= 4; generation++) {
      const holder = run(command);
      expect(await holder.line()).toBe(`held ${generation}`);
      await holder.kill();
      expect(await lockHolder(folder)).toBeUndefined();
    }
    const claim = await acquire();
    expect(claim.generation).toBe(5);
    expect(lockFiles()).toEqual(["ID.socket", "floor", "generation-0000000005"]);
    await claim.release();
    expect(lockFiles()).toEqual(["floor", "generation-0000000005"]);
  });

  test("leaves the lock to the next when it exits without releasing it", async () => {
    const holder = run(command);
    expect(await holder.line()).toBe("held 1");
    holder.process.stdin?.write("exit\n");
    await holder.ended();
    expect(await run(command).line()).toBe("held 2");
  });

  test("may release it and have it taken while it runs on", async () => {
    const holder = run(command);
    expect(await holder.line()).toBe("held 1");
    expect(await holder.ask("release")).toBe("ok");
    expect(await run(command).line()).toBe("held 2");
    expect(await holder.ask("check")).toBe("generation_lost");
  });

  test("ends when it has nothing to do, though the lock is held", async () => {
    const holder = run(command, "no");
    expect(await holder.line()).toBe("held 1");
    await holder.ended();
    expect(holder.process.exitCode).toBe(0);
  });

  test("keeps the lock while it is stopped, and it is its own when it goes on", async () => {
    const holder = run(command);
    expect(await holder.line()).toBe("held 1");
    holder.signal("SIGSTOP");
    expect(await run(command).line()).toBe(`lock_held ${holder.process.pid}`);
    await expectCode("lock_held", acquire);
    await expectCode("lock_held", () => breakLock(folder));
    holder.signal("SIGCONT");
    expect(await holder.ask("check")).toBe("ok");
  });

  test("keeps the lock while it is stopped and its queue of connections is full", async () => {
    const holder = run(command);
    expect(await holder.line()).toBe("held 1");
    holder.signal("SIGSTOP");
    const socket = readdirSync(join(folder, "lock")).find((file) => file.endsWith(".socket")) ?? "";
    let refusal = "";
    for (let knocks = 0; refusal === "" && knocks < 10_000; knocks++) {
      refusal = await new Promise<string>((resolve) => {
        const connection = connect(join(folder, "lock", socket));
        connection.on("connect", () => resolve(connection.destroy() ? "" : ""));
        connection.on("error", (error) => resolve((error as NodeJS.ErrnoException).code ?? "?"));
      });
    }
    expect(refusal).toBe("EAGAIN");
    expect(await run(command).line()).toBe(`lock_held ${holder.process.pid}`);
    await expectCode("lock_held", acquire);
    await holder.kill();
    expect(await run(command).line()).toBe("held 2");
  });

  test("does not leave the lock to a process that it started", async () => {
    const holder = run(command);
    expect(await holder.line()).toBe("held 1");
    const [, pid] = (await holder.ask("child")).split(" ");
    await holder.kill();
    expect(await run(command).line()).toBe("held 2");
    process.kill(Number(pid));
  });

  test("locks a folder whose path is longer than that of a socket may be", async () => {
    folder = join(parent, "a".repeat(150), "b".repeat(150));
    const holder = run(command);
    expect(await holder.line()).toBe("held 1");
    expect(await run(command).line()).toBe(`lock_held ${holder.process.pid}`);
    await holder.kill();
    const next = run(command);
    expect(await next.line()).toBe("held 2");
    expect(await next.ask("release")).toBe("ok");
    expect(lockFiles()).toEqual(["floor", "generation-0000000002"]);
  });

  test("notices at its next check that its lock was broken by force", async () => {
    const holder = run(command);
    expect(await holder.line()).toBe("held 1");
    await expectCode("lock_held", () => breakLock(folder));
    expect(await holder.ask("check")).toBe("ok");
    expect(await breakLock(folder, { force: true })).toBe(true);
    expect(await holder.ask("check")).toBe("generation_lost");
    expect(await lockHolder(folder)).toBeUndefined();
    const claim = await acquire();
    expect(claim.generation).toBe(3);
    // Its release comes too late to matter.
    expect(await holder.ask("release")).toBe("ok");
    await claim.check();
    await expectCode("lock_held", acquire);
    await claim.release();
  });

  test("notices at its next check that the lock's files were removed", async () => {
    const holder = run(command);
    expect(await holder.line()).toBe("held 1");
    rmSync(join(folder, "lock"), { recursive: true });
    expect(await holder.ask("check")).toBe("generation_lost");
    const claim = await acquire();
    expect(claim.generation).toBe(1);
    expect(await holder.ask("check")).toBe("generation_lost");
    expect(await holder.ask("release")).toBe("ok");
    await claim.check();
    await claim.release();
  });

  test("counts as alive when only its socket was removed, until its process is gone", async () => {
    const holder = run(command);
    expect(await holder.line()).toBe("held 1");
    for (const file of readdirSync(join(folder, "lock"))) {
      if (file.endsWith(".socket")) unlinkSync(join(folder, "lock", file));
    }
    expect(await run(command).line()).toBe(`lock_held ${holder.process.pid}`);
    await holder.kill();
    expect(await run(command).line()).toBe("held 2");
  });
});

describe("breaking a lock", () => {
  test("answers false where nobody holds it", async () => {
    expect(await breakLock(folder)).toBe(false);
    const claim = await acquire();
    await claim.release();
    expect(await breakLock(folder)).toBe(false);
    expect(await breakLock(folder, { force: true })).toBe(false);
  });

  test("needs no force when the holder is dead", async () => {
    const holder = run([process.execPath]);
    await holder.line();
    await holder.kill();
    expect(await breakLock(folder)).toBe(true);
    expect(await breakLock(folder)).toBe(false);
    expect((await acquire()).generation).toBe(3);
  });

  test("works again and again, and leaves nothing that piles up", async () => {
    const claims: Claim[] = [];
    for (let round = 0; round < 5; round++) {
      claims.push(await acquire());
      expect(await breakLock(folder, { force: true })).toBe(true);
    }
    const last = await acquire();
    expect(last.generation).toBe(11);
    for (const claim of claims) {
      await expectCode("generation_lost", () => claim.check());
      await claim.release();
    }
    await last.check();
    await last.release();
    await (await acquire()).release();
    expect(lockFiles()).toEqual(["floor", "generation-0000000012"]);
  });
});

describe("a lock whose files were changed by hand", () => {
  const damages: [string, () => void][] = [
    ["a damaged claim", () => writeFileSync(claimPath(), '{"format":"cairn lock 1","pid":1')],
    ["an empty claim", () => writeFileSync(claimPath(), "")],
    ["a claim of another format", () => editClaim(1, (claim) => (claim.format = "cairn lock 9"))],
    ["a missing claim", () => unlinkSync(claimPath())],
    ["a damaged floor", () => writeFileSync(join(folder, "lock", "floor"), "x")],
    ["an empty floor", () => writeFileSync(join(folder, "lock", "floor"), "")],
  ];
  const claimPath = (): string => join(folder, "lock", "generation-0000000001");

  test.each(damages)("is refused, and mended by force: %s", async (_, damage) => {
    const old = await acquire();
    damage();
    const error = await expectCode("lock_invalid", acquire);
    expect(error.message).toContain(folder);
    await expectCode("lock_invalid", () => breakLock(folder));
    await expectCode("lock_invalid", () => lockHolder(folder));
    expect(await breakLock(folder, { force: true })).toBe(true);
    await expectCode("generation_lost", () => old.check());
    const claim = await acquire();
    expect(claim.generation).toBeGreaterThan(2);
    await claim.check();
    await claim.release();
    await old.release();
    await (await acquire()).release();
  });

  test("goes on from the newest claim when the floor was removed", async () => {
    for (let round = 0; round < 3; round++) await (await acquire()).release();
    unlinkSync(join(folder, "lock", "floor"));
    const claim = await acquire();
    expect(claim.generation).toBe(4);
    await claim.check();
    await claim.release();
  });
});

describe("reading", () => {
  test("takes no lock and creates no file", async () => {
    const claim = await acquire();
    await claim.release();
    const before = readdirSync(folder, { recursive: true }).sort();
    const storage = openNodeStorage(folder);
    const reader = await storage.acquire("read-only", { create: false });
    expect(await storage.log.list()).toEqual([]);
    expect(await storage.root.read()).toBeUndefined();
    expect(readdirSync(folder, { recursive: true }).sort()).toEqual(before);
    const writer = await acquire();
    await writer.release();
    await reader.release();
  });

  test("creates no folder, also when it may create one", async () => {
    const storage = openNodeStorage(folder);
    for (const create of [true, false]) {
      await expectCode("database_not_found", () => storage.acquire("read-only", { create }));
    }
    expect(existsSync(folder)).toBe(false);
    expect(await lockHolder(folder)).toBeUndefined();
  });
});

describe("parts of a process", () => {
  test("a worker thread that is terminated leaves the lock", async () => {
    const { Worker } = await import("node:worker_threads");
    const worker = new Worker(program, { argv: [folder], stdout: true, stdin: true });
    await new Promise((resolve) => worker.stdout.once("data", resolve));
    await expectCode("lock_held", acquire);
    await worker.terminate();
    const claim = await acquire();
    expect(claim.generation).toBe(2);
    await claim.release();
  });

  test("a cluster worker that is killed leaves the lock though the primary lives", async () => {
    const { default: cluster } = await import("node:cluster");
    cluster.setupPrimary({ exec: program, args: [folder], silent: true });
    const worker = cluster.fork();
    const first = await new Promise((resolve) => worker.process.stdout?.once("data", resolve));
    expect(String(first)).toBe("held 1\n");
    await expectCode("lock_held", acquire);
    const exit = new Promise((resolve) => worker.once("exit", resolve));
    worker.process.kill("SIGKILL");
    await exit;
    const claim = await acquire();
    expect(claim.generation).toBe(2);
    await claim.release();
  });

  test("a cluster worker keeps the lock though the primary is killed", async () => {
    const primary = join(parent, "primary.mjs");
    const setup = JSON.stringify({ exec: program, args: [folder] });
    writeFileSync(
      primary,
      `import cluster from "node:cluster"; cluster.setupPrimary(${setup}); cluster.fork();`,
    );
    const one = new Running([process.execPath], [primary]);
    running.push(one);
    expect(await one.line()).toBe("held 1");
    const pid = (await lockHolder(folder))?.pid ?? 0;
    expect(pid).not.toBe(one.process.pid);
    // It would end by itself when it notices; until then it may write.
    process.kill(pid, "SIGSTOP");
    await one.kill();
    await expectCode("lock_held", acquire);
    process.kill(pid, "SIGKILL");
    await expect.poll(() => lockHolder(folder)).toBeUndefined();
  });
});

test("openers that start at once let one in", async () => {
  mkdirSync(folder);
  const answers = await Promise.all(
    Array.from({ length: 12 }, () =>
      acquire().catch((error) => failure(() => Promise.reject(error))),
    ),
  );
  const claims = answers.filter((answer) => "generation" in answer);
  expect(claims).toHaveLength(1);
  for (const answer of answers) {
    if (!("generation" in answer)) expect(answer.code).toBe("lock_held");
  }
  for (const claim of claims) await claim.release();
  expect(lockFiles()).toEqual(["floor", "generation-0000000001"]);
});
