/** Storage calls that fail, one by one: the handle says so, and nothing acknowledged is lost. */
import { describe, expect, test } from "vitest";
import { type Engine, openEngine } from "../../src/engine/index.ts";
import { CairnError } from "../../src/errors.ts";
import { MemoryMedium, MemoryStorage } from "../../src/storage/memory/index.ts";
import { FaultStorage } from "../storage/fault-storage.ts";
import { Random } from "../storage/random.ts";
import { requireState, requireVerified, surroundings, tiny, turns } from "./explore.ts";
import { difference, History, readState, type State, utf8 } from "./model.ts";
import { Workload } from "./workload.ts";

const stride = Number(process.env.FAILURE_STRIDE ?? 5);
const engineOptions = tiny;

interface Run {
  storage: FaultStorage;
  history: History;
  engine: Engine | undefined;
  error: unknown;
}

/** What a call may be answered with once the storage has failed. */
const expected = new Set(["disk_full", "storage_failed", "outcome_unknown", "poisoned", "closed"]);

function storageFor(seed: number, isAsync: boolean, medium = new MemoryMedium()): FaultStorage {
  return new FaultStorage({ medium, ...(isAsync ? { latency: turns(seed) } : {}) });
}

async function run(storage: FaultStorage, seed: number, steps = 25): Promise<Run> {
  const history = new History();
  const outcome: Run = { storage, history, engine: undefined, error: undefined };
  try {
    outcome.engine = await openEngine(storage, engineOptions, surroundings(seed));
    await new Workload(outcome.engine, history, new Random(seed), {
      steps,
      keys: 120,
      largeBytesMax: 20_000,
      largeOneIn: 40,
      backupTarget: () => new MemoryStorage(),
    }).run();
  } catch (error) {
    outcome.error = error;
  }
  return outcome;
}

/** Reads, and the list of trees, see the newest published commit, not one of unknown outcome. */
async function requireReadable(engine: Engine, history: History): Promise<void> {
  const published = history.states[Number(engine.published.seq)] as State;
  expect(difference(await readState(engine), published)).toBeUndefined();
}

/** After the failure: reads are answered, writes refused or work, and the rest is on the medium. */
async function requireSafe({ storage, history, engine, error }: Run, seed: number): Promise<void> {
  if (error !== undefined) {
    expect(error).toBeInstanceOf(CairnError);
    expect(expected).toContain((error as CairnError).code);
  }
  if (engine !== undefined && !engine.isClosed) {
    await requireReadable(engine, history);
    if (engine.pipeline.isPoisoned) {
      expect(() => engine.beginCommit()).toThrow(expect.objectContaining({ code: "poisoned" }));
    }
    await engine.close().catch((closing: unknown) => {
      expect(closing).toBeInstanceOf(CairnError);
    });
  }
  await new Promise((resolve) => setImmediate(resolve));
  storage.crash();
  for (const personality of ["kill", "synced", "adversary"] as const) {
    const medium = storage.survivors(seed, personality);
    const again = await openEngine(new MemoryStorage(medium), engineOptions, surroundings(seed));
    const seq = Number(again.recovery.seq);
    expect(seq).toBeGreaterThanOrEqual(personality === "kill" ? history.visible : history.durable);
    expect(seq).toBeLessThanOrEqual(history.sent);
    await requireState(again, history, seq);
    await requireVerified(again);
    if (again.tree(1) === undefined) again.beginCommit().createTree(1, utf8("{}"));
    else again.beginCommit().put(1, "k", utf8("goes on"));
    await again.submit();
    await again.close();
  }
}

describe.each([false, true])("on a storage that answers later: %s", (isAsync) => {
  test.each(["disk_full", "storage_failed"] as const)("one call fails with %s", async (code) => {
    const seed = isAsync ? 31 : 30;
    const { storage: whole } = await run(storageFor(seed, isAsync), seed);
    const ends = { poisoned: 0, unharmed: 0 };
    for (let call = 2; call <= whole.trace.length; call += stride) {
      const storage = storageFor(seed, isAsync);
      storage.failAt(call, code, new Random(call).pick([undefined, 0, 100, 2 ** 31]));
      const outcome = await run(storage, seed);
      if (outcome.engine?.pipeline.isPoisoned === true) ends.poisoned++;
      else ends.unharmed++;
      const where = `call ${call}: ${storage.trace[call - 1]}`;
      await requireSafe(outcome, call).catch((cause: Error) => {
        throw new Error(`${where}: ${cause.message}`, { cause });
      });
    }
    expect(ends.poisoned).toBeGreaterThan(10);
  });

  test("a full disk: everything fails from some call on, then there is space again", async () => {
    const seed = isAsync ? 41 : 40;
    const { storage: whole } = await run(storageFor(seed, isAsync), seed);
    for (let call = 3; call <= whole.trace.length; call += stride * 4) {
      const storage = storageFor(seed, isAsync);
      for (let later = call; later < call + 400; later++) {
        storage.failAt(later, "disk_full", later % 3 === 0 ? 50 : undefined);
      }
      await requireSafe(await run(storage, seed), call);
    }
  });
});

describe("a checkpoint in the background that fails", () => {
  test("is told by the next commit when something could not be written", async () => {
    const storage = storageFor(1, false);
    const engine = await openEngine(storage, engineOptions, surroundings(1));
    engine.beginCommit().createTree(1, utf8('{"kind":"ordered"}'));
    await engine.submit();
    let error: unknown;
    let acknowledged = 0;
    for (let round = 0; error === undefined && round < 200; round++) {
      const stage = storage.trace.findIndex((line) => line.startsWith("stage blob"));
      if (stage < 0) storage.failAt(storage.trace.length + 3, "storage_failed");
      try {
        engine.beginCommit().put(1, `key ${round}`, utf8("v".repeat(1000)));
        await engine.submit();
        acknowledged = round;
      } catch (failure) {
        error = failure;
      }
    }
    expect(["poisoned", "outcome_unknown"]).toContain((error as CairnError).code);
    expect(await engine.read(1, `key ${acknowledged}`, undefined, 0, () => true)).toBe(true);
    await engine.close();
  });

  test("for another reason is told by the statistics, and others can still succeed", async () => {
    const medium = new MemoryMedium();
    const first = await openEngine(new MemoryStorage(medium), engineOptions, surroundings(2));
    const effects = first.beginCommit();
    effects.createTree(1, utf8('{"kind":"ordered"}'));
    effects.createTree(2, utf8('{"kind":"ordered"}'));
    for (let i = 0; i < 3000; i++) effects.put(1, `key ${i}`, utf8("v".repeat(300)));
    effects.put(1, "large", new Uint8Array(20_000));
    await first.submit();
    await first.close();
    for (const [name, bytes] of medium.blobs) {
      if (!name.startsWith("pages-")) continue;
      // The branches and the last leaves; tree 2 has no pages yet.
      const damaged = bytes.slice();
      for (let at = 4096; at < damaged.length; at += 4096) damaged[at + 100] ^= 1;
      medium.blobs.set(name, damaged);
    }
    const engine = await openEngine(new MemoryStorage(medium), engineOptions, surroundings(3));
    await expect(
      engine.commit(function* (again) {
        again.put(1, "key 1", utf8("w"));
        yield* [];
      }),
    ).rejects.toMatchObject({ code: "page_corrupt" });
    // Trees that are not damaged go on, and are checkpointed.
    for (let i = 0; i < 100; i++) {
      engine.beginCommit().put(2, `key ${i}`, utf8("v".repeat(1000)));
      await engine.submit();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(engine.stats().checkpointSeq).toBeGreaterThan(60n);
    await engine.close();
  });
});
