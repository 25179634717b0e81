/**
 * Goal: what the core judges and gathers over row bytes is what JavaScript does over the rows.
 * Oracle: `filter` and BigInt over the rows as they were inserted.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { runSync } from "../../src/engine/index.ts";
import { add, column, type Expression, open, t } from "../../src/index.ts";
import { compilePredicate } from "../../src/tables/evaluate.ts";
import { programOf } from "../../src/tables/program.ts";
import { StateReader } from "../../src/tables/space.ts";
import { tableInside } from "../../src/tables/table.ts";
import "../seed.ts";

const columns = {
  id: t.integer().primaryKey(),
  small: t.u8(),
  whole: t.integer(),
  signed: t.i64(),
  big: t.u64().notNull(),
  ratio: t.float(),
  isOn: t.boolean(),
  at: t.timestamp(),
  note: t.text(),
};
const names = ["small", "whole", "signed", "big", "ratio", "isOn", "at", "note"] as const;
type Name = (typeof names)[number];

const values: Record<Name, fc.Arbitrary<unknown>> = {
  small: fc.constantFrom(0, 1, 127, 128, 255),
  whole: fc.constantFrom(0, -1, 1, 2 ** 40, -(2 ** 53) + 1, 2 ** 53 - 1),
  signed: fc.constantFrom(0n, -1n, 5n, -(2n ** 63n), 2n ** 63n - 1n),
  big: fc.constantFrom(0n, 1n, 2n ** 63n, 2n ** 64n - 1n),
  ratio: fc.constantFrom(0, -0.5, 0.5, 1e300, -1e-300),
  isOn: fc.boolean(),
  at: fc.constantFrom(new Date(0), new Date(-1), new Date(1e12)),
  note: fc.constantFrom("", "a", "é"),
};
const rowArbitrary = fc.record(
  Object.fromEntries(
    names.map((name) => [
      name,
      name === "big" ? values[name] : fc.option(values[name], { nil: null }),
    ]),
  ),
);
const operators = fc.constantFrom("eq", "ne", "lt", "lte", "gt", "gte");
const comparison = fc.constantFrom(...names).chain((name) =>
  fc.tuple(operators, values[name], fc.boolean()).map(([op, value, isTurned]): Expression => {
    const sides = [column(name), { op: "value", value }] as [Expression, Expression];
    if (isTurned) sides.reverse();
    return { op: op as "eq", left: sides[0], right: sides[1] };
  }),
);
const condition: fc.Arbitrary<Expression> = fc.oneof(
  { weight: 5, arbitrary: comparison },
  fc
    .tuple(fc.constantFrom("isNull" as const, "isNotNull" as const), fc.constantFrom(...names))
    .map(([op, name]): Expression => ({ op, of: column(name) })),
  fc.constant<Expression>(column("isOn")),
  fc.constant<Expression>({ op: "lt", left: column("whole"), right: { op: "value", value: 0.5 } }),
  fc.constant<Expression>({
    op: "between",
    of: column("whole"),
    low: { op: "value", value: -1 },
    high: { op: "value", value: 1 },
  }),
  fc.constant<Expression>({
    op: "gt",
    left: add(column("small"), 1),
    right: { op: "value", value: 2 },
  }),
);
const predicate = fc
  .array(condition, { minLength: 1, maxLength: 4 })
  .map((of): Expression => ({ op: "and", of }));

const gathered = ["small", "whole", "signed", "big", "ratio"] as const;

test("a program gathers and lets through what JavaScript does", { timeout: 60_000 }, async () => {
  const rows = fc.array(rowArbitrary, { minLength: 1, maxLength: 120 });
  await fc.assert(
    fc.asyncProperty(
      rows,
      fc.array(predicate, { minLength: 1, maxLength: 6 }),
      async (all, wheres) => {
        const db = await open("memory:");
        const table = await db.table("numbers", { columns });
        await table.insertMany(all.map((row, id) => ({ ...row, id })) as never);
        const { core, tables } = tableInside(table as never);
        const { state } = core;
        const pin = tables.context.pin();
        const reader = new StateReader(tables.context.engine, pin);
        const stored = table.rowsSync().toArray() as Record<string, unknown>[];
        for (const where of wheres) {
          const isSelected = compilePredicate(where, state.valuesSource);
          const wanted = stored.filter((row) =>
            isSelected(state.columns.map(({ name }) => row[name])),
          );
          const positions = gathered.map((name) => state.column(name).position);
          const part = programOf(state, where, positions);
          if (part === undefined) return expect.unreachable();
          // What comes through is judged again; nothing that is wanted is lost.
          const scanned = reader.scan(state.rows, {}, true, programOf(state, where)?.program);
          const found: unknown[] = [];
          for (;;) {
            const batch = runSync(scanned.next(7));
            if (batch === undefined) break;
            for (let row = 0; row < batch.count; row++) {
              found.push(batch.decode(row, state.codec.decodeRow));
            }
          }
          if (part.rest.length === 0) expect(found).toEqual(wanted);
          else expect(found).toEqual(expect.arrayContaining(wanted));
          if (part.rest.length > 0) continue;
          const result = runSync(reader.fold(state.rows, {}, part.program));
          expect(result?.records).toBe(wanted.length);
          gathered.forEach((name, index) => {
            const numbers = wanted
              .map((row) => row[name])
              .filter((one) => one !== null) as number[];
            const fold = result?.folded[index];
            expect(fold?.count).toBe(numbers.length);
            const sum =
              name === "ratio"
                ? numbers.reduce((left, right) => left + right, 0)
                : numbers.reduce((left, right) => left + BigInt(right), 0n);
            expect(fold?.sum).toBe(sum);
            const sorted = [...numbers].sort((left, right) => (left < right ? -1 : 1));
            const edges = [sorted[0], sorted.at(-1)];
            const exact = edges.map((one) =>
              one === undefined || name === "ratio" ? one : BigInt(one),
            );
            expect([fold?.least, fold?.greatest]).toEqual(exact);
          });
        }
        pin.release();
        await db.close();
      },
    ),
    { numRuns: 80 },
  );
});

test("many pages and ranges are gathered once each, older layouts by the host", async () => {
  const db = await open("memory:");
  const table = await db.table("numbers", {
    columns: { id: t.integer().primaryKey(), amount: t.integer(), note: t.text() },
  });
  const rows = Array.from({ length: 150_000 }, (_, id) => ({ id, amount: id % 1_000, note: "n" }));
  for (let from = 0; from < rows.length; from += 10_000) {
    await table.insertMany(rows.slice(from, from + 10_000));
  }
  const { core, tables } = tableInside(table as never);
  const fold = (range: object) => {
    const { state } = core;
    const part = programOf(state, { op: "lt", left: column("amount"), right: value(500) }, [1]);
    const reader = new StateReader(tables.context.engine, tables.context.pin());
    return part && runSync(reader.fold(state.rows, range, part.program));
  };
  const value = (found: number): Expression => ({ op: "value", value: found });
  const keyOf = (id: number): Uint8Array => core.state.key.encode([id], [0]).slice();
  expect(fold({})).toMatchObject({
    records: 75_000,
    folded: [{ count: 75_000, sum: 150n * ((499n * 500n) / 2n), least: 0n, greatest: 499n }],
  });
  const range = { low: keyOf(499), high: keyOf(140_001), highInclusive: true };
  expect(fold(range)).toMatchObject({ records: 1 + 139 * 500 + 2 });
  expect(fold({ ...range, lowExclusive: true })).toMatchObject({ records: 139 * 500 + 2 });
  expect(fold({ low: keyOf(500), high: keyOf(900) })).toMatchObject({ records: 0 });
  await table.alter({ add: { more: t.text() } });
  expect(fold({})).toBeUndefined();
  await db.close();
});
