/** Rows of one table along a path, batch by batch: put into the frame, tested and pushed. */
import {
  type Decode,
  nextTurn,
  type Program,
  type Range,
  type Steps,
  wait,
} from "../engine/index.ts";
import { StateReader, type TableIndex, type TableState } from "../tables/inside.ts";
import type { RowBatch, RowSource } from "../transaction/index.ts";
import type { Cell, Frame } from "./frame.ts";
import type { Path } from "./path.ts";
import type { GatheredScan } from "./program.ts";
import type { Push, Run } from "./run.ts";
import { keysOfUnion } from "./union.ts";

/** A condition over the row in the frame. */
export type Test = (frame: Frame) => unknown;

const rowsFirst = 128;
const rowsMost = 1_024;
/** A few milliseconds of work. */
const batchesPerTurn = 32;
/** So many gathered rows, as a power of two, count as a batch. */
const gatheredShift = 10;

/** Where a row lies that is kept. */
export interface Place {
  readonly memory: Uint8Array;
  readonly at: number;
  readonly length: number;
}

/** Keeps a row where it lies; a lent one is copied. */
export function placeDecoder(isLent: boolean): Decode<Place> {
  if (!isLent) return (memory, at, length) => ({ memory, at, length });
  return (memory, at, length) => ({ memory: memory.slice(at, at + length), at: 0, length });
}

export class Scan {
  readonly #run: Run;
  readonly #state: TableState;
  readonly #path: Path;
  readonly #cell: Cell;
  readonly #tests: readonly Test[];
  readonly #push: Push;
  readonly #program: Program | undefined;
  #gathered: GatheredScan | undefined;
  readonly #ranges: Range[];
  #source: RowSource | undefined;
  #rows: number;
  #keys: readonly Uint8Array[] | undefined;
  #keysDone = 0;
  #batches = 0;

  /** `wanted`: rows that somebody will look at, if that is known. */
  constructor(
    run: Run,
    target: {
      readonly state: TableState;
      readonly source: number;
      readonly path: Path;
      readonly tests: readonly Test[];
      /** What the core can leave out by itself. */
      readonly program: Program | undefined;
      /** The core hands columns out instead of rows. */
      readonly gathered?: GatheredScan | undefined;
    },
    push: Push,
    wanted: number,
  ) {
    this.#run = run;
    this.#state = target.state;
    this.#path = target.path;
    this.#cell = run.frame.cells[target.source];
    this.#tests = target.tests;
    this.#push = push;
    this.#program = target.program;
    this.#gathered = target.gathered;
    this.#ranges = [...target.path.ranges];
    const isExact = wanted < rowsMost && target.tests.length === 0;
    this.#rows = isExact ? Math.max(1, wanted) : rowsFirst;
  }

  /** Pushes the next rows, perhaps none; false at the end. */
  *next(): Steps<boolean> {
    if (this.#run.isDone || this.#path.kind === "nothing") return false;
    if (this.#run.isPatient && ++this.#batches >= batchesPerTurn) {
      this.#batches = 0;
      yield* wait(nextTurn());
    }
    const { kind } = this.#path;
    if (kind === "keys" || kind === "union") return yield* this.#nextKeys();
    const { index } = this.#path;
    const { reader } = this.#run;
    if (this.#gathered !== undefined && reader instanceof StateReader) {
      const hasMore = yield* this.#nextGathered(reader, this.#gathered);
      if (hasMore !== undefined) return hasMore;
      // A row that the core cannot judge: from here on rows are read as they are.
      this.#gathered = undefined;
      this.#cell.columns = undefined;
    }
    if (index !== undefined && !index.isUnique && reader instanceof StateReader) {
      return yield* this.#nextRows(reader, index);
    }
    const batch = yield* this.#nextBatch();
    if (batch === undefined) return false;
    if (this.#path.kind === "rows") this.#pushBatch(batch);
    else yield* this.#pushEntries(batch);
    return true;
  }

  *#nextBatch(): Steps<RowBatch | undefined> {
    const { index, isReverse, kind } = this.#path;
    const tree = index === undefined ? this.#state.rows : index.tree;
    const hasValues = kind === "rows" || index?.isUnique === true;
    for (;;) {
      if (this.#source === undefined) {
        const range = this.#ranges.shift();
        if (range === undefined) return undefined;
        const directed = isReverse ? { ...range, reverse: true } : range;
        this.#source = this.#run.reader.scan(tree, directed, hasValues, this.#program);
      }
      const batch = yield* this.#source.next(this.#rows);
      this.#rows = Math.min(this.#rows * 4, rowsMost);
      if (batch !== undefined) return batch;
      this.#source = undefined;
    }
  }

  #pushBatch(batch: RowBatch): void {
    const run = this.#run;
    const take = this.#take;
    let row = 0;
    for (; row < batch.count && !run.isDone; row++) batch.decode(row, take);
    run.counters.rowsScanned += row;
  }

  /** Puts a row into the frame, and pushes it if it passes. */
  readonly #take: Decode<void> = (memory, at, length) => {
    const cell = this.#cell;
    cell.memory = memory;
    cell.at = at;
    cell.length = length;
    this.#run.counters.bytesRead += length;
    if (passes(this.#tests, this.#run.frame)) this.#push();
  };

  /** Columns of the next rows; undefined where the core cannot gather them. */
  *#nextGathered(
    reader: StateReader,
    { gatherer, tests }: GatheredScan,
  ): Steps<boolean | undefined> {
    const range = this.#ranges.shift();
    if (range === undefined) return false;
    const { gathering, decode, columns } = gatherer;
    const found = yield* reader.gather(this.#state.rows, range, gathering, decode);
    if (found === undefined) {
      this.#ranges.unshift(range);
      return undefined;
    }
    const { value: rows, resume } = found;
    if (resume !== undefined) this.#ranges.unshift({ ...range, low: resume, lowExclusive: true });
    this.#batches += rows >> gatheredShift;
    const run = this.#run;
    const { frame } = run;
    const cell = this.#cell;
    const push = this.#push;
    cell.columns = columns;
    let row = 0;
    for (; row < rows && !run.isDone; row++) {
      cell.at = row;
      if (tests.length === 0 || passes(tests, frame)) push();
    }
    run.counters.rowsScanned += row;
    run.counters.bytesRead += rows === 0 ? 0 : Math.ceil((gatherer.bytes * row) / rows);
    return true;
  }

  /** Rows through an index, whose entries never leave the engine. */
  *#nextRows(reader: StateReader, index: TableIndex): Steps<boolean> {
    const { isReverse } = this.#path;
    const range = this.#ranges.shift();
    if (range === undefined) return false;
    const directed = isReverse ? { ...range, reverse: true } : range;
    const { rows } = this.#state;
    const read = reader.readEntries(index, directed, this.#rows, rows, this.#takeRow);
    const { entries, resume } = yield* read;
    this.#run.counters.entriesScanned += entries;
    this.#rows = Math.min(this.#rows * 4, rowsMost);
    if (resume === undefined) return true;
    const rest = isReverse
      ? { ...range, high: resume, highInclusive: false }
      : { ...range, low: resume, lowExclusive: true };
    this.#ranges.unshift(rest);
    return true;
  }

  readonly #takeRow: Decode<void> = (memory, at, length) => {
    const run = this.#run;
    if (run.isDone) return;
    run.counters.rowsScanned++;
    this.#take(memory, at, length);
  };

  *#pushEntries(batch: RowBatch): Steps<void> {
    const { index } = this.#path;
    if (index === undefined) return;
    const keys: Uint8Array[] = [];
    for (let row = 0; row < batch.count; row++) keys.push(index.primaryKeyOf(batch, row));
    this.#run.counters.entriesScanned += batch.count;
    yield* this.#pushRows(keys);
  }

  *#nextKeys(): Steps<boolean> {
    const { index } = this.#path;
    this.#keys ??= yield* this.#keysOfPath();
    const keys = this.#keys;
    if (this.#keysDone >= keys.length) return false;
    const some = keys.slice(this.#keysDone, this.#keysDone + rowsMost);
    this.#keysDone += some.length;
    if (index === undefined) {
      yield* this.#pushRows(some);
      return true;
    }
    const { reader, counters } = this.#run;
    const found = yield* reader.readMany(index.tree, some, copyOf);
    const present = found.filter((key) => key !== undefined);
    counters.entriesScanned += present.length;
    yield* this.#pushRows(present);
    return true;
  }

  *#keysOfPath(): Steps<readonly Uint8Array[]> {
    const { kind, keys, parts, isReverse } = this.#path;
    if (kind !== "union") return keys;
    const found = yield* keysOfUnion(this.#run, this.#state, parts);
    return isReverse ? found.reverse() : found;
  }

  *#pushRows(keys: readonly Uint8Array[]): Steps<void> {
    const run = this.#run;
    const keep = placeDecoder(run.isLent);
    const places = yield* run.reader.readMany(this.#state.rows, keys, keep);
    for (const place of places) {
      if (run.isDone) return;
      if (place === undefined) continue;
      run.counters.rowsScanned++;
      this.#take(place.memory, place.at, place.length);
    }
  }
}

function passes(tests: readonly Test[], frame: Frame): boolean {
  for (let index = 0; index < tests.length; index++) {
    if (tests[index](frame) !== true) return false;
  }
  return true;
}

const copyOf: Decode<Uint8Array> = (memory, at, length) => memory.slice(at, at + length);
