import { expect } from "vitest";
import { isAlive, type Model } from "./model.ts";
import type { Row, Store } from "./store.ts";

/** Rows as text, so that differences are shown short. */
function print(rows: readonly (Row | undefined)[]): string[] {
  return rows.map((row) =>
    row === undefined
      ? "-"
      : `${row.key.toString("latin1")}|${row.seq}|${row.expiresAt}|${row.value.length}:` +
        row.value.toString("latin1"),
  );
}

/** Equality with a short message: whole arrays of rows are no help to anybody. */
export function expectRows(
  found: readonly (Row | undefined)[],
  expected: readonly (Row | undefined)[],
  what: string,
): void {
  const left = print(found);
  const right = print(expected);
  const at = right.findIndex((text, index) => text !== left[index]);
  const summary = `${what}: ${left.length} rows, expected ${right.length}`;
  if (at >= 0)
    expect(left[at]?.slice(0, 120), `${summary}; row ${at}`).toBe(right[at].slice(0, 120));
  if (at >= 0) throw new Error(`${summary}; row ${at} differs behind 120 bytes`);
  expect(left.length, summary).toBe(right.length);
}

export interface Reading {
  /** Epoch to read as, 0 for the newest. */
  readonly at: number;
  readonly now: number;
  /** Rows per batch. */
  readonly limit: number;
  /** Keys that the tree may not hold; they are looked up too. */
  readonly absent: readonly Buffer[];
}

/** The tree as epoch `at` sees it equals the model, whichever way one asks. */
export function expectSame(
  store: Store,
  tree: number,
  model: Model,
  options: Partial<Reading> = {},
): void {
  const { at = 0, now = 0, limit = 1000, absent = [] } = options;
  const all = model.sorted();
  const alive = all.filter((row) => isAlive(row, now));
  expect(store.core.treeRecords(tree, at)).toBe(all.length);
  expectRows(store.scan(tree, {}, limit, at, now), alive, "scan");
  expectRows(store.scan(tree, { reverse: true }, limit, at, now), alive.toReversed(), "reverse");
  const keys = [...all.map((row) => row.key), ...absent];
  const answers = keys.map((key) => model.get(key, now));
  expectRows(
    keys.map((key) => store.get(tree, key, at, now)),
    answers,
    "get",
  );
  expectRows(store.getMany(tree, keys, at, now), answers, "getMany");
  expect(store.check(tree, at)).toBe(all.length);
  expect(store.countRange(tree, Buffer.alloc(0), Buffer.alloc(0), at)).toBe(all.length);
}

/**
 * Nothing is lost and nothing is left over: with no pin and an empty reclaim queue, every live page
 * is met on a walk, and no other page is resident.
 */
export function expectNoLeak(store: Store, trees: readonly number[], evicting = false): void {
  const { core } = store;
  store.reclaimAll();
  core.clearSeen();
  for (const tree of trees) store.check(tree);
  for (let blob = 1; blob <= core.currentBlob(); blob++) {
    expect(core.seenPages(blob), `seen pages of blob ${blob}`).toBe(core.livePages(blob));
  }
  if (!evicting) expect(core.residentPages()).toBe(store.livePages());
}
