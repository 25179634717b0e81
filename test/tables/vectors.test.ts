/**
 * Vector indexes of tables. The oracle is a Map of rows and a comparison with all of them; the
 * graph's stand-in begins with a few vectors and does little at a time, so that it lags.
 */
import { expect, test } from "vitest";
import {
  type Database,
  MemoryMedium,
  MemoryStorage,
  open,
  type Snapshot,
  type Table,
  t,
  type VectorMetric,
} from "../../src/index.ts";
import type { Storage } from "../../src/storage/port.ts";
import { fails } from "../kv/fails.ts";
import { FaultStorage } from "../storage/fault-storage.ts";
import { Random } from "../storage/random.ts";
import { distanceOf } from "../vector/brute-force-graph.ts";
import { coreGraphs, eagerLimits, openOn } from "../vector/places.ts";

const dimensions = 4;
const things = {
  columns: {
    id: t.integer().primaryKey(),
    owner: t.text().references("owners", { onDelete: "cascade" }),
    n: t.integer().notNull(),
    taste: t.vector(dimensions),
  },
  indexes: [
    { columns: ["n"] as const },
    { columns: ["taste"] as const, kind: "vector" as const, metric: "l2" as const },
  ],
};

interface Thing {
  id: number;
  owner: string | null;
  n: number;
  taste: Float32Array | null;
}
type Things = Map<number, Thing>;
type ThingTable = Table<Thing, Partial<Thing> & { id: number; n: number }>;

function vectorFrom(random: Random): Float32Array {
  return Float32Array.from({ length: dimensions }, () => random.fraction() * 2 - 1);
}

function thingFrom(random: Random, id: number): Thing {
  return {
    id,
    owner: random.chance(0.3) ? null : `o${random.integer(4)}`,
    n: random.integer(20),
    taste: random.chance(0.15) ? null : vectorFrom(random),
  };
}

/** The distances of the nearest rows that are there. */
function nearest(rows: Things, query: Float32Array, k: number, isIn: (row: Thing) => boolean) {
  return [...rows.values()]
    .filter((row) => row.taste !== null && isIn(row))
    .map((row) => ({ row, distance: distanceOf("l2", query, row.taste as Float32Array) }))
    .sort((left, right) => left.distance - right.distance)
    .slice(0, k);
}

const everything = (): boolean => true;

async function checkSearches(
  table: ThingTable,
  rows: Things,
  random: Random,
  snapshot?: Snapshot,
): Promise<void> {
  const cases: [where: object | undefined, isIn: (row: Thing) => boolean][] = [
    [undefined, everything],
    [{ n: 3 }, ({ n }) => n === 3],
    [{ n: { gte: 2 } }, ({ n }) => n >= 2],
    [{ owner: "o1" }, ({ owner }) => owner === "o1"],
    [{ owner: "nobody" }, () => false],
    [{ id: 5 }, ({ id }) => id === 5],
  ];
  const [where, isIn] = cases[random.integer(cases.length)];
  const k = 1 + random.integer(12);
  const query = vectorFrom(random);
  const options = {
    k,
    ...(where === undefined ? {} : { where }),
    ...(snapshot === undefined ? {} : { snapshot }),
  };
  const found = await table.search("taste", query, options);
  const expected = nearest(rows, query, k, isIn);
  expect(found.map(({ row }) => row)).toEqual(expected.map(({ row }) => row));
  for (const [at, { distance, score }] of found.entries()) {
    expect(distance).toBeCloseTo(expected[at].distance, 4);
    expect(score).toBeCloseTo(1 / (1 + expected[at].distance), 4);
  }
}

async function openThings(db: Database): Promise<ThingTable> {
  const owners = await db.table("owners", { columns: { name: t.text().primaryKey() } });
  await owners.upsertMany(Array.from({ length: 4 }, (_, at) => ({ name: `o${at}` })));
  return await db.table("things", things);
}

/** One change of the rows; undefined where it is to be refused. */
async function change(db: Database, table: ThingTable, rows: Things, random: Random) {
  const id = random.integer(60);
  const row = thingFrom(random, id);
  const what = random.integer(10);
  if (what < 3) {
    await table.upsert(row);
    rows.set(id, row);
  } else if (what < 5) {
    const patch = random.chance(0.5) ? { taste: row.taste } : { n: row.n };
    await table.update(id, patch);
    const before = rows.get(id);
    if (before !== undefined) rows.set(id, { ...before, ...patch });
  } else if (what < 6) {
    await table.delete(id);
    rows.delete(id);
  } else if (what < 7) {
    await table.deleteWhere({ n: row.n });
    for (const one of [...rows.values()]) if (one.n === row.n) rows.delete(one.id);
  } else if (what < 8) {
    // The owner goes, and with it what was its.
    const owners = await db.table("owners");
    const name = `o${random.integer(4)}`;
    await owners.delete(name);
    await owners.insert({ name });
    for (const one of [...rows.values()]) if (one.owner === name) rows.delete(one.id);
  } else if (what < 9) {
    await db.transaction(async (tx) => {
      const inside = tx.table(table);
      await inside.upsert(row);
      await inside.update(id, { taste: vectorFrom(new Random(id)) });
      await inside.delete(id + 1);
    });
    rows.set(id, { ...row, taste: vectorFrom(new Random(id)) });
    rows.delete(id + 1);
  } else {
    const undone = db.transaction(async (tx) => {
      await tx.table(table).deleteWhere({ n: { gte: 0 } });
      await tx.table(table).upsert(row);
      throw new Error("back");
    });
    await expect(undone).rejects.toThrow("back");
  }
}

test.each([false, true])(
  "searches find what comparing all rows finds (slow: %s)",
  async (isSlow) => {
    const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));
    const random = new Random(seed);
    const medium = new MemoryMedium();
    const latency = isSlow ? { latency: (): Promise<void> => Promise.resolve() } : {};
    const begin = (): Promise<Database> => openOn(new MemoryStorage(medium, latency));
    try {
      let db = await begin();
      let table = await openThings(db);
      const rows: Things = new Map();
      let then: { snapshot: Snapshot; rows: Things } | undefined;
      for (let step = 0; step < 250; step++) {
        await change(db, table, rows, random);
        if (step % 60 === 59) {
          then?.snapshot.release();
          then = undefined;
          await db.close();
          db = await begin();
          table = await openThings(db);
        }
        if (step % 70 === 69) {
          then?.snapshot.release();
          then = undefined;
          await table.dropIndex("taste_index");
          await fails("index_not_found", () => table.search("taste", vectorFrom(random)));
          await table.createIndex({ columns: ["taste"], kind: "vector", metric: "l2" });
        }
        if (step % 20 === 0) {
          then?.snapshot.release();
          then = { snapshot: db.snapshot(), rows: new Map(rows) };
        }
        if (step % 50 === 49) await db.compact();
        await checkSearches(table, rows, random);
        if (then !== undefined) await checkSearches(table, then.rows, random, then.snapshot);
      }
      expect((await db.verify()).findings).toEqual([]);
      await db.close();
    } catch (error) {
      throw new Error(`with SEED=${seed}`, { cause: error });
    }
  },
  60_000,
);

test.each<[VectorMetric]>([["cosine"], ["l2"], ["ip"], ["hamming"]])(
  "distances and scores are those of the metric: %s",
  async (metric) => {
    const db = await open("memory:");
    const table = await db.table("t", {
      columns: { id: t.text().primaryKey(), at: t.vector(3).notNull() },
      indexes: [{ columns: ["at"], kind: "vector", metric }],
    });
    const random = new Random(7);
    const vectors = new Map(
      Array.from({ length: 50 }, (_, id) => [
        `v${id}`,
        Float32Array.from({ length: 3 }, () => random.fraction() - 0.5),
      ]),
    );
    await table.insertMany([...vectors].map(([id, at]) => ({ id, at })));
    const query = [0.2, -0.4, 0.1];
    const found = table.searchSync("at", query, { k: 50 });
    expect(found).toHaveLength(50);
    let before = Number.NEGATIVE_INFINITY;
    for (const { row, distance } of found) {
      expect(row.at).toEqual(vectors.get(row.id));
      expect(distance).toBeCloseTo(distanceOf(metric, Float32Array.from(query), row.at), 4);
      expect(distance).toBeGreaterThanOrEqual(before);
      before = distance;
    }
    await db.close();
  },
);

test("an index is built over rows that are there while they are changed", async () => {
  const db = await openOn(new MemoryStorage());
  const { indexes: _indexes, ...plain } = things;
  await (await db.table("owners", { columns: { name: t.text().primaryKey() } })).insertMany(
    Array.from({ length: 4 }, (_, at) => ({ name: `o${at}` })),
  );
  const table: ThingTable = await db.table("things", plain);
  const random = new Random(3);
  const rows: Things = new Map();
  for (let id = 0; id < 2_000; id++) rows.set(id, thingFrom(random, id));
  await table.insertMany(rows.values());
  await fails("index_not_found", () => table.search("taste", [1, 2, 3, 4]));
  const early = db.snapshot();
  const steps: number[] = [];
  const writes: Promise<unknown>[] = [];
  const building = table.createIndex(
    { columns: ["taste"], kind: "vector", metric: "l2" },
    {
      onProgress: ({ done }) => {
        steps.push(done);
        // Behind what was built, and before it.
        for (const id of [steps.length, 1_900 + steps.length]) {
          const row = { ...thingFrom(random, id), owner: null };
          writes.push(table.upsert(row));

          writes.push(table.delete(id + 40));
        }
      },
    },
  );
  expect(await building).toBe("taste_index");
  expect(steps.length).toBeGreaterThan(5);
  // What met the change at the end is a conflict, and changed nothing.
  const outcomes = await Promise.allSettled(writes);
  expect(outcomes.filter(({ status }) => status === "rejected").length).toBeLessThanOrEqual(4);
  const now: Things = new Map(
    table
      .rowsSync()
      .toArray()
      .map((row) => [row.id, row]),
  );
  for (let times = 0; times < 20; times++) await checkSearches(table, now, random);
  await fails("index_not_found", () => table.search("taste", [1, 2, 3, 4], { snapshot: early }));
  early.release();
  await fails("index_already_exists", () =>
    table.createIndex({ columns: ["taste"], kind: "vector", metric: "cosine" }),
  );
  expect(table.describe().indexes.at(-1)).toMatchObject({
    name: "taste_index",
    columns: ["taste"],
    kind: "vector",
    metric: "l2",
    isReady: true,
  });
  await db.close();
});

test("a build that is given up, or meets a vector it cannot take, leaves nothing", async () => {
  const db = await open("memory:");
  const columns = { id: t.integer().primaryKey(), at: t.vector(2) };
  const table = await db.table("t", { columns });
  await table.insertMany(Array.from({ length: 1_000 }, (_, id) => ({ id, at: [id, 1] })));
  const trees = db.stats().trees;
  const abort = new AbortController();
  const building = table.createIndex(
    { columns: ["at"], kind: "vector" },
    { signal: abort.signal, onProgress: () => abort.abort() },
  );
  await fails("aborted", () => building);
  await table.update(800, { at: [0, 0] });
  await fails("vector_invalid", () => table.createIndex({ columns: ["at"], kind: "vector" }));
  expect(table.describe().indexes).toEqual([]);
  expect(db.stats().trees).toBe(trees);
  await table.createIndex({ columns: ["at"], kind: "vector", metric: "l2" });
  await table.alter({ rename: { at: "place" } });
  expect(await table.search("place" as never, [3, 1], { k: 1 })).toMatchObject([{ distance: 0 }]);
  await fails("schema_invalid", () => table.alter({ drop: ["place"] }));
  await table.dropIndex("at_index");
  expect(db.stats().trees).toBe(trees);
  await table.alter({ drop: ["place"] });
  await db.close();
});

test("a search within a transaction sees what it has written, and nobody else does", async () => {
  const random = new Random(17);
  for (const isSync of [false, true]) {
    const db = await openOn(new MemoryStorage());
    const table = await openThings(db);
    const rows: Things = new Map();
    for (let id = 0; id < 300; id++) rows.set(id, { ...thingFrom(random, id), n: id % 20 });
    await table.insertMany(rows.values());
    const then: Things = new Map(rows);
    const cases: [where: object | undefined, isIn: (row: Thing) => boolean][] = [
      [undefined, everything],
      [{ n: 3 }, ({ n }) => n === 3],
      [{ n: { gte: 2 } }, ({ n }) => n >= 2],
      [{ owner: "o1" }, ({ owner }) => owner === "o1"],
      [{ id: 301 }, ({ id }) => id === 301],
      [{ owner: "nobody" }, () => false],
    ];
    const change = (inside: { readonly [name: string]: unknown }): unknown[] => {
      const some = Array.from({ length: 20 }, (_, at) => thingFrom(random, 290 + at));
      for (const row of some) rows.set(row.id, row);
      for (const id of [1, 2, 3]) rows.delete(id);
      const { upsertMany, deleteWhere } = inside as unknown as {
        upsertMany(rows: Thing[]): unknown;
        deleteWhere(where: object): unknown;
      };
      return [upsertMany.call(inside, some), deleteWhere.call(inside, { id: { in: [1, 2, 3] } })];
    };
    const judge = (found: { row: Thing }[], query: Float32Array, at: number): void => {
      const expected = nearest(rows, query, 7, cases[at][1]);
      expect(found.map(({ row }) => row)).toEqual(expected.map(({ row }) => row));
    };
    const optionsOf = (where: object | undefined) => {
      return { k: 7, ...(where === undefined ? {} : { where }) };
    };
    if (isSync) {
      db.transactionSync((tx) => {
        const inside = tx.table(table);
        change({
          upsertMany: (some: Thing[]) => inside.upsertManySync(some),
          deleteWhere: (where: object) => inside.deleteWhereSync(where),
        });
        for (const [at, [where]] of cases.entries()) {
          const query = vectorFrom(random);
          judge(inside.searchSync("taste", query, optionsOf(where)), query, at);
        }
      });
    } else {
      await db.transaction(async (tx) => {
        const inside = tx.table(table);
        await Promise.all(change(inside as never));
        for (const [at, [where]] of cases.entries()) {
          const query = vectorFrom(random);
          judge(await inside.search("taste", query, optionsOf(where)), query, at);
        }
        await fails("argument_invalid", () =>
          inside.search("taste", [1, 2, 3, 4], { snapshot: db.snapshot() } as never),
        );
        // Outside, nothing has happened yet.
        const query = vectorFrom(random);
        const outside = await table.search("taste", query, { k: 7 });
        const before = nearest(then, query, 7, everything);
        expect(outside.map(({ row }) => row)).toEqual(before.map(({ row }) => row));
      });
    }
    const query = vectorFrom(random);
    judge(await table.search("taste", query, { k: 7 }), query, 0);
    await db.close();
  }
});

test("what cannot be an index or a search is refused", async () => {
  const db = await open("memory:");
  const columns = { id: t.integer().primaryKey(), at: t.vector(2), b: t.vector(5_000) };
  const table = await db.table("t", { columns, indexes: [{ columns: ["at"], kind: "vector" }] });
  const bad: [object, string][] = [
    [{ columns: ["id"], kind: "vector" }, "schema_invalid"],
    [{ columns: ["at", "id"], kind: "vector" }, "schema_invalid"],
    [{ columns: ["b"], kind: "vector" }, "argument_invalid"],
    [{ name: "x", columns: ["at"], kind: "vector", metric: "far" }, "argument_invalid"],
    [{ name: "x", columns: ["at"], kind: "vector", unique: true }, "option_unknown"],
    [{ name: "x", columns: ["at"], kind: "other" }, "argument_invalid"],
    [{ name: "x", columns: ["id"], metric: "l2" }, "option_unknown"],
  ];
  for (const [definition, code] of bad) {
    await fails(code as never, () => table.createIndex(definition as never));
  }
  await fails("vector_invalid", () => table.insert({ id: 1, at: [0, 0] }));
  expect(table.count()).toBe(0);
  await fails("vector_dimensions", () => table.search("at", [1, 2, 3]));
  await fails("unknown_column", () => table.search("nothing" as never, [1, 2]));
  await fails("option_unknown", () => table.search("at", [1, 2], { filter: {} } as never));
  await fails("search_too_large", () => table.search("at", [1, 2], { k: 20_000 }));
  await fails("unknown_column", () => table.search("at", [1, 2], { where: { nothing: 1 } }));
  expect(await table.search("at", [1, 2])).toEqual([]);
  await fails("table_already_exists", () =>
    db.table("t", { columns, indexes: [{ columns: ["at"], kind: "vector", metric: "l2" }] }),
  );
  expect(db.vectorIndexes()).toEqual([]);
  expect(await db.dropTable("t")).toBe(true);
  await fails("table_dropped", () => table.search("at", [1, 2]));
  await db.close();
});

test("few that match are found among many, and many without looking at all", async () => {
  const db = await openOn(new MemoryStorage(), { graphs: coreGraphs });
  const table = await openThings(db);
  const random = new Random(11);
  const rows: Things = new Map();
  for (let id = 0; id < 6_000; id++) {
    rows.set(id, { ...thingFrom(random, id), n: id % 1_000 === 0 ? 99 : random.integer(20) });
  }
  await table.insertMany(rows.values());
  for (const [where, isIn, share] of [
    [{ n: 99 }, (row: Thing) => row.n === 99, 1],
    [{ n: { lt: 15 } }, (row: Thing) => row.n < 15, 0.9],
    [{ owner: "o2" }, (row: Thing) => row.owner === "o2", 0.9],
    [{ id: { lt: 3 } }, (row: Thing) => row.id < 3, 1],
  ] as const) {
    let found = 0;
    let wanted = 0;
    for (let times = 0; times < 20; times++) {
      const query = vectorFrom(random);
      const expected = nearest(rows, query, 10, isIn);
      const answer = await table.search("taste", query, { k: 10, where });
      expect(answer).toHaveLength(expected.length);
      for (const { row } of answer) expect(isIn(row)).toBe(true);
      const ids = new Set(expected.map(({ row }) => row.id));
      found += answer.filter(({ row }) => ids.has(row.id)).length;
      wanted += expected.length;
    }
    expect(found / wanted).toBeGreaterThanOrEqual(share);
  }
  await db.close();
}, 30_000);

test("rows and their vectors survive a crash together", async () => {
  const limits = { ...eagerLimits };
  const engine = {
    memoryBudget: 4 << 20,
    checkpointLogBytes: 24_000,
    checkpointIdleMs: 0,
    segmentBytes: { first: 8_192, max: 32_768 },
  };
  const work = async (storage: Storage, states: Things[], acknowledged: number[]) => {
    const db = await openOn(storage, { engine, limits });
    const table = await openThings(db);
    const random = new Random(5);
    for (let step = 0; step < 30; step++) {
      const rows: Things = new Map(states.at(-1));
      const some = Array.from({ length: 4 }, () => {
        return { ...thingFrom(random, random.integer(30)), n: step };
      });
      const gone = random.integer(30);
      for (const row of some) rows.set(row.id, row);
      rows.delete(gone);
      states.push(rows);
      await db.transaction(async (tx) => {
        await tx.table(table).upsertMany(some);
        await tx.table(table).delete(gone);
      });
      acknowledged.push(states.length - 1);
    }
    await db.close();
  };
  const whole = new FaultStorage();
  await work(whole, [new Map()], []);
  const calls = whole.trace.length;
  for (let call = 5; call <= calls; call += 5) {
    const storage = new FaultStorage();
    storage.crashAt(call, call % 2 === 0 ? 30 : undefined);
    const states: Things[] = [new Map()];
    const acknowledged: number[] = [];
    await work(storage, states, acknowledged).catch(() => undefined);
    const personality = (["kill", "synced", "prefix", "adversary"] as const)[call % 4];
    const medium = storage.survivors(call, personality);
    const db = await openOn(new MemoryStorage(medium), { engine, limits }).catch(() => undefined);
    if (db === undefined) {
      expect(acknowledged).toEqual([]);
      continue;
    }
    const table = await openThings(db);
    const rows: Things = new Map(
      table
        .rowsSync()
        .toArray()
        .map((row) => [row.id, row]),
    );
    const found = states.findLastIndex((state) => {
      return state.size === rows.size && [...state.values()].every((row) => same(row, rows));
    });
    expect(found).toBeGreaterThanOrEqual(acknowledged.at(-1) ?? 0);
    for (let times = 0; times < 5; times++) await checkSearches(table, rows, new Random(times));
    await db.close();
  }
}, 60_000);

function same(row: Thing, rows: Things): boolean {
  const other = rows.get(row.id);
  if (other === undefined || other.n !== row.n) return false;
  return String(other.taste) === String(row.taste) && other.owner === row.owner;
}
