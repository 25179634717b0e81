/** Goal: numbers change as BigInt says, and where they cannot, as the policies say. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type CairnError,
  type NumberOption,
  type NumberPolicies,
  open,
  type TransactionKeyspace,
} from "../../src/index.ts";
import "../seed.ts";
import { fails } from "./fails.ts";
import { TestClock } from "./places.ts";

const limits: Readonly<Record<NumberOption, [bigint, bigint]>> = {
  u64: [0n, 18_446_744_073_709_551_615n],
  i64: [-9_223_372_036_854_775_808n, 9_223_372_036_854_775_807n],
  u256: [0n, BigInt(`0x${"f".repeat(64)}`)],
};
const operations = ["add", "subtract", "max", "min"] as const;
type Operation = (typeof operations)[number];

function numbersOf(type: NumberOption): fc.Arbitrary<bigint> {
  const [low, high] = limits[type];
  const edges = [low, low + 1n, -1n, 0n, 1n, 2n, high / 2n, high - 1n, high];
  const within = edges.filter((edge) => edge >= low && edge <= high);
  return fc.oneof(fc.constantFrom(...within), fc.bigInt({ min: low, max: high }));
}

/** What the documentation says, in BigInt: the number afterwards, or the error. */
function expected(
  type: NumberOption,
  before: bigint | undefined,
  [operation, operand, policies]: [Operation, bigint, NumberPolicies],
): { value: bigint; changed: boolean } | string {
  if (before === undefined && policies.onMissing === "reject") return "key_not_found";
  const from = before ?? 0n;
  const least = policies.min ?? limits[type][0];
  const most = policies.max ?? limits[type][1];
  const sums = { add: from + operand, subtract: from - operand, max: from, min: from };
  if (operand > from) sums.max = operand;
  if (operand < from) sums.min = operand;
  const value = sums[operation];
  if (value < least) {
    return policies.onUnderflow === "noOp" ? { value: from, changed: false } : "underflow";
  }
  if (value > most) {
    if (policies.onOverflow !== "saturate") return "overflow";
    const kept = from > most ? from : most;
    return { value: kept, changed: kept !== before };
  }
  const keeps = (operation === "max" || operation === "min") && value === before;
  return { value, changed: !keeps };
}

const policiesOf = (type: NumberOption): fc.Arbitrary<NumberPolicies> =>
  fc
    .record(
      {
        onMissing: fc.constantFrom("treatAsZero" as const, "reject" as const),
        onOverflow: fc.constantFrom("reject" as const, "saturate" as const),
        onUnderflow: fc.constantFrom("reject" as const, "noOp" as const),
        min: numbersOf(type),
        max: numbersOf(type),
      },
      { requiredKeys: [] },
    )
    .filter(({ min, max }) => min === undefined || max === undefined || min <= max);

describe.each(["u64", "i64", "u256"] as const)("numbers of type %s", (type) => {
  const [low, high] = limits[type];

  test("change as BigInt says", { timeout: 60_000 }, async () => {
    const db = await open("memory:");
    const numbers = await db.keyspace("numbers", { value: type });
    const change = fc.tuple(fc.constantFrom(...operations), numbersOf(type), policiesOf(type));
    const start = fc.option(numbersOf(type), { nil: undefined });
    await fc.assert(
      fc.asyncProperty(
        start,
        fc.array(change, { minLength: 1, maxLength: 4 }),
        async (from, all) => {
          let value = from;
          if (from === undefined) await numbers.delete("n");
          else await numbers.put("n", from);
          for (const one of all) {
            const wanted = expected(type, value, one);
            const [operation, operand, policies] = one;
            const newest = db.stats().seq;
            const done = numbers[operation]("n", operand, policies);
            if (typeof wanted === "string") {
              await fails(wanted as CairnError["code"], () => done);
            } else {
              expect(await done).toMatchObject({ ...wanted, previous: value });
              if (wanted.changed) value = wanted.value;
              expect(db.stats().seq).toBe(wanted.changed ? newest + 1n : newest);
            }
            expect(numbers.getSync("n")).toBe(value);
          }
        },
      ),
      { numRuns: 300 },
    );
    await db.close();
  });

  test("are bigints within their range", async () => {
    const db = await open("memory:");
    const numbers = await db.keyspace("numbers", { value: type });
    await numbers.put("low", low);
    await numbers.put("high", high);
    expect(await numbers.values().toArray()).toEqual([high, low]);
    await fails("value_invalid", () => numbers.put("n", high + 1n));
    await fails("value_invalid", () => numbers.put("n", low - 1n));
    await fails("value_invalid", () => numbers.add("n", 1 as never));
    await fails("value_invalid", () => numbers.add("n", high + 1n));
    await fails("argument_invalid", () => numbers.add("n", 1n, { min: 2n, max: 1n }));
    await fails("argument_invalid", () => numbers.add("n", 1n, { onMissing: "ignore" as never }));
    await fails("option_unknown", () => numbers.add("n", 1n, { ifMissing: 1 } as never));
    await db.close();
  });
});

test("changes that run at once lose nothing, and a transaction's are all or none", async () => {
  const db = await open("memory:");
  const numbers = await db.keyspace("numbers", { value: "u256" });
  await Promise.all(Array.from({ length: 64 }, () => numbers.add("n", 10n ** 30n)));
  expect(numbers.getSync("n")).toBe(64n * 10n ** 30n);
  const move = async (inside: TransactionKeyspace<string, bigint>, amount: bigint) => {
    await inside.add("other", amount);
    await inside.subtract("n", amount);
  };
  await db.transaction((tx) => move(tx.keyspace(numbers), 4n * 10n ** 30n));
  await fails("underflow", () => db.transaction((tx) => move(tx.keyspace(numbers), 10n ** 40n)));
  expect([numbers.getSync("n"), numbers.getSync("other")]).toEqual([
    60n * 10n ** 30n,
    4n * 10n ** 30n,
  ]);
  db.transactionSync((tx) => void tx.keyspace(numbers).addSync("n", 1n));
  expect(numbers.subtractSync("n", 1n).value).toBe(60n * 10n ** 30n);
  await db.close();
});

test("a record keeps its expiry when its number changes", async () => {
  const clock = new TestClock();
  const db = await open("memory:", { clock: clock.now });
  const numbers = await db.keyspace("numbers", { value: "u64", ttl: 10_000 });
  await numbers.add("n", 1n);
  clock.advance(6_000);
  await numbers.add("n", 1n);
  expect(await numbers.ttl("n")).toBe(4_000);
  clock.advance(5_000);
  expect(await numbers.add("n", 5n)).toMatchObject({ value: 5n, previous: undefined });
  await db.close();
});

test("keyspaces of other values have no numbers", async () => {
  const db = await open("memory:");
  const texts = await db.keyspace("texts", { value: "utf8" });
  await fails("argument_invalid", () => texts.add.call(texts as never, "n", 1n));
  await fails("keyspace_exists", () => db.keyspace("texts", { value: "u64" }));
  await db.close();
});
