/** The part `model` as far as `npm test` goes, and what shows that it could fail. */
import { expect, test } from "vitest";
import { EffectBuffer } from "../../../src/engine/log/effect-buffer.ts";
import { LogWriter } from "../../../src/engine/log/writer.ts";
import { Keyspace } from "../../../src/index.ts";
import { run } from "../parts/model.ts";
import { drawEpisode, performEpisode } from "./episode.ts";
import { shrink } from "./shrink.ts";

/** `MODEL_OPERATIONS=20000000 MODEL_SEED=7 npx vitest run test/proof/model` looks at more. */
const operations = Number(process.env.MODEL_OPERATIONS ?? 1_000_000);
const seed = Number(process.env.MODEL_SEED ?? 1);
const clock = (): number => performance.now() / 1000;
const timeout = 3_600_000;

test("a database says what the reference says, operation by operation", { timeout }, async () => {
  const result = await run({ seed, count: operations, clock });
  expect(result.failures).toEqual([]);
  expect(result.failed).toBe(0);
  expect(result.counts.operations).toBeGreaterThanOrEqual(operations);
  expect(result.counts.faults).toBeGreaterThan(operations / 5_000);
  expect(result.counts.crashes).toBeGreaterThan(operations / 5_000);
  console.log(`model: ${JSON.stringify(result.counts)}`);
});

/** What is found when a method is put in another's place. */
async function withMistake<T extends object, K extends keyof T>(
  target: T,
  method: K,
  mistake: (original: T[K]) => T[K],
): Promise<string> {
  const original = target[method];
  target[method] = mistake(original);
  try {
    for (let episode = 1; episode <= 10; episode++) {
      const drawn = drawEpisode(episode);
      const { error } = await performEpisode(drawn, drawn.operations);
      if (error !== undefined) return (error as Error).message;
    }
    return "nothing was found";
  } finally {
    target[method] = original;
  }
}

type Prototype = Record<string, (...given: never[]) => unknown>;

test("a key that is forgotten now and then is noticed", { timeout }, async () => {
  let calls = 0;
  const prototype = Keyspace.prototype as unknown as Prototype;
  const message = await withMistake(prototype, "deleteSync", (original) => {
    return function (this: unknown, ...given) {
      // Says that it was there, and deletes nothing.
      return ++calls % 50 === 0 ? true : original.apply(this, given);
    };
  });
  expect(message).toMatch(/answered|differs|rows of/);
});

test("a range that leaves out its bound is noticed", { timeout }, async () => {
  const prototype = Keyspace.prototype as unknown as Prototype;
  const message = await withMistake(prototype, "entriesSync", (original) => {
    return function (this: unknown, options: { lte?: unknown } = {}) {
      const { lte, ...rest } = options;
      const mistaken = lte === undefined ? options : { ...rest, lt: lte };
      return original.apply(this, [mistaken] as never);
    };
  });
  expect(message).toContain("rows of entries");
});

test("a sync that does nothing is noticed after a loss of power", { timeout }, async () => {
  const prototype = LogWriter.prototype as unknown as Prototype;
  const message = await withMistake(prototype, "syncSync", () => () => undefined);
  expect(message).toContain("is no state from version");
});

test("a delete that does not get into the log is noticed", { timeout }, async () => {
  let calls = 0;
  const prototype = EffectBuffer.prototype as unknown as Prototype;
  const message = await withMistake(prototype, "delete", (original) => {
    return function (this: unknown, ...given) {
      if (++calls % 40 !== 0) original.apply(this, given);
    };
  });
  expect(message).not.toBe("nothing was found");
});

test("what is left of a sequence still fails, and nothing can be left out of it", async () => {
  const items = Array.from({ length: 500 }, (_, index) => index);
  const fails = async (some: readonly number[]): Promise<boolean> =>
    [17, 200, 201, 499].every((needed) => some.includes(needed));
  expect(await shrink(items, fails, 1_000)).toEqual([17, 200, 201, 499]);
});
