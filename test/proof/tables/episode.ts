/** One database of tables with many clients at once, perhaps with a crash in the middle. */
import { loadCore } from "../../../bindings/load.ts";
import { Database } from "../../../src/database.ts";
import { type EngineOptions, openEngine } from "../../../src/engine/index.ts";
import { type MemoryMedium, MemoryStorage } from "../../../src/storage/memory/index.ts";
import { coreGraphs } from "../../../src/vector/index.ts";
import { CrashError, FaultStorage } from "../../storage/fault-storage.ts";
import { Random } from "../../storage/random.ts";
import type { Anomaly } from "../isolation/history.ts";
import { checkLists, type Level } from "../isolation/list-append.ts";
import { Scheduler } from "../isolation/scheduler.ts";
import { Clients } from "./clients.ts";
import { faultsOf, openWorld, type World } from "./world.ts";

export interface Outcome {
  readonly transactions: number;
  readonly committed: number;
  readonly conflicts: number;
  readonly statements: number;
  readonly changes: number;
  readonly writeSkews: number;
  readonly crashes: number;
  readonly storageCalls: number;
  readonly anomalies: readonly Anomaly[];
  /** The whole history, as text; the same for the same seed. */
  readonly history: () => string;
}

export interface Setup {
  readonly seed: number;
  /** Decided by the seed when absent. */
  readonly level?: Level | undefined;
  /** As many as fit 16 to 64 clients otherwise. */
  readonly clients?: number;
  readonly units?: number;
  /** The storage call that the process dies in; 0 for none; decided by the seed when absent. */
  readonly crashAt?: number;
}

export async function perform(setup: Setup): Promise<Outcome> {
  // Without it the engine does not leave anything to the event loop, whose order no seed decides.
  const channel = globalThis.MessageChannel;
  (globalThis as { MessageChannel: unknown }).MessageChannel = undefined;
  try {
    return await new Run(setup).perform();
  } finally {
    globalThis.MessageChannel = channel;
  }
}

class Run {
  readonly #random: Random;
  readonly #setup: Setup;
  readonly #level: Level;
  readonly #scheduler: Scheduler;
  readonly #isAsync: boolean;
  readonly #engine: EngineOptions;
  readonly #anomalies: Anomaly[] = [];
  #storage = new FaultStorage();
  #opens = 0;
  #calls = 0;

  constructor(setup: Setup) {
    const random = new Random(setup.seed);
    this.#random = random;
    this.#setup = setup;
    const drawn: Level = random.chance(0.6) ? "serializable" : "snapshot";
    this.#level = setup.level ?? drawn;
    this.#scheduler = new Scheduler(random, random.pick(["any", "any", "newest", "oldest"]));
    this.#isAsync = random.chance(0.8);
    this.#engine = {
      durability: "full",
      memoryBudget: 4 << 20,
      checkpointLogBytes: random.pick([20_000, 1 << 26]),
      checkpointIdleMs: 0,
      segmentBytes: { first: 16_384, max: 65_536 },
    };
  }

  async perform(): Promise<Outcome> {
    const random = this.#random;
    const { crashAt = random.chance(0.4) ? 40 + random.integer(300) : 0 } = this.#setup;
    const count = this.#setup.clients ?? 16 + random.integer(49);
    const units = this.#setup.units ?? Math.max(3, Math.ceil(320 / count));
    const opened = await this.#open(undefined);
    const setup = { scheduler: this.#scheduler, level: this.#level };
    const clients = new Clients(opened.db, opened.world, random, setup);
    if (crashAt > 0) {
      const call = this.#storage.trace.length + crashAt;
      this.#storage.crashAt(call, random.chance(0.5) ? random.integer(200) : undefined);
    }
    const before = this.#storage.trace.length;
    try {
      await this.#work(clients, count, units);
      if (!this.#storage.crashed) await this.#end(clients);
    } catch (error) {
      if (!this.#storage.crashed) throw error;
    }
    const { crashed } = this.#storage;
    this.#calls = this.#storage.trace.length - before;
    if (crashed) {
      const personality = random.pick(["kill", "synced", "prefix", "adversary"] as const);
      const again = await this.#open(this.#storage.survivors(this.#setup.seed, personality));
      clients.db = again.db;
      clients.world = again.world;
      await this.#judgeWorld(clients, "after the crash");
      await this.#work(clients, count, Math.ceil(units / 4));
      await this.#end(clients);
    }
    return this.#outcome(clients, crashed ? 1 : 0);
  }

  /** When all clients have ended. */
  async #end(clients: Clients): Promise<void> {
    await this.#alone(clients.readAll());
    await this.#judgeWorld(clients, "at the end");
    await this.#alone(clients.db.close());
  }

  async #alone<T>(work: Promise<T>): Promise<T> {
    const storage = this.#storage;
    work.catch(() => undefined);
    await this.#scheduler.run([work], () => storage.crashed);
    // What has met the crash may never end.
    if (storage.crashed) throw new CrashError("the process has crashed");
    return await work;
  }

  async #judgeWorld(clients: Clients, when: string): Promise<void> {
    for (const fault of await this.#alone(faultsOf(clients.db, clients.world))) {
      this.#anomalies.push({ name: "state", message: `${when}: ${fault}` });
    }
  }

  async #work(clients: Clients, count: number, units: number): Promise<void> {
    const storage = this.#storage;
    clients.isGone = () => storage.crashed;
    const all = Array.from({ length: count }, (_, client) => clients.work(client, units));
    for (const client of all) client.catch(() => undefined);
    await this.#scheduler.run(all, () => storage.crashed);
    // After a crash some of them may never end.
    if (!storage.crashed) await Promise.all(all);
  }

  async #open(medium: MemoryMedium | undefined): Promise<{ db: Database; world: World }> {
    const latency = this.#isAsync ? { latency: this.#scheduler.point } : {};
    this.#storage = new FaultStorage({ ...latency, ...(medium === undefined ? {} : { medium }) });
    const random = new Random(this.#setup.seed + 7_919 * ++this.#opens);
    const surroundings = {
      module: loadCore(),
      clock: () => 1_700_000_000_000,
      random: (bytes: Uint8Array) => bytes.set(random.bytes(bytes.length)),
    };
    const opening = (async () => {
      const engine = await openEngine(this.#storage, this.#engine, surroundings);
      const db = new Database(engine, {
        timers: { after: () => () => undefined },
        valueDefault: "json",
        leaseMs: 1e12,
        graphs: coreGraphs,
        openStorage: async () => new MemoryStorage(),
      });
      return { db, world: await openWorld(db) };
    })();
    return await this.#alone(opening);
  }

  #outcome(clients: Clients, crashes: number): Outcome {
    // Clients that the crash has left waiting write their ends down at any time: fixed from here.
    const transactions = [...clients.transactions];
    const lists = checkLists(transactions, this.#level);
    return {
      transactions: transactions.length,
      committed: transactions.filter(({ status }) => status === "ok").length,
      conflicts: transactions.filter(({ status }) => status === "fail").length,
      statements: clients.statements,
      changes: clients.changes,
      writeSkews: lists.writeSkews,
      crashes,
      storageCalls: this.#calls,
      anomalies: [...this.#anomalies, ...clients.anomalies, ...lists.anomalies],
      history: () => JSON.stringify(transactions),
    };
  }
}
