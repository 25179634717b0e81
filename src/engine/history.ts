/**
 * States that stay readable by their seq though nobody leases them: each is a pin on the epoch of
 * its commit. A state counts as old from the moment it was no longer the newest.
 */
import type { Core } from "../../bindings/core.ts";
import type { Retain } from "./options.ts";
import type { Published } from "./pipeline.ts";

/** The core has 65,536 pins; leases, reads and checkpoints need some too. */
export const retainedMax = 32_768;

export class History {
  readonly #core: Core;
  readonly #commitsMax: number;
  readonly #ms: number;
  /** By seq, the newest state last; those before `#first` are gone. */
  #states: Published[] = [];
  #first = 0;
  /** Called when pins have gone: pages or blobs may be free now. */
  onRelease: () => void = () => undefined;

  constructor(core: Core, { commits, ms }: Retain) {
    this.#core = core;
    this.#commitsMax = Math.min(commits ?? retainedMax, retainedMax);
    this.#ms = ms ?? Number.POSITIVE_INFINITY;
  }

  /** States before the newest. */
  get count(): number {
    return Math.max(0, this.#states.length - this.#first - 1);
  }

  /** The earliest state that is kept. */
  get oldestSeq(): number | undefined {
    return this.#states[this.#first]?.seq;
  }

  /** A commit has been applied: its epoch is the newest one, and none is open. */
  add(state: Published): void {
    while (this.#core.exports.pinEpoch(state.epoch) < 0) {
      // Others hold all the pins there are: this state is not kept.
      if (!this.dropOldest()) return;
    }
    this.#states.push(state);
    while (this.count > this.#commitsMax) this.#drop();
    this.lapse(state.time);
  }

  /** The epoch of a seq, if it is kept. */
  find(seq: number, now: number): number | undefined {
    this.lapse(now);
    let low = this.#first;
    let high = this.#states.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#states[middle].seq < seq) low = middle + 1;
      else high = middle;
    }
    const found = this.#states[low];
    return found?.seq === seq ? found.epoch : undefined;
  }

  /** Forgets what is too old. */
  lapse(now: number): void {
    // The next state came when this one was no longer the newest.
    while (this.count > 0 && this.#states[this.#first + 1].time < now - this.#ms) this.#drop();
  }

  /** Forgets the oldest state: false when there is none but the newest. */
  dropOldest(): boolean {
    if (this.count === 0) return false;
    this.#drop();
    return true;
  }

  clear(): void {
    while (this.#first < this.#states.length) this.#drop();
  }

  #drop(): void {
    this.#core.exports.unpinEpoch(this.#states[this.#first].epoch);
    this.#first++;
    if (this.#first >= 64 && this.#first * 2 >= this.#states.length) {
      this.#states = this.#states.slice(this.#first);
      this.#first = 0;
    }
    this.onRelease();
  }
}
