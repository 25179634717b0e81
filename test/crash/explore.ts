/**
 * Crashes a workload at its storage calls, and holds what survives to what was promised.
 *
 * After each crash several media are made of what may have survived. On each of them: the database
 * opens; every acknowledged commit is there; the state is the one after some whole commit; `verify`
 * finds nothing; more work, a clean close and another open succeed; nothing is left lying about.
 */
import { createHash } from "node:crypto";
import { loadCore } from "../../bindings/load.ts";
import { type Engine, type EngineOptions, openEngine } from "../../src/engine/index.ts";
import { type Latency, MemoryMedium, MemoryStorage } from "../../src/storage/memory/index.ts";
import type { Storage } from "../../src/storage/port.ts";
import { type Personality, personalities } from "../storage/effects.ts";
import { FaultStorage } from "../storage/fault-storage.ts";
import { Random } from "../storage/random.ts";
import { difference, History, readState } from "./model.ts";
import { Workload } from "./workload.ts";

export interface Exploration {
  readonly seed: number;
  /** The storage answers with promises, after random numbers of turns. */
  readonly isAsync?: boolean;
  /** One of so many calls is crashed at. */
  readonly stride: number;
  readonly steps?: number;
  readonly largeBytesMax?: number;
  readonly largeOneIn?: number;
  /** One of so many states is crashed again while it is opened and worked on. */
  readonly againOneIn?: number;
  readonly engine?: EngineOptions;
  /** Puts something between engine and storage; for showing that mistakes are found. */
  readonly wrap?: (storage: Storage) => Storage;
  readonly personalities?: readonly Personality[];
}

export interface Found {
  /** Storage calls of the workload when nothing fails. */
  calls: number;
  /** Different media that were opened. */
  states: number;
  /** Those that came from a crash while recovering from a crash. */
  statesAgain: number;
  /** What storage calls were crashed at, by their first words. */
  kinds: Set<string>;
}

const module = loadCore();
export const tiny: EngineOptions = {
  memoryBudget: 4 << 20,
  checkpointLogBytes: 24_000,
  checkpointIdleMs: 0,
  segmentBytes: { first: 8192, max: 32_768 },
};

/** Clock and randomness that only depend on the seed. */
export function surroundings(seed: number) {
  const random = new Random(seed);
  let now = 1e12;
  return {
    module,
    clock: () => now++,
    random: (bytes: Uint8Array) => bytes.set(random.bytes(bytes.length)),
  };
}

export async function explore(setup: Exploration): Promise<Found> {
  const run = new Explorer(setup);
  await run.explore();
  return run.found;
}

class Explorer {
  readonly found: Found = { calls: 0, states: 0, statesAgain: 0, kinds: new Set() };
  readonly #setup: Exploration;
  readonly #options: EngineOptions;
  readonly #seen = new Set<string>();

  constructor(setup: Exploration) {
    this.#setup = setup;
    this.#options = { ...tiny, ...setup.engine };
  }

  async explore(): Promise<void> {
    const whole = this.#storage(0);
    await this.#work(whole, new History(), this.#setup.seed);
    this.found.calls = whole.trace.length;
    const { stride, seed } = this.#setup;
    // The first call is the claim, which is not on the medium.
    for (let call = 2; call <= this.found.calls; call++) {
      // The first few make the database: there is nothing like them later.
      if (call <= 6 || (call + seed) % stride === 0) await this.#crashAt(call);
    }
  }

  async #crashAt(call: number): Promise<void> {
    const { seed } = this.#setup;
    const storage = this.#storage(call);
    const random = new Random(seed * 65_536 + call);
    // Before the call, after all of its bytes, or somewhere between.
    const bytes = random.pick([undefined, 2 ** 31, random.integer(64), random.integer(8192)]);
    storage.crashAt(call, bytes);
    const history = new History();
    await this.#workUntilCrash(storage, history, seed);
    this.found.kinds.add((storage.trace[call - 1] ?? "").replace(/ ?[0-9].*| (?:pages|cat).*/, ""));
    for (const personality of this.#setup.personalities ?? personalities) {
      const where = `seed ${seed}, call ${call} (${storage.trace[call - 1]}), ${personality}`;
      const medium = storage.survivors(seed * 1000 + call, personality);
      try {
        await this.#requireSound(medium, history, personality, random);
      } catch (cause) {
        const { message } = cause as Error;
        throw new Error(`${where}: ${message}`, { cause });
      }
    }
  }

  #storage(call: number, medium: MemoryMedium = new MemoryMedium()): FaultStorage {
    if (this.#setup.isAsync !== true) return new FaultStorage({ medium });
    return new FaultStorage({ medium, latency: turns(this.#setup.seed + call) });
  }

  async #open(storage: Storage, seed: number): Promise<Engine> {
    const wrapped = this.#setup.wrap?.(storage) ?? storage;
    return await openEngine(wrapped, this.#options, surroundings(seed));
  }

  async #work(storage: Storage, history: History, seed: number, steps?: number): Promise<void> {
    const engine = await this.#open(storage, seed);
    const { largeBytesMax = 20_000, largeOneIn = 60 } = this.#setup;
    const workload = new Workload(engine, history, new Random(seed), {
      steps: steps ?? this.#setup.steps ?? 40,
      keys: 150,
      largeBytesMax,
      largeOneIn,
      backupTarget: () => new MemoryStorage(),
    });
    await workload.run();
    await this.#requireSoundBackups(workload, history);
  }

  async #requireSoundBackups(workload: Workload, history: History): Promise<void> {
    for (const { target, from, to } of workload.backups) {
      const copy = await openEngine(target, this.#options, surroundings(0));
      const seq = Number(copy.recovery.seq);
      if (seq < from || seq > to) throw new Error(`backup of ${from} to ${to} holds ${seq}`);
      await requireState(copy, history, seq);
      await copy.close();
    }
  }

  /** The work may fail as it likes once the storage has crashed, and may never end. */
  async #workUntilCrash(storage: FaultStorage, history: History, seed: number): Promise<void> {
    const work = this.#work(storage, history, seed).catch((error: unknown) => {
      if (!storage.crashed) throw error;
    });
    await Promise.race([work, afterCrash(storage)]);
    storage.crash();
    await turn();
  }

  /** Opens what survived and goes on with it. */
  async #requireSound(
    medium: MemoryMedium,
    history: History,
    personality: Personality,
    random: Random,
  ): Promise<void> {
    if (!this.#isNew(medium, history)) return;
    this.found.states++;
    const { againOneIn = 0 } = this.#setup;
    const before = againOneIn > 0 && random.integer(againOneIn) === 0 ? medium.copy() : undefined;
    const seed = random.integer(2 ** 30);
    const survived = await this.#requireRecovered(medium, history, personality, seed);
    if (before !== undefined) await this.#crashAgain(before, survived, random);
  }

  async #requireRecovered(
    medium: MemoryMedium,
    history: History,
    personality: Personality,
    seed: number,
  ): Promise<History> {
    const latency = this.#setup.isAsync === true ? { latency: turns(seed) } : {};
    const engine = await this.#open(new MemoryStorage(medium, latency), seed);
    const seq = Number(engine.recovery.seq);
    const promised = personality === "kill" ? history.visible : history.durable;
    if (seq < promised) throw new Error(`commit ${promised} was acknowledged, ${seq} recovered`);
    if (seq > history.sent) throw new Error(`${history.sent} were sent, ${seq} recovered`);
    await requireState(engine, history, seq);
    await requireVerified(engine);
    await engine.close();
    const next = history.cutAt(seq);
    const storage = new MemoryStorage(medium, latency);
    await this.#work(storage, next, seed + 1, 6);
    // Not every work closes: what goes on in the background ends with its process.
    await storage.close();
    medium.loseHolder();
    const last = await this.#open(new MemoryStorage(medium, latency), seed + 2);
    await requireState(last, next, next.sent);
    await requireVerified(last);
    await last.close();
    requireNoOrphans(medium, await this.#openTwice(medium, last, seed + 3));
    return history.cutAt(seq);
  }

  /** An opener that finds one root only removes nothing; the next one does. */
  async #openTwice(medium: MemoryMedium, last: Engine, seed: number): Promise<Engine> {
    if (!last.recovery.rootDamaged) return last;
    const next = await this.#open(new MemoryStorage(medium), seed);
    await next.close();
    return next;
  }

  /** Crashes a second time, somewhere between opening and the end of a little more work. */
  async #crashAgain(medium: MemoryMedium, survived: History, random: Random): Promise<void> {
    const seed = random.integer(2 ** 30);
    const steps = 3;
    const probe = this.#storage(seed, medium.copy());
    const base = survived.cutAt(survived.sent);
    await this.#work(probe, base.cutAt(base.sent), seed, steps);
    const call = 1 + random.integer(Math.max(1, probe.trace.length));
    const storage = this.#storage(seed, medium);
    storage.crashAt(call, random.pick([undefined, 20, 2 ** 31]));
    // What a recovery has seen was not promised to anybody unless it was durable before.
    const history = survived.cutAt(survived.sent);
    history.durable = survived.durable;
    const work = this.#work(storage, history, seed, steps).catch((error: unknown) => {
      if (!storage.crashed) throw error;
    });
    await Promise.race([work, afterCrash(storage)]);
    storage.crash();
    await turn();
    for (const personality of ["synced", "adversary"] as const) {
      const left = storage.survivors(seed, personality);
      if (!this.#isNew(left, history)) continue;
      this.found.statesAgain++;
      try {
        await this.#requireRecovered(left, history, personality, seed + 3);
      } catch (cause) {
        const where = `again at call ${call} (${storage.trace[call - 1]}), ${personality}`;
        throw new Error(`${where}: ${(cause as Error).message}`, { cause });
      }
    }
  }

  /** False when the same medium was opened before with as much promised about it. */
  #isNew(medium: MemoryMedium, history: History): boolean {
    const hash = createHash("sha1");
    for (const slot of medium.root ?? []) hash.update(slot);
    for (const [number, bytes] of medium.segments) hash.update(`segment ${number}`).update(bytes);
    for (const [name, bytes] of medium.blobs) hash.update(`${name} ${bytes.length}`);
    const image = `${hash.digest("base64")} ${history.durable} ${history.visible}`;
    if (this.#seen.has(image)) return false;
    this.#seen.add(image);
    return true;
  }
}

export async function requireState(engine: Engine, history: History, seq: number): Promise<void> {
  const expected = history.states[seq];
  if (expected === undefined) throw new Error(`there is no state for seq ${seq}`);
  const found = difference(await readState(engine), expected);
  if (found !== undefined) throw new Error(`the state of seq ${seq} differs: ${found}`);
}

export async function requireVerified(engine: Engine): Promise<void> {
  const { ok, findings } = await engine.verify();
  if (!ok) throw new Error(`verify found ${JSON.stringify(findings.slice(0, 3))}`);
}

/** After a clean close there are only the blobs of the two roots, and their catalogues. */
function requireNoOrphans(medium: MemoryMedium, engine: Engine): void {
  const known = new Set([...engine.pager.blobs.values()].map((blob) => blob.file));
  const others = [...medium.blobs.keys()].filter((name) => !known.has(name));
  const catalogues = others.filter((name) => name.startsWith("catalogue-"));
  if (others.length > catalogues.length || catalogues.length > 2) {
    throw new Error(`blobs were left behind: ${others.join(" ")}`);
  }
}

/** Resolves when the storage has crashed and nothing can come of it any more. */
async function afterCrash(storage: FaultStorage): Promise<void> {
  for (let turnsLeft = 20; turnsLeft > 0; ) {
    await turn();
    if (storage.crashed) turnsLeft--;
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Latency of a random number of turns, so that what runs side by side overtakes each other. */
export function turns(seed: number): Latency {
  const random = new Random(seed);
  return async () => {
    for (let left = random.integer(4); left > 0; left--) await Promise.resolve();
  };
}
