/** One database with many clients at once, perhaps with a crash in the middle. */
import { loadCore } from "../../../bindings/load.ts";
import { Database } from "../../../src/database.ts";
import { type EngineOptions, openEngine } from "../../../src/engine/index.ts";
import { type MemoryMedium, MemoryStorage } from "../../../src/storage/memory/index.ts";
import { FaultStorage } from "../../storage/fault-storage.ts";
import { Random } from "../../storage/random.ts";
import { Clients, type Keyspaces } from "./clients.ts";
import type { Anomaly } from "./history.ts";
import { checkRegisters } from "./linearizable.ts";
import { checkLists, type Level } from "./list-append.ts";
import { Scheduler } from "./scheduler.ts";

export interface Outcome {
  readonly transactions: number;
  readonly calls: number;
  readonly committed: number;
  readonly conflicts: number;
  readonly writeSkews: number;
  readonly crashes: number;
  readonly anomalies: readonly Anomaly[];
  /** The whole history, as text; the same for the same seed. */
  readonly history: () => string;
}

export interface Setup {
  readonly seed: number;
  /** Decided by the seed when absent. */
  readonly level?: Level;
}

export async function perform({ seed, level: given }: Setup): Promise<Outcome> {
  // Without it the engine does not leave anything to the event loop, whose order no seed decides.
  const channel = globalThis.MessageChannel;
  (globalThis as { MessageChannel: unknown }).MessageChannel = undefined;
  try {
    return await new Run(seed, given).perform();
  } finally {
    globalThis.MessageChannel = channel;
  }
}

class Run {
  readonly #random: Random;
  readonly #seed: number;
  readonly #level: Level;
  readonly #scheduler: Scheduler;
  readonly #isAsync: boolean;
  readonly #engine: EngineOptions;
  #storage = new FaultStorage();
  #opens = 0;

  constructor(seed: number, level: Level | undefined) {
    const random = new Random(seed);
    this.#random = random;
    this.#seed = seed;
    const drawn: Level = random.chance(0.6) ? "serializable" : "snapshot";
    this.#level = level ?? drawn;
    this.#scheduler = new Scheduler(random, random.pick(["any", "any", "newest", "oldest"]));
    this.#isAsync = random.chance(0.8);
    this.#engine = {
      durability: random.pick(["full", "full", "none"]),
      memoryBudget: 4 << 20,
      checkpointLogBytes: random.pick([20_000, 1 << 26]),
      checkpointIdleMs: 0,
      segmentBytes: { first: 16_384, max: 65_536 },
    };
  }

  async perform(): Promise<Outcome> {
    const random = this.#random;
    const { db, keyspaces } = await this.#open(undefined);
    const clients = new Clients(db, keyspaces, random, this.#scheduler, this.#level);
    clients.isSync = !this.#isAsync;
    const count = 16 + random.integer(49);
    const units = Math.max(4, Math.ceil(640 / count));
    // What is only visible may be taken back: nothing is promised about that here.
    const crashes = this.#engine.durability === "full" && random.chance(0.3) ? 1 : 0;
    const calls = this.#storage.trace.length;
    if (crashes > 0) this.#storage.crashAt(calls + 1 + random.integer(300), random.integer(200));
    await this.#work(clients, count, units);
    if (this.#storage.crashed) {
      const personality = random.pick(["kill", "synced", "prefix", "adversary"] as const);
      const opened = await this.#open(this.#storage.survivors(this.#seed, personality));
      clients.db = opened.db;
      clients.keyspaces = opened.keyspaces;
      await this.#work(clients, count, Math.ceil(units / 4));
    }
    const last = clients.readAll();
    await this.#scheduler.run([last], () => false);
    await last;
    const closed = clients.db.close();
    await this.#scheduler.run([closed], () => false);
    await closed;
    return this.#judge(clients, crashes);
  }

  async #work(clients: Clients, count: number, units: number): Promise<void> {
    const storage = this.#storage;
    clients.isGone = () => storage.crashed;
    const all = Array.from({ length: count }, (_, client) => clients.work(client, units));
    for (const client of all) client.catch(() => undefined);
    await this.#scheduler.run(all, () => storage.crashed);
    // After a crash some of them may never end.
    if (storage.crashed) for (const client of all) client.catch(() => undefined);
    else await Promise.all(all);
  }

  async #open(medium: MemoryMedium | undefined): Promise<{ db: Database; keyspaces: Keyspaces }> {
    const latency = this.#isAsync ? { latency: this.#scheduler.point } : {};
    this.#storage = new FaultStorage({ ...latency, ...(medium === undefined ? {} : { medium }) });
    const random = new Random(this.#seed + 7_919 * ++this.#opens);
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
        openStorage: async () => new MemoryStorage(),
      });
      const lists = await db.keyspace<readonly number[]>("lists", { kind: "ordered" });
      const registers = await db.keyspace<number>("registers", { kind: "hashed" });
      return { db, keyspaces: { lists, registers } };
    })();
    await this.#scheduler.run([opening], () => false);
    return await opening;
  }

  #judge(clients: Clients, crashes: number): Outcome {
    const { transactions, calls } = clients;
    // Clients that the crash has left waiting write their ends down at any time: fixed from here.
    const lists = checkLists([...transactions], this.#level);
    const anomalies = [...lists.anomalies, ...checkRegisters([...calls])];
    const number = transactions.length;
    return {
      transactions: number,
      calls: calls.length,
      committed: transactions.filter(({ status }) => status === "ok").length,
      conflicts: transactions.filter(({ status }) => status === "fail").length,
      writeSkews: lists.writeSkews,
      crashes,
      anomalies,
      history: () => JSON.stringify({ transactions, calls }),
    };
  }
}
