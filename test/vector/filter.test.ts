import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Filter, Vectors } from "../../src/index.ts";
import { fails } from "../kv/fails.ts";
import { Random } from "../storage/random.ts";
import { faultOf, type Oracle, randomVector } from "./oracle.ts";
import { coreGraphs, memoryPlace, places, withDatabase } from "./places.ts";
import "../seed.ts";

type Meta = Record<string, unknown>;

const metric = "l2";
const long = "ä".repeat(200);
const scalars = [
  null,
  true,
  false,
  0,
  -0,
  1,
  -1.5,
  1e300,
  -1e300,
  "",
  "a",
  "ab",
  "b\u0000",
  "b",
  "b\u0000c",
  "é",
  "\uffff",
  "😀",
  long,
  `${long}x`,
];
const values: unknown[] = [...scalars, ["a", 1], [], { c: 1 }, ["b", null], { c: "a" }];

/** Judges a filter by its words alone: written apart from the code, and slowly. */
function judge(filter: Filter, metadata: Meta | undefined): boolean {
  return Object.entries(filter).every(([name, wanted]) => {
    if (name === "and") return (wanted as Filter[]).every((one) => judge(one, metadata));
    if (name === "or") return (wanted as Filter[]).some((one) => judge(one, metadata));
    if (name === "not") return !judge(wanted as Filter, metadata);
    let value: unknown = metadata;
    for (const part of name.split(".")) {
      const isPlain = typeof value === "object" && value !== null && !Array.isArray(value);
      value = isPlain ? (value as Meta)[part] : undefined;
    }
    const all = (Array.isArray(value) ? value : [value]).filter(
      (one) => one === null || ["string", "number", "boolean"].includes(typeof one),
    );
    if (typeof wanted !== "object" || wanted === null) return all.includes(wanted);
    const { eq, ne, in: some, exists, ...bounds } = wanted as Record<string, unknown>;
    if (eq !== undefined && !all.includes(eq)) return false;
    if (ne !== undefined && all.includes(ne)) return false;
    if (some !== undefined && !(some as unknown[]).some((one) => all.includes(one))) return false;
    if (exists !== undefined && (value !== undefined) !== exists) return false;
    const limits = Object.entries(bounds);
    return limits.length === 0 || all.some((one) => limits.every(([op, to]) => holds(one, op, to)));
  });
}

function holds(one: unknown, op: string, to: unknown): boolean {
  if (typeof one !== typeof to) return false;
  const order =
    typeof one === "string"
      ? Buffer.compare(Buffer.from(one), Buffer.from(to as string))
      : (one as number) - (to as number);
  return { gt: order > 0, gte: order >= 0, lt: order < 0, lte: order <= 0 }[op] === true;
}

const path = fc.constantFrom("indexed", "plain", "deep.indexed.c", "deep.plain.c", "none");
const scalar = fc.constantFrom(...scalars);
const bound = fc.oneof(
  fc.constantFrom(...scalars.filter((one) => typeof one === "number")),
  fc.constantFrom(...scalars.filter((one) => typeof one === "string")),
);
const conditions = fc.oneof(
  scalar,
  fc.record({ eq: scalar }),
  fc.record({ ne: scalar }),
  fc.record({ in: fc.array(scalar, { maxLength: 3 }) }),
  fc.record({ exists: fc.boolean() }),
  fc.tuple(fc.constantFrom("gt", "gte", "lt", "lte"), bound).map(([op, to]) => ({ [op]: to })),
  fc
    .tuple(bound, bound)
    .map(([low, high]) => (typeof low === typeof high ? { gte: low, lt: high } : { lte: high })),
);
const filters = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3 },
    fc.tuple(path, conditions).map(([name, wanted]) => ({ [name]: wanted }) as Filter),
    fc.array(tie("filter"), { maxLength: 3 }).map((and) => ({ and })),
    fc.array(tie("filter"), { maxLength: 3 }).map((or) => ({ or })),
    tie("filter").map((not) => ({ not })),
  ),
})).filter;

async function fill(index: Vectors<Meta>, count: number): Promise<Oracle<Meta | undefined>> {
  const random = new Random(11);
  const oracle: Oracle<Meta | undefined> = new Map();
  for (let n = 0; n < count; n++) {
    const vector = randomVector(random, 3);
    const metadata: Meta = {};
    if (random.chance(0.8)) metadata.indexed = random.pick(values);
    if (random.chance(0.8)) metadata.plain = random.pick(values);
    if (random.chance(0.5)) {
      metadata.deep = { indexed: random.pick(values), plain: random.pick(values) };
    }
    const own = random.chance(0.9) ? metadata : undefined;
    oracle.set(`${n}`, { vector, metadata: own });
    await index.put(`${n}`, vector, own);
  }
  return oracle;
}

const fields = ["indexed", "deep.indexed.c"];

describe("filters", () => {
  test("let through what they say, whatever is indexed", { timeout: 60_000 }, async () => {
    await withDatabase(memoryPlace, async (db) => {
      const index = await db.vectors<Meta>("index", { dimensions: 3, metric, fields });
      const oracle = await fill(index, 150);
      const query = new Float32Array([0.1, 0.2, 0.3]);
      await fc.assert(
        fc.asyncProperty(filters, fc.constantFrom(3, 200), async (filter, k) => {
          const found = await index.search(query, { filter, k });
          const isIn = (id: string): boolean => judge(filter, oracle.get(id)?.metadata);
          const fault = faultOf(found as never, oracle, metric, query, k, isIn);
          expect(fault, JSON.stringify(filter)).toBeUndefined();
        }),
        { numRuns: 400 },
      );
    });
  });

  test.each(places)("ids are allowed and denied, over %s", async (_name, make) => {
    await withDatabase(make, async (db) => {
      const index = await db.vectors<Meta>("index", { dimensions: 3, metric, fields });
      const oracle = await fill(index, 40);
      const query = new Float32Array([0.1, 0.2, 0.3]);
      const allow = ["1", "5", "5", "9", "nobody"];
      const deny = new Set(["5", "12"]);
      const filter: Filter = { not: { indexed: "a" } };
      const passes = (id: string): boolean => judge(filter, oracle.get(id)?.metadata);
      const search = (options: object) => index.search(query, { k: 50, ...options }) as never;
      const isIn = {
        allow: (id: string) => allow.includes(id),
        deny: (id: string) => !deny.has(id),
      };
      const cases: [object, (id: string) => boolean][] = [
        [{ allow }, isIn.allow],
        [{ deny }, isIn.deny],
        [{ allow, deny }, (id) => isIn.allow(id) && isIn.deny(id)],
        [{ deny, filter }, (id) => isIn.deny(id) && passes(id)],
        [{ allow, filter }, (id) => isIn.allow(id) && passes(id)],
        [{ allow: [] }, () => false],
      ];
      for (const [options, expected] of cases) {
        const fault = faultOf(await search(options), oracle, metric, query, 50, expected);
        expect(fault, JSON.stringify(options)).toBeUndefined();
      }
    });
  });

  test("a set that was found is used again until the index changes", async () => {
    await withDatabase(memoryPlace, async (db) => {
      const index = await db.vectors<Meta>("index", { dimensions: 3, metric, fields: ["n"] });
      await index.putMany(
        Array.from({ length: 50 }, (_none, n) => ({
          id: `${n}`,
          vector: [n, 1, 1],
          metadata: { n },
        })),
      );
      const explain = () => index.explain([1, 1, 1], { filter: { n: { lt: 20 } } });
      expect(await explain()).toMatchObject({ matches: 20, filterEntries: 20, filterRows: 0 });
      expect(await explain()).toMatchObject({ matches: 20, filterEntries: 0 });
      await (await db.keyspace("other")).put("x", 1);
      expect(await explain()).toMatchObject({ matches: 20, filterEntries: 0 });
      await index.delete("49");
      expect(await explain()).toMatchObject({ matches: 20, filterEntries: 20 });
      await index.put("49", [49, 1, 1], { n: 49 });
      await index.put("new", [1, 2, 3], { n: 5 });
      expect(await explain()).toMatchObject({ matches: 21, filterEntries: 21 });
      const rest = { filter: { n: { lt: 20 }, plain: { exists: false } } };
      expect(await index.explain([1, 1, 1], rest)).toMatchObject({ matches: 21, filterRows: 21 });
      const unindexed = { filter: { plain: { exists: false } } };
      expect(await index.explain([1, 1, 1], unindexed)).toMatchObject({ filterRows: 51 });
    });
  });

  test("what is no filter is refused", async () => {
    await withDatabase(memoryPlace, async (db) => {
      const index = await db.vectors<Meta>("index", { dimensions: 3 });
      const wrong: unknown[] = [
        5,
        [],
        { a: { like: "x" } },
        { a: { gt: null } },
        { a: { gt: 1, gte: 2 } },
        { a: { gt: 1, lt: "z" } },
        { a: { in: 5 } },
        { a: { exists: 1 } },
        { a: Number.NaN },
        { a: [1] },
        { and: {} },
        { not: 1 },
      ];
      for (const filter of wrong) {
        await fails("filter_invalid", () => index.search([1, 1, 1], { filter: filter as Filter }));
      }
    });
  });

  test("every strategy finds all there is, in a graph of some size", {
    timeout: 60_000,
  }, async () => {
    const limits = { graphRowsMin: 1_000, backlogMax: 100_000, scanPerCandidate: 5 };
    const run = async (db: Parameters<Parameters<typeof withDatabase>[1]>[0]): Promise<void> => {
      const index = await db.vectors<{ n: number }>("index", { dimensions: 8, fields: ["n"] });
      const random = new Random(5);
      const total = 12_000;
      const entries = Array.from({ length: total }, (_none, n) => ({
        id: `${n}`,
        vector: randomVector(random, 8),
        metadata: { n },
      }));
      await index.putMany(entries);
      await index.check();
      const seen = new Set<string>();
      for (const lt of [1, 5, 1_000, 1_500, 4_000, 11_000]) {
        const filter = { n: { lt } };
        for (const k of [1, 10, 300]) {
          const query = randomVector(random, 8);
          const { strategy, results } = await index.explain(query, { k, filter });
          seen.add(strategy);
          expect(results).toBe(Math.min(k, lt));
          const found = await index.search(query, { k, filter });
          expect(found.every(({ metadata }) => metadata.n < lt)).toBe(true);
          const truth = await index.search(query, { k, filter, exact: true });
          const ids = new Set(truth.map(({ id }) => id));
          const share = found.filter(({ id }) => ids.has(id)).length / truth.length;
          expect(share, `${strategy}, ${lt} match, k ${k}`).toBeGreaterThan(0.9);
        }
      }
      expect([...seen].sort()).toEqual(["hop", "scan", "walk"]);
    };
    await withDatabase(memoryPlace, run, { graphs: coreGraphs, limits });
  });
});
