/**
 * The lock's protocol under every kind of interleaving: its real code, on a simulated folder, with
 * a scheduler that decides after each step who goes on, who stands still and who is killed.
 */
import { describe, expect, test } from "vitest";
import { isCairnError } from "../../../src/errors.ts";
import {
  claimNext,
  heldClaim,
  type LockFolder,
  removeOlderClaims,
} from "../../../src/storage/node-fs/lock.ts";
import type { ClaimRecord } from "../../../src/storage/node-fs/lock-record.ts";
import { Random } from "../random.ts";

/** What is left out of the protocol on purpose, to see that the simulation would notice. */
type Sabotage = "none" | "no floor" | "no second look" | "the dead are guessed";

class Killed extends Error {}

interface Process {
  readonly id: string;
  alive: boolean;
  /** Continues it; set while it waits for its turn. */
  resume: (() => void) | undefined;
  /** Stands still until the simulation has made this many steps. */
  frozenUntil: number;
}

class Simulation {
  readonly random: Random;
  readonly sabotage: Sabotage;
  readonly claims = new Map<number, ClaimRecord>();
  floor = 0;
  readonly processes = new Map<string, Process>();
  readonly violations: string[] = [];
  readonly won = new Map<number, string>();
  readonly broken = new Set<number>();
  /** How often an opener breaks the lock by force before it opens. */
  readonly breaking: number;
  /** Who believes to hold the lock at the moment. */
  readonly holding = new Map<string, number>();
  readonly #freezing: number;
  #started = 0;
  #step = 0;

  constructor(seed: number, sabotage: Sabotage) {
    this.random = new Random(seed);
    this.sabotage = sabotage;
    this.#freezing = this.random.pick([0, 0.1, 0.2, 0.4]);
    this.breaking = this.random.pick([0, 0, 0.1, 0.3]);
  }

  /** Runs `openers` processes at a time until `startsMax` were started and all have ended. */
  async run(openers: number, startsMax: number): Promise<void> {
    const stickiness = this.random.fraction();
    let last: Process | undefined;
    for (; ; this.#step++) {
      const living = (): Process[] => [...this.processes.values()].filter((one) => one.alive);
      while (living().length < openers && this.#started < startsMax) this.#start();
      await new Promise((resolve) => setImmediate(resolve));
      const all = living().filter((one) => one.resume !== undefined);
      if (all.length === 0) return;
      const moving = all.filter((one) => one.frozenUntil <= this.#step);
      const waiting = moving.length > 0 ? moving : all;
      const next: Process =
        last !== undefined && waiting.includes(last) && this.random.chance(stickiness)
          ? last
          : this.random.pick(waiting);
      last = next;
      if (this.random.chance(this.#freezing / 10)) this.#freeze(next);
      else if (this.random.chance(0.01)) this.#kill(next);
      else this.#continue(next);
    }
  }

  /** False when its claim was broken before it knew that it had it. */
  enter(process: Process, generation: number): boolean {
    if (this.broken.has(generation)) return false;
    for (const [id, other] of this.holding) {
      this.violations.push(`${process.id} got ${generation} while ${id} holds ${other}`);
    }
    const before = this.won.get(generation);
    if (before !== undefined) this.violations.push(`generation ${generation} was won twice`);
    this.won.set(generation, process.id);
    this.holding.set(process.id, generation);
    return true;
  }

  /** From now on the holder of this generation is one no more, whatever it believes. */
  breakLock(generation: number): void {
    this.broken.add(generation);
    for (const [id, its] of this.holding) if (its === generation) this.holding.delete(id);
  }

  /** `delicate` steps are those before which a pause matters most. */
  turn(process: Process, delicate: boolean): Promise<void> {
    if (delicate && this.random.chance(this.#freezing)) this.#freeze(process);
    return new Promise((resolve, reject) => {
      process.resume = () => (process.alive ? resolve() : reject(new Killed()));
    });
  }

  #freeze(process: Process): void {
    process.frozenUntil = this.#step + this.random.integer(200);
  }

  #start(): void {
    const process: Process = {
      id: `opener-${this.#started++}`,
      alive: true,
      resume: undefined,
      frozenUntil: 0,
    };
    this.processes.set(process.id, process);
    live(this, process)
      .catch((error) => {
        if (!(error instanceof Killed)) this.violations.push(String(error));
      })
      .finally(() => {
        process.alive = false;
        process.resume = undefined;
        this.holding.delete(process.id);
      });
  }

  #continue(process: Process): void {
    const { resume } = process;
    process.resume = undefined;
    resume?.();
  }

  #kill(process: Process): void {
    process.alive = false;
    this.holding.delete(process.id);
    this.#continue(process);
  }
}

/** One process: opens for writing, cleans up, writes a while, releases; or fails to open. */
async function live(simulation: Simulation, process: Process): Promise<void> {
  const lock = new SimulatedFolder(simulation, process);
  const { id } = process;
  for (let round = 0; round < 3; round++) {
    if (simulation.random.chance(simulation.breaking)) await breakByForce(lock, id);
    const claimant = {
      ...{ id: `${id}/${round}`, state: "held" as const, since: 0, pid: 1, host: "", runtime: "" },
      ...{ bootId: "", pidNamespace: "", startTicks: "" },
    };
    let record: ClaimRecord;
    try {
      record = await claimNext(lock, claimant);
    } catch (error) {
      if (!isCairnError(error, "lock_held")) throw error;
      continue;
    }
    if (!simulation.enter(process, record.generation)) continue;
    await removeOlderClaims(lock, record.generation);
    await simulation.turn(process, false);
    const holder = await heldClaim(lock);
    if (holder?.id !== record.id && simulation.holding.has(id)) {
      simulation.violations.push(`${record.id} is not the holder`);
    }
    // As release does: from the moment it is written, the next opener may come in.
    await simulation.turn(process, false);
    simulation.holding.delete(id);
    if (simulation.claims.get(record.generation)?.id === record.id) {
      simulation.claims.set(record.generation, { ...record, state: "released" });
    }
  }
}

async function breakByForce(lock: LockFolder, id: string): Promise<void> {
  const held = await heldClaim(lock);
  if (held === undefined) return;
  const breaker = { ...held, id: `${id}/breaker`, state: "broken" as const };
  try {
    await claimNext(lock, breaker, held.generation);
  } catch (error) {
    if (!isCairnError(error, "lock_held")) throw error;
  }
}

class SimulatedFolder implements LockFolder {
  readonly path = "/simulated";
  readonly #simulation: Simulation;
  readonly #process: Process;
  /** What was published just now, and not yet looked at again. */
  #published = 0;

  constructor(simulation: Simulation, process: Process) {
    this.#simulation = simulation;
    this.#process = process;
  }

  /** A listing looks at one name after the other, in any order, while others change them. */
  async generations(): Promise<number[]> {
    await this.#turn();
    if (this.#isBlind()) return [this.#published];
    const { claims, random } = this.#simulation;
    const newest = Math.max(0, ...claims.keys()) + 2;
    const order = Array.from({ length: newest }, (_, i) => i + 1);
    if (random.chance(0.5)) order.reverse();
    const listed: number[] = [];
    for (const generation of order) {
      if (random.chance(0.3)) await this.#turn(true);
      if (claims.has(generation)) listed.push(generation);
    }
    return listed;
  }

  async floor(): Promise<number> {
    await this.#turn();
    if (this.#isBlind()) {
      this.#published = 0;
      return 0;
    }
    return this.#simulation.sabotage === "no floor" ? 0 : this.#simulation.floor;
  }

  async read(generation: number): Promise<ClaimRecord | undefined> {
    await this.#turn();
    return this.#simulation.claims.get(generation);
  }

  async publish(record: ClaimRecord): Promise<boolean> {
    await this.#turn(true);
    const { claims } = this.#simulation;
    if (claims.has(record.generation)) return false;
    claims.set(record.generation, record);
    if (record.state === "broken") this.#simulation.breakLock(record.generation - 1);
    this.#published = record.generation;
    return true;
  }

  async raiseFloor(generation: number): Promise<void> {
    await this.#turn(true);
    this.#simulation.floor = generation;
  }

  async remove(generations: readonly number[]): Promise<void> {
    for (const generation of generations) {
      await this.#turn();
      this.#simulation.claims.delete(generation);
    }
  }

  async isDead(record: ClaimRecord): Promise<boolean> {
    await this.#turn();
    if (this.#simulation.sabotage === "the dead are guessed") {
      return this.#simulation.random.chance(0.02);
    }
    return this.#simulation.processes.get(record.id.split("/")[0] ?? "")?.alive !== true;
  }

  #isBlind(): boolean {
    return this.#published > 0 && this.#simulation.sabotage === "no second look";
  }

  #turn(delicate = false): Promise<void> {
    return this.#simulation.turn(this.#process, delicate);
  }
}

interface Outcome {
  claims: number;
  violations: string[];
}

async function explore(schedules: number, sabotage: Sabotage): Promise<Outcome> {
  const outcome: Outcome = { claims: 0, violations: [] };
  for (let seed = 1; seed <= schedules; seed++) {
    const simulation = new Simulation(seed, sabotage);
    await simulation.run(4, 9);
    outcome.claims += simulation.won.size;
    for (const found of simulation.violations) outcome.violations.push(`seed ${seed}: ${found}`);
    if (sabotage !== "none" && outcome.violations.length > 0) break;
  }
  return outcome;
}

const schedules = Number(process.env.LOCK_SCHEDULES ?? 1_500);

describe("the lock's protocol", () => {
  test("never lets two in, whatever the interleaving and whoever is killed", async () => {
    const { claims, violations } = await explore(schedules, "none");
    expect(violations).toEqual([]);
    expect(claims).toBeGreaterThan(3 * schedules);
  });

  test.each(["no floor", "no second look", "the dead are guessed"] as const)(
    "would be caught with a mistake in it: %s",
    async (sabotage) => {
      const { violations } = await explore(20 * schedules, sabotage);
      expect(violations.length).toBeGreaterThan(0);
    },
  );
});
