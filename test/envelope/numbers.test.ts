/** Numbers in envelopes beside BigInt, at the ends of their ranges, under every policy. */
import { describe, expect, test } from "vitest";
import { CairnError, type NumberPolicies, open, t } from "../../src/index.ts";

const most = 2n ** 256n - 1n;
const edges = [0n, 1n, 2n, 2n ** 64n - 1n, 2n ** 64n, 2n ** 128n, 2n ** 255n, most - 1n, most];
const operations = ["add", "subtract", "max", "min"] as const;
type Operation = (typeof operations)[number];

const policies: NumberPolicies[] = [
  {},
  { onMissing: "reject" },
  { onOverflow: "saturate" },
  { onUnderflow: "noOp" },
  { onMissing: "reject", onOverflow: "saturate", onUnderflow: "noOp" },
  { min: 1n, max: 2n ** 128n },
  { min: 1n, max: 2n ** 128n, onOverflow: "saturate", onUnderflow: "noOp" },
];

interface Expected {
  readonly code?: string;
  readonly value?: bigint | undefined;
  readonly changed?: boolean;
}

/** What AEDB's policies say, over plain BigInts. */
function expectedOf(
  before: bigint | undefined,
  operation: Operation,
  operand: bigint,
  { onMissing, onOverflow, onUnderflow, min = 0n, max = most }: NumberPolicies,
): Expected {
  if (before === undefined && onMissing === "reject") return { code: "key_not_found" };
  const from = before ?? 0n;
  const results = {
    add: from + operand,
    subtract: from - operand,
    max: from > operand ? from : operand,
    min: from < operand ? from : operand,
  };
  const result = results[operation];
  if (result < min) {
    return onUnderflow === "noOp" ? { value: before, changed: false } : { code: "underflow" };
  }
  if (result > max) {
    if (onOverflow !== "saturate") return { code: "overflow" };
    const value = from > max ? from : max;
    return { value, changed: value !== before };
  }
  const isSame = (operation === "max" || operation === "min") && result === before;
  return { value: result, changed: !isSame };
}

describe.each(operations)("%s", (operation) => {
  test.each(policies)("with the policies %o", async (options) => {
    const db = await open("memory:");
    const numbers = await db.keyspace("numbers", { value: "u256" });
    for (const before of [undefined, ...edges]) {
      for (const operand of edges) {
        if (before === undefined) await numbers.delete("n");
        else await numbers.put("n", before);
        const version = await numbers.version("n");
        const expected = expectedOf(before, operation, operand, options);
        const mutation = numbers.mutations[operation]("n", operand, options);
        const where = `${before} ${operation} ${operand}`;
        try {
          const { results, seq } = await db.commit({ mutations: [mutation] });
          expect(expected.code, where).toBeUndefined();
          expect(results[0].changed, where).toBe(expected.changed ? 1 : 0);
          expect(numbers.getSync("n"), where).toBe(expected.value);
          expect(await numbers.version("n"), where).toBe(expected.changed ? seq : version);
        } catch (error) {
          if (!(error instanceof CairnError)) throw error;
          expect(error.code, where).toBe(expected.code);
          expect(numbers.getSync("n"), where).toBe(before);
        }
      }
    }
    await db.close();
  });
});

const columns = {
  u8: { low: 0n, high: 255n, isBig: false },
  integer: { low: -(2n ** 53n) + 1n, high: 2n ** 53n - 1n, isBig: false },
  u64: { low: 0n, high: 2n ** 64n - 1n, isBig: true },
  i64: { low: -(2n ** 63n), high: 2n ** 63n - 1n, isBig: true },
  u256: { low: 0n, high: most, isBig: true },
  i256: { low: -(2n ** 255n), high: 2n ** 255n - 1n, isBig: true },
} as const;

test.each(Object.entries(columns))(
  "a row's %s is added to and taken from within its range, by itself and under an index",
  async (type, { low, high, isBig }) => {
    const db = await open("memory:");
    const name = type as keyof typeof columns;
    const plain = await db.table("plain", {
      columns: { id: t.integer().primaryKey(), number: t[name]().notNull() },
    });
    const indexed = await db.table("indexed", {
      columns: { id: t.integer().primaryKey(), number: t[name]().notNull() },
      indexes: [{ columns: ["number"] }],
    });
    const numberOf = (value: bigint): never => (isBig ? value : Number(value)) as never;
    const values = [low, low + 1n, 0n, 1n, 7n, high - 1n, high];
    for (const before of values) {
      for (const amount of values) {
        for (const isLess of [false, true]) {
          const result = isLess ? before - amount : before + amount;
          for (const table of [plain, indexed]) {
            await table.upsert({ id: 1, number: numberOf(before) });
            const operation = isLess ? "decrement" : "increment";
            const mutation = table.mutations[operation](1, "number", numberOf(amount));
            const where = `${before} ${operation} ${amount}`;
            const code = result < low ? "underflow" : result > high ? "overflow" : undefined;
            try {
              await db.commit({ mutations: [mutation] });
              expect(code, where).toBeUndefined();
              expect(table.getSync(1)?.number, where).toBe(numberOf(result));
            } catch (error) {
              if (!(error instanceof CairnError)) throw error;
              expect(error.code, where).toBe(code);
              expect(table.getSync(1)?.number, where).toBe(numberOf(before));
            }
          }
        }
      }
    }
    const found = await db
      .from(indexed)
      .where({ number: indexed.getSync(1)?.number })
      .all();
    expect(found).toHaveLength(1);
    await db.close();
  },
);
