/**
 * Which segments still have to be synced, and up to which commit that has been done.
 *
 * Bytes that are appended while a sync runs are not covered by it. Syncs run one after the other,
 * so that one that returns covers everything asked for before it.
 */
import type { LogStorage } from "../../storage/port.ts";

/** The first failure of a log; everything after it is refused. */
export interface Poison {
  readonly isSet: boolean;
  /** Notes the first failure, and answers the one that was given. */
  set(error: unknown): unknown;
}

export class SegmentSyncs {
  readonly #log: LogStorage;
  readonly #poison: Poison;
  #durableSeq = 0;
  /** Segments with bytes that no sync has been asked for, in order. */
  #waiting: number[];
  /** Segments of the syncs under way, in the order in which they were asked for. */
  readonly #underWay: number[] = [];
  #last: Promise<void> | undefined;

  constructor(log: LogStorage, waiting: readonly number[], poison: Poison) {
    this.#log = log;
    this.#waiting = [...waiting];
    this.#poison = poison;
  }

  /** Highest commit whose sync has returned; 0 for none. */
  get durableSeq(): number {
    return this.#durableSeq;
  }

  /** Bytes have been appended to the segment. */
  mark(segment: number): void {
    if (this.#waiting.at(-1) !== segment) this.#waiting.push(segment);
  }

  isUnderWay(segment: number): boolean {
    return this.#underWay.includes(segment);
  }

  /** The segments are about to be removed. */
  forget(segments: readonly number[]): void {
    this.#waiting = this.#waiting.filter((segment) => !segments.includes(segment));
  }

  /** Syncs everything that has been marked; `seq` is the last commit in it. */
  sync(seq: number): Promise<void> {
    const before = this.#last;
    if (this.#waiting.length === 0) {
      if (before !== undefined) return before;
      this.#durableSeq = Math.max(this.#durableSeq, seq);
      return Promise.resolve();
    }
    const segments = this.#waiting;
    this.#waiting = [];
    this.#underWay.push(...segments);
    const sync = this.#run(before, segments, seq);
    this.#last = sync;
    const clear = (): void => {
      if (this.#last === sync) this.#last = undefined;
    };
    sync.then(clear, clear);
    return sync;
  }

  /** The same in this turn. What is under way has not returned, so it is synced as well. */
  syncSync(seq: number): void {
    try {
      for (const segment of new Set([...this.#underWay, ...this.#waiting])) {
        this.#log.syncSync(segment);
      }
    } catch (error) {
      throw this.#poison.set(error);
    }
    this.#waiting = [];
    this.#durableSeq = Math.max(this.#durableSeq, seq);
  }

  /** Settles, without a failure, when no sync is under way. */
  async settled(): Promise<void> {
    await this.#last?.catch(() => undefined);
  }

  async #run(
    before: Promise<void> | undefined,
    segments: readonly number[],
    seq: number,
  ): Promise<void> {
    try {
      if (before !== undefined) await before;
      for (const segment of segments) await this.#log.sync(segment);
      if (!this.#poison.isSet) this.#durableSeq = Math.max(this.#durableSeq, seq);
    } catch (error) {
      throw this.#poison.set(error);
    } finally {
      this.#underWay.splice(0, segments.length);
    }
  }
}
