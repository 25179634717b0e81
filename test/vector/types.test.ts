/** What the types promise: the compiler checks it, and the test runs it. */
import { expect, expectTypeOf, test } from "vitest";
import type { Filter, SearchResult, Vectors } from "../../src/index.ts";
import { memoryPlace, withDatabase } from "./places.ts";

interface Meta {
  readonly rank: number;
  readonly lang?: "de" | "en";
  readonly tags: readonly string[];
  readonly author: { readonly name: string };
}

test("metadata, ids and filters are inferred", async () => {
  await withDatabase(memoryPlace, async (db) => {
    const words = await db.vectors<Meta>("words", { dimensions: 2 });
    expectTypeOf(words).toEqualTypeOf<Vectors<Meta, string>>();
    expectTypeOf(await db.vectors("n", { dimensions: 2, id: "number" })).toEqualTypeOf<
      Vectors<unknown, number>
    >();
    expectTypeOf(await db.vectors("b", { dimensions: 2, id: "bigint" })).toEqualTypeOf<
      Vectors<unknown, bigint>
    >();
    const results = await words.search([1, 1], {
      filter: { rank: { gte: 1 }, lang: "de", tags: "x", "author.name": { ne: "ada" } },
      allow: ["a"],
    });
    expectTypeOf(results).toEqualTypeOf<SearchResult<Meta, string>[]>();
    expect(results).toEqual([]);
    const filters: Filter<Meta>[] = [
      { lang: { in: ["de", "en"] } },
      { and: [{ rank: 1 }, { not: { tags: { exists: true } } }] },
      // @ts-expect-error a rank is a number
      { rank: "1" },
      // @ts-expect-error there is no such language
      { lang: "fr" },
      // @ts-expect-error there is no such field
      { range: 1 },
      // @ts-expect-error there is no such condition
      { rank: { above: 1 } },
    ];
    expect(filters).toHaveLength(6);
    // @ts-expect-error ids are texts
    await expect(words.get(1)).rejects.toThrow();
    // @ts-expect-error metadata lacks tags and author
    await words.put("x", [1, 1], { rank: 1 });
    await db.transaction(async (tx) => {
      expectTypeOf((await tx.vectors(words).get("x"))?.metadata).toEqualTypeOf<Meta | undefined>();
    });
  });
});
