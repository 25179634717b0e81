/**
 * The harnesses have to notice every mistake that is planted, and none where there is none. A
 * mutant that survives is a hole in the harnesses: close that, do not drop the mutant.
 */
import { describe, expect, test } from "vitest";
import { judge } from "./judge.ts";
import type { CheckName } from "./mutant.ts";
import { mutants } from "./mutants.ts";

const seed = Number(process.env.MUTANT_SEED ?? 1);
const seconds = 60;
const timeout = 300_000;
const all: readonly CheckName[] = [
  "stories",
  "files",
  "damage",
  "failures",
  "large-group",
  "crash",
  "crash-later",
];

test("there are at least 40 of them, each with a name of its own", () => {
  expect(mutants.length).toBeGreaterThanOrEqual(40);
  expect(new Set(mutants.map(({ id }) => id)).size).toBe(mutants.length);
});

test("nothing is noticed where nothing is wrong", { timeout }, async () => {
  expect(await judge([], all, seed, seconds)).toMatchObject({ caughtBy: undefined });
});

describe("is noticed:", () => {
  test.each(mutants)("$id: $story", { timeout }, async ({ edits, checks }) => {
    const { caughtBy, message } = await judge(edits, checks, seed, seconds);
    expect(caughtBy, message).toBeDefined();
  });
});

describe("negative control: commits acknowledged before their sync", () => {
  const mutant = mutants.find(({ id }) => id === "acknowledge-before-sync");
  const cases = [11, 12, 13].flatMap((each) => [
    ["crash", each] as const,
    ["crash-later", each] as const,
    ["files", each] as const,
  ]);
  test.each(cases)("lose data in power cuts: %s, seed %i", { timeout }, async (check, each) => {
    const { caughtBy, message } = await judge(mutant?.edits ?? [], [check], each, seconds);
    expect(caughtBy, message).toBe(check);
  });
});
