/** A database over a storage with faults, with clock, timers and randomness that the test moves. */
import { loadCore } from "../../../bindings/load.ts";
import { Database } from "../../../src/database.ts";
import { type EngineOptions, openEngine } from "../../../src/engine/index.ts";
import type { Key, Keyspace, Snapshot } from "../../../src/index.ts";
import { type MemoryMedium, MemoryStorage } from "../../../src/storage/memory/index.ts";
import type { Storage } from "../../../src/storage/port.ts";
import type { Personality } from "../../storage/effects.ts";
import { FaultStorage } from "../../storage/fault-storage.ts";
import { Random } from "../../storage/random.ts";
import { shelfKinds } from "./shelf-kind.ts";

export interface WorldOptions {
  readonly seed: number;
  /** The storage answers later. */
  readonly isAsync: boolean;
  readonly engine: EngineOptions;
}

/** A keyspace of the database under test, whatever its types. */
export type AnyKeyspace = Keyspace<Key, unknown>;

export class World {
  readonly options: WorldOptions;
  /** Unix milliseconds. */
  time = 1_700_000_000_000;
  storage: FaultStorage = new FaultStorage();
  db: Database;
  /** Handles, also of keyspaces that were dropped. */
  keyspaces: (AnyKeyspace | undefined)[] = [];
  snapshots: Snapshot[] = [];
  #timers: { at: number; run: () => void }[] = [];
  /** The call that a fault waits for; 0 for none. */
  #armed = 0;
  #opens = 0;
  /** What happens to what is not durable when the process has gone. */
  personality: Personality = "kill";
  seed = 0;

  private constructor(options: WorldOptions) {
    this.options = options;
    this.db = undefined as unknown as Database;
  }

  static async create(options: WorldOptions): Promise<World> {
    const world = new World(options);
    await world.#open(undefined, 0, options.seed);
    return world;
  }

  /** A fault was armed and its call has come. */
  get hasStruck(): boolean {
    return this.#armed > 0 && this.storage.trace.length >= this.#armed;
  }

  get isArmed(): boolean {
    return this.#armed > 0;
  }

  get isCrashed(): boolean {
    return this.storage.crashed;
  }

  /** One fault at a time. */
  arm(kind: "crash" | "disk_full" | "storage_failed", after: number, bytes: number): boolean {
    if (this.#armed > 0) return false;
    this.#armed = this.storage.trace.length + after;
    const done = bytes < 0 ? undefined : bytes;
    if (kind === "crash") this.storage.crashAt(this.#armed, done);
    else this.storage.failAt(this.#armed, kind, done);
    return true;
  }

  /** Opens what is left; with a crash at a storage call on the way, what is left after that. */
  async openAgain(crashAfter: number, seed: number): Promise<void> {
    this.storage.crash();
    let medium = this.storage.survivors(this.seed, this.personality);
    if (crashAfter > 0) {
      await this.#open(medium, crashAfter, seed).catch(() => undefined);
      // It may have needed fewer calls: then the process dies now that it is open.
      this.storage.crash();
      medium = this.storage.survivors(seed, "adversary");
    }
    this.personality = "kill";
    await this.#open(medium, 0, seed);
  }

  async #open(medium: MemoryMedium | undefined, crashAfter: number, seed: number): Promise<void> {
    const latency = this.options.isAsync ? { latency: latencyOf(seed) } : {};
    this.storage = new FaultStorage({ ...latency, ...(medium === undefined ? {} : { medium }) });
    if (crashAfter > 0)
      this.storage.crashAt(1 + crashAfter, seed % 3 === 0 ? seed % 100 : undefined);
    this.#armed = 0;
    this.#timers = [];
    this.keyspaces = [];
    this.snapshots = [];
    this.db = await this.openOn(this.storage, seed + 7_919 * ++this.#opens);
  }

  async openOn(storage: Storage, seed: number): Promise<Database> {
    const random = new Random(seed);
    const fill = (bytes: Uint8Array): void => bytes.set(random.bytes(bytes.length));
    const clock = (): number => this.time;
    const timers = {
      after: (ms: number, run: () => void): (() => void) => {
        const timer = { at: this.time + ms, run };
        this.#timers.push(timer);
        return () => {
          this.#timers = this.#timers.filter((other) => other !== timer);
        };
      },
    };
    const options = { ...this.options.engine, clock, random: fill, timers };
    const engine = await openEngine(storage, options, { module: loadCore(), clock, random: fill });
    return new Database(engine, {
      timers,
      valueDefault: "json",
      leaseMs: 1e12,
      openStorage: async () => new MemoryStorage(),
    });
  }

  /** Waits for an answer, or until the storage has crashed and none can be expected any more. */
  async until<T>(answer: Promise<T>): Promise<T> {
    if (this.#armed === 0 && !this.isCrashed) return await answer;
    let isDone = false;
    const done = answer.finally(() => {
      isDone = true;
    });
    // It may fail long after nobody waits for it.
    done.catch(() => undefined);
    for (let left = 20; left > 0 && !isDone; ) {
      await new Promise((resolve) => setImmediate(resolve));
      if (this.isCrashed) left--;
    }
    if (!isDone) throw new Error("The storage has crashed: there will be no answer.");
    return await answer;
  }

  /** So little memory that states which are held may have to go. */
  get isTight(): boolean {
    return (this.options.engine.memoryBudget ?? 0) <= 4 << 20;
  }

  wait(milliseconds: number): void {
    this.time += milliseconds;
    const due = this.#timers.filter(({ at }) => at <= this.time);
    this.#timers = this.#timers.filter(({ at }) => at > this.time);
    for (const { run } of due) run();
  }

  async openKeyspace(db: Database, index: number): Promise<AnyKeyspace> {
    const { name, options } = shelfKinds[index];
    return (await db.keyspace(name, options)) as unknown as AnyKeyspace;
  }
}

/** A few turns of the promise queue, so that what runs side by side overtakes each other. */
function latencyOf(seed: number): () => Promise<void> {
  const random = new Random(seed);
  return async () => {
    for (let left = random.integer(4); left > 0; left--) await undefined;
  };
}
