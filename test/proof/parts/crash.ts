/**
 * The part `crash`: every story of `test/proof/crash/stories.ts`, crashed at each of its calls.
 *
 * `count` is the number of distinct disks that are recovered and judged. In a short run they are
 * those of two file systems, in a long one (`count` of 200,000 or more) of all six, and at every
 * call one of them is crashed again at each call of its recovery.
 */
import { Explorer } from "../crash/explorer.ts";
import { stories } from "../crash/stories.ts";
import type { PartCounts, PartOptions, PartResult } from "../part.ts";
import { Instances } from "../simulator/instances.ts";
import { adversary, ext4Ordered, personalities } from "../simulator/personality.ts";

const countDefault = 100_000;
const longCount = 200_000;

let instances: Instances | undefined;

export async function run(options: PartOptions): Promise<PartResult> {
  const { seed, seconds, clock, report } = options;
  const count = options.count ?? (seconds === undefined ? countDefault : 1_000_000);
  const isLong = count >= longCount;
  const end = clock() + (seconds ?? Number.POSITIVE_INFINITY);
  instances ??= new Instances();
  let told = clock();
  const explorer = new Explorer(instances, {
    stories,
    personalities: isLong ? personalities : [ext4Ordered, adversary],
    seed,
    states: count,
    againOneIn: isLong ? 400 : 1000,
    againAtEveryCall: isLong,
    isOver: () => clock() > end,
    progress: () => {
      if (report === undefined || clock() - told < 1) return;
      told = clock();
      report(countsOf(explorer));
    },
  });
  await explorer.run();
  const { failed, failures, counts } = explorer;
  return { passed: counts.states - failed, failed, counts: countsOf(explorer), failures };
}

function countsOf({ counts, oracle, faults }: Explorer): PartCounts {
  return { ...counts, ...oracle.asked, lookedAgain: oracle.lookedAgain, ...faults.toRecord() };
}
