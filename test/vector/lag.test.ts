/** The graph lags, and nobody notices: readers, writers who must wait, codes that are outgrown. */
import { expect, test } from "vitest";
import type { Database } from "../../src/index.ts";
import { MemoryMedium, MemoryStorage } from "../../src/storage/memory/index.ts";
import type { GraphMaker } from "../../src/vector/index.ts";
import { Random } from "../storage/random.ts";
import { faultOf, type Oracle, randomVector } from "./oracle.ts";
import {
  bruteForceGraphs,
  coreGraphs,
  memoryPlace,
  openOn,
  slowPlace,
  withDatabase,
} from "./places.ts";

const graphs = coreGraphs;

function entriesOf(random: Random, from: number, count: number, dimensions: number, scale = 1) {
  return Array.from({ length: count }, (_none, index) => ({
    id: `${from + index}`,
    vector: randomVector(random, dimensions).map((component) => component * scale),
  }));
}

test("a reader beside the writer searches the newest checkpoint", async () => {
  const medium = new MemoryMedium();
  const random = new Random(1);
  const db = await openOn(new MemoryStorage(medium), { graphs });
  const index = await db.vectors("index", { dimensions: 4, metric: "l2" });
  const entries = entriesOf(random, 0, 200, 4);
  await index.putMany(entries);
  await index.check();
  await db.compact();
  await index.delete("0");
  await db.close();
  const reader = await openOn(new MemoryStorage(medium), { graphs, engine: { readOnly: true } });
  const same = await reader.vectors("index");
  const oracle: Oracle<undefined> = new Map();
  for (const { id, vector } of entries.slice(1)) oracle.set(id, { vector, metadata: undefined });
  for (let round = 0; round < 5; round++) {
    const query = randomVector(random, 4);
    expect(faultOf((await same.search(query)) as never, oracle, "l2", query, 10)).toBeUndefined();
  }
  expect((await same.check()).ok).toBe(true);
  await expect(same.put("x", [1, 1, 1, 1])).rejects.toMatchObject({ code: "read_only" });
  await expect(reader.vectors("other", { dimensions: 2 })).rejects.toMatchObject({
    code: "vectors_not_found",
  });
  await reader.close();
});

test("writers wait when too much is not linked, in both forms", async () => {
  const limits = { graphRowsMin: 100, backlogMax: 200, linkBudget: 2_000, searchRowsMax: 64 };
  await withDatabase(
    memoryPlace,
    async (db) => {
      const index = await db.vectors("index", { dimensions: 8 });
      const random = new Random(2);
      for (let from = 0; from < 2_000; from += 100) {
        const entries = entriesOf(random, from, 100, 8);
        if (from % 300 === 0) index.putManySync(entries);
        else await index.putMany(entries);
        const { graph, linked, toLink } = await index.stats();
        // The first graph begins with what there was.
        if (graph === "ready") expect(toLink - linked).toBeLessThanOrEqual(400);
      }
      expect(await index.check()).toMatchObject({ ok: true, vectors: 2_000 });
    },
    { graphs, limits },
  );
});

test("codes are trained anew when vectors have outgrown them", async () => {
  const limits = { graphRowsMin: 200, backlogMax: 100_000 };
  await withDatabase(
    memoryPlace,
    async (db) => {
      const index = await db.vectors("index", { dimensions: 8, metric: "l2" });
      const random = new Random(3);
      await index.putMany(entriesOf(random, 0, 300, 8, 0.01));
      await index.check();
      const entries = entriesOf(random, 300, 2_000, 8, 5);
      await index.putMany(entries);
      await index.check();
      let found = 0;
      for (const { vector } of entries.slice(0, 50)) {
        const truth = await index.search(vector, { exact: true });
        const ids = new Set((await index.search(vector)).map(({ id }) => id));
        found += truth.filter(({ id }) => ids.has(id)).length;
      }
      expect(found / 500).toBeGreaterThan(0.95);
      // Linking alone leaves 28 of them without a path: those far out push each other away.
      expect(await index.check()).toMatchObject({ ok: true, unreachable: 0 });
    },
    { graphs, limits },
  );
});

test("vectors that memory does not keep are ranked by the rows", async () => {
  await withDatabase(
    memoryPlace,
    async (db) => {
      const random = new Random(4);
      for (const precision of ["int8", "binary"] as const) {
        const index = await db.vectors(precision, {
          dimensions: 64,
          metric: "l2",
          precision,
          keepVectors: false,
        });
        const entries = entriesOf(random, 0, 1_500, 64);
        await index.putMany(entries);
        await index.check();
        const oracle: Oracle<undefined> = new Map();
        for (const { id, vector } of entries) oracle.set(id, { vector, metadata: undefined });
        for (let round = 0; round < 5; round++) {
          const near = entries[round * 7].vector.map((component) => component * 1.01);
          const found = await index.search(near, { k: 1 });
          expect(faultOf(found as never, oracle, "l2", near, 1)).toBeUndefined();
          const exact = await index.search(near, { k: 10, exact: true });
          expect(faultOf(exact as never, oracle, "l2", near, 10)).toBeUndefined();
        }
      }
    },
    { graphs, limits: { graphRowsMin: 1_000 } },
  );
});

test("what is slow lets others come first, and can be given up", async () => {
  await withDatabase(
    memoryPlace,
    async (db) => {
      const index = await db.vectors<{ n: number }>("index", { dimensions: 4 });
      const random = new Random(5);
      await index.putMany(
        entriesOf(random, 0, 5_000, 4).map((entry, n) => ({ ...entry, metadata: { n } })),
      );
      const controller = new AbortController();
      let turns = 0;
      const count = (): void => {
        turns++;
        if (turns === 3) controller.abort(new Error("enough"));
        else setImmediate(count);
      };
      setImmediate(count);
      const filter = { n: { gte: 0 } };
      const { signal } = controller;
      const searching = index.search([1, 0, 0, 0], { filter, signal });
      await expect(searching).rejects.toMatchObject({ code: "aborted" });
      expect(turns).toBe(3);
      expect(await index.search([1, 0, 0, 0], { filter })).toHaveLength(10);
    },
    { graphs, limits: { graphRowsMin: 100_000 } },
  );
});

test("a graph that fails is given up and made again; answers stay right", async () => {
  for (const part of ["search", "link", "appendMany", "kill"] as const) {
    let failures = 0;
    const failing: GraphMaker = {
      ...bruteForceGraphs,
      create: (options) => {
        const graph = bruteForceGraphs.create(options);
        const own = graph[part].bind(graph) as (...given: unknown[]) => never;
        let calls = 0;
        const fail = (...given: unknown[]): never => {
          if (++calls > 8 && failures < 2) {
            failures++;
            throw new WebAssembly.RuntimeError("unreachable");
          }
          return own(...given);
        };
        return Object.assign(graph, { [part]: fail });
      },
    };
    const run = async (db: Database): Promise<void> => {
      const index = await db.vectors("index", { dimensions: 4, metric: "l2" });
      const random = new Random(6);
      const oracle: Oracle<undefined> = new Map();
      for (let n = 0; n < 120; n++) {
        const vector = randomVector(random, 4);
        oracle.set(`${n % 50}`, { vector, metadata: undefined });
        await index.put(`${n % 50}`, vector);
        const query = randomVector(random, 4);
        const found = await index.search(query);
        expect(faultOf(found as never, oracle, "l2", query, 10), part).toBeUndefined();
        if (n % 10 === 0) await index.check();
      }
      expect(failures, part).toBe(2);
      expect((await index.stats()).failure).toBe("unreachable");
      expect(await index.check()).toMatchObject({ ok: true, vectors: 50 });
      expect((await index.stats()).graph).toBe("ready");
    };
    await withDatabase(memoryPlace, run, { graphs: failing });
  }
});

test.each(["exact", "approximate"])(
  "no vector comes twice when the graph catches up, %s",
  {
    timeout: 60_000,
  },
  async (how) => {
    // A check holds the graph until it is let go: rows come and go meanwhile that it never sees.
    let isHeld = false;
    const holding: GraphMaker = {
      ...bruteForceGraphs,
      create: (options) => {
        const graph = bruteForceGraphs.create(options);
        return Object.assign(graph, { checkSlice: () => (isHeld ? undefined : graph.check()) });
      },
    };
    const turns = async (count: number): Promise<void> => {
      for (let turn = 0; turn < count; turn++)
        await new Promise((resolve) => setImmediate(resolve));
    };
    const run = async (db: Database): Promise<void> => {
      const random = new Random(9);
      const index = await db.vectors("index", { dimensions: 4, metric: "l2" });
      await index.putMany(entriesOf(random, 1_000, 20, 4));
      for (let round = 0; round < 12; round++) {
        await index.check();
        isHeld = true;
        const checked = index.check();
        await turns(5);
        const entries = entriesOf(random, 0, 60, 4);
        await index.putMany(entries);
        const snapshot = db.snapshot();
        const before: Oracle<undefined> = new Map();
        for (const { id, vector } of entries) before.set(id, { vector, metadata: undefined });
        await index.deleteMany(entries.slice(0, 50).map(({ id }) => id));
        const query = randomVector(random, 4);
        const allow = entries.map(({ id }) => id);
        const exact = how === "exact";
        const searched = index.search(query, { k: 100, snapshot, exact, allow });
        await turns(round);
        isHeld = false;
        expect(faultOf((await searched) as never, before, "l2", query, 100)).toBeUndefined();
        snapshot.release();
        await checked;
        await index.deleteMany(allow);
      }
    };
    await withDatabase(slowPlace, run, { graphs: holding });
  },
);
