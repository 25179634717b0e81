/** Searches within transactions, which see what those have staged. */
import { describe, expect, test } from "vitest";
import type { Database, Vectors } from "../../src/index.ts";
import { fails } from "../kv/fails.ts";
import { coreGraphs, memoryPlace, withDatabase } from "./places.ts";

interface Meta {
  readonly n: number;
}

const limits = { graphRowsMin: 4 };
const options = { graphs: coreGraphs, limits };
const names = (found: readonly { readonly id: string }[]): string[] => found.map(({ id }) => id);

/** Twenty vectors on a line: "v0" at 0, "v1" at 1, …. */
async function line(db: Database): Promise<Vectors<Meta>> {
  const index = await db.vectors<Meta>("line", { dimensions: 2, metric: "l2", fields: ["n"] });
  const entries = Array.from({ length: 20 }, (_none, n) => ({
    id: `v${n}`,
    vector: [n, 0],
    metadata: { n },
  }));
  await index.putMany(entries);
  await index.check();
  return index;
}

const near: readonly number[] = [5, 0];

describe("a search within a transaction", () => {
  test("finds what was put, not what was deleted, and nobody else sees that", async () => {
    await withDatabase(
      memoryPlace,
      async (db) => {
        const index = await line(db);
        await db.transaction(async (tx) => {
          const inside = tx.vectors(index);
          inside.put("new", [5, 0.1], { n: 100 });
          inside.put("v4", [50, 0], { n: 4 });
          await inside.delete("v5");
          inside.put("gone", [5, 0]);
          await inside.delete("gone");
          expect(names(await inside.search(near, { k: 3 }))).toEqual(["new", "v6", "v3"]);
          expect(names(inside.searchSync(near, { k: 3 }))).toEqual(["new", "v6", "v3"]);
          expect(names(await index.search(near, { k: 3 }))).toEqual(["v5", "v4", "v6"]);
          const [there, far] = await inside.searchMany([near, [50, 0]], { k: 1 });
          expect(names([...there, ...far])).toEqual(["new", "v4"]);
          expect((await inside.search(near, { k: 100 })).length).toBe(20);
        });
        expect(names(await index.search(near, { k: 3 }))).toEqual(["new", "v6", "v3"]);
      },
      options,
    );
  });

  test("judges what is staged by the filter, and by the ids", async () => {
    await withDatabase(
      memoryPlace,
      async (db) => {
        const index = await line(db);
        await db.transaction(async (tx) => {
          const inside = tx.vectors(index);
          inside.put("high", [5, 0], { n: 100 });
          inside.put("low", [5, 0.1], { n: 2 });
          inside.put("v6", [6, 0], { n: 200 });
          const filter = { n: { lt: 90 } };
          expect(names(await inside.search(near, { k: 3, filter }))).toEqual(["v5", "low", "v4"]);
          const allow = ["high", "v6", "v7"];
          expect(names(await inside.search(near, { allow }))).toEqual(["high", "v6", "v7"]);
          const deny = ["high", "low", "v5"];
          expect(names(await inside.search(near, { k: 1, deny }))).not.toContain("v5");
          expect(names(await inside.search(near, { filter: { n: { gt: 90 } } }))).toEqual([
            "high",
            "v6",
          ]);
        });
      },
      options,
    );
  });

  test("in one turn sees commits that nobody else sees yet", async () => {
    await withDatabase(
      memoryPlace,
      async (db) => {
        const index = await line(db);
        const before = index.put("before", [5, 0.2], { n: 1 });
        db.transactionSync((tx) => {
          const inside = tx.vectors(index);
          inside.put("staged", [5, 0.1], { n: 2 });
          inside.deleteSync("v5");
          expect(names(inside.searchSync(near, { k: 3 }))).toEqual(["staged", "before", "v4"]);
          const filter = { n: { lte: 4 } };
          expect(names(inside.searchSync(near, { k: 3, filter }))).toEqual([
            "staged",
            "before",
            "v4",
          ]);
        });
        await before;
        db.transactionSync((tx) => {
          expect(names(tx.vectors(index).searchSync(near, { k: 2 }))).toEqual(["staged", "before"]);
        });
      },
      options,
    );
  });

  test("belongs to the transaction's own state", async () => {
    await withDatabase(
      memoryPlace,
      async (db) => {
        const index = await line(db);
        await db.transaction(async (tx) => {
          const inside = tx.vectors(index);
          await index.delete("v5");
          await index.put("later", [5, 0.1], { n: 1 });
          expect(names(await inside.search(near, { k: 2 }))).toEqual(["v5", "v4"]);
        });
        await db.transaction(async (tx) => {
          const snapshot = db.snapshot();
          const wrong = { snapshot } as object;
          await fails("argument_invalid", () => tx.vectors(index).search(near, wrong));
          snapshot.release();
        });
      },
      options,
    );
  });

  test.each(["a put", "a deletion"])("serializable, conflicts with %s since", async (what) => {
    await withDatabase(
      memoryPlace,
      async (db) => {
        const index = await line(db);
        const counts = await db.keyspace<number>("counts");
        const run = (isolation: "serializable" | "snapshot"): Promise<void> =>
          db.transaction(
            async (tx) => {
              const found = await tx.vectors(index).search(near, { k: 100 });
              if (what === "a put") await index.put("other", [9, 9], { n: 1 });
              else await index.delete(found[7].id);
              tx.keyspace(counts).put("found", found.length);
            },
            { isolation, retries: 0 },
          );
        await fails("conflict", () => run("serializable"));
        expect(await counts.get("found")).toBeUndefined();
        await run("snapshot");
        await db.transaction(
          async (tx) => {
            const found = await tx.vectors(index).search(near, { k: 1 });
            tx.keyspace(counts).put("found", found.length);
          },
          { isolation: "serializable", retries: 0 },
        );
        expect(await counts.get("found")).toBe(1);
      },
      options,
    );
  });
});
