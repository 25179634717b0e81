/**
 * A procedure that can run synchronously or asynchronously, written once.
 *
 * It is a generator that yields every {@link Awaitable} it needs and receives the value:
 *
 *     function* readRoot(storage: Storage): Steps<Root> {
 *       const slots = yield* wait(storage.root.read());
 *       …
 *     }
 *
 * `runSync` drives it in one turn on storages that answer at once; `runAsync` awaits promises.
 */
import { CairnError } from "../errors.ts";
import type { Awaitable } from "../storage/port.ts";

export type Steps<T> = Generator<Promise<unknown>, T, unknown>;

/** Waits for one value inside a {@link Steps} procedure; costs nothing when it is already there. */
export function* wait<T>(value: Awaitable<T>): Steps<T> {
  if (value instanceof Promise) return (yield value) as T;
  return value;
}

/** Runs to the end in this turn. A promise on the way is `synchronous_unavailable`. */
export function runSync<T>(steps: Steps<T>): T {
  const step = steps.next();
  if (step.done) return step.value;
  // Nobody will wait for the promise: its failure must not become an unhandled rejection.
  step.value.catch(() => undefined);
  steps.return(undefined as T);
  throw new CairnError(
    "synchronous_unavailable",
    "Cannot answer in one turn: this storage answers asynchronously. Use the awaited form.",
  );
}

/** Runs to the end, awaiting only where the storage answered with a promise. */
export async function runAsync<T>(steps: Steps<T>): Promise<T> {
  let step = steps.next();
  while (!step.done) {
    let value: unknown;
    try {
      value = await step.value;
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(value);
  }
  return step.value;
}
