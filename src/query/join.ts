/** Joins: the rows of one more table are found for every row that comes along. */
import type { Range, Steps } from "../engine/index.ts";
import { isCairnError } from "../errors.ts";
import {
  afterPrefix,
  type ColumnType,
  nameOf,
  storable,
  type TableIndex,
  type TableState,
} from "../tables/inside.ts";
import type { CompiledJoin, CompiledSource } from "./compile.ts";
import type { Constraint } from "./constraint.ts";
import type { Cell } from "./frame.ts";
import { nameOfAll } from "./group.ts";
import type { Path } from "./path.ts";
import { programOfScan } from "./program.ts";
import type { Push, Run } from "./run.ts";
import { type Place, placeDecoder, Scan, type Test } from "./scan.ts";

/** A join within a run. */
export interface JoinStage {
  /** Reads what it needs before the first row comes. */
  prepare(): Steps<void>;
  /** Takes the row in the frame. */
  readonly take: Push;
  /** Finds what waits for the storage. */
  drain(): Steps<void>;
  /** Pushes what no row has matched. */
  finish(): void;
}

/** What a join needs to know of its place in the query. */
export interface JoinSetup {
  readonly run: Run;
  readonly join: CompiledJoin;
  /** The one that is joined; those before it are in the frame. */
  readonly source: number;
  readonly compiled: CompiledSource;
  /** The first table of the query. */
  readonly first: TableState;
  /** Rows that may come along: a guess. */
  readonly incoming: number;
  /** Columns of the joined table that are read of rows that match. */
  readonly columns: readonly number[];
  readonly push: Push;
}

const rowBytes = 64;
/** Most values of a reduction: each is counted in an index. */
const reductionMost = 1_000;
/** Places of a dense table for each name. */
const denseMost = 4;
const noBytes = new Uint8Array(0);
const slabBytesLeast = 16_384;
const slabBytesMost = 16 * 1024 * 1024;
const decodedBytesMost = 16 * 1024 * 1024;
/** Types whose values nobody can change, so that results may share them. */
const shareable: ReadonlySet<ColumnType> = new Set([
  "text",
  "integer",
  "float",
  "u8",
  "boolean",
  "i64",
  "u64",
  "u256",
  "i256",
]);

/** Keeps the rows of the table that is joined, by the names of their keys. */
export class HashJoin implements JoinStage {
  readonly #setup: JoinSetup;
  readonly #path: Path;
  readonly #tests: readonly Test[];
  /** Rows that are kept: in slabs at first, then side by side, where readers are quickest. */
  #memory: Uint8Array = noBytes;
  #slabs: Uint8Array[] = [];
  #slab: Uint8Array = noBytes;
  #slabUsed = 0;
  #slabsUsed = 0;
  readonly #ats: number[] = [];
  /** Of each row the next one with the same name; below zero for none. */
  readonly #nexts: number[] = [];
  readonly #first: Map<unknown, number> = new Map();
  readonly #last: Map<unknown, number> = new Map();
  /** The same as `#first` for whole numbers from `#least` on. */
  #dense: Int32Array | undefined;
  #least = 0;
  #matched: Uint8Array | undefined;

  constructor(setup: JoinSetup, path: Path, tests: readonly Test[]) {
    this.#setup = setup;
    this.#path = path;
    this.#tests = tests;
  }

  *prepare(): Steps<void> {
    const { run, source, compiled, join } = this.#setup;
    const program = programOfScan(run, compiled, this.#path);
    const { state } = compiled;
    const target = { state, source, path: this.#path, tests: this.#tests, program };
    const scan = new Scan(run, target, this.#keep, Number.POSITIVE_INFINITY);
    while (yield* scan.next());
    if (join.kind === "right" || join.kind === "full") {
      this.#matched = new Uint8Array(this.#ats.length);
    }
    this.#last.clear();
    this.#merge();
    if (join.pairs.length === 1) this.#makeDense();
    this.#decode();
  }

  /** Decodes columns once that are otherwise read for every row that meets theirs. */
  #decode(): void {
    const { run, source, compiled, incoming, columns } = this.#setup;
    const rows = this.#ats.length;
    const bytes = 2 * this.#memory.length + 16 * rows * columns.length;
    if (rows === 0 || incoming < rows || bytes > decodedBytesMost || !run.budget.has(bytes)) return;
    run.budget.take(bytes);
    const { codec, columns: all } = compiled.state;
    const kept: (unknown[] | undefined)[] = new Array(all.length).fill(undefined);
    for (const position of columns) {
      if (!shareable.has(all[position].type)) continue;
      const read = codec.reader(position);
      kept[position] = this.#ats.map((at) => read(this.#memory, at));
    }
    run.frame.cells[source].kept = kept;
  }

  /**
   * What the first table's column must be to match, when that is one of few values: an index of it
   * may then find all rows that do.
   */
  reduction(): Constraint | undefined {
    const { join } = this.#setup;
    const position = join.pairs[0]?.first;
    if (join.kind !== "inner" || join.pairs.length !== 1 || position === undefined)
      return undefined;
    const column = this.#setup.first.columns[position];
    const { family } = column.kind;
    if (family !== "number" && family !== "text") return undefined;
    const values: unknown[] = [...this.#first.keys()];
    this.#dense?.forEach((row, at) => {
      if (row >= 0 && values.length <= reductionMost) values.push(this.#least + at);
    });
    if (values.length > reductionMost) return undefined;
    return { column, kind: "in", isInclusive: true, value: () => values, conjunct: -1 };
  }

  readonly #keep: Push = () => {
    const { run, source, join } = this.#setup;
    const { memory, at, length } = run.frame.cells[source];
    const row = this.#ats.length;
    run.budget.take(rowBytes + length);
    this.#ats.push(this.#copy(memory, at, length));
    this.#nexts.push(-1);
    const name = this.#nameOf("right");
    // Null equals nothing.
    if (name === null && join.pairs.length > 0) return;
    const before = this.#last.get(name);
    if (before === undefined) this.#first.set(name, row);
    else this.#nexts[before] = row;
    this.#last.set(name, row);
  };

  /** Where the copy of a row begins in the slab. */
  #copy(memory: Uint8Array, at: number, length: number): number {
    if (this.#slabUsed + length > this.#slab.length) {
      const doubled = Math.min(slabBytesMost, this.#slab.length * 2);
      this.#endSlab();
      this.#slab = new Uint8Array(Math.max(slabBytesLeast, doubled, length));
    }
    const to = this.#slabUsed;
    this.#slabUsed += length;
    this.#slab.set(memory.subarray(at, at + length), to);
    return this.#slabsUsed + to;
  }

  #endSlab(): void {
    this.#slabs.push(this.#slab.subarray(0, this.#slabUsed));
    this.#slabsUsed += this.#slabUsed;
    this.#slabUsed = 0;
  }

  /** Puts the slabs behind each other. */
  #merge(): void {
    this.#endSlab();
    this.#memory = new Uint8Array(this.#slabsUsed);
    let at = 0;
    for (const slab of this.#slabs) {
      this.#memory.set(slab, at);
      at += slab.length;
    }
    this.#slabs = [];
    this.#slab = noBytes;
  }

  #nameOf(side: "left" | "right"): unknown {
    const { run, join } = this.#setup;
    const { pairs } = join;
    if (pairs.length === 1) {
      const value = pairs[0][side].evaluate(run.frame);
      // Most keys are small whole numbers, which are names by themselves.
      if (typeof value === "number" && value === (value | 0)) return value;
      return value === null ? null : nameOf(value);
    }
    if (pairs.length === 0) return null;
    const values = pairs.map((pair) => pair[side].evaluate(run.frame));
    return values.includes(null) ? null : nameOfAll(values);
  }

  /** The first row with a name; below zero for none. */
  #find(name: unknown): number {
    const dense = this.#dense;
    if (dense === undefined) return this.#first.get(name) ?? -1;
    // Wide and broken numbers have no place in it, and subtracting could round them into one.
    if (typeof name !== "number" || name !== (name | 0)) return -1;
    return dense[name - this.#least] ?? -1;
  }

  /** When names are whole numbers that lie close together, a table finds rows at once. */
  #makeDense(): void {
    let least = Number.POSITIVE_INFINITY;
    let greatest = Number.NEGATIVE_INFINITY;
    for (const name of this.#first.keys()) {
      if (typeof name !== "number" || name !== (name | 0)) return;
      if (name < least) least = name;
      if (name > greatest) greatest = name;
    }
    const size = greatest - least + 1;
    if (this.#first.size === 0 || size > denseMost * this.#first.size) return;
    const dense = new Int32Array(size).fill(-1);
    for (const [name, row] of this.#first) dense[(name as number) - least] = row;
    this.#dense = dense;
    this.#least = least;
    this.#first.clear();
  }

  readonly take: Push = () => {
    const { run, source, join, push } = this.#setup;
    const { frame } = run;
    const cell = frame.cells[source];
    const name = this.#nameOf("left");
    const canMatch = name !== null || join.pairs.length === 0;
    let row = canMatch ? this.#find(name) : -1;
    let isMatched = false;
    for (; row >= 0 && !run.isDone; row = this.#nexts[row]) {
      cell.memory = this.#memory;
      cell.at = this.#ats[row];
      cell.row = row;
      if (!passes(join.tests, run)) continue;
      isMatched = true;
      if (this.#matched !== undefined) this.#matched[row] = 1;
      push();
    }
    if (isMatched || (join.kind !== "left" && join.kind !== "full") || run.isDone) return;
    cell.at = -1;
    push();
  };

  // biome-ignore lint/correctness/useYield: nothing waits here
  *drain(): Steps<void> {
    return undefined;
  }

  finish(): void {
    const { run, source, push } = this.#setup;
    const matched = this.#matched;
    if (matched === undefined) return;
    const { cells } = run.frame;
    for (let row = 0; row < matched.length && !run.isDone; row++) {
      if (matched[row] !== 0) continue;
      for (let before = 0; before < source; before++) cells[before].at = -1;
      cells[source].memory = this.#memory;
      cells[source].at = this.#ats[row];
      cells[source].row = row;
      push();
    }
  }
}

/** How the rows for a row are looked up. */
export interface Lookup {
  /** Undefined for the primary key. */
  readonly index: TableIndex | undefined;
  /** Pairs of the join, in the order of the first columns of the key. */
  readonly pairs: readonly number[];
  /** At most one row has a key. */
  readonly isUnique: boolean;
}

/** A row before the one that is looked up. */
type Kept = Pick<Cell, "memory" | "at" | "row">;

/** Looks the rows of the joined table up, for many rows at a time. */
export class LookupJoin implements JoinStage {
  readonly #setup: JoinSetup;
  readonly #lookup: Lookup;
  /** What rows that are found must pass, the join's own conditions included. */
  readonly #tests: readonly Test[];
  #waiting: Kept[][] = [];
  #keys: (Uint8Array | undefined)[] = [];

  constructor(setup: JoinSetup, lookup: Lookup) {
    this.#setup = setup;
    this.#lookup = lookup;
    const { join, compiled } = setup;
    // Pairs that the key does not say, or may not say exactly, are tested again.
    const rest = join.pairs.filter((_pair, at) => !lookup.pairs.includes(at));
    const isHashed = lookup.index?.kind === "hashed";
    const pairs = (isHashed ? join.pairs : rest).map(equalityOf);
    this.#tests = [...compiled.tests, ...pairs, ...join.tests];
  }

  // biome-ignore lint/correctness/useYield: there is nothing to read before
  *prepare(): Steps<void> {
    return undefined;
  }

  readonly take: Push = () => {
    const { run, source, join } = this.#setup;
    const key = this.#keyOf();
    if (key === undefined && join.kind === "inner") return;
    const places: Kept[] = [];
    for (let before = 0; before < source; before++) {
      const { memory, at, row } = run.frame.cells[before];
      places.push({ memory, at, row });
    }
    run.budget.take(rowBytes);
    this.#waiting.push(places);
    this.#keys.push(key);
  };

  /** The key that the row in the frame asks for; undefined where nothing can have it. */
  #keyOf(): Uint8Array | undefined {
    const { run, join, compiled } = this.#setup;
    const { index, pairs } = this.#lookup;
    const values: unknown[] = [];
    for (const at of pairs) {
      const { left, position } = join.pairs[at];
      const value = storable(compiled.state.columns[position as number], left.evaluate(run.frame));
      if (value === undefined) return undefined;
      values.push(value);
    }
    try {
      if (index?.kind === "hashed" && !index.isUnique) {
        return index.prefixRange(values).low as Uint8Array;
      }
      const { key } = index ?? compiled.state;
      return key
        .encode(
          values,
          values.map((_value, at) => at),
        )
        .slice();
    } catch (error) {
      if (isCairnError(error, "key_too_large")) return undefined;
      throw error;
    }
  }

  *drain(): Steps<void> {
    const { run, source, join, push } = this.#setup;
    const waiting = this.#waiting;
    const keys = this.#keys;
    if (waiting.length === 0) return;
    this.#waiting = [];
    this.#keys = [];
    const { places, owners } = yield* this.#find(keys);
    const { cells } = run.frame;
    let next = 0;
    for (let at = 0; at < waiting.length && !run.isDone; at++) {
      const restore = (): void => {
        for (let before = 0; before < source; before++) {
          cells[before].memory = waiting[at][before].memory;
          cells[before].at = waiting[at][before].at;
          cells[before].row = waiting[at][before].row;
        }
      };
      let isMatched = false;
      restore();
      for (; next < owners.length && owners[next] === at; next++) {
        const place = places[next];
        if (place === undefined || run.isDone) continue;
        cells[source].memory = place.memory;
        cells[source].at = place.at;
        run.counters.rowsScanned++;
        run.counters.bytesRead += place.length;
        if (!passes(this.#tests, run)) continue;
        isMatched = true;
        push();
      }
      if (!isMatched && join.kind === "left" && !run.isDone) {
        cells[source].at = -1;
        push();
      }
      run.budget.give(rowBytes);
    }
  }

  finish(): void {
    // Every row was answered when it was drained.
  }

  /** The rows of all keys, and which key each was found by. */
  *#find(
    keys: readonly (Uint8Array | undefined)[],
  ): Steps<{ places: (Place | undefined)[]; owners: number[] }> {
    const { run, compiled } = this.#setup;
    const { index, isUnique } = this.#lookup;
    const { reader } = run;
    const owners: number[] = [];
    let rowKeys: Uint8Array[] = [];
    if (isUnique) {
      keys.forEach((key, at) => {
        if (key === undefined) return;
        rowKeys.push(key);
        owners.push(at);
      });
      if (index !== undefined) {
        const found = yield* reader.readMany(index.tree, rowKeys, copyOf);
        const present = owners.filter((_owner, at) => found[at] !== undefined);
        owners.splice(0, owners.length, ...present);
        rowKeys = found.filter((key) => key !== undefined);
      }
    } else {
      for (let at = 0; at < keys.length; at++) {
        const key = keys[at];
        if (key === undefined) continue;
        const found = yield* this.#keysOf(key);
        for (const one of found) {
          rowKeys.push(one);
          owners.push(at);
        }
      }
    }
    const keep = placeDecoder(run.isLent);
    const places = yield* reader.readMany(compiled.state.rows, rowKeys, keep);
    return { places, owners };
  }

  /** The primary keys of the entries, or rows, whose key begins with `low`. */
  *#keysOf(low: Uint8Array): Steps<Uint8Array[]> {
    const { run, compiled } = this.#setup;
    const { index } = this.#lookup;
    const range: Range = { low, ...highOf(low) };
    const tree = index === undefined ? compiled.state.rows : index.tree;
    const source = run.reader.scan(tree, range, index?.isUnique === true);
    const found: Uint8Array[] = [];
    for (;;) {
      const batch = yield* source.next(entriesPerBatch);
      if (batch === undefined) return found;
      if (index !== undefined) run.counters.entriesScanned += batch.count;
      for (let row = 0; row < batch.count; row++) {
        found.push(index === undefined ? batch.key(row) : index.primaryKeyOf(batch, row));
      }
    }
  }
}

const entriesPerBatch = 256;
const copyOf = (memory: Uint8Array, at: number, length: number): Uint8Array =>
  memory.slice(at, at + length);

function highOf(low: Uint8Array): { high?: Uint8Array } {
  const high = afterPrefix(low);
  return high === undefined ? {} : { high };
}

function equalityOf({ left, right }: CompiledJoin["pairs"][number]): Test {
  return (frame) => {
    const first = left.evaluate(frame);
    const second = right.evaluate(frame);
    return first !== null && second !== null && nameOf(first) === nameOf(second);
  };
}

function passes(tests: readonly Test[], run: Run): boolean {
  for (let index = 0; index < tests.length; index++) {
    if (tests[index](run.frame) !== true) return false;
  }
  return true;
}
