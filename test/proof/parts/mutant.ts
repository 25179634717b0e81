/**
 * The part `mutant`: planted mistakes, each of which a harness must notice. `count` is mutants.
 *
 * With `only` one of them by its id, or `random`: mutants that a seed draws from the sources of log
 * and recovery, of which nine in ten must be noticed.
 */
import { judge } from "../mutant/judge.ts";
import type { CheckName, Mutant } from "../mutant/mutant.ts";
import { mutants } from "../mutant/mutants.ts";
import { randomMutants } from "../mutant/random.ts";
import { failuresShownMax, type PartFailure, type PartOptions, type PartResult } from "../part.ts";

export interface MutantOptions extends PartOptions {
  readonly only?: string;
}

const secondsMax = 60;
const randomCaughtLeast = 0.9;
/** Of fewer mutants the share says nothing. */
const randomLeast = 30;

export async function run(options: MutantOptions): Promise<PartResult> {
  const { seed, only } = options;
  if (only === "random") return await runRandom(options);
  const wanted = mutants.filter(({ id }) => only === undefined || id === only);
  const failures: PartFailure[] = [];
  if (wanted.length === 0)
    failures.push({ message: `no mutant ${only}`, repeat: { part: "mutant" } });
  let caught = 0;
  let survived = failures.length;
  await each(wanted, options, async (mutant) => {
    const { caughtBy, message } = await judge(mutant.edits, mutant.checks, seed, secondsMax);
    if (caughtBy === undefined) {
      survived++;
      const repeat = { part: "mutant", id: mutant.id, seed };
      const told = `Not noticed: ${mutant.story} (${message})`;
      if (failures.length < failuresShownMax) failures.push({ message: told, repeat });
    } else caught++;
    return { caught, survived };
  });
  const counts = { mutants: caught + survived, caught };
  return { passed: caught, failed: survived, counts, failures };
}

/** Survivors are told, and fail the run only when they are more than one in ten. */
async function runRandom(options: PartOptions): Promise<PartResult> {
  const { seed } = options;
  const checks: CheckName[] = [
    "decoding",
    "traces",
    "stories",
    "damage",
    "files",
    "failures",
    "large-group",
  ];
  checks.push("crash", "crash-later");
  const drawn = randomMutants(seed, options.count ?? (options.seconds === undefined ? 40 : 4000));
  const failures: PartFailure[] = [];
  let caught = 0;
  let survived = 0;
  let invalid = 0;
  await each(drawn, options, async (mutant) => {
    try {
      const { caughtBy } = await judge(mutant.edits, checks, seed, secondsMax);
      if (caughtBy !== undefined) caught++;
      else {
        survived++;
        const repeat = { part: "mutant", seed };
        const message = `Not noticed: ${mutant.story}`;
        if (failures.length < failuresShownMax) failures.push({ message, repeat });
      }
    } catch {
      invalid++; // it does not compile
    }
    return { caught, survived, invalid };
  });
  const total = caught + survived;
  const isEnough = total < randomLeast || caught >= randomCaughtLeast * total;
  const counts = { randomMutants: caught + survived, randomCaught: caught };
  return { passed: caught, failed: isEnough ? 0 : survived, counts, failures };
}

async function each(
  wanted: readonly Mutant[],
  { clock, seconds, count, report }: PartOptions,
  work: (mutant: Mutant) => Promise<Record<string, number>>,
): Promise<void> {
  const end = clock() + (seconds ?? Number.POSITIVE_INFINITY);
  for (const mutant of wanted.slice(0, count)) {
    if (clock() >= end) return;
    report?.(await work(mutant));
  }
}
