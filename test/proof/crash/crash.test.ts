/** The part `crash` as far as `npm test` goes, and what shows that it could fail. */
import { expect, test } from "vitest";
import { withoutRemoval, withoutRoot } from "../../crash/mistakes.ts";
import { run } from "../parts/crash.ts";
import { crashFaults } from "../simulator/faults.ts";
import type { CallName, Fault } from "../simulator/file-system.ts";
import { Instances } from "../simulator/instances.ts";
import { adversary, ext4Ordered } from "../simulator/personality.ts";
import { Explorer } from "./explorer.ts";
import type { Mistake } from "./recording.ts";
import { stories } from "./stories.ts";

/** `CRASH_STATES=1000000 CRASH_SEED=7 npx vitest run test/proof/crash` looks at more. */
const states = Number(process.env.CRASH_STATES ?? 100_000);
const seed = Number(process.env.CRASH_SEED ?? 1);
const clock = (): number => performance.now() / 1000;
const timeout = 3_600_000;

test("every story, crashed at every call, is recovered to what was promised", {
  timeout,
}, async () => {
  const result = await run({ seed, count: states, clock });
  expect(result.failures).toEqual([]);
  expect(result.failed).toBe(0);
  expect(result.counts.states).toBeGreaterThanOrEqual(states);
  const fired = Object.keys(crashFaults).filter((id) => (result.counts[id] ?? 0) > 0);
  expect(fired).toEqual(Object.keys(crashFaults));
  console.log(`crash: ${JSON.stringify(result.counts)}`);
});

/** Explores a few stories with something wrong in them; the messages of what was found. */
async function explore(mistake: Mistake, instances = new Instances()): Promise<string[]> {
  const explorer = new Explorer(instances, {
    stories: stories.filter(({ name }) => names.has(name)),
    personalities: [ext4Ordered, adversary],
    seed,
    states: 3000,
    againOneIn: 1000,
    isOver: () => explorer.failed > 0,
    mistake,
  });
  await explorer.run();
  return explorer.failures.map(({ message }) => message);
}

const names = new Set([
  "commits one by one",
  "checkpoints that remove what is old",
  "closed and opened again",
]);

/** Syncs of these paths answer and do nothing; those of whole files, or those of their bytes. */
function lyingSyncs(path: RegExp, whole?: boolean): Mistake {
  const fault = (_call: number, name: CallName, at: string, all?: boolean): Fault | undefined =>
    name === "sync" && path.test(at) && (whole ?? all) === all ? { lies: true } : undefined;
  return { fault };
}

test.each<[name: string, mistake: Mistake, found: RegExp]>([
  [
    "commits that are acknowledged before they are synced",
    lyingSyncs(/segment.staged$/, false),
    /acknowledged/,
  ],
  ["a folder that is not synced after its names changed", lyingSyncs(/\/log$/), /at \d+/],
  ["a blob that is not synced before it gets its name", lyingSyncs(/\.blob/), /at \d+/],
  ["a root that is not synced", lyingSyncs(/\/root$/), /at \d+/],
  ["a log that is trimmed below a root that was not written", { wrap: withoutRoot }, /at \d+/],
  ["blobs that nobody removes", { wrap: withoutRemoval }, /blobs are on the disk/],
])("finds %s", { timeout }, async (_name, mistake, found) => {
  const messages = await explore(mistake);
  expect(messages[0] ?? "nothing").toMatch(found);
});

test("finds a log that is accepted past its torn end", { timeout }, async () => {
  // Without a checksum that tells, whatever looks like a frame is one.
  const messages = await explore({}, new Instances(() => ({ crc32c: () => 7 })));
  expect(messages[0] ?? "nothing").toMatch(/at \d+/);
});
