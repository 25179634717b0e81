import { describe, expect, test } from "vitest";
import type { Storage } from "../../src/storage/port.ts";
import { type Exploration, explore, type Found } from "./explore.ts";
import { withoutLastPage, withoutLogSync, withoutRemoval, withoutRoot } from "./mistakes.ts";

/** `CRASH_SEEDS=200 CRASH_STRIDE=1 npx vitest run test/crash` looks at many more. */
const seeds = Number(process.env.CRASH_SEEDS ?? 3);
const stride = Number(process.env.CRASH_STRIDE ?? 11);
const first = Number(process.env.CRASH_FIRST ?? 1);
const each = Array.from({ length: seeds }, (_, index) => first + index);
const timeout = 3_600_000;
const kinds = new Set<string>();

async function exploreAndNote(setup: Exploration): Promise<Found> {
  const found = await explore(setup);
  for (const kind of found.kinds) kinds.add(kind);
  return found;
}

describe("whatever a crash leaves, recovery finds all acknowledged commits, a whole prefix", () => {
  test.each(each)("on a storage that answers at once (seed %i)", { timeout }, async (seed) => {
    const found = await exploreAndNote({ seed, stride, againOneIn: 20 });
    expect(found.states).toBeGreaterThan(20);
  });

  test.each(each)("on a storage that answers later (seed %i)", { timeout }, async (seed) => {
    const found = await exploreAndNote({
      seed: 1000 + seed,
      stride,
      isAsync: true,
      againOneIn: 20,
    });
    expect(found.states).toBeGreaterThan(20);
  });

  test.each([true, false])(
    "with data larger than memory (later: %s)",
    { timeout },
    async (later) => {
      const found = await exploreAndNote({
        seed: 2000 + first,
        stride: stride * 12,
        isAsync: later,
        steps: 60,
        largeOneIn: 4,
        largeBytesMax: 200_000,
        engine: { checkpointLogBytes: 4 << 20, segmentBytes: { first: 65_536, max: 1 << 20 } },
      });
      expect(found.states).toBeGreaterThan(5);
    },
  );

  test("by then crashes have come at every kind of storage call", () => {
    expect([...kinds]).toEqual(expect.arrayContaining(everyKind));
  });
});

const everyKind = [
  "append segment",
  "create ahead segment",
  "create root",
  "create segment",
  "remove blobs",
  "remove segments",
  "root",
  "seal blob",
  "stage blob",
  "sync segment",
  "write blob",
];

describe("the exploration finds", () => {
  const mistakes: [name: string, wrap: (storage: Storage) => Storage, found: RegExp][] = [
    ["commits acknowledged before their sync", withoutLogSync, /was acknowledged, .* recovered/],
    ["a log trimmed below a root that was not written", withoutRoot, /call \d+/],
    ["blobs that nobody removes", withoutRemoval, /blobs were left behind/],
    ["blobs sealed before all of their pages are written", withoutLastPage, /page|verify found/],
  ];
  test.each(mistakes)("%s", async (_name, wrap, found) => {
    const exploring = explore({ seed: 1, stride: 5, wrap });
    await expect(exploring).rejects.toThrow(found);
  });
});
