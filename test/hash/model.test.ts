import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { Random } from "../storage/random.ts";
import { builds, compile, Store } from "./harness.ts";
import { keyOf, Model, repackAll, type Step, valueBytesMax } from "./model.ts";
import { walk } from "./walker.ts";

const KEYS = 400;

const keys = fc.nat({ max: KEYS - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 100,
    arbitrary: fc.record({
      do: fc.constant("put" as const),
      key: keys,
      bytes: fc.oneof(fc.nat({ max: 40 }), fc.integer({ min: 300, max: 1040 })),
      expiresAt: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.constantFrom(100, 200, 300)),
    }),
  },
  { weight: 30, arbitrary: fc.record({ do: fc.constantFrom("remove", "get"), key: keys }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("scan" as const),
      limit: fc.integer({ min: 1, max: 50 }),
      now: fc.constantFrom(0, 100, 250, 1000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("commit" as const), pin: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("rollback", "unpin", "evict") }) },
  {
    weight: 1,
    arbitrary: fc.oneof(
      { weight: 8, arbitrary: fc.record({ do: fc.constant("walk" as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("clear" as const) }) },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constant("repack" as const),
          at: fc.constantFrom(0, 0x7fff_0000),
        }),
      },
    ),
  },
) as fc.Arbitrary<Step>;

/** Which bits of the hash may differ, and how much of the key pool then fits into its chains. */
const masks: [string, bigint, number][] = [
  ["all hash bits", 0xffff_ffff_ffff_ffffn, KEYS],
  ["the first three bits", 0xe000_0000_0000_0000n, KEYS],
  ["no hash bits", 0n, 80],
  ["bits that chains do not tell apart", 0x8000_0000_0000_0001n, 120],
  ["the last two bits, so that chains are buddies", 3n, 200],
  ["the fourth to the sixth byte", 0x0000_00ff_ffff_0000n, KEYS],
  ["bits on both sides of a directory", 0x01c0_7000_0000_0007n, KEYS],
];

describe.each(builds)("%s build", (build) => {
  let module: WebAssembly.Module;
  beforeAll(() => {
    module = compile(build);
  });

  test.each(masks)(
    "any steps leave what a Map holds, with %s",
    { timeout: 120_000 },
    (_name, mask, pool) => {
      fc.assert(
        fc.property(fc.array(step, { minLength: 300, maxLength: 1000, size: "max" }), (steps) => {
          const model = new Model(new Store(module, { mask, frames: 3000 }));
          for (const each of steps) {
            model.step("key" in each ? { ...each, key: each.key % pool } : each);
          }
          model.end();
        }),
        { numRuns: build === "release" ? 40 : 10 },
      );
    },
  );

  // Sparse bits make directories with few children, so that a small tree is a high one.
  test.each([
    ["all bits of the hash", 0xffff_ffff_ffff_ffffn],
    ["every second bit", 0xaaaa_aaaa_aaaa_aaaan],
    ["every fourth bit", 0x1111_1111_1111_1111n],
    ["all bits but the first twelve", 0x000f_ffff_ffff_ffffn],
  ])("a tree that grows and shrinks stays sound and gives all pages back, with %s", (_, mask) => {
    const random = new Random(20_260_101);
    const model = new Model(new Store(module, { mask, frames: 6000 }));
    const total = build === "release" ? 12_000 : 4_000;
    const grown: Uint8Array[] = [];
    for (let i = 0; i < total; i++) {
      const key = new Uint8Array(8 + random.integer(33));
      new DataView(key.buffer).setUint32(0, i);
      grown.push(key);
      model.put(key, random.bytes(random.integer(100)));
      if (i % 1000 === 999) model.commit(false);
    }
    model.check();
    const largest = walk(model.store);
    while (grown.length > total / 10) {
      const index = random.integer(grown.length);
      model.remove(grown[index]);
      grown[index] = grown[grown.length - 1];
      grown.pop();
      if (grown.length % 1000 === 0) model.commit(false);
    }
    model.check();
    const before = walk(model.store);
    expect(before.bucketBytes / before.buckets).toBeGreaterThan(4048 / 4);
    expect(before.directories).toBeLessThanOrEqual(largest.directories);
    repackAll(model.store);
    model.check();
    expect(walk(model.store).ids.length).toBeLessThanOrEqual(before.ids.length);
    model.end();
  });

  test("records of every key length and the longest values can replace each other", () => {
    const random = new Random(7);
    const model = new Model(new Store(module, { frames: 4000 }));
    for (let i = 0; i < 3000; i++) {
      const key = keyOf(random.integer(100));
      const most = valueBytesMax(key.length);
      const bytes = random.chance(0.5) ? most : random.integer(most + 1);
      if (random.chance(0.2)) model.remove(key);
      else model.put(key, random.bytes(bytes), random.chance(0.1) ? 50 : 0);
      if (i % 300 === 299) model.check();
    }
    model.end();
  });
});
