/** Rows in the order that was asked for, where no index has them in it. */

import { CairnError } from "../errors.ts";
import type { Family } from "../tables/inside.ts";
import { type Compare, compareOf, nullsFirst, type ValueKind } from "../tables/inside.ts";
import { type Budget, valueBytes } from "./run.ts";

/** One thing that rows are sorted by. */
export interface SortKey {
  readonly compare: Compare;
  readonly isDescending: boolean;
}

/** How values of a kind are sorted. @throws CairnError `type_mismatch` for json and vectors. */
export function sortKey(kind: ValueKind, isDescending: boolean): SortKey {
  const { family } = kind;
  const compare = family === "null" ? alike : compareOf(family as Family);
  if (compare !== undefined) return { compare: nullsFirst(compare), isDescending };
  throw new CairnError(
    "type_mismatch",
    `Cannot sort by a value of the kind ${family}: it has no order. Sort by something else.`,
    { details: { found: family } },
  );
}

const alike: Compare = () => 0;

/** A row that waits, with what it is sorted by. */
export interface Sorted<Row> {
  readonly keys: readonly unknown[];
  readonly row: Row;
  readonly at: number;
  readonly bytes: number;
}

/** The order of rows; of equal ones the first to come is first. */
function sortOrder(
  sortKeys: readonly SortKey[],
): (left: Sorted<unknown>, right: Sorted<unknown>) => number {
  const order = keysOrder(sortKeys);
  return (left, right) => order(left.keys, right.keys) || left.at - right.at;
}

/** The order of the values that rows are sorted by. */
function keysOrder(
  sortKeys: readonly SortKey[],
): (left: readonly unknown[], right: readonly unknown[]) => number {
  return (left, right) => {
    for (let index = 0; index < sortKeys.length; index++) {
      const { compare, isDescending } = sortKeys[index];
      const order = compare(left[index], right[index]);
      if (order !== 0) return isDescending ? -order : order;
    }
    return 0;
  };
}

/** Keeps all rows, or the first `most` of them in a heap with the last one on top. */
export class Sorter<Row> {
  readonly #order: (left: Sorted<unknown>, right: Sorted<unknown>) => number;
  readonly #keysOrder: (left: readonly unknown[], right: readonly unknown[]) => number;
  readonly #most: number;
  readonly #budget: Budget;
  readonly #rows: Sorted<Row>[] = [];
  #count = 0;

  constructor(sortKeys: readonly SortKey[], most: number, budget: Budget) {
    this.#order = sortOrder(sortKeys);
    this.#keysOrder = keysOrder(sortKeys);
    this.#most = most;
    this.#budget = budget;
  }

  /** `make` is called only for a row that is kept. */
  add(keys: readonly unknown[], make: () => Row): void {
    const at = this.#count++;
    const rows = this.#rows;
    const isFull = rows.length >= this.#most;
    if (isFull && (this.#most === 0 || this.#keysOrder(keys, rows[0].keys) >= 0)) return;
    const row = make();
    let bytes = 64;
    for (const key of keys) bytes += valueBytes(key);
    for (const value of Object.values(row as object)) bytes += valueBytes(value);
    const sorted = { keys, row, at, bytes };
    if (isFull) {
      this.#budget.give(rows[0].bytes);
      this.#budget.take(bytes);
      rows[0] = sorted;
      this.#sink(0);
      return;
    }
    this.#budget.take(bytes);
    rows.push(sorted);
    if (this.#most !== Number.POSITIVE_INFINITY) this.#lift(rows.length - 1);
  }

  /** All rows that are kept, in order. */
  sorted(): Row[] {
    return this.#rows.sort(this.#order).map(({ row }) => row);
  }

  #lift(from: number): void {
    const rows = this.#rows;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#order(rows[at], rows[parent]) <= 0) return;
      [rows[at], rows[parent]] = [rows[parent], rows[at]];
      at = parent;
    }
  }

  #sink(from: number): void {
    const rows = this.#rows;
    let at = from;
    for (;;) {
      let last = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < rows.length && this.#order(rows[child], rows[last]) > 0) last = child;
      }
      if (last === at) return;
      [rows[at], rows[last]] = [rows[last], rows[at]];
      at = last;
    }
  }
}
