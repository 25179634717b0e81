/**
 * A crash at each storage call of migrations that go up and down again. Whatever survives: what was
 * acknowledged is applied, and running the migrations again comes to exactly the state of a run
 * without a crash; every row is changed once.
 */
import { expect, test } from "vitest";
import { type MemoryMedium, MemoryStorage } from "../../src/storage/memory/index.ts";
import { turns } from "../crash/explore.ts";
import { seed } from "../seed.ts";
import { personalities } from "../storage/effects.ts";
import { FaultStorage } from "../storage/fault-storage.ts";
import { Random } from "../storage/random.ts";
import { openOn } from "../vector/places.ts";
import { contentsOf, migrations } from "./stages.ts";

const stride = Number(process.env.CRASH_STRIDE ?? 23);
/** Where each run goes to. */
const targets = [1, 3, 1, 2, 0, 3];
const options = {
  engine: { memoryBudget: 4 << 20, checkpointLogBytes: 30_000, checkpointIdleMs: 0 },
};

interface Stages {
  /** How many runs were acknowledged. */
  acknowledged: number;
  readonly states: unknown[];
}

async function work(storage: FaultStorage, stages: Stages, isWatched: boolean): Promise<void> {
  const db = await openOn(storage, options);
  for (const to of targets) {
    await db.migrate(migrations, { to });
    if (isWatched) stages.states.push(await contentsOf(db));
    stages.acknowledged++;
  }
  await db.close();
}

async function requireSame(medium: MemoryMedium, done: number, states: unknown[]): Promise<void> {
  const db = await openOn(new MemoryStorage(medium), options);
  try {
    if (done > 0) {
      const applied = (await db.migrations()).filter(({ state }) => state === "applied").length;
      const [before, next] = [targets[done - 1], targets[done] ?? targets[done - 1]] as const;
      expect(applied).toBeGreaterThanOrEqual(Math.min(before, next));
      expect(applied).toBeLessThanOrEqual(Math.max(before, next));
    }
    const stage = Math.min(done, targets.length - 1);
    const report = await db.migrate(migrations, { to: targets[stage] as number });
    expect(report.currentVersion).toBe(targets[stage]);
    expect(await contentsOf(db)).toEqual(states[stage]);
    expect((await db.verify()).findings).toEqual([]);
  } finally {
    await db.close();
  }
}

async function afterCrash(storage: FaultStorage): Promise<void> {
  for (let left = 20; left > 0; ) {
    await new Promise((resolve) => setImmediate(resolve));
    if (storage.crashed) left--;
  }
}

test.each([false, true])(
  "a crash leaves nothing half done, on storage that answers later: %s",
  { timeout: 3_600_000 },
  async (isAsync) => {
    const storageOf = (): FaultStorage => new FaultStorage(isAsync ? { latency: turns(seed) } : {});
    const whole = storageOf();
    const expected: Stages = { acknowledged: 0, states: [] };
    await work(whole, expected, true);
    let opened = 0;
    for (let call = 8; call <= whole.trace.length; call++) {
      if ((call + seed) % stride !== 0) continue;
      const storage = storageOf();
      const random = new Random(seed * 65_536 + call);
      storage.crashAt(call, random.pick([undefined, 2 ** 31, random.integer(2_000)]));
      const stages: Stages = { acknowledged: 0, states: [] };
      const working = work(storage, stages, false).catch((error: unknown) => {
        if (!storage.crashed) throw error;
      });
      await Promise.race([working, afterCrash(storage)]);
      storage.crash();
      for (const personality of personalities) {
        const medium = storage.survivors(seed * 1_000 + call, personality);
        if (medium.root === undefined) continue;
        opened++;
        try {
          await requireSame(medium, stages.acknowledged, expected.states);
        } catch (cause) {
          const where = `SEED=${seed}, call ${call} (${storage.trace[call - 1]}), ${personality}`;
          throw new Error(`${where}: ${(cause as Error).message}`, { cause });
        }
      }
    }
    expect(opened).toBeGreaterThan(20);
  },
);
