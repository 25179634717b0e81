import type { Random } from "../../storage/random.ts";
import type { Guard } from "./guard.ts";

/** Something that decodes, and the inputs that it is given. */
export interface Target {
  readonly name: string;
  /** Of so many executions. */
  readonly weight: number;
  /**
   * One execution, on an input that is drawn from `random` alone. Throws a `Violation`, or whatever
   * its own oracle says.
   */
  readonly run: (random: Random, guard: Guard) => void | Promise<void>;
}
