/** All mutants, by what they get wrong. */
import { acknowledge } from "./list/acknowledge.ts";
import { checkpoints } from "./list/checkpoint.ts";
import { core } from "./list/core.ts";
import { log } from "./list/log.ts";
import { storage } from "./list/storage.ts";
import type { Mutant } from "./mutant.ts";

export const mutants: readonly Mutant[] = [
  ...acknowledge,
  ...log,
  ...checkpoints,
  ...storage,
  ...core,
];
