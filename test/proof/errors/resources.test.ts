/** What happens within the core: memory that cannot grow, and traps. */
import { expect, test } from "vitest";
import { type Story, Teller } from "../crash/recording.ts";
import { stories } from "../crash/stories.ts";
import { Instances } from "../simulator/instances.ts";
import { tellFailing } from "./failing.ts";

const timeout = 600_000;
const seed = 1;
const nothing = { id: "M1", name: "nothing", fault: {} } as const;
const never = { call: 0, name: "read", path: "" } as const;

const story = stories.find(({ name }) => name === "closed and opened again") as Story;

type Call = (...args: unknown[]) => unknown;

type Around = (name: string, call: Call, args: unknown[]) => unknown;

/** Every function of the core, through `around`. */
function wrapped(around: Around): Instances {
  return new Instances((exports) => watched(exports, around));
}

function watched(exports: WebAssembly.Exports, around: Around): WebAssembly.Exports {
  const replaced: Record<string, Call> = {};
  for (const [name, value] of Object.entries(exports)) {
    if (typeof value !== "function" || name === "initialize") continue;
    replaced[name] = (...args) => around(name, value as Call, args);
    // How many arguments it takes is seen from outside.
    Object.defineProperty(replaced[name], "length", { value: value.length });
  }
  return replaced as unknown as WebAssembly.Exports;
}

async function callsOfCore(told: Story): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const { module } = wrapped((name, call, args) => {
    counts.set(name, (counts.get(name) ?? 0) + 1);
    return call(...args);
  });
  const teller = new Teller(module, seed, {});
  await told.tell(teller);
  await teller.rest();
  return counts;
}

test("M1: memory that cannot grow is told, and nothing is lost", { timeout }, async () => {
  const { fresh } = new Instances();
  const calls = (await callsOfCore(story)).get("addFrames") ?? 0;
  expect(calls).toBeGreaterThan(0);
  for (let at = 1; at <= calls; at++) {
    let asked = 0;
    const { module } = wrapped((name, call, args) =>
      name === "addFrames" && ++asked >= at ? -6 : call(...args),
    );
    await tellFailing(story, module, seed, nothing, never, fresh);
  }
});

/** Which calls of a function to strike: the first ones, the last, and some between. */
function chosen(calls: number): number[] {
  const some = [1, calls >>> 1, calls];
  return [...new Set(some)].filter((at) => at >= 1 && at <= calls);
}

const trapping = ["a compaction", "closed and opened again", "random work, longer"];

test("M3: a core that traps in any function answers nothing more", { timeout }, async () => {
  const { fresh } = new Instances();
  const functions = new Set<string>();
  for (const name of trapping) {
    const told = stories.find((each) => each.name === name) as Story;
    for (const [called, count] of await callsOfCore(told)) {
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
