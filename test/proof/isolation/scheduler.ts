/**
 * Decides who goes on next. Clients and the storage wait at points; one of them is let go, then a
 * few microtasks pass, and so on. All of it follows from the seed, so that it can be repeated.
 */
import type { Random } from "../../storage/random.ts";

/** How the next one is chosen of those who wait. */
export type Policy = "any" | "newest" | "oldest";

/** Rounds in which nobody waits anywhere until that is called a hang. */
const idleRoundsMax = 2_000;

export class Scheduler {
  readonly #random: Random;
  readonly #policy: Policy;
  #waiting: (() => void)[] = [];
  /** Counts what happens, as a clock. */
  #time = 0;

  constructor(random: Random, policy: Policy) {
    this.#random = random;
    this.#policy = policy;
  }

  /** Where somebody may have to wait for the others. */
  readonly point = (): Promise<void> =>
    new Promise((resolve) => {
      this.#waiting.push(resolve);
    });

  /** A moment of its own: later ones are larger. */
  now(): number {
    return ++this.#time;
  }

  /** Runs until all of them have ended, or until `isOver` says that no more is to be expected. */
  async run(clients: readonly Promise<unknown>[], isOver: () => boolean): Promise<void> {
    let left = clients.length;
    const end = (): void => {
      left--;
    };
    for (const client of clients) client.then(end, end);
    let idle = 0;
    while (left > 0 && !isOver()) {
      if (this.#waiting.length === 0) {
        if (++idle > idleRoundsMax) throw new Error(`${left} clients wait for ever`);
        // Only what the engine leaves to the event loop is under way.
        if (idle > 50) await new Promise((resolve) => setImmediate(resolve));
        else await undefined;
        continue;
      }
      idle = 0;
      this.#take()();
      for (let hops = this.#random.integer(4); hops > 0; hops--) await undefined;
    }
    await this.#settle();
  }

  /** Nobody waits any more: whoever comes after a crash finds nothing to wait for. */
  async #settle(): Promise<void> {
    for (let round = 0; round < 40; round++) {
      for (const resolve of this.#waiting.splice(0)) resolve();
      await undefined;
    }
  }

  #take(): () => void {
    const waiting = this.#waiting;
    const last = waiting.length - 1;
    let at = this.#random.integer(waiting.length);
    if (this.#policy === "newest" && this.#random.chance(0.7)) at = last;
    if (this.#policy === "oldest" && this.#random.chance(0.7)) at = 0;
    const taken = waiting[at];
    if (this.#policy === "any") {
      waiting[at] = waiting[last];
      waiting.pop();
    } else waiting.splice(at, 1);
    return taken;
  }
}
