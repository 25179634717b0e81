/** The part `isolation` as far as `npm test` goes, and what shows that it could fail. */
import { expect, test } from "vitest";
import { Snapshots } from "../../../src/engine/snapshots.ts";
import { ReadSet } from "../../../src/transaction/read-set.ts";
import { FaultStorage } from "../../storage/fault-storage.ts";
import { run } from "../parts/isolation.ts";
import { perform } from "./episode.ts";
import type { Level } from "./list-append.ts";

/** `ISOLATION_TRANSACTIONS=300000 ISOLATION_SEED=7` before the command does more. */
const transactions = Number(process.env.ISOLATION_TRANSACTIONS ?? 50_000);
const seed = Number(process.env.ISOLATION_SEED ?? 1);
const clock = (): number => performance.now() / 1000;
const timeout = 3_600_000;

test("what many clients at once see has no anomalies", { timeout }, async () => {
  const result = await run({ seed, count: transactions, clock });
  expect(result.failures).toEqual([]);
  expect(result.failed).toBe(0);
  expect(result.counts.transactions).toBeGreaterThanOrEqual(transactions);
  expect(result.counts.crashes).toBeGreaterThan(0);
  // The checker can see cycles: snapshot isolation has those that are called write skew.
  expect(result.counts.writeSkews).toBeGreaterThan(0);
  console.log(`isolation: ${JSON.stringify(result.counts)}`);
});

test("a seed decides everything that happens", { timeout }, async () => {
  for (let episode = 1; episode <= 6; episode++) {
    const first = await perform({ seed: episode });
    const second = await perform({ seed: episode });
    expect(second.history()).toBe(first.history());
  }
});

test("serializable transactions have no write skew where snapshot ones have some", async () => {
  let skews = 0;
  for (let episode = 1; episode <= 6; episode++) {
    skews += (await perform({ seed: episode, level: "snapshot" })).writeSkews;
    expect((await perform({ seed: episode, level: "serializable" })).writeSkews).toBe(0);
  }
  expect(skews).toBeGreaterThan(0);
});

type Prototype = Record<string, (...given: never[]) => unknown>;

/** The anomalies of some episodes when a method is put in another's place. */
async function withMistake(
  target: object,
  method: string,
  mistake: (original: (...given: never[]) => unknown) => (...given: never[]) => unknown,
  level?: Level,
): Promise<string[]> {
  const prototype = target as Prototype;
  const original = prototype[method];
  prototype[method] = mistake(original);
  const names = new Set<string>();
  try {
    for (let episode = 1; episode <= 12; episode++) {
      const { anomalies } = await perform({ seed: episode, level });
      for (const { name } of anomalies) names.add(name);
    }
  } finally {
    prototype[method] = original;
  }
  return [...names];
}

test("write skew is noticed when nobody looks at what was read", { timeout }, async () => {
  const names = await withMistake(
    ReadSet.prototype,
    "isCurrent",
    () =>
      function* () {
        yield* [];
        return true;
      },
    "serializable",
  );
  expect(names).toContain("G2");
});

test("snapshots that do not stay as they are are noticed", { timeout }, async () => {
  const names = await withMistake(Snapshots.prototype, "use", (original) => {
    return function (this: unknown, ...given) {
      original.apply(this, given);
      // The newest state of all.
      return 0;
    };
  });
  expect(names.length).toBeGreaterThan(0);
});

test("commits that do not survive a crash are noticed", { timeout }, async () => {
  const names = await withMistake(FaultStorage.prototype, "survivors", (original) => {
    return function (this: unknown, ...given) {
      const medium = original.apply(this, given) as { segments: Map<number, Uint8Array> };
      // The last frames, as if they had never been synced.
      const last = medium.segments.get(Math.max(...medium.segments.keys()));
      const end = last?.findLastIndex((byte) => byte !== 0) ?? 0;
      last?.fill(0, Math.max(5_000, end - 1_500));
      return medium;
    };
  });
  expect(names.length).toBeGreaterThan(0);
});
