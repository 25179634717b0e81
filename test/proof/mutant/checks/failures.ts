/**
 * Calls of the storage that fail, one at a time: after the first failed write or sync nothing is
 * written any more, whoever asks is told, and what was acknowledged is there.
 */
import { type Engine, openEngine } from "../../../../src/engine/index.ts";
import { CairnError } from "../../../../src/errors.ts";
import { MemoryStorage } from "../../../../src/storage/memory/index.ts";
import {
  requireState,
  requireVerified,
  surroundings,
  tiny,
  turns,
} from "../../../crash/explore.ts";
import { descriptorOf, difference, History, readState, utf8 } from "../../../crash/model.ts";
import { Workload } from "../../../crash/workload.ts";
import { FaultStorage } from "../../../storage/fault-storage.ts";
import { Random } from "../../../storage/random.ts";

const allowed = new Set(["disk_full", "storage_failed", "outcome_unknown", "poisoned", "closed"]);
/** What may not be asked of the storage any more after one of these has failed. */
const writing = /^(append|sync segment|root \d|seal|write blob)/;

export async function checkFailures(seed: number): Promise<void> {
  await checkEviction(seed);
  for (const isAsync of [false, true]) {
    const whole = await run(storageFor(seed, isAsync), seed);
    const random = new Random(seed);
    for (let call = 3; call <= whole.storage.trace.length; call += 1 + random.integer(6)) {
      const storage = storageFor(seed, isAsync);
      const code = random.pick(["disk_full", "storage_failed"] as const);
      storage.failAt(call, code, random.pick([undefined, 0, 100, 2 ** 31]));
      try {
        await requireSafe(await run(storage, seed), call);
      } catch (cause) {
        const line = storage.trace[call - 1];
        throw new Error(`call ${call} (${line}): ${(cause as Error).message}`, { cause });
      }
    }
  }
}

/** Pages that leave memory because it is short, and cannot be written. */
async function checkEviction(seed: number): Promise<void> {
  const probe = new FaultStorage();
  await fillUp(probe, new History(), seed);
  const writes = probe.trace.flatMap((line, index) =>
    /^write blob/.test(line) ? [index + 1] : [],
  );
  for (const call of [writes[0], writes[40], writes[90]]) {
    if (call === undefined) throw new Error("no page had to leave memory");
    const storage = new FaultStorage();
    storage.failAt(call, "storage_failed");
    const history = new History();
    const engine = await fillUp(storage, history, seed).catch(requireTyped);
    if (engine !== undefined && !engine.isClosed) throw new Error("nobody was told");
    storage.crash();
    const medium = storage.survivors(seed, "kill");
    const again = await openEngine(new MemoryStorage(medium), tiny, surroundings(call));
    const seq = Number(again.recovery.seq);
    if (seq < history.durable) throw new Error(`${history.durable} was durable, ${seq} recovered`);
    await requireState(again, history, seq);
    await requireVerified(again);
    await again.close();
  }
}

/** 7 MB of records in a memory of 4 MiB, in a few commits and one checkpoint. */
async function fillUp(storage: FaultStorage, history: History, seed: number): Promise<Engine> {
  const options = { ...tiny, checkpointLogBytes: 1 << 30 };
  const engine = await openEngine(storage, options, surroundings(seed));
  const state = new Map([["#1", "ordered"]]);
  const sent = (): number => (history.states as Map<string, string>[]).push(new Map(state)) - 1;
  engine.beginCommit().createTree(1, descriptorOf("ordered"));
  for (let round = 0; ; round++) {
    const seq = sent();
    await engine.submit();
    history.acknowledge(seq, true);
    if (round === 9) break;
    const effects = engine.beginCommit();
    for (let index = 0; index < 700; index++) {
      const key = `${(index * 37) % 701} ${round}`;
      const value = `${round} ${"v".repeat(900)}`;
      effects.put(1, key, utf8(value));
      state.set(`1/${key}`, value);
    }
  }
  await engine.checkpoint();
  return engine;
}

function storageFor(seed: number, isAsync: boolean): FaultStorage {
  return new FaultStorage(isAsync ? { latency: turns(seed) } : {});
}

interface Run {
  readonly storage: FaultStorage;
  readonly history: History;
  engine: Engine | undefined;
}

async function run(storage: FaultStorage, seed: number): Promise<Run> {
  const outcome: Run = { storage, history: new History(), engine: undefined };
  try {
    const engine = await openEngine(storage, tiny, surroundings(seed));
    outcome.engine = engine;
    await new Workload(engine, outcome.history, new Random(seed), {
      steps: 18,
      keys: 120,
      largeBytesMax: 20_000,
      largeOneIn: 40,
      backupTarget: () => new MemoryStorage(),
    }).run();
  } catch (error) {
    requireTyped(error);
  }
  return outcome;
}

function requireTyped(error: unknown): void {
  if (error instanceof CairnError && allowed.has(error.code)) return;
  throw new Error(`an error that nobody may see: ${String(error)}`, { cause: error });
}

async function requireSafe({ storage, history, engine }: Run, call: number): Promise<void> {
  const failed = storage.trace[call - 1] ?? "";
  if (engine !== undefined && !engine.isClosed) {
    const published = history.states[Number(engine.published.seq)];
    const found = difference(await readState(engine), published ?? new Map());
    if (found !== undefined) throw new Error(`readers see ${found}`);
    if (writing.test(failed)) await requireRefusal(engine);
    await engine.close().catch(requireTyped);
  }
  await new Promise((resolve) => setImmediate(resolve));
  if (/^(append|sync segment)/.test(failed)) {
    // A backup and what was begun before the failure may still end; the log may not go on.
    const later = storage.trace.slice(call).filter((line) => /^(append|root \d)/.test(line));
    if (later.length > 0) throw new Error(`after it was asked for ${later[0]}`);
    const again = storage.trace.slice(call).filter((line) => line === failed);
    if (/^sync segment/.test(failed) && again.length > 0) throw new Error("it was tried again");
  }
  storage.crash();
  for (const personality of ["kill", "synced", "adversary"] as const) {
    const medium = storage.survivors(call, personality);
    const again = await openEngine(new MemoryStorage(medium), tiny, surroundings(call));
    const seq = Number(again.recovery.seq);
    const promised = personality === "kill" ? history.visible : history.durable;
    if (seq < promised) throw new Error(`${promised} was acknowledged, ${seq} recovered`);
    await requireState(again, history, seq);
    await requireVerified(again);
    await again.close();
  }
}

async function requireRefusal(engine: Engine): Promise<void> {
  let code = "nothing";
  try {
    engine.beginCommit();
  } catch (error) {
    requireTyped(error);
    code = (error as CairnError).code;
  }
  if (code !== "poisoned") throw new Error(`after a failed write a commit meets ${code}`);
}
