/** What happens within the core: memory that cannot grow, and traps. */
import { expect, test } from "vitest";
import type { Story } from "../crash/recording.ts";
import { stories } from "../crash/stories.ts";
import { Instances } from "../simulator/instances.ts";
import { tellFailing } from "./failing.ts";
import { callsOfCore, chosen, replacing, watched } from "./replacing.ts";

const timeout = 600_000;
const seed = 1;
const nothing = { id: "M1", name: "nothing", fault: {} } as const;
const never = { call: 0, name: "read", path: "" } as const;

const story = stories.find(({ name }) => name === "closed and opened again") as Story;

test("M1: memory that cannot grow is told, and nothing is lost", { timeout }, async () => {
  const { fresh } = new Instances();
  const calls = (await callsOfCore(story, seed)).get("addFrames") ?? 0;
  expect(calls).toBeGreaterThan(0);
  for (let at = 1; at <= calls; at++) {
    let asked = 0;
    const { module } = replacing((name, call, args) =>
      name === "addFrames" && ++asked >= at ? -6 : call(...args),
    );
    await tellFailing(story, module, seed, nothing, never, fresh);
  }
});

const trapping = ["a compaction", "closed and opened again", "random work, longer"];

test("M3: a core that traps in any function answers nothing more", { timeout }, async () => {
  const { fresh } = new Instances();
  const functions = new Set<string>();
  for (const name of trapping) {
    const told = stories.find((each) => each.name === name) as Story;
    for (const [called, count] of await callsOfCore(told, seed)) {
      functions.add(called);
      for (const at of chosen(count)) {
        const where = `${name}: ${called}, call ${at}`;
        expect({ where, after: await trapAt(told, called, at, fresh) }).toEqual({
          where,
          after: 0,
        });
      }
    }
  }
  expect(functions.size).toBeGreaterThan(35);
});

/** The story with a trap in call `at` of a function; calls that the instance got afterwards. */
async function trapAt(
  told: Story,
  called: string,
  at: number,
  fresh: WebAssembly.Module,
): Promise<number> {
  let seen = 0;
  let after = 0;
  const dead = new Set<unknown>();
  const { module } = new Instances((exports) => {
    const instance = {};
    return watched(exports, (name, call, args) => {
      if (dead.has(instance)) after++;
      if (name === called && ++seen === at) {
        dead.add(instance);
        throw new WebAssembly.RuntimeError("unreachable");
      }
      return call(...args);
    });
  });
  try {
    await tellFailing(told, module, seed, nothing, never, fresh);
  } catch (error) {
    throw new Error(`trap in call ${at} of ${called}, "${told.name}"`, { cause: error });
  }
  return after;
}
