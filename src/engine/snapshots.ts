/**
 * Snapshots: leased pins on epochs. A lease is renewed by every use; one that was not used in time
 * lapses when memory is short or the next checkpoint looks, and its next use says so.
 */
import type { Core } from "../../bindings/core.ts";
import { status } from "../../bindings/status.ts";
import { CairnError } from "../errors.ts";
import type { History } from "./history.ts";

/** A state of the database that does not change while it is held. */
export interface Snapshot {
  /** The last commit it sees. */
  readonly seq: bigint;
  /** When it was taken, Unix milliseconds; expiry is judged at this time. */
  readonly time: number;
  /** For the engine. */
  readonly epoch: number;
  /** Its lease has lapsed: reads answer `snapshot_expired`. */
  readonly expired: boolean;
  /** Lets go of it. Releasing twice does nothing. */
  release(): void;
  [Symbol.dispose](): void;
}

interface Lease {
  readonly epoch: number;
  readonly seq: number;
  until: number;
  lapsed: boolean;
  released: boolean;
  readonly leaseMs: number;
}

export class Snapshots {
  readonly #core: Core;
  readonly #clock: () => number;
  readonly #leases: Map<object, Lease> = new Map();
  /** Called when a pin has gone: pages or blobs may be free now. */
  onRelease: () => void = () => undefined;

  /** States that are kept without a lease. */
  readonly history: History | undefined;

  constructor(core: Core, clock: () => number, history?: History) {
    this.#core = core;
    this.#clock = clock;
    this.history = history;
  }

  get count(): number {
    return this.#leases.size;
  }

  /**
   * Leases an epoch that is published, or leased already. Its time is not before `newestTime`, that
   * of the newest commit: what has expired must not come back when the clock is set back.
   */
  take(epoch: number, seq: number, leaseMs: number, newestTime: number): Snapshot {
    if (this.#core.exports.pinEpoch(epoch) === status.tableFull) {
      throw new CairnError(
        "memory_limit",
        "Cannot take a snapshot: 65,536 are held already. Release some.",
      );
    }
    const now = this.#clock();
    const lease: Lease = {
      epoch,
      seq,
      until: now + leaseMs,
      lapsed: false,
      released: false,
      leaseMs,
    };
    const time = Math.max(now, newestTime);
    const snapshot = new LeasedSnapshot(BigInt(seq), time, epoch, lease, () =>
      this.#release(snapshot),
    );
    this.#leases.set(snapshot, lease);
    return snapshot;
  }

  /** The epoch of a leased seq, if somebody holds it. */
  epochOf(seq: number): number | undefined {
    for (const lease of this.#leases.values()) {
      if (lease.seq === seq && !lease.lapsed) return lease.epoch;
    }
    return undefined;
  }

  /** The earliest commit that is the last one of a leased state; undefined when none is leased. */
  get oldestSeq(): number | undefined {
    let oldest: number | undefined;
    for (const { seq } of this.#leases.values()) {
      if (oldest === undefined || seq < oldest) oldest = seq;
    }
    return oldest;
  }

  /** The epoch to read at; renews the lease. */
  use(snapshot: Snapshot): number {
    const lease = this.#leases.get(snapshot);
    if (lease === undefined) throw expired(snapshot);
    lease.until = this.#clock() + lease.leaseMs;
    return lease.epoch;
  }

  /** Lets leases lapse that ran out, and forgets states that are too old. */
  lapse(): void {
    const now = this.#clock();
    this.history?.lapse(now);
    for (const [snapshot, lease] of this.#leases) {
      if (lease.until <= now) this.#end(snapshot, lease);
    }
  }

  /**
   * Memory is needed: gives up the oldest state that is only kept, or else lets the oldest lease
   * lapse, whatever its time. False when there is none.
   */
  lapseOldest(): boolean {
    if (this.history?.dropOldest()) return true;
    let oldest: [object, Lease] | undefined;
    for (const entry of this.#leases) {
      if (oldest === undefined || entry[1].epoch < oldest[1].epoch) oldest = entry;
    }
    if (oldest === undefined) return false;
    this.#end(oldest[0], oldest[1]);
    return true;
  }

  releaseAll(): void {
    this.history?.clear();
    for (const [snapshot, lease] of this.#leases) this.#end(snapshot, lease);
  }

  #release(snapshot: object): void {
    const lease = this.#leases.get(snapshot);
    if (lease === undefined) return;
    lease.released = true;
    this.#drop(snapshot, lease);
  }

  #end(snapshot: object, lease: Lease): void {
    lease.lapsed = true;
    this.#drop(snapshot, lease);
  }

  #drop(snapshot: object, lease: Lease): void {
    this.#leases.delete(snapshot);
    this.#core.exports.unpinEpoch(lease.epoch);
    this.onRelease();
  }
}

class LeasedSnapshot implements Snapshot {
  readonly seq: bigint;
  readonly time: number;
  readonly epoch: number;
  readonly #lease: Lease;
  readonly #onRelease: () => void;

  constructor(seq: bigint, time: number, epoch: number, lease: Lease, onRelease: () => void) {
    this.seq = seq;
    this.time = time;
    this.epoch = epoch;
    this.#lease = lease;
    this.#onRelease = onRelease;
  }

  get expired(): boolean {
    return this.#lease.lapsed;
  }

  release(): void {
    this.#onRelease();
  }

  [Symbol.dispose](): void {
    this.#onRelease();
  }
}

function expired(snapshot: Snapshot): CairnError {
  return snapshot.expired
    ? new CairnError(
        "snapshot_expired",
        `Cannot read at seq ${snapshot.seq}: the snapshot's lease has lapsed. Take a new one, ` +
          "with a longer lease if it must last.",
        { details: { seq: snapshot.seq } },
      )
    : new CairnError(
        "snapshot_expired",
        `Cannot read at seq ${snapshot.seq}: the snapshot was released.`,
        { details: { seq: snapshot.seq } },
      );
}
