/**
 * Crashes of a database with vectors at its storage calls. Each commit puts and deletes vectors and
 * counts itself in a keyspace; whatever survives must be what was there after some whole commit,
 * not before the last one that was acknowledged, and the index must be sound and find it all.
 */
import { describe, expect, test } from "vitest";
import type { Database, Vectors } from "../../src/index.ts";
import { type MemoryMedium, MemoryStorage } from "../../src/storage/memory/index.ts";
import { turns } from "../crash/explore.ts";
import { personalities } from "../storage/effects.ts";
import { FaultStorage } from "../storage/fault-storage.ts";
import { Random } from "../storage/random.ts";
import { faultOf, type Oracle, randomVector } from "./oracle.ts";
import { coreGraphs, eagerLimits, openOn, type PlaceOptions } from "./places.ts";

const stride = Number(process.env.CRASH_STRIDE ?? 17);
const seeds = Array.from({ length: Number(process.env.CRASH_SEEDS ?? 1) }, (_none, n) => n + 1);
const dimensions = 4;
const metric = "l2";
const steps = 40;

const options: PlaceOptions = {
  engine: {
    memoryBudget: 4 << 20,
    checkpointLogBytes: 24_000,
    checkpointIdleMs: 0,
    segmentBytes: { first: 8_192, max: 32_768 },
  },
  graphs: coreGraphs,
  limits: eagerLimits,
};

interface Meta {
  readonly n: number;
}

/** What was there after each commit, and the last one that was acknowledged. */
class History {
  readonly states: Oracle<Meta>[] = [new Map()];
  acknowledged = 0;
}

async function openIndex(db: Database): Promise<Vectors<Meta>> {
  return await db.vectors<Meta>("index", { dimensions, metric, fields: ["n"] });
}

async function work(storage: FaultStorage, history: History, seed: number): Promise<void> {
  const random = new Random(seed);
  const db = await openOn(storage, options);
  const index = await openIndex(db);
  const steady = await db.keyspace<number>("steps");
  for (let step = 1; step <= steps; step++) {
    const state: Oracle<Meta> = new Map(history.states.at(-1));
    const count = random.chance(0.2) ? 30 : 3;
    const puts = Array.from({ length: count }, () => ({
      id: `id ${random.integer(60)}`,
      known: { vector: randomVector(random, dimensions), metadata: { n: random.integer(9) } },
    }));
    const gone = Array.from({ length: 3 }, () => `id ${random.integer(60)}`);
    for (const { id, known } of puts) state.set(id, known);
    for (const id of gone) state.delete(id);
    history.states.push(state);
    await db.transaction(async (tx) => {
      const inside = tx.vectors(index);
      for (const { id, known } of puts) inside.put(id, known.vector, known.metadata);
      for (const id of gone) await inside.delete(id);
      tx.keyspace(steady).put("step", step);
    });
    history.acknowledged = step;
    await index.search(randomVector(random, dimensions));
    const dice = random.integer(12);
    if (dice === 0) await db.checkpoint();
    else if (dice === 1) await db.compact();
    else if (dice === 2) await index.check();
  }
  await db.close();
}

async function requireSound(medium: MemoryMedium, history: History): Promise<void> {
  // Twice: the second opening finds what the first one has tidied up and written.
  for (let round = 0; round < 2; round++) {
    const db = await openOn(new MemoryStorage(medium), options);
    const step = (await (await db.keyspace<number>("steps")).get("step")) ?? 0;
    expect(step, "an acknowledged commit is lost").toBeGreaterThanOrEqual(history.acknowledged);
    const state = history.states[step];
    const index = await openIndex(db);
    for (let search = 0; search < 3; search++) {
      const query = new Float32Array(dimensions).fill(search / 3);
      const filter = { n: { lt: 5 } };
      const isIn = (_id: string, { metadata }: { metadata: Meta }): boolean => metadata.n < 5;
      const all = await index.search(query, { k: 100 });
      expect(faultOf(all, state, metric, query, 100)).toBeUndefined();
      const some = await index.search(query, { k: 5, filter });
      expect(faultOf(some, state, metric, query, 5, isIn)).toBeUndefined();
    }
    expect(await index.check()).toMatchObject({ ok: true, vectors: state.size });
    expect((await index.stats()).failure).toBeUndefined();
    expect((await db.verify()).findings).toEqual([]);
    await db.close();
  }
}

function storageOf(isAsync: boolean, seed: number): FaultStorage {
  return new FaultStorage(isAsync ? { latency: turns(seed) } : {});
}

async function afterCrash(storage: FaultStorage): Promise<void> {
  for (let left = 20; left > 0; ) {
    await new Promise((resolve) => setImmediate(resolve));
    if (storage.crashed) left--;
  }
}

describe.each([false, true])("after a crash, on storage that answers later: %s", (isAsync) => {
  test.each(seeds)(
    "vectors are those of a whole commit, seed %i",
    { timeout: 3_600_000 },
    async (seed) => {
      const whole = storageOf(isAsync, seed);
      await work(whole, new History(), seed);
      const calls = whole.trace.length;
      expect(whole.trace.some((call) => call.includes("image-"))).toBe(true);
      let opened = 0;
      for (let call = 8; call <= calls; call++) {
        const isImage = whole.trace[call - 1]?.includes("image-") === true;
        if ((call + seed) % stride !== 0 && !(isImage && call % 3 === 0)) continue;
        const storage = storageOf(isAsync, seed);
        const random = new Random(seed * 65_536 + call);
        storage.crashAt(call, random.pick([undefined, 2 ** 31, random.integer(2_000)]));
        const history = new History();
        const working = work(storage, history, seed).catch((error: unknown) => {
          if (!storage.crashed) throw error;
        });
        await Promise.race([working, afterCrash(storage)]);
        storage.crash();
        for (const personality of personalities) {
          const medium = storage.survivors(seed * 1_000 + call, personality);
          if (medium.root === undefined) continue;
          opened++;
          try {
            await requireSound(medium, history);
          } catch (cause) {
            const where = `seed ${seed}, call ${call} (${storage.trace[call - 1]}), ${personality}`;
            throw new Error(`${where}: ${(cause as Error).message}`, { cause });
          }
        }
      }
      expect(opened).toBeGreaterThan(20);
    },
  );
});
