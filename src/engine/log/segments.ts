/**
 * The segments of a writing open: makes the next one, ahead of time where it can, and removes them.
 *
 * Creating one zero-fills and syncs it, which takes milliseconds, so the next segment is made in
 * the background while the current one is filled. Where the storage answers at once, a segment that
 * is not ready in time is made in line under another number, and the late one is removed when it
 * comes; elsewhere the writer waits for it. A segment made ahead that is never begun stays all
 * zeros.
 */
import type { LogStorage } from "../../storage/port.ts";
import { type Steps, wait } from "../steps.ts";

export interface NewSegment {
  readonly segment: number;
  readonly capacityBytes: number;
}

/** A segment that is being made ahead. */
interface Ahead extends NewSegment {
  state: "pending" | "ready" | "failed" | "late";
  done: Promise<void>;
}

export interface SegmentSizes {
  readonly firstBytes: number;
  readonly maxBytes: number;
}

export class SegmentSupply {
  readonly #log: LogStorage;
  readonly #isSync: boolean;
  readonly #sizes: SegmentSizes;
  /** 0 until the storage has been asked which numbers exist. */
  #nextSegment = 0;
  #nextBytes: number;
  #ahead: Ahead | undefined;
  readonly #late = new Set<Ahead>();

  constructor(log: LogStorage, isSync: boolean, sizes: SegmentSizes) {
    this.#log = log;
    this.#isSync = isSync;
    this.#sizes = sizes;
    this.#nextBytes = sizes.firstBytes;
  }

  /** A segment of zeros with at least `bytesMin` bytes, numbered after all others. */
  *take(bytesMin: number, after: number): Steps<NewSegment> {
    if (this.#nextSegment === 0) {
      const numbers = yield* wait(this.#log.list());
      this.#nextSegment = Math.max(after, ...numbers) + 1;
    }
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead !== undefined) {
      if (ahead.state === "pending" && !this.#isSync) yield* wait(ahead.done);
      if (ahead.state === "ready" && ahead.capacityBytes >= bytesMin) return ahead;
      this.#discard(ahead);
    }
    const next = this.#number(bytesMin);
    yield* wait(this.#log.create(next.segment, next.capacityBytes));
    return next;
  }

  /** Starts making the next segment. A failure shows when the segment is needed. */
  prepare(): void {
    if (this.#ahead !== undefined || this.#nextSegment === 0) return;
    // One came too late: this turn does not end between segments, so the next would as well.
    if (this.#late.size > 0) return;
    const ahead: Ahead = { ...this.#number(0), state: "pending", done: Promise.resolve() };
    ahead.done = this.#make(ahead);
    this.#ahead = ahead;
  }

  /** True while the segment is being made, or is ready and not begun. */
  holds(segment: number): boolean {
    if (this.#ahead?.segment === segment) return true;
    for (const late of this.#late) if (late.segment === segment) return true;
    return false;
  }

  /** Gives back what was made ahead. */
  *release(): Steps<void> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead === undefined) return;
    if (ahead.state === "pending" && !this.#isSync) yield* wait(ahead.done);
    if (ahead.state === "ready") yield* wait(this.#log.remove([ahead.segment]));
    else this.#discard(ahead);
  }

  /** Settles when nothing is being made or removed in the background any more. Never rejects. */
  async settled(): Promise<void> {
    while (this.#late.size > 0 || this.#ahead?.state === "pending") {
      await Promise.all([this.#ahead?.done, ...Array.from(this.#late, (late) => late.done)]);
    }
  }

  #number(bytesMin: number): NewSegment {
    const capacityBytes = Math.ceil(Math.max(this.#nextBytes, bytesMin) / 8) * 8;
    this.#nextBytes = Math.min(this.#nextBytes * 2, this.#sizes.maxBytes);
    return { segment: this.#nextSegment++, capacityBytes };
  }

  async #make(ahead: Ahead): Promise<void> {
    try {
      await this.#log.createAhead(ahead.segment, ahead.capacityBytes);
    } catch {
      ahead.state = "failed";
      this.#late.delete(ahead);
      return;
    }
    if (ahead.state === "late") await this.#removeLate(ahead);
    else ahead.state = "ready";
  }

  #discard(ahead: Ahead): void {
    if (ahead.state === "failed") return;
    const isThere = ahead.state === "ready";
    ahead.state = "late";
    this.#late.add(ahead);
    if (isThere) ahead.done = this.#removeLate(ahead);
  }

  /** Nothing was ever written to it, and the next trim would find it: a failure is no harm. */
  async #removeLate(ahead: Ahead): Promise<void> {
    try {
      await this.#log.remove([ahead.segment]);
    } catch {
      // Left for the next trim.
    }
    this.#late.delete(ahead);
  }
}
