/**
 * The part `errors`: stories in which one call of the file system fails, comes short, or comes
 * late; every call in turn, in every way that is planned for it.
 *
 * `count` is the number of stories that are told this way, 5 in `npm test`.
 */
import { stories } from "../crash/stories.ts";
import { callsOf, tellFailing } from "../errors/failing.ts";
import { planned } from "../errors/plan.ts";
import { failuresShownMax, type PartFailure, type PartOptions, type PartResult } from "../part.ts";
import { FaultCounter } from "../simulator/faults.ts";
import { Instances } from "../simulator/instances.ts";

/** The first few cover the log, checkpoints, their removal, and reopening. */
const firstOnes = [
  "checkpoints that remove what is old",
  "commits in groups",
  "closed and opened again",
  "large values, in groups of several parts",
  "a compaction",
];

/** A copy has a source that does not fail; a killed process leaves its files open. */
const leftOut = ["a backup", "killed and opened again"];

let instances: Instances | undefined;

export async function run(options: PartOptions): Promise<PartResult> {
  const { seed, seconds, clock, report } = options;
  const count = options.count ?? (seconds === undefined ? firstOnes.length : stories.length);
  const end = clock() + (seconds ?? Number.POSITIVE_INFINITY);
  instances ??= new Instances();
  const isFirst = (name: string): number => (firstOnes.includes(name) ? 0 : 1);
  const chosen = stories
    .filter(({ name }) => !leftOut.includes(name))
    .sort((a, b) => isFirst(a.name) - isFirst(b.name))
    .slice(0, count);
  const faults = new FaultCounter();
  const failures: PartFailure[] = [];
  const ends = { poisoned: 0, told: 0, unnoticed: 0 };
  let told = 0;
  let failed = 0;
  let lookedAgain = 0;
  let reported = clock();
  for (const story of chosen) {
    const calls = await callsOf(story, instances.fresh, seed);
    for (const struck of calls) {
      for (const plan of planned[struck.name] ?? []) {
        if (clock() > end) break;
        told++;
        faults.add(plan.id);
        try {
          const tell = (module: WebAssembly.Module) =>
            tellFailing(story, module, seed, plan, struck);
          const ended = await tell(instances.module).catch(() => {
            instances?.abandon();
            lookedAgain++;
            return tell(instances?.fresh as WebAssembly.Module);
          });
          instances.giveBack(told % 16 === 0);
          if (plan.id === "E10" && ended.end !== "unnoticed") {
            throw new Error("names of others were taken for something");
          }
          ends[ended.end]++;
        } catch (error) {
          failed++;
          const where = `${story.name}, call ${struck.call} (${struck.name} ${struck.path})`;
          if (failures.length < failuresShownMax) {
            failures.push({
              message: `${where}, ${plan.name}: ${(error as Error).message}`,
              repeat: { seed, story: story.name, call: struck.call, fault: plan.name },
            });
          }
        }
        if (report === undefined || clock() - reported < 1) continue;
        reported = clock();
        report({ told, ...ends });
      }
    }
  }
  const counts = { told, ...ends, lookedAgain, ...faults.toRecord() };
  return { passed: told - failed, failed, counts, failures };
}
