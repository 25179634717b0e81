/**
 * Lets transactions that met a conflict try again one after the other, in the order in which they
 * failed: of many that write the same record, each then needs one more attempt and not as many as
 * there are others.
 *
 * It is a courtesy, not a lock. Whoever keeps its turn for longer than {@link turnMsMax} (its
 * callback may be waiting for somebody behind it in the queue) is overtaken.
 */
import type { Timers } from "../engine/index.ts";

const turnMsMax = 250;

export class RetryQueue {
  readonly #timers: Timers;
  readonly #waiting: ((end: () => void) => void)[] = [];
  #isTaken = false;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Waits for a turn; the result ends it. */
  turn(): Promise<() => void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (!this.#isTaken) this.#grant();
    });
  }

  #grant(): void {
    const next = this.#waiting.shift();
    this.#isTaken = next !== undefined;
    if (next === undefined) return;
    let isOver = false;
    const end = (): void => {
      if (isOver) return;
      isOver = true;
      cancel();
      this.#grant();
    };
    const cancel = this.#timers.after(turnMsMax, end);
    next(end);
  }
}
