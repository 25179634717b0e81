import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const race = fileURLToPath(new URL("lock-race.mjs", import.meta.url));

async function run(...args: string[]): Promise<{ acquisitions: number; faults: number }> {
  const outcome = await promisify(execFile)(process.execPath, [race, ...args]).catch(
    // It ends with 1 when it has found a fault; what it found is in its output all the same.
    (error: { stdout: string }) => error,
  );
  return JSON.parse(outcome.stdout.split("\n")[0] ?? "");
}

test("processes that race for the lock, are killed and stopped, are never in as two", async () => {
  const { acquisitions, faults } = await run("5", "--runtimes=node", "--openers=5");
  expect(faults).toBe(0);
  expect(acquisitions).toBeGreaterThan(5);
});

test("the race would notice a lock with a mistake in it", async () => {
  const { faults } = await run("2", "--runtimes=node", "--mistake=replace the claim");
  expect(faults).toBeGreaterThan(0);
});
