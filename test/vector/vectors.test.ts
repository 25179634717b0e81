import { describe, expect, test } from "vitest";
import { fails } from "../kv/fails.ts";
import { Random } from "../storage/random.ts";
import { faultOf, type Oracle, randomVector } from "./oracle.ts";
import { places, withDatabase } from "./places.ts";

const metrics = ["cosine", "l2", "ip", "hamming"] as const;

describe.each(places)("vectors over %s", (_name, make) => {
  test.each(metrics)("the nearest by %s are found, before and after a reopen", async (metric) => {
    const random = new Random(7);
    const place = make();
    const oracle: Oracle<{ n: number }> = new Map();
    let db = await place.open();
    try {
      let words = await db.vectors<{ n: number }>("words", { dimensions: 8, metric });
      for (let n = 0; n < 60; n++) {
        const vector = randomVector(random, 8);
        await words.put(`word ${n}`, vector, { n });
        oracle.set(`word ${n}`, { vector, metadata: { n } });
        const query = randomVector(random, 8);
        expect(faultOf(await words.search(query), oracle, metric, query, 10)).toBeUndefined();
      }
      await db.close();
      db = await place.open();
      words = await db.vectors("words", { metric });
      expect(await words.count()).toBe(60);
      for (let round = 0; round < 10; round++) {
        const query = randomVector(random, 8);
        const found = await words.search(query, { k: 5 });
        expect(faultOf(found, oracle, metric, query, 5)).toBeUndefined();
      }
    } finally {
      await db.close();
      place.remove();
    }
  });

  test("a vector is read, replaced and deleted by its id", async () => {
    await withDatabase(make, async (db) => {
      const words = await db.vectors<{ rank: number }>("words", { dimensions: 3 });
      await words.put("king", [1, 2, 3], { rank: 1 });
      expect(await words.get("king")).toEqual({
        id: "king",
        vector: new Float32Array([1, 2, 3]),
        metadata: { rank: 1 },
      });
      await words.put("king", new Float64Array([3, 2, 1]));
      expect(await words.get("king")).toEqual({
        id: "king",
        vector: new Float32Array([3, 2, 1]),
        metadata: undefined,
      });
      expect(await words.count()).toBe(1);
      expect(await words.has("king")).toBe(true);
      expect(await words.delete("king")).toBe(true);
      expect(await words.delete("king")).toBe(false);
      expect(await words.get("king")).toBeUndefined();
      expect(await words.search([1, 0, 0])).toEqual([]);
      expect(await words.count()).toBe(0);
    });
  });

  test("ids may be numbers or bigints", async () => {
    await withDatabase(make, async (db) => {
      const numbers = await db.vectors("numbers", { dimensions: 2, metric: "l2", id: "number" });
      const large = await db.vectors("large", { dimensions: 2, metric: "l2", id: "bigint" });
      for (const id of [-5, 0, 3, Number.MAX_SAFE_INTEGER]) await numbers.put(id, [id % 10, 0]);
      for (const id of [-(2n ** 63n), 5n, 2n ** 63n - 1n]) await large.put(id, [1, 1]);
      expect((await numbers.search([3, 0], { k: 1 }))[0].id).toBe(3);
      expect((await large.search([1, 1])).map(({ id }) => id).sort()).toEqual(
        [-(2n ** 63n), 2n ** 63n - 1n, 5n].sort(),
      );
      await fails("key_invalid", () => numbers.put(1.5, [1, 1]));
      await fails("key_invalid", () => large.put(2n ** 63n, [1, 1]));
      await fails("key_invalid", () => numbers.get("3" as unknown as number));
    });
  });

  test("a snapshot's search sees the old set", async () => {
    await withDatabase(make, async (db) => {
      const random = new Random(3);
      const words = await db.vectors<number[]>("words", { dimensions: 4, metric: "l2" });
      const before: Oracle<undefined> = new Map();
      for (let n = 0; n < 30; n++) {
        const vector = randomVector(random, 4);
        await words.put(`${n}`, vector);
        before.set(`${n}`, { vector, metadata: undefined });
      }
      const snapshot = db.snapshot();
      for (let n = 0; n < 30; n += 2) await words.delete(`${n}`);
      for (let n = 1; n < 30; n += 4) await words.put(`${n}`, randomVector(random, 4));
      for (let n = 100; n < 140; n++) await words.put(`${n}`, randomVector(random, 4));
      for (let round = 0; round < 10; round++) {
        const query = randomVector(random, 4);
        const found = await words.search(query, { snapshot });
        expect(faultOf(found as never, before, "l2", query, 10)).toBeUndefined();
      }
      expect(await words.count({ snapshot })).toBe(30);
      expect(await words.has("0", { snapshot })).toBe(true);
      expect(await words.has("0")).toBe(false);
      snapshot.release();
      await fails("snapshot_expired", () => words.search([0, 0, 0, 0], { snapshot }));
    });
  });

  test("a snapshot from before the index sees nothing in it", async () => {
    await withDatabase(make, async (db) => {
      await (await db.keyspace("other")).put("x", 1);
      const snapshot = db.snapshot();
      const words = await db.vectors("words", { dimensions: 2, fields: ["n"] });
      await words.put("a", [1, 1], { n: 1 });
      expect(await words.search([1, 1], { snapshot })).toEqual([]);
      expect(await words.search([1, 1], { snapshot, filter: { n: 1 } })).toEqual([]);
      expect(await words.get("a", { snapshot })).toBeUndefined();
      expect(await words.count({ snapshot })).toBe(0);
      expect(await words.count()).toBe(1);
      snapshot.release();
    });
  });

  test("puts with those of keyspaces are all or nothing", async () => {
    await withDatabase(make, async (db) => {
      const words = await db.vectors<{ n: number }>("words", { dimensions: 2 });
      const counts = await db.keyspace<number>("counts");
      await words.put("old", [1, 0], { n: 0 });
      await db.transaction(async (tx) => {
        const inside = tx.vectors(words);
        inside.put("one", [1, 1], { n: 1 });
        expect(await inside.get("one")).toEqual({
          id: "one",
          vector: new Float32Array([1, 1]),
          metadata: { n: 1 },
        });
        expect((await inside.get("old"))?.metadata).toEqual({ n: 0 });
        expect(await inside.delete("old")).toBe(true);
        expect(await inside.has("old")).toBe(false);
        tx.keyspace(counts).put("words", 1);
        expect(await words.has("one")).toBe(false);
      });
      expect((await words.search([1, 1])).map(({ id }) => id)).toEqual(["one"]);
      expect(await counts.get("words")).toBe(1);
      const failed = db.transaction((tx) => {
        tx.vectors(words).put("two", [0, 1]);
        tx.vectors(words).delete("one");
        tx.keyspace(counts).put("words", 2);
        throw new Error("no");
      });
      await expect(failed).rejects.toThrow("no");
      expect((await words.search([1, 1])).map(({ id }) => id)).toEqual(["one"]);
      expect(await counts.get("words")).toBe(1);
    });
  });

  test("of two transactions that put one id, the second runs again", async () => {
    await withDatabase(make, async (db) => {
      const words = await db.vectors<{ n: number }>("words", { dimensions: 2 });
      await words.put("sum", [1, 1], { n: 0 });
      let runs = 0;
      await Promise.all(
        Array.from({ length: 4 }, () =>
          db.transaction(async (tx) => {
            runs++;
            const inside = tx.vectors(words);
            const n = (await inside.get("sum"))?.metadata.n ?? 0;
            inside.put("sum", [1, n], { n: n + 1 });
          }),
        ),
      );
      expect((await words.get("sum"))?.metadata).toEqual({ n: 4 });
      expect(runs).toBeGreaterThan(4);
      expect(await words.count()).toBe(1);
    });
  });

  test("an index is found again by its name, and refuses other options", async () => {
    await withDatabase(make, async (db) => {
      await fails("vectors_not_found", () => db.vectors("words"));
      const words = await db.vectors("words", { dimensions: 2, fields: ["b", "a"] });
      await words.put("x", [1, 1]);
      const again = await db.vectors("words");
      expect(again.dimensions).toBe(2);
      expect(await again.count()).toBe(1);
      await db.vectors("words", { fields: ["a", "b"] });
      await fails("vectors_exist", () => db.vectors("words", { dimensions: 3 }));
      await fails("vectors_exist", () => db.vectors("words", { metric: "l2" }));
      await fails("vectors_exist", () => db.vectors("words", { id: "number" }));
      await fails("vectors_exist", () => db.vectors("words", { fields: ["a"] }));
      await fails("option_unknown", () => db.vectors("words", { dimension: 3 } as never));
      await fails("argument_invalid", () => db.vectors("large", { dimensions: 4_097 }));
      await fails("argument_invalid", () =>
        db.vectors("signs", { dimensions: 2, metric: "hamming", precision: "f32" }),
      );
      expect(db.vectorIndexes().map(({ name, count }) => [name, count])).toEqual([["words", 1]]);
      expect(db.keyspaces()).toEqual([]);
      expect(await db.dropVectors("words")).toBe(true);
      expect(await db.dropVectors("words")).toBe(false);
      await fails("vectors_dropped", () => words.put("y", [1, 2]));
      await fails("vectors_dropped", () => words.search([1, 2]));
      const other = await db.vectors("words", { dimensions: 3 });
      expect(await other.count()).toBe(0);
    });
  });

  test("what is no vector, no metadata or no search is refused", async () => {
    await withDatabase(make, async (db) => {
      const words = await db.vectors("words", { dimensions: 2 });
      await fails("vector_dimensions", () => words.put("x", [1]));
      await fails("vector_dimensions", () => words.search([1, 2, 3]));
      await fails("vector_invalid", () => words.put("x", [1, Number.NaN]));
      await fails("vector_invalid", () => words.put("x", [1, Number.POSITIVE_INFINITY]));
      await fails("vector_invalid", () => words.put("x", [1, "2"] as never));
      await fails("vector_invalid", () => words.put("x", "12" as never));
      await fails("vector_invalid", () => words.put("x", [0, 0]));
      await fails("vector_invalid", () => words.search([0, 0]));
      await fails("value_invalid", () => words.put("x", [1, 1], 5));
      await fails("value_invalid", () => words.put("x", [1, 1], { big: 1n }));
      await fails("search_too_large", () => words.search([1, 1], { k: 16_385 }));
      await fails("argument_invalid", () => words.search([1, 1], { k: 0 }));
      await fails("option_unknown", () => words.search([1, 1], { limit: 5 } as never));
      await fails("filter_invalid", () =>
        words.search([1, 1], { filter: { a: { like: 1 } } as never }),
      );
      const signal = AbortSignal.abort();
      await fails("aborted", () => words.search([1, 1], { signal }));
      expect(await words.count()).toBe(0);
      expect(await words.search([1, 1], { k: 16_384 })).toEqual([]);
    });
  });
});
