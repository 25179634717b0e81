/** Crashes of short workloads on the storage port, and of one commit that takes several frames. */
import { openEngine } from "../../../../src/engine/index.ts";
import { MemoryStorage } from "../../../../src/storage/memory/index.ts";
import { explore, requireState, requireVerified, surroundings } from "../../../crash/explore.ts";
import { descriptorOf, History, utf8 } from "../../../crash/model.ts";
import { FaultStorage } from "../../../storage/fault-storage.ts";

const shared = { stride: 4, steps: 12, largeOneIn: 30, againOneIn: 8 };

export async function checkCrash(seed: number): Promise<void> {
  await explore({ ...shared, seed });
}

/** The same where the storage answers with promises. */
export async function checkCrashLater(seed: number): Promise<void> {
  await explore({ ...shared, seed, isAsync: true });
}

const options = { memoryBudget: 16 << 20, checkpointIdleMs: 0, checkpointLogBytes: 1 << 30 };

/** A commit of 3 MiB is several frames: all of it is there after a crash, or nothing. */
export async function checkLargeGroup(seed: number): Promise<void> {
  const probe = new FaultStorage();
  await writeLarge(probe, new History());
  const calls = probe.trace.length;
  for (let call = 3; call <= calls; call++) {
    for (const bytes of [undefined, 100, 600_000]) {
      const storage = new FaultStorage();
      storage.crashAt(call, bytes);
      const history = new History();
      await writeLarge(storage, history).catch((error: unknown) => {
        if (!storage.crashed) throw error;
      });
      storage.crash();
      for (const personality of ["kill", "prefix", "adversary"] as const) {
        const medium = storage.survivors(seed + call, personality);
        const again = await openEngine(new MemoryStorage(medium), options, surroundings(call));
        const seq = Number(again.recovery.seq);
        if (seq < history.durable)
          throw new Error(`${history.durable} was durable, ${seq} is there`);
        await requireState(again, history, seq);
        await requireVerified(again);
        await again.close();
      }
    }
  }
}

async function writeLarge(storage: FaultStorage, history: History): Promise<void> {
  const engine = await openEngine(storage, options, surroundings(1));
  const state = new Map<string, string>();
  const sent = (): number => (history.states as Map<string, string>[]).push(new Map(state)) - 1;
  engine.beginCommit().createTree(1, descriptorOf("ordered"));
  state.set("#1", "ordered");
  const first = sent();
  await engine.submit();
  history.acknowledge(first, true);
  const effects = engine.beginCommit();
  for (let index = 0; index < 6; index++) {
    const value = `${index}`.repeat(500_000);
    effects.put(1, `large ${index}`, utf8(value));
    state.set(`1/large ${index}`, value);
  }
  const second = sent();
  await engine.submit();
  history.acknowledge(second, true);
}
