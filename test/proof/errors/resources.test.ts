/** The machine runs out of memory: the core cannot grow. */
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

/** Every function of the core, through `around`. */
function wrapped(around: (name: string, call: Call, args: unknown[]) => unknown): Instances {
  return new Instances((exports) => {
    const replaced: Record<string, Call> = {};
    for (const [name, value] of Object.entries(exports)) {
      if (typeof value !== "function" || name === "initialize") continue;
      replaced[name] = (...args) => around(name, value as Call, args);
    }
    return replaced as unknown as WebAssembly.Exports;
  });
}

async function callsOfCore(): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const { module } = wrapped((name, call, args) => {
    counts.set(name, (counts.get(name) ?? 0) + 1);
    return call(...args);
  });
  const teller = new Teller(module, seed, {});
  await story.tell(teller);
  await teller.rest();
  return counts;
}

test("M1: memory that cannot grow is told, and nothing is lost", { timeout }, async () => {
  const { fresh } = new Instances();
  const calls = (await callsOfCore()).get("addFrames") ?? 0;
  expect(calls).toBeGreaterThan(0);
  for (let at = 1; at <= calls; at++) {
    let asked = 0;
    const { module } = wrapped((name, call, args) =>
      name === "addFrames" && ++asked >= at ? -6 : call(...args),
    );
    await tellFailing(story, module, seed, nothing, never, fresh);
  }
});
