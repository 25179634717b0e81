/** The part `fuzz` as far as `npm test` goes, and what shows that it could fail. */
import { expect, test } from "vitest";
import { runSync, type Steps } from "../../../src/engine/index.ts";
import { CommitReader } from "../../../src/engine/log/commit.ts";
import { CairnError } from "../../../src/index.ts";
import { Random } from "../../storage/random.ts";
import { run, targets } from "../parts/fuzz.ts";
import { Guard, Violation } from "./guard.ts";
import { checkingCore } from "./sign.ts";

/** `FUZZ_EXECUTIONS=20000000 FUZZ_SEED=7 npx vitest run test/proof/fuzz` does more. */
const executions = Number(process.env.FUZZ_EXECUTIONS ?? 500_000);
const seed = Number(process.env.FUZZ_SEED ?? 1);
const clock = (): number => performance.now() / 1000;
const timeout = 3_600_000;

test("no input makes a decoder do anything but answer or refuse", { timeout }, async () => {
  const result = await run({ seed, count: executions, clock });
  expect(result.failures).toEqual([]);
  expect(result.failed).toBe(0);
  expect(result.counts.executions).toBeGreaterThanOrEqual(executions);
  expect(Object.values(result.counts).every((count) => count > executions / 10_000)).toBe(true);
  console.log(`fuzz: ${JSON.stringify(result.counts)}`);
});

/** How many of so many executions of one target are violations. */
async function violations(name: string, times: number): Promise<number> {
  const target = (await targets()).find((each) => each.name === name);
  const guard = new Guard(clock);
  let found = 0;
  for (let input = 0; input < times; input++) {
    try {
      await target?.run(new Random(input), guard);
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      found++;
    }
  }
  return found;
}

test("a page that nobody checks is noticed", { timeout }, async () => {
  const core = checkingCore as unknown as { exports: object };
  const { exports } = core;
  core.exports = { ...exports, verifyImage: () => 0 };
  try {
    expect(await violations("page", 400)).toBeGreaterThan(50);
  } finally {
    core.exports = exports;
  }
  expect(await violations("page", 400)).toBe(0);
});

test("a log that is read with a commit left out is noticed", { timeout }, async () => {
  const { next } = CommitReader.prototype;
  CommitReader.prototype.next = function* (): ReturnType<typeof next> {
    const commit = yield* next.call(this);
    return commit?.seq === 3 ? yield* next.call(this) : commit;
  };
  try {
    expect(await violations("log damaged", 300)).toBeGreaterThan(50);
  } finally {
    CommitReader.prototype.next = next;
  }
});

test.each<[name: string, work: () => unknown]>([
  ["a TypeError", () => (undefined as unknown as { a: number }).a],
  ["a RangeError", () => new DataView(new ArrayBuffer(4)).getUint32(2)],
  ["a trap", () => new WebAssembly.Module(new Uint8Array(8))],
  [
    "a promise that runs on",
    () =>
      runSync(
        (function* (): Steps<void> {
          yield* [];
          throw new Error("whatever");
        })(),
      ),
  ],
  [
    "what may only be a fault of the database itself",
    () => {
      throw new CairnError("invariant_broken", "found");
    },
  ],
  ["more room than four times the input", () => new Uint8Array(4_097)],
  ["a changed prototype", () => Object.assign(Object.prototype, { polluted: 1 })],
])("%s is a violation", (_name, work) => {
  const guard = new Guard(clock);
  guard.begin();
  try {
    expect(() => guard.run(work, 1_000, 96)).toThrow(Violation);
  } finally {
    guard.end();
    Reflect.deleteProperty(Object.prototype, "polluted");
  }
});

test("an answer, a refusal and room for four times the input are none", () => {
  const guard = new Guard(clock);
  guard.begin();
  const refuse = (): never => {
    throw new CairnError("corruption", "found");
  };
  try {
    expect(guard.run(() => 7, 0, 0)).toBe(7);
    expect(guard.run(refuse, 0, 0)).toBe(undefined);
    expect(guard.run(() => new Uint8Array(4_000).length, 1_000, 0)).toBe(4_000);
  } finally {
    guard.end();
  }
});
