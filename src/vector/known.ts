/** How far the history of an index has been read: what died, and which label comes next. */
import type { Range, Rows, Snapshot, Steps } from "../engine/index.ts";
import { type Death, Deaths } from "./deaths.ts";
import { deathKey, deathOfKey } from "./row.ts";
import type { VectorTrees } from "./trees.ts";

const rowsPerScan = 4_096;
const keysOnly = { keys: true, values: false, meta: false } as const;

export class Known {
  readonly deaths: Deaths = new Deaths();
  readonly #trees: VectorTrees;
  #seq: number;
  /** The next label at {@link seq}; undefined while nobody has asked. */
  #next: number | undefined;
  #version = 0;

  /** Deaths up to `seq` need not be known. */
  constructor(trees: VectorTrees, seq: number) {
    this.#trees = trees;
    this.#seq = seq;
  }

  /** Deaths up to this commit are known, as far as anybody may still ask for them. */
  get seq(): number {
    return this.#seq;
  }

  get next(): number {
    return this.#next ?? 0;
  }

  /** A number for what is there at a commit: the same while nothing has changed. */
  versionAt(seq: number): number {
    return seq === this.#seq ? this.#version : -1 - seq;
  }

  /** Reads on to a state, calls `grown` when that was new, and answers the state's next label. */
  *learn(at: Snapshot | undefined, seq: number, grown: () => void): Steps<number> {
    if (seq === this.#seq && this.#next !== undefined) return this.#next;
    const next = yield* this.#trees.next(at);
    if (seq === this.#seq) this.#next = next;
    if (seq <= this.#seq) return next;
    const found = yield* this.#read(at, this.#seq, seq);
    // Somebody else may have come further while the storage was read.
    if (seq <= this.#seq) return next;
    const deaths = found.filter((death) => death.seq > this.#seq);
    this.deaths.add(deaths);
    if (deaths.length > 0 || next !== this.#next) this.#version++;
    this.#seq = seq;
    this.#next = next;
    grown();
    return next;
  }

  *#read(at: Snapshot | undefined, after: number, through: number): Steps<Death[]> {
    const { engine, ids } = this.#trees;
    const deaths: Death[] = [];
    const high = deathKey(through + 1, 0);
    let low: Uint8Array | undefined = deathKey(after + 1, 0);
    let lowExclusive = false;
    while (low !== undefined) {
      const range: Range = { low, lowExclusive, high };
      const rows: Rows = yield* engine.scanSteps(ids.pending, range, at, 0, rowsPerScan, keysOnly);
      for (let row = 0; row < rows.count; row++) deaths.push(deathOfKey(rows.key(row)));
      low = rows.resume;
      lowExclusive = true;
    }
    return deaths;
  }
}
