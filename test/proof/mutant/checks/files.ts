/**
 * The files of a folder on a simulated disk: after every call, the disk that has nothing but what
 * completed syncs cover, and the one that has all names but no byte beyond that.
 */
import { type Engine, openEngine } from "../../../../src/engine/index.ts";
import { MemoryStorage } from "../../../../src/storage/memory/index.ts";
import { NodeStorage } from "../../../../src/storage/node-fs/node-storage.ts";
import type { Claim } from "../../../../src/storage/port.ts";
import { requireState, requireVerified, surroundings, tiny } from "../../../crash/explore.ts";
import { History } from "../../../crash/model.ts";
import { Workload } from "../../../crash/workload.ts";
import { Random } from "../../../storage/random.ts";
import { Disk } from "../../simulator/disk.ts";
import { SimulatedFiles, type SimulatedOptions } from "../../simulator/file-system.ts";
import { adversary } from "../../simulator/personality.ts";
import { momentsOf } from "../../simulator/states.ts";
import { apply, type Entry } from "../../simulator/trace.ts";

const options = { ...tiny, segmentBytes: { first: 16_384, max: 32_768 } };

function storageOn(disk: Disk, simulated: SimulatedOptions = {}): NodeStorage {
  const claim: Claim = {
    mode: "exclusive",
    generation: 1,
    check: () => undefined,
    release: () => undefined,
  };
  const fs = new SimulatedFiles(disk, simulated);
  return new NodeStorage("/db", { files: { fs, claim: () => Promise.resolve(claim) } });
}

interface Recorded {
  readonly history: History;
  readonly trace: Entry[];
  /** Highest seq that was acknowledged as durable when the trace had so many entries. */
  readonly promised: { readonly entries: number; readonly seq: number }[];
}

class NotedHistory extends History {
  readonly #noted: (seq: number) => void;
  constructor(noted: (seq: number) => void) {
    super();
    this.#noted = noted;
  }
  override acknowledge(seq: number, isDurable: boolean): void {
    super.acknowledge(seq, isDurable);
    if (isDurable) this.#noted(this.durable);
  }
}

async function record(seed: number): Promise<Recorded> {
  const trace: Entry[] = [];
  const promised: { entries: number; seq: number }[] = [];
  const history = new NotedHistory((seq) => promised.push({ entries: trace.length, seq }));
  const storage = storageOn(new Disk(), { trace, random: new Random(seed) });
  const engine = await openEngine(storage, options, surroundings(seed));
  await workload(engine, history, seed, 16);
  return { history, trace, promised };
}

async function workload(engine: Engine, history: History, seed: number, steps: number) {
  await new Workload(engine, history, new Random(seed), {
    steps,
    keys: 120,
    largeBytesMax: 20_000,
    largeOneIn: 40,
    backupTarget: () => new MemoryStorage(),
  }).run();
}

export async function checkFiles(seed: number): Promise<void> {
  await checkCuts(seed);
  await checkShortWrites(seed);
}

async function checkCuts(seed: number): Promise<void> {
  const { history, trace, promised } = await record(seed);
  const moments = momentsOf(new Disk(), trace, adversary);
  for (const [index, { entry, base, pending }] of moments.entries()) {
    // Whoever was answered when there were n entries was answered after the last of them.
    const before = promised.findLast(({ entries }) => entries <= entry + 1);
    const next = moments[index + 1];
    const line = trace[entry]?.line ?? "";
    const where = `entry ${entry} (${line})`;
    const seq = before?.seq ?? 0;
    const isLast =
      next === undefined ||
      next.base !== base ||
      promised.some(({ entries }) => entries === next.entry + 1);
    if (isLast) await requireSound(base.fork(), history, seq, `${where}, only what was synced`);
    if (!/rename|link|unlink/.test(line)) continue;
    const names = base.fork();
    for (const { change } of pending) if (change.kind !== "write") apply(names, change);
    await requireSound(names, history, seq, `${where}, names without bytes`);
  }
}

async function requireSound(
  disk: Disk,
  history: History,
  promised: number,
  where: string,
): Promise<void> {
  try {
    const engine = await openEngine(storageOn(disk), options, surroundings(9));
    const seq = Number(engine.recovery.seq);
    if (seq < promised) throw new Error(`${promised} was acknowledged, ${seq} recovered`);
    // No write is torn on these disks, so a root that cannot be used was written too early.
    if (engine.recovery.rootDamaged) throw new Error("the newest root cannot be used");
    await requireState(engine, history, seq);
    await requireVerified(engine);
  } catch (cause) {
    throw new Error(`${where}: ${(cause as Error).message}`, { cause });
  }
}

/** Every so many writes does only a part: the rest must follow. */
async function checkShortWrites(seed: number): Promise<void> {
  const random = new Random(seed);
  const fault: SimulatedOptions["fault"] = (_call, name) =>
    name === "write" && random.chance(0.3) ? { bytes: 1 + random.integer(100) } : undefined;
  for (let round = 0; round < 4; round++) {
    const disk = new Disk();
    const history = new History();
    const storage = storageOn(disk, { fault });
    const engine = await openEngine(storage, options, surroundings(seed + round));
    await workload(engine, history, seed + round, 12);
    await requireSound(disk.fork(), history, history.sent, "after short writes");
    await engine.close();
    await requireSound(disk, history, history.sent, "after short writes, closed");
  }
}
