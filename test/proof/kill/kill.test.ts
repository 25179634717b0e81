/** Real processes that die. `npm run proof -- kill --seconds 600` does it for longer. */
import { expect, test } from "vitest";
import { seed as first } from "../../seed.ts";
import { type KillOptions, run } from "../parts/kill.ts";

const timeout = 600_000;

function options(seed: number, count: number): KillOptions {
  return { seed, count, clock: () => performance.now() / 1000 };
}

test("100 violent ends, 10,000 acknowledged commits, none lost", { timeout }, async () => {
  const totals = { cycles: 0, acknowledged: 0, stopped: 0, threadsTerminated: 0, outOfMemory: 0 };
  for (let seed = first; totals.cycles < 100 || totals.acknowledged < 10_000; seed++) {
    const { failed, failures, counts } = await run(options(seed, totals.cycles < 100 ? 100 : 10));
    expect(failed, JSON.stringify(failures)).toBe(0);
    for (const name of Object.keys(totals) as (keyof typeof totals)[]) {
      totals[name] += counts[name] ?? 0;
    }
  }
  expect(Math.min(...Object.values(totals))).toBeGreaterThan(0);
});

const append = "      if (this.seq >= firstSeq) yield* this.#append(firstSeq);";
const pause = "      yield new Promise((resolve) => setTimeout(resolve, 10));\n";
const writeRoot = "      yield* this.#writeRoot(frozen, reference, isSync);";

test("commits that are acknowledged before they are written are noticed", { timeout }, async () => {
  const mistake = {
    file: /engine\/pipeline\.ts$/,
    from: append,
    to: `      settle(group.commits, true);\n${pause}${append}`,
  };
  const { failures } = await run({ ...options(1, 40), mistake });
  expect(failures[0]?.message).toMatch(/was acknowledged, \d+ recovered/);
});

test("a log that is trimmed before the root is written is noticed", { timeout }, async () => {
  const mistake = {
    file: /engine\/checkpoint\.ts$/,
    from: writeRoot,
    to: `      yield* this.#setup.log.trim(frozen.position);\n${pause}${writeRoot}`,
  };
  expect((await run({ ...options(1, 80), mistake })).failed).toBeGreaterThan(0);
});
