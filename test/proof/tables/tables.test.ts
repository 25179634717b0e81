/** The part `tables` as far as `npm test` goes, and what shows that it could fail. */
import { expect, test } from "vitest";
import { CommitWriter, TransactionWriter } from "../../../src/tables/space.ts";
import { ReadSet } from "../../../src/transaction/read-set.ts";
import { FaultStorage } from "../../storage/fault-storage.ts";
import type { Level } from "../isolation/list-append.ts";
import { run } from "../parts/tables.ts";
import { perform } from "./episode.ts";

/** `TABLES_TRANSACTIONS=100000 TABLES_SEED=7` before the command does more. */
const transactions = Number(process.env.TABLES_TRANSACTIONS ?? 1_000);
const seed = Number(process.env.TABLES_SEED ?? 1);
/** Of the storage calls of a small episode, one in so many is crashed at. */
const stride = Number(process.env.TABLES_CRASH_STRIDE ?? 3);
const clock = (): number => performance.now() / 1000;
const timeout = 3_600_000;

test("what many clients of tables see has no anomalies", { timeout }, async () => {
  const result = await run({ seed, count: transactions, clock });
  expect(result.failures).toEqual([]);
  expect(result.failed).toBe(0);
  expect(result.counts.transactions).toBeGreaterThanOrEqual(transactions);
  expect(result.counts.crashes).toBeGreaterThan(0);
  expect(result.counts.writeSkews).toBeGreaterThan(0);
  console.log(`tables: ${JSON.stringify(result.counts)}`);
});

test("whatever storage call the process dies in, rows and entries agree", { timeout }, async () => {
  const few = { seed: 3, clients: 6, units: 4 };
  const { storageCalls, anomalies } = await perform({ ...few, crashAt: 0 });
  expect(anomalies).toEqual([]);
  let crashes = 0;
  for (let crashAt = 1; crashAt < storageCalls; crashAt += stride) {
    const outcome = await perform({ ...few, crashAt });
    expect(outcome.anomalies, `at ${crashAt}`).toEqual([]);
    crashes += outcome.crashes;
  }
  expect(crashes).toBeGreaterThan(0);
});

test("a seed decides everything that happens", { timeout }, async () => {
  const few = { seed: 5, clients: 16, units: 4 };
  expect((await perform(few)).history()).toBe((await perform(few)).history());
});

type Method = (...given: never[]) => unknown;
type Prototype = Record<string, Method>;

/** The names of what is found, when methods are put in the place of others. */
async function withMistake(
  targets: readonly object[],
  method: string,
  mistake: (original: Method) => Method,
  level?: Level,
): Promise<string[]> {
  const originals = targets.map((target) => (target as Prototype)[method]);
  for (const [at, target] of targets.entries()) {
    (target as Prototype)[method] = mistake(originals[at]);
  }
  try {
    for (let episode = 1; episode <= 12; episode++) {
      // A fault that makes a client fail is noticed, too.
      const found = await perform({ seed: episode, level }).then(
        ({ anomalies }) => anomalies.map(({ name, message }) => `${name}: ${message}`),
        (error: unknown) => [`error: ${String(error)}`],
      );
      if (found.length > 0) return found;
    }
    return [];
  } finally {
    for (const [at, target] of targets.entries()) (target as Prototype)[method] = originals[at];
  }
}

const isIndex = (writer: unknown, tree: { readonly id: number }): boolean =>
  (writer as CommitWriter).engine.tree(tree.id)?.descriptor.type === "index";

test("entries that stay when their rows go are noticed", { timeout }, async () => {
  const found = await withMistake([CommitWriter.prototype], "delete", (original) => {
    return function (this: unknown, ...given) {
      return isIndex(this, given[0]) ? undefined : original.apply(this, given);
    };
  });
  expect(found.join()).toMatch(/entries without a row|unique/);
});

test("references that nobody looks at again are noticed", { timeout }, async () => {
  const found = await withMistake(
    [TransactionWriter.prototype],
    "checked",
    () =>
      function (this: unknown) {
        return this;
      },
    "snapshot",
  );
  expect(found.join()).toMatch(/rows that refer to nothing/);
});

test("statements that leave half of themselves behind are noticed", { timeout }, async () => {
  const found = await withMistake([TransactionWriter.prototype], "put", (original) => {
    return function (this: unknown, ...given) {
      original.apply(this, given);
      (this as TransactionWriter).flush();
    };
  });
  expect(found.length).toBeGreaterThan(0);
});

test("write skew is noticed when nobody looks at what was read", { timeout }, async () => {
  const found = await withMistake(
    [ReadSet.prototype],
    "isCurrent",
    () =>
      function* () {
        yield* [];
        return true;
      },
    "serializable",
  );
  expect(found.length).toBeGreaterThan(0);
});

test("commits that do not survive a crash are noticed", { timeout }, async () => {
  const found = await withMistake([FaultStorage.prototype], "survivors", (original) => {
    return function (this: unknown, ...given) {
      const medium = original.apply(this, given) as { segments: Map<number, Uint8Array> };
      // The last frames, as if they had never been synced; a segment made ahead has none.
      const written = [...medium.segments.values()].filter((bytes) =>
        bytes.some((byte) => byte > 0),
      );
      const last = written.at(-1);
      const end = last?.findLastIndex((byte) => byte !== 0) ?? 0;
      last?.fill(0, Math.max(5_000, end - 8_000));
      return medium;
    };
  });
  expect(found.length).toBeGreaterThan(0);
});
