/**
 * The checkers themselves: they reject what was made to be rejected, accept what really is
 * serializable, and find what is done to it.
 */
import { describe, expect, test } from "vitest";
import { Random } from "../../storage/random.ts";
import { callHistories, listHistories } from "./anomalies.ts";
import type { Append, Call, Read, Transaction } from "./history.ts";
import { checkRegisters } from "./linearizable.ts";
import { checkLists } from "./list-append.ts";

describe("of lists", () => {
  test.each(listHistories)("$name", ({ transactions, level, anomaly }) => {
    const names = checkLists(transactions, level).anomalies.map(({ name }) => name);
    if (anomaly === undefined) expect(names).toEqual([]);
    else expect(names).toContain(anomaly);
  });

  test("at least a dozen histories are rejected", () => {
    expect(listHistories.filter(({ anomaly }) => anomaly !== undefined).length).toBeGreaterThan(11);
  });

  /** Transactions that take effect at one moment each, somewhere between begin and end. */
  function serial(seed: number): Transaction[] {
    const random = new Random(seed);
    const lists = new Map<number, number[]>();
    const transactions: Transaction[] = [];
    let value = 0;
    for (let moment = 0; moment < 200; moment++) {
      const steps: (Append | Read)[] = [];
      const status = random.pick(["ok", "ok", "ok", "ok", "fail", "unknown"] as const);
      const isDone = status === "ok" || (status === "unknown" && random.chance(0.5));
      const inside = new Map([...lists].map(([key, list]) => [key, [...list]]));
      for (let left = 1 + random.integer(4); left > 0; left--) {
        const key = random.integer(5);
        const list = inside.get(key) ?? [];
        inside.set(key, list);
        if (random.chance(0.5)) steps.push({ kind: "read", key, list: [...list] });
        else {
          list.push(++value);
          steps.push({ kind: "append", key, value });
        }
      }
      if (isDone) for (const [key, list] of inside) lists.set(key, list);
      const begin = moment * 10 - random.integer(60);
      const end = status === "ok" ? moment * 10 + random.integer(60) + 1 : Number.POSITIVE_INFINITY;
      transactions.push({ client: 0, begin, end, status, steps });
    }
    return transactions.sort(() => random.fraction() - 0.5);
  }

  test.each(Array.from({ length: 60 }, (_, seed) => seed))("serial history %i", (seed) => {
    const transactions = serial(seed);
    expect(checkLists(transactions, "serializable").anomalies).toEqual([]);
    expect(checkLists(transactions, "snapshot").writeSkews).toBe(0);
  });

  test("a read that was changed is found nearly always", () => {
    let found = 0;
    let changed = 0;
    for (let seed = 0; seed < 200; seed++) {
      const random = new Random(seed);
      const transactions = serial(seed);
      const reads = transactions.flatMap(({ steps, status }) =>
        status === "ok" ? steps.filter((step) => step.kind === "read" && step.list.length > 1) : [],
      ) as { list: number[] }[];
      if (reads.length === 0) continue;
      const read = random.pick(reads);
      // One value less, at its end or anywhere else.
      read.list.splice(random.pick([read.list.length - 1, random.integer(read.list.length)]), 1);
      changed++;
      if (checkLists(transactions, "serializable").anomalies.length > 0) found++;
    }
    // A read may have been early enough that the shorter list was right as well.
    expect(found / changed).toBeGreaterThan(0.8);
  });
});

describe("of registers", () => {
  test.each(callHistories)("$name", ({ calls, isRight }) => {
    expect(checkRegisters(calls).length === 0).toBe(isRight);
  });

  /** Calls that take effect at one moment each. */
  function atomic(seed: number): Call[] {
    const random = new Random(seed);
    const values = new Map<number, number>();
    return Array.from({ length: 300 }, (_, moment) => {
      const key = random.integer(3);
      const kind = random.pick(["read", "read", "write", "delete"] as const);
      const before = values.get(key) ?? 0;
      const written = moment + 1;
      if (kind !== "read") values.set(key, kind === "write" ? written : 0);
      const value = kind === "read" ? before : kind === "write" ? written : Math.sign(before);
      const begin = moment * 10 - random.integer(50);
      return { kind, key, value, begin, end: moment * 10 + 1 + random.integer(50), status: "ok" };
    });
  }

  test.each(Array.from({ length: 60 }, (_, seed) => seed))("atomic history %i", (seed) => {
    expect(checkRegisters(atomic(seed))).toEqual([]);
  });

  /** All orders that times allow, one after the other: slow, and plain to see that it is right. */
  function hasOrder(calls: readonly Call[], value = 0): boolean {
    if (calls.length === 0) return true;
    const firstEnd = Math.min(...calls.map(({ end }) => end));
    return calls.some((call) => {
      if (call.begin > firstEnd) return false;
      if (call.kind === "read" && call.value !== value) return false;
      if (call.kind === "delete" && (call.value === 1) !== (value !== 0)) return false;
      const after = call.kind === "read" ? value : call.kind === "write" ? call.value : 0;
      return hasOrder(
        calls.filter((other) => other !== call),
        after,
      );
    });
  }

  test("says what trying all orders says", () => {
    let right = 0;
    for (let seed = 0; seed < 4_000; seed++) {
      const random = new Random(seed);
      const calls: Call[] = Array.from({ length: 1 + random.integer(6) }, () => {
        const kind = random.pick(["read", "read", "write", "delete"] as const);
        const value =
          kind === "delete" ? random.integer(2) : random.integer(3) + Number(kind === "write");
        const begin = random.fraction() * 10;
        return { kind, key: 0, value, begin, end: begin + random.fraction() * 5, status: "ok" };
      });
      const expected = hasOrder(calls);
      if (expected) right++;
      expect({ seed, isRight: checkRegisters(calls).length === 0 }).toEqual({
        seed,
        isRight: expected,
      });
    }
    expect(right).toBeGreaterThan(200);
  });
});
