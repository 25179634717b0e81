/** A view on one stretch of one segment that is read in large pieces and moves forwards. */
import { CairnError } from "../../errors.ts";
import type { LogStorage } from "../../storage/port.ts";
import { type Steps, wait } from "../steps.ts";

/**
 * `bytes` holds the segment from `start` on, `length` bytes of it; `view` and `words` cover the
 * same memory. All three are replaced when a piece larger than the window is asked for.
 */
/** What the first load asks for at least; each further one asks for four times as much. */
const firstBytes = 4_096;

export class LogWindow {
  bytes: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(this.bytes.buffer);
  start = 0;
  length = 0;
  readonly #log: LogStorage;
  readonly #bytesMax: number;
  #segment = -1;

  constructor(log: LogStorage, windowBytes: number) {
    this.#log = log;
    this.#bytesMax = windowBytes;
  }

  /** True when `count` bytes at `at` are in the window. */
  holds(segment: number, at: number, count: number): boolean {
    return segment === this.#segment && at >= this.start && at + count <= this.start + this.length;
  }

  /**
   * Brings `count` bytes at `at` into the window, and more of what follows up to `end`. They lie
   * within the segment's size, so fewer bytes are a failure of the storage, not the end of the log.
   */
  *load(segment: number, at: number, count: number, end: number): Steps<void> {
    if (this.holds(segment, at, count)) return;
    // A little first: most logs end where the root says, and there is nothing to be read.
    const most = Math.min(this.#bytesMax, Math.max(firstBytes, this.bytes.length * 4));
    const wanted = Math.max(count, Math.min(most, end - at));
    if (wanted > this.bytes.length) {
      this.bytes = new Uint8Array(wanted);
      this.view = new DataView(this.bytes.buffer);
    }
    // A failed read must not leave the bytes of one place under the name of another.
    this.forget();
    const into = this.bytes.subarray(0, Math.min(this.bytes.length, Math.max(end - at, count)));
    const read = yield* wait(this.#log.read(segment, at, into));
    if (read < count) {
      throw new CairnError(
        "storage_failed",
        `Reading log segment ${segment} at offset ${at}: ${read} bytes came, at least ${count} ` +
          "were expected. Check the storage and open the database again.",
        { details: { segment, offset: at, found: read, expected: count } },
      );
    }
    this.#segment = segment;
    this.start = at;
    this.length = read;
  }

  /** Drops what was read: the next `load` asks the storage again. */
  forget(): void {
    this.#segment = -1;
    this.length = 0;
  }
}
