import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const loop = fileURLToPath(new URL("kill-loop.mjs", import.meta.url));

interface Counts {
  rounds: number;
  faults: number;
  acknowledged: number;
}

async function run(...args: string[]): Promise<{ counts: Counts; output: string }> {
  const outcome = await promisify(execFile)(process.execPath, [loop, ...args]).catch(
    // It ends with 1 when it has found a fault; what it found is in its output all the same.
    (error: { stdout: string; stderr: string }) => error,
  );
  const output = outcome.stdout + outcome.stderr;
  return { counts: JSON.parse(outcome.stdout.split("\n")[0] ?? ""), output };
}

test("what was acknowledged is there after a SIGKILL at any moment", async () => {
  const { counts, output } = await run("15", `--seed=${Date.now() % 2 ** 31}`);
  expect(counts.faults, output).toBe(0);
  expect(counts.rounds).toBe(15);
  expect(counts.acknowledged).toBeGreaterThan(100);
});

test("the loop would notice commits that are acknowledged before they are written", async () => {
  const { counts, output } = await run("15", "--mistake=acknowledge before the write");
  expect(counts.faults).toBe(1);
  expect(output).toMatch(/was acknowledged, \d+ recovered/);
});
