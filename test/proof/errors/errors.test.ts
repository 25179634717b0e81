/** The part `errors` as far as `npm test` goes, and what it has found, one story each. */
import { expect, test } from "vitest";
import { stories } from "../crash/stories.ts";
import { run } from "../parts/errors.ts";
import { errorFaults } from "../simulator/faults.ts";
import type { CallName } from "../simulator/file-system.ts";
import { Instances } from "../simulator/instances.ts";
import { callsOf, tellFailing } from "./failing.ts";
import { planned } from "./plan.ts";

/** `ERROR_STORIES=23 ERROR_SEED=7 npx vitest run test/proof/errors` looks at more. */
const count = Number(process.env.ERROR_STORIES ?? 5);
const seed = Number(process.env.ERROR_SEED ?? 1);
const clock = (): number => performance.now() / 1000;
const timeout = 3_600_000;

test("whichever call fails, nothing acknowledged is lost and nothing wrong answered", {
  timeout,
}, async () => {
  const result = await run({ seed, count, clock });
  console.log(`errors: ${JSON.stringify(result.counts)}`);
  expect(result.failures).toEqual([]);
  expect(result.failed).toBe(0);
  expect(result.counts.poisoned).toBeGreaterThan(100);
  const fired = Object.keys(errorFaults).filter((id) => (result.counts[id] ?? 0) > 0);
  expect(fired).toEqual(Object.keys(errorFaults));
});

/** Lets one kind of call on some paths fail in one way, one after another. */
async function failEach(
  story: string,
  name: CallName,
  path: RegExp,
  plan: string,
): Promise<number> {
  const found = stories.find((one) => one.name === story);
  const fault = planned[name]?.find((one) => one.name === plan);
  if (found === undefined || fault === undefined) throw new Error(`no ${story}, or no ${plan}`);
  const { fresh } = new Instances();
  const calls = await callsOf(found, fresh, 1);
  const meant = calls.filter((call) => call.name === name && path.test(call.path));
  for (const struck of meant) await tellFailing(found, fresh, 1, fault, struck);
  return meant.length;
}

test.each<[what: string, ...Parameters<typeof failEach>]>([
  [
    "a commit whose sync failed, found in the cache after reopening, takes no later one with it",
    "commits one by one",
    "sync",
    /segment/,
    "EIO, bytes never written",
  ],
  [
    "a root whose sync failed, found in the cache after reopening, is followed by another",
    "checkpoints that remove what is old",
    "sync",
    /root$/,
    "EIO, bytes never written",
  ],
  [
    "a close after which answered commits may be lost says so",
    "synced after a while",
    "sync",
    /segment/,
    "EIO, bytes gone",
  ],
  [
    "a folder whose name could not be synced when it was made is synced by the next opener",
    "one commit",
    "sync",
    /^\/$/,
    "EIO, bytes never written",
  ],
  [
    "a file that cannot be closed keeps no other one open",
    "closed and opened again",
    "close",
    /segment/,
    "EIO",
  ],
  [
    "a file whose size cannot be told is closed",
    "closed and opened again",
    "stat",
    /blob|segment/,
    "EIO",
  ],
])("%s", { timeout }, async (_what, ...fails) => {
  expect(await failEach(...fails)).toBeGreaterThan(0);
});
