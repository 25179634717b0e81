/** Cores some of whose functions are replaced, and what a story asks of them. */
import { type Story, Teller } from "../crash/recording.ts";
import { Instances } from "../simulator/instances.ts";

export type Call = (...args: unknown[]) => unknown;

export type Around = (name: string, call: Call, args: unknown[]) => unknown;

/** Every function of the core, through `around`. */
export function replacing(around: Around): Instances {
  return new Instances((exports) => watched(exports, around));
}

export function watched(exports: WebAssembly.Exports, around: Around): WebAssembly.Exports {
  const replaced: Record<string, Call> = {};
  for (const [name, value] of Object.entries(exports)) {
    if (typeof value !== "function" || name === "initialize") continue;
    replaced[name] = (...args) => around(name, value as Call, args);
    // How many arguments it takes is seen from outside.
    Object.defineProperty(replaced[name], "length", { value: value.length });
  }
  return replaced as unknown as WebAssembly.Exports;
}

/** How often a story calls each function. */
export async function callsOfCore(told: Story, seed: number): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const { module } = replacing((name, call, args) => {
    counts.set(name, (counts.get(name) ?? 0) + 1);
    return call(...args);
  });
  const teller = new Teller(module, seed, {});
  await told.tell(teller);
  await teller.rest();
  return counts;
}

/** Which calls of a function to strike: the first ones, the last, and some between. */
export function chosen(calls: number): number[] {
  const some = [1, calls >>> 1, calls];
  return [...new Set(some)].filter((at) => at >= 1 && at <= calls);
}
