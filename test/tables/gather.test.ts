/**
 * Goal: columns gathered by the core, and rows that an index leads to, are those of the rows.
 * Oracle: the rows as they were inserted, filtered and sorted in JavaScript.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Range, runSync } from "../../src/engine/index.ts";
import { type Database, type Expression, open, t } from "../../src/index.ts";
import { type Gatherer, gathererOf, readerOfGathered } from "../../src/tables/gather.ts";
import { StateReader } from "../../src/tables/space.ts";
import type { TableState } from "../../src/tables/state.ts";
import { tableInside } from "../../src/tables/table.ts";
import "../seed.ts";

type Row = Record<string, unknown>;

const values: Record<string, fc.Arbitrary<unknown>> = {
  whole: fc.maxSafeInteger(),
  ratio: fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
  signed: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  big: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  small: fc.integer({ min: 0, max: 255 }),
  isOn: fc.boolean(),
  at: fc.date({ min: new Date(-1e12), max: new Date(1e13), noInvalidDate: true }),
  note: fc.constantFrom("", "a", "é", "x".repeat(300)),
  bytes: fc.uint8Array({ maxLength: 20 }),
};
const names = Object.keys(values);
const rowArbitrary = fc.record(
  Object.fromEntries(names.map((name) => [name, fc.option(values[name], { nil: null })])),
);

async function tableOf(db: Database, indexes: { columns: string[]; kind?: "hashed" }[] = []) {
  const table = await db.table("things", {
    columns: {
      id: t.integer().primaryKey(),
      whole: t.integer(),
      ratio: t.float(),
      signed: t.i64(),
      big: t.u64(),
      small: t.u8(),
      isOn: t.boolean(),
      at: t.timestamp(),
      note: t.text(),
      bytes: t.blob(),
    },
    indexes,
  });
  const { core, tables } = tableInside(table as never);
  return { table, core, reader: new StateReader(tables.context.engine, undefined) };
}

/** All rows of a range as objects of the columns; undefined where the core cannot. */
function gathered(
  reader: StateReader,
  state: TableState,
  gatherer: Gatherer,
  positions: readonly number[],
  range: Range,
): { rows: Row[]; batches: number } | undefined {
  const rows: Row[] = [];
  let rest: Range | undefined = range;
  let batches = 0;
  while (rest !== undefined) {
    const found = runSync(reader.gather(state.rows, rest, gatherer.gathering, gatherer.decode));
    if (found === undefined) return undefined;
    batches++;
    for (let row = 0; row < found.value; row++) {
      const one: Row = {};
      for (const position of positions) {
        const { name, type } = state.columns[position];
        const column = gatherer.columns[position];
        const read = readerOfGathered(type);
        if (column === undefined || read === undefined) throw new Error(`${name} is missing`);
        one[name] = (column.nulls[row] & column.bit) === 0 ? read(column, row) : null;
      }
      rows.push(one);
    }
    const { resume } = found;
    rest = resume === undefined ? undefined : { ...rest, low: resume, lowExclusive: true };
  }
  return { rows, batches };
}

test("gathered columns hold what was inserted, whichever are asked for", async () => {
  const subset = fc.shuffledSubarray(["id", ...names], { minLength: 0 });
  const rows = fc.array(rowArbitrary, { maxLength: 150 });
  await fc.assert(
    fc.asyncProperty(rows, subset, fc.option(fc.nat(255)), async (all, wanted, least) => {
      const db = await open("memory:");
      const { table, core, reader } = await tableOf(db);
      const inserted = all.map((row, id): Row => ({ id, ...row }));
      await table.insertMany(inserted as never);
      const { state } = core;
      const where: Expression | undefined =
        least === null
          ? undefined
          : {
              op: "gte",
              left: { op: "column", name: "small" },
              right: { op: "value", value: least },
            };
      const positions = wanted.map((name) => state.column(name).position);
      const gatherer = gathererOf(state, positions, where);
      if (gatherer === undefined) return expect.unreachable();
      const found = gathered(reader, state, gatherer, positions, {});
      const kept = inserted.filter(({ small }) => {
        return least === null || (small !== null && (small as number) >= least);
      });
      const expected = kept.map((row) =>
        Object.fromEntries(wanted.map((name) => [name, row[name]])),
      );
      expect(found?.rows).toEqual(expected);
      await db.close();
    }),
    { numRuns: 60 },
  );
});

test("many batches and ranges hold each row once; older layouts are left to the host", async () => {
  const db = await open("memory:");
  const { table, core, reader } = await tableOf(db);
  const count = 60_000;
  const rows = Array.from({ length: count }, (_, id) => ({
    id,
    small: id % 251,
    note: `note ${id}`.repeat(id % 7),
  }));
  for (let at = 0; at < count; at += 10_000) await table.insertMany(rows.slice(at, at + 10_000));
  const { state } = core;
  const positions = ["note", "id"].map((name) => state.column(name).position);
  const gatherer = gathererOf(state, positions, undefined);
  if (gatherer === undefined) return expect.unreachable();
  for (const [from, to] of [
    [0, count],
    [1, 2],
    [17, 44_444],
    [500, 500],
  ]) {
    const low = state.key.encode([from], [0]).slice();
    const high = state.key.encode([to], [0]).slice();
    const found = gathered(reader, state, gatherer, positions, { low, high });
    const expected = rows.slice(from, to).map(({ id, note }) => ({ note, id }));
    expect(found?.rows).toEqual(expected);
    if (to - from === count) expect(found?.batches).toBeGreaterThan(5);
  }
  await table.alter({ add: { late: t.integer() } });
  await table.insert({ id: -1 } as never);
  const after = gathererOf(core.require(), positions, undefined);
  if (after === undefined) return expect.unreachable();
  expect(gathered(reader, core.require(), after, positions, {})).toBeUndefined();
  await db.close();
});

test("rows come in the order of index entries, long ones too", async () => {
  for (const kind of [undefined, "hashed"] as const) {
    const db = await open("memory:");
    const index = { columns: ["note"], ...(kind === undefined ? {} : { kind }) };
    const { table, core, reader } = await tableOf(db, [index]);
    const rows = Array.from({ length: 1_500 }, (_, id) => ({
      id,
      whole: -id,
      note: `note ${id % 3}`,
      bytes: new Uint8Array(id % 100 === 7 ? 3_000 : id % 700).fill(id),
    }));
    await table.insertMany(rows as never);
    const { state } = core;
    const [found] = state.indexes;
    const wanted = rows.filter(({ note }) => note === "note 1");
    for (const limit of [1, 7, 100_000]) {
      const seen: Row[] = [];
      let entries = 0;
      let range: Range | undefined = found.prefixRange(["note 1"]);
      while (range !== undefined) {
        const batch = runSync(
          reader.readEntries(found, range, limit, state.rows, (memory, at, length) => {
            seen.push(state.codec.decodeRow(memory, at, length));
          }),
        );
        entries += batch.entries;
        const { resume } = batch;
        range = resume === undefined ? undefined : { ...range, low: resume, lowExclusive: true };
      }
      expect(entries).toBe(wanted.length);
      expect(seen.map(({ id, whole, bytes }) => ({ id, whole, bytes }))).toEqual(
        wanted.map(({ id, whole, bytes }) => ({ id, whole, bytes })),
      );
    }
    await db.close();
  }
});
