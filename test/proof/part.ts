/**
 * What every part of the proof looks like to its runner: `parts/NAME.ts` exports `run`.
 *
 * A part is the same for `npm test` (a small share of it, from a fixed seed) and for a long run
 * (`npm run proof -- NAME --seed S --seconds T`). It never reads a clock of its own to decide what
 * to check, only whether to go on: the same seed and `count` check the same things in the same
 * order, so that a run can be repeated, and a longer run begins with what the shorter one did.
 */

/** Where the work of a part comes from, and how much of it there is. */
export interface PartOptions {
  /** Everything random comes from it. Whoever fails prints it. An integer from 0 to 2^32 - 1. */
  readonly seed: number;
  /** Begin nothing new after so many seconds; undefined: until `count` is reached. */
  readonly seconds?: number;
  /**
   * Units of the part's own measure after which it may stop: crash states of `crash`, single-bit
   * flips of `damage`, and so on. Undefined: until `seconds` are over. Without either a part does
   * what it does in `npm test`.
   */
  readonly count?: number;
  /** Seconds from some beginning. The part has no clock of its own. */
  readonly clock: () => number;
  /** Called now and then, with totals up to now; not more often than a terminal can show. */
  readonly report?: (progress: PartCounts) => void;
}

/** What was done, by name: `{ states: 100000, calls: 2310 }`. Counts of several runs add up. */
export type PartCounts = Readonly<Record<string, number>>;

/** One thing that did not hold. */
export interface PartFailure {
  /** What happened, what should have happened. */
  readonly message: string;
  /** What repeats it: names and numbers, with the seed among them. */
  readonly repeat: Readonly<Record<string, string | number>>;
}

export interface PartResult {
  /** Checks that held and that did not. */
  readonly passed: number;
  readonly failed: number;
  readonly counts: PartCounts;
  /** The first few failures; `failed` counts all of them. */
  readonly failures: readonly PartFailure[];
}

/** What `parts/NAME.ts` exports as `run`. */
export type Part = (options: PartOptions) => Promise<PartResult>;

/** Failures that a result spells out; the others are only counted. */
export const failuresShownMax = 20;
