/**
 * Calls of an instance that end in a trap, in one place.
 *
 * A trap leaves linear memory as it was in the middle of something. So from then on every function
 * of the instance refuses, also for those who took hold of one before: an answer could be wrong,
 * and a loop over a half-made list need not end.
 */
import { CairnError } from "../src/errors.ts";

type Call = (...args: number[]) => number;
type Trapped = (cause: unknown) => CairnError;

/**
 * The same exports, whose functions throw `core_failed` for a trap, and for every call after one.
 * `onTrap` is called for the first, before it is thrown.
 */
export function guardExports<E extends object>(exports: E, onTrap: (error: CairnError) => void): E {
  const guarded: Record<string, unknown> = {};
  let first: CairnError | undefined;
  const trapped = (cause: unknown): CairnError => {
    if (first !== undefined) return first;
    first = coreFailed(cause);
    for (const [name, value] of Object.entries(guarded)) {
      if (typeof value !== "function") continue;
      guarded[name] = () => {
        throw coreFailed(cause);
      };
    }
    onTrap(first);
    return first;
  };
  for (const [name, value] of Object.entries(exports)) {
    guarded[name] = typeof value === "function" ? guard(value as Call, trapped) : value;
  }
  return guarded as E;
}

/** By the number of its arguments: gathering them in an array would cost more than many a call. */
function guard(call: Call, trapped: Trapped): Call {
  switch (call.length) {
    case 0:
      return () => {
        try {
          return call();
        } catch (cause) {
          throw trapped(cause);
        }
      };
    case 1:
      return (a) => {
        try {
          return call(a);
        } catch (cause) {
          throw trapped(cause);
        }
      };
    case 2:
      return (a, b) => {
        try {
          return call(a, b);
        } catch (cause) {
          throw trapped(cause);
        }
      };
    case 3:
      return (a, b, c) => {
        try {
          return call(a, b, c);
        } catch (cause) {
          throw trapped(cause);
        }
      };
    case 4:
      return (a, b, c, d) => {
        try {
          return call(a, b, c, d);
        } catch (cause) {
          throw trapped(cause);
        }
      };
    case 5:
      return (a, b, c, d, e) => {
        try {
          return call(a, b, c, d, e);
        } catch (cause) {
          throw trapped(cause);
        }
      };
    default:
      return (a, b, c, d, e, f, g) => {
        try {
          return call(a, b, c, d, e, f, g);
        } catch (cause) {
          throw trapped(cause);
        }
      };
  }
}

function coreFailed(cause: unknown): CairnError {
  const what = cause instanceof Error ? cause.message : String(cause);
  return new CairnError(
    "core_failed",
    `The core has trapped: ${what}. Nothing more is answered from its memory. Close the ` +
      "database, open it again, and verify it: what was committed is in the log.",
    { cause },
  );
}
