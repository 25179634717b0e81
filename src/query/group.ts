/** Groups of rows, and rows that are told apart: by names, which equal values share. */
import { CairnError } from "../errors.ts";
import { type Evaluator, nameOf, type ValueKind } from "../tables/inside.ts";
import type { Accumulator, AggregateMaker } from "./accumulate.ts";
import type { Frame } from "./frame.ts";
import type { Aggregate } from "./resolve.ts";
import { type Budget, type Push, type Run, valueBytes } from "./run.ts";
import type { Test } from "./scan.ts";

/** Refuses what equality does not know: `type_mismatch`. */
export function requireNamed({ family }: ValueKind, what: string): void {
  if (family !== "json" && family !== "vector") return;
  throw new CairnError(
    "type_mismatch",
    `Cannot ${what} a value of the kind ${family}: such values do not compare. Use another column.`,
    { details: { found: family } },
  );
}

/** One name for all values together. */
export function nameOfAll(values: readonly unknown[]): unknown {
  if (values.length === 1) return nameOf(values[0]);
  let name = "";
  for (const value of values) {
    const part = nameOf(value);
    name += typeof part === "string" ? `${part.length}:${part};` : `${String(part)};`;
  }
  return name;
}

/** What the groups of a query are made of. */
export interface Grouping {
  readonly keys: readonly Evaluator<Frame>[];
  /** `of` is undefined where rows are counted. */
  readonly aggregates: readonly {
    readonly of: Evaluator<Frame> | undefined;
    readonly maker: AggregateMaker;
    readonly node: Aggregate;
  }[];
  readonly having: readonly Test[];
  /** The joined table that all keys are of; undefined where there is not one. */
  readonly source: number | undefined;
}

interface Group {
  readonly keys: readonly unknown[];
  readonly accumulators: readonly Accumulator[];
}

export class Groups {
  readonly #run: Run;
  readonly #grouping: Grouping;
  readonly #groups: Map<unknown, Group> = new Map();
  /** The only one, where there are no keys. */
  #all: Group | undefined;
  /** Groups by the row of the joined table that their keys are of. */
  readonly #byRow: (Group | undefined)[] = [];

  constructor(run: Run, grouping: Grouping) {
    this.#run = run;
    this.#grouping = grouping;
    // Without keys there is one group, even of no rows.
    if (grouping.keys.length === 0) this.#all = this.#make([]);
  }

  /** Adds the row in the frame to its group. */
  readonly take: Push = () => {
    const { frame } = this.#run;
    const { aggregates } = this.#grouping;
    const { accumulators } = this.#all ?? this.#groupOf(frame);
    for (let index = 0; index < aggregates.length; index++) {
      const { of } = aggregates[index];
      const value = of === undefined ? true : of.evaluate(frame);
      if (value !== null) accumulators[index].add(value);
    }
  };

  #groupOf(frame: Frame): Group {
    const { source } = this.#grouping;
    if (source === undefined) return this.#find(frame);
    const cell = frame.cells[source];
    if (cell.kept === undefined || cell.at < 0) return this.#find(frame);
    const known = this.#byRow[cell.row];
    if (known !== undefined) return known;
    const group = this.#find(frame);
    this.#byRow[cell.row] = group;
    return group;
  }

  #find(frame: Frame): Group {
    const keys = this.#grouping.keys.map(({ evaluate }) => evaluate(frame));
    const name = nameOfAll(keys);
    let group = this.#groups.get(name);
    if (group === undefined) {
      let bytes = 128 + 64 * this.#grouping.aggregates.length;
      for (const key of keys) bytes += valueBytes(key);
      this.#run.budget.take(bytes);
      group = this.#make(keys);
      this.#groups.set(name, group);
    }
    return group;
  }

  #make(keys: readonly unknown[]): Group {
    const { budget } = this.#run;
    return { keys, accumulators: this.#grouping.aggregates.map(({ maker }) => maker.make(budget)) };
  }

  /** Pushes the only group, with values that were gathered otherwise. */
  finishWith(values: readonly unknown[], push: Push): void {
    const run = this.#run;
    run.frame.values = values;
    if (this.#grouping.having.every((test) => test(run.frame) === true)) push();
  }

  /** Pushes the groups, those that came first first. */
  finish(push: Push): void {
    const run = this.#run;
    const { having } = this.#grouping;
    const groups = this.#all === undefined ? this.#groups.values() : [this.#all];
    for (const { keys, accumulators } of groups) {
      if (run.isDone) return;
      run.frame.values = [...keys, ...accumulators.map((one) => one.result())];
      if (having.every((test) => test(run.frame) === true)) push();
    }
  }
}

/** Lets each different row pass once. */
export class Distinct {
  readonly #names: Set<unknown> = new Set();
  readonly #budget: Budget;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  isNew(values: readonly unknown[]): boolean {
    const name = nameOfAll(values);
    if (this.#names.has(name)) return false;
    this.#names.add(name);
    this.#budget.take(48 + valueBytes(name));
    return true;
  }
}
