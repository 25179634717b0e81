/** The part `damage` as far as `npm test` goes, and what shows that it could fail. */
import { expect, test } from "vitest";
import { run, runOn } from "../parts/damage.ts";
import { damageFaults } from "../simulator/faults.ts";
import { Instances } from "../simulator/instances.ts";

/** `DAMAGE_FLIPS=524288 DAMAGE_SEED=7 npx vitest run test/proof/damage` looks at more. */
const flips = Number(process.env.DAMAGE_FLIPS ?? 131_072);
const seed = Number(process.env.DAMAGE_SEED ?? 1);
const clock = (): number => performance.now() / 1000;
const timeout = 3_600_000;

test("no damage is answered with anything but what was written, or an error", {
  timeout,
}, async () => {
  const result = await run({ seed, count: flips, clock });
  console.log(`damage: ${JSON.stringify(result.counts)}`);
  expect(result.failures).toEqual([]);
  expect(result.failed).toBe(0);
  expect(result.counts.flips).toBeGreaterThanOrEqual(flips);
  expect(result.counts.pairs).toBeGreaterThanOrEqual(992);
  const fired = Object.keys(damageFaults).filter((id) => (result.counts[id] ?? 0) > 0);
  expect(fired).toEqual(Object.keys(damageFaults));
});

test("finds an engine that checks no checksum", { timeout }, async () => {
  // A clock that counts how often it is asked: some thousand damages, the same on any machine.
  let asked = 0;
  const counting = (): number => ++asked;
  const mistaken = new Instances(() => ({ crc32c: () => 7 }));
  const { failed, failures } = await runOn(mistaken, { seed, seconds: 8000, clock: counting });
  expect(failed).toBeGreaterThan(10);
  expect(failures[0]?.message).toMatch(/differs|are gone|not/);
});
