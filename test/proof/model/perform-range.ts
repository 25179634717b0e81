/** Ranges of keys: what a scan, a count or a group should meet, and what it does. */
import type { Bounds } from "./operation.ts";
import type { Performer } from "./perform.ts";
import type { Shelf } from "./reference.ts";
import { shelfKinds } from "./shelf-kind.ts";

type Visit = "entries" | "keys" | "values";

export class Ranges {
  readonly #performer: Performer;
  /** Numbers of keys, by keyspace and bytes. */
  readonly #numbers: readonly Map<string, number>[];

  constructor(performer: Performer) {
    this.#performer = performer;
    this.#numbers = performer.universes.map(
      ({ bytes }) => new Map(bytes.map((key, number) => [key.toString("latin1"), number])),
    );
  }

  numberOf(shelf: number, key: unknown): number {
    const bytes = typeof key === "string" ? Buffer.from(key) : Buffer.from(key as Uint8Array);
    return this.#numbers[shelf].get(bytes.toString("latin1")) ?? -1;
  }

  options(shelf: number, bounds: Bounds): Record<string, unknown> {
    const { low, lowOpen, high, highOpen, prefix, reverse, limit } = bounds;
    const { keys, prefixes } = this.#performer.universes[shelf];
    const options: Record<string, unknown> = {};
    if (low >= 0) options[lowOpen ? "gt" : "gte"] = keys[low];
    if (high >= 0) options[highOpen ? "lt" : "lte"] = keys[high];
    if (prefix >= 0) options.prefix = prefixes[prefix].key;
    if (reverse) options.reverse = true;
    if (limit >= 0) options.limit = limit;
    return options;
  }

  /** The numbers from the first to before the second. */
  spanOf(shelf: number, { low, lowOpen, high, highOpen, prefix }: Bounds): [number, number] {
    const { keys, prefixes } = this.#performer.universes[shelf];
    let from = low < 0 ? 0 : low + (lowOpen ? 1 : 0);
    let to = high < 0 ? keys.length : high + (highOpen ? 0 : 1);
    if (prefix >= 0) {
      from = Math.max(from, prefixes[prefix].from);
      to = Math.min(to, prefixes[prefix].to);
    }
    return [from, to];
  }

  /** The numbers of the live keys that a visit should meet, in its order. */
  expected(state: Shelf, shelf: number, bounds: Bounds, now: number): number[] {
    const [from, to] = this.spanOf(shelf, bounds);
    const limit = bounds.limit < 0 ? Number.POSITIVE_INFINITY : bounds.limit;
    const found: number[] = [];
    if (bounds.reverse) {
      for (let key = to - 1; key >= from && found.length < limit; key--) {
        if (state.isLive(key, now)) found.push(key);
      }
    } else {
      for (let key = from; key < to && found.length < limit; key++) {
        if (state.isLive(key, now)) found.push(key);
      }
    }
    return found;
  }

  scan(visit: Visit, shelf: number, bounds: Bounds): void | Promise<void> {
    const performer = this.#performer;
    const state = performer.shelf(shelf);
    const options = this.options(shelf, bounds);
    return performer.reading(
      () => this.rowsOf(performer.call(performer.keyspace(shelf), visit, options)),
      (rows) => this.requireRows(visit, shelf, bounds, rows as unknown[], state, performer.now),
    );
  }

  rowsOf(rows: unknown): unknown {
    return (rows as { toArray(): unknown }).toArray();
  }

  requireRows(
    visit: Visit,
    shelf: number,
    bounds: Bounds,
    rows: readonly unknown[],
    state: Shelf,
    now: number,
  ): void {
    if (!shelfKinds[shelf].isOrdered) {
      this.#requireUnordered(visit, shelf, bounds, rows, state, now);
      return;
    }
    const expected = this.expected(state, shelf, bounds, now);
    if (rows.length !== expected.length) {
      this.#performer.fail(`rows of ${visit}`, rows.length, expected.length);
    }
    for (let at = 0; at < expected.length; at++) {
      this.#requireRow(visit, shelf, expected[at], rows[at], state);
    }
  }

  #requireRow(visit: Visit, shelf: number, key: number, row: unknown, state: Shelf): void {
    const performer = this.#performer;
    const { isText, isSame, name } = shelfKinds[shelf];
    if (visit !== "values") {
      const found = visit === "keys" ? row : (row as { key: unknown }).key;
      const expected = performer.universes[shelf].keys[key];
      const isKey = isText
        ? found === expected
        : (expected as Uint8Array).length === (found as Uint8Array).length &&
          performer.universes[shelf].bytes[key].equals(found as Uint8Array);
      if (!isKey) performer.fail(`a key of ${visit} of ${name}`, found, expected);
    }
    if (visit === "keys") return;
    const value = visit === "values" ? row : (row as { value: unknown }).value;
    if (!isSame(state.values[key], value)) {
      performer.fail(`the value of key ${key} in ${visit}`, value, state.values[key]);
    }
  }

  /** Each record once, in any order; with a limit any of them. */
  #requireUnordered(
    visit: Visit,
    shelf: number,
    { limit }: Bounds,
    rows: readonly unknown[],
    state: Shelf,
    now: number,
  ): void {
    const live = state.count(0, state.values.length, now);
    const expected = limit < 0 ? live : Math.min(limit, live);
    if (rows.length !== expected) this.#performer.fail(`rows of ${visit}`, rows.length, expected);
    if (visit === "values") return;
    const seen = new Set<number>();
    for (const row of rows) {
      const key = this.numberOf(shelf, visit === "keys" ? row : (row as { key: unknown }).key);
      if (!state.isLive(key, now) || seen.has(key)) {
        this.#performer.fail(`a row of ${visit}`, key, "a live key, once");
      }
      seen.add(key);
      this.#requireRow(visit, shelf, key, row, state);
    }
  }

  count(shelf: number, bounds: Bounds, exact: boolean): void | Promise<void> {
    const performer = this.#performer;
    const { gt, gte, lt, lte, prefix } = this.options(shelf, bounds);
    const given = { ...(exact ? { exact } : {}), gt, gte, lt, lte, prefix };
    const options = Object.fromEntries(
      Object.entries(given).filter(([, value]) => value !== undefined),
    );
    const state = performer.shelf(shelf);
    return performer.reading(
      () => performer.call(performer.keyspace(shelf), "count", options),
      (found) => {
        const [from, to] = this.spanOf(shelf, bounds);
        const live = state.count(from, to, performer.now);
        // What has expired may or may not have been swept.
        const most = exact ? live : Math.max(0, to - from);
        if (Number(found) < live || Number(found) > most) performer.fail("count", found, live);
      },
    );
  }

  /** Goes through a keyspace with cursors, page by page. */
  pages(shelf: number, limit: number, reverse: boolean): void | Promise<void> {
    const performer = this.#performer;
    const state = performer.shelf(shelf);
    const live = state.count(0, state.values.length, performer.now);
    if (live > 40 * limit) return;
    const all: unknown[] = [];
    const next = (cursor: string | undefined): void | Promise<void> => {
      const options = { limit, reverse, ...(cursor === undefined ? {} : { cursor }) };
      let rows: { cursor: string | undefined } | undefined;
      return performer.reading(
        () => {
          rows = performer.call(performer.keyspace(shelf), "keys", options) as typeof rows;
          return this.rowsOf(rows);
        },
        (found) => {
          const page = found as unknown[];
          all.push(...page);
          if (page.length > 0 && all.length <= live) return next(rows?.cursor);
          const bounds = { ...unbounded, reverse };
          this.requireRows("keys", shelf, bounds, all, state, performer.now);
        },
      );
    };
    return next(undefined);
  }

  group(shelf: number, group: number): void | Promise<void> {
    const performer = this.#performer;
    const { key, from, to } = performer.universes[shelf].groups[group];
    const state = performer.shelf(shelf);
    return performer.reading(
      () => this.rowsOf(performer.call(performer.keyspace(shelf), "group", key)),
      (found) => {
        const rows = found as unknown[];
        const expected: number[] = [];
        for (let at = from; at < to; at++) if (state.isLive(at, performer.now)) expected.push(at);
        if (rows.length !== expected.length) {
          performer.fail(`rows of group ${key}`, rows.length, expected.length);
        }
        for (const [at, number] of expected.entries()) {
          this.#requireRow("entries", shelf, number, rows[at], state);
        }
      },
    );
  }
}

export const unbounded: Bounds = {
  low: -1,
  lowOpen: false,
  high: -1,
  highOpen: false,
  prefix: -1,
  reverse: false,
  limit: -1,
};
