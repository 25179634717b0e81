/**
 * The fuzz part: inputs that were damaged, and inputs of somebody who knows the checksums, for
 * everything that decodes. `count` is executions.
 *
 * Each execution ends with a typed error or the right answer: never with a trap, a hang, a changed
 * prototype, or buffers of more than four times the input.
 */
import { Random } from "../../storage/random.ts";
import { Guard } from "../fuzz/guard.ts";
import { drawImage, type ImageSample } from "../fuzz/sample.ts";
import type { Target } from "../fuzz/target.ts";
import { applyTarget } from "../fuzz/target-apply.ts";
import { imageTargets } from "../fuzz/target-image.ts";
import { inputTargets } from "../fuzz/target-input.ts";
import { logTargets } from "../fuzz/target-log.ts";
import { stateTargets } from "../fuzz/target-state.ts";
import { Watch } from "../fuzz/watch.ts";
import { failuresShownMax, type PartFailure, type PartOptions, type PartResult } from "../part.ts";

const countDefault = 500_000;
const imageCount = 6;
/** A typed error is made in most executions: most of its time would go into its stack. */
const stackLines = 4;

export async function targets(): Promise<Target[]> {
  const samples: ImageSample[] = [];
  for (let seed = 0; seed < imageCount; seed++) samples.push(await drawImage(seed));
  return [
    ...logTargets,
    ...stateTargets(samples),
    ...imageTargets(samples),
    await applyTarget(),
    ...inputTargets,
  ];
}

export async function run(options: PartOptions): Promise<PartResult> {
  const random = new Random(options.seed);
  const begin = options.clock();
  const until = options.count ?? (options.seconds === undefined ? countDefault : undefined);
  const all = await targets();
  const wheel = all.flatMap((target, index) => new Array<number>(target.weight).fill(index));
  const watch = new Watch(all.map(({ name }) => name));
  const guard = new Guard(options.clock);
  const executions = new Array<number>(all.length).fill(0);
  const failures: PartFailure[] = [];
  let done = 0;
  let failed = 0;
  let reported = begin;
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = stackLines;
  guard.begin();
  try {
    for (;;) {
      if ((done & 255) === 0) {
        const now = options.clock();
        if (options.seconds !== undefined && now - begin >= options.seconds) break;
        if (now - reported >= 1) {
          reported = now;
          options.report?.(countsOf(all, executions));
        }
      }
      if (until !== undefined && done >= until) break;
      const index = random.pick(wheel);
      const input = random.integer(2 ** 32);
      watch.on(index, input);
      done++;
      executions[index]++;
      try {
        const ended = all[index].run(new Random(input), guard);
        if (ended !== undefined) await ended;
      } catch (error) {
        failed++;
        if (failures.length < failuresShownMax) {
          failures.push(failureOf(all[index].name, input, error));
        }
      }
    }
  } finally {
    guard.end();
    Error.stackTraceLimit = stackTraceLimit;
    await watch.end();
  }
  return { passed: done - failed, failed, counts: countsOf(all, executions), failures };
}

function countsOf(all: readonly Target[], executions: readonly number[]): Record<string, number> {
  const counts: Record<string, number> = { executions: 0 };
  for (const [index, { name }] of all.entries()) {
    counts.executions += executions[index];
    counts[name] = executions[index];
  }
  return counts;
}

function failureOf(target: string, input: number, error: unknown): PartFailure {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { message: `${message}\n${stack ?? ""}`, repeat: { part: "fuzz", target, input } };
}
