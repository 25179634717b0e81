/**
 * Goal: serializable transactions are as if they had run one after the other.
 * Method: many run at once over few keys, reading points and ranges and writing what depends on
 * them, with pauses between. Each also puts a record of its own, whose seq is its place in the
 * order of commits. Run again in that order over a Map, every read must have found what it found.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Database, Keyspace, TransactionKeyspace } from "../../src/index.ts";
import { coreOf } from "../../src/kv/keyspace.ts";
import { memoryPlace, slowPlace, withDatabase } from "../kv/places.ts";

type Step =
  | { readonly type: "get"; readonly key: string }
  | {
      readonly type: "range";
      readonly low: string;
      readonly limit: number;
      readonly reverse: boolean;
    }
  | { readonly type: "put"; readonly key: string }
  | { readonly type: "delete"; readonly key: string }
  | { readonly type: "pause"; readonly turns: number };

interface Done {
  readonly steps: readonly Step[];
  readonly found: unknown[];
}

const key = fc.constantFrom("a", "b", "c", "d", "e");
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant("get" as const), key }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("range" as const),
      low: key,
      limit: fc.integer({ min: 1, max: 4 }),
      reverse: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("put" as const), key }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("delete" as const), key }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("pause" as const), turns: fc.nat(3) }) },
);

/** What a transaction has seen so far, as a number to put. */
const digest = (found: readonly unknown[]): number => {
  let sum = 17;
  for (const character of JSON.stringify(found)) sum = (sum * 31 + character.charCodeAt(0)) % 1e9;
  return sum;
};

async function runSteps(
  inside: TransactionKeyspace<string, number>,
  steps: readonly Step[],
): Promise<unknown[]> {
  const found: unknown[] = [];
  for (const next of steps) {
    if (next.type === "get") found.push((await inside.get(next.key)) ?? null);
    else if (next.type === "range") {
      const { low, limit, reverse } = next;
      const bound = reverse ? { lte: low } : { gte: low };
      found.push(await inside.entries({ ...bound, lt: "m", limit, reverse }).toArray());
    } else if (next.type === "put") inside.put(next.key, digest(found));
    else if (next.type === "delete") found.push(await inside.delete(next.key));
    else {
      for (let turn = 0; turn < next.turns; turn++) {
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }
  return found;
}

/** The same over a Map. */
function replay(state: Map<string, number>, steps: readonly Step[]): unknown[] {
  const found: unknown[] = [];
  for (const next of steps) {
    if (next.type === "get") found.push(state.get(next.key) ?? null);
    else if (next.type === "range") {
      const inRange = [...state]
        .map(([name, value]) => ({ key: name, value }))
        .filter((entry) => (next.reverse ? entry.key <= next.low : entry.key >= next.low))
        .sort((left, right) => (left.key < right.key ? -1 : 1));
      if (next.reverse) inRange.reverse();
      found.push(inRange.slice(0, next.limit));
    } else if (next.type === "put") state.set(next.key, digest(found));
    else if (next.type === "delete") found.push(state.delete(next.key));
  }
  return found;
}

async function runAll(
  db: Database,
  kv: Keyspace<string, number>,
  all: readonly (readonly Step[])[],
): Promise<Map<number, Done>> {
  const done = new Map<number, Done>();
  await Promise.all(
    all.map(async (steps, index) => {
      let found: unknown[] = [];
      await db.transaction(
        async (tx) => {
          const inside = tx.keyspace(kv);
          found = await runSteps(inside, steps);
          inside.put(`own ${index}`, index);
        },
        { isolation: "serializable", retries: 100 },
      );
      const { context, tree } = coreOf(kv);
      const seq = await context.engine.read(
        tree.id,
        `own ${index}`,
        undefined,
        0,
        (_memory, _at, _length, record) => record.seq,
      );
      done.set(seq ?? 0, { steps, found });
    }),
  );
  return done;
}

for (const kind of [memoryPlace, slowPlace]) {
  test(`concurrent transactions read what one order of them explains, over ${kind.name}`, () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { minLength: 2, maxLength: 8, size: "max" }), {
          minLength: 8,
          maxLength: 24,
          size: "max",
        }),
        (all) =>
          withDatabase(kind, async (db) => {
            const kv = await db.keyspace<number>("a");
            const done = await runAll(db, kv, all);
            expect(done.size).toBe(all.length);
            const state = new Map<string, number>();
            const inOrder = [...done].sort(([left], [right]) => left - right);
            for (const [, { steps, found }] of inOrder) {
              expect(found).toEqual(replay(state, steps));
            }
            expect(await kv.entries({ lt: "m" }).toArray()).toEqual(
              [...state]
                .map(([name, value]) => ({ key: name, value }))
                .sort((left, right) => (left.key < right.key ? -1 : 1)),
            );
          }),
      ),
      { numRuns: kind === memoryPlace ? 60 : 25 },
    ));
}
