/**
 * The model part: random sequences of operations on the public API, with storage faults, compared
 * operation by operation with a reference that shares nothing with the engine.
 *
 * `count` is operations. An episode is one database; a failure prints its seed and the shortest
 * sequence that was found to fail.
 */
import { Random } from "../../storage/random.ts";
import { drawEpisode, performEpisode } from "../model/episode.ts";
import { shrink } from "../model/shrink.ts";
import { failuresShownMax, type PartFailure, type PartOptions, type PartResult } from "../part.ts";

const countDefault = 1_000_000;
const shrinkTriesMax = 200;

export async function run(options: PartOptions): Promise<PartResult> {
  const random = new Random(options.seed);
  const begin = options.clock();
  const until = options.count ?? (options.seconds === undefined ? countDefault : undefined);
  const failures: PartFailure[] = [];
  const counts = { operations: 0, episodes: 0, faults: 0, crashes: 0 };
  let failed = 0;
  let reported = begin;
  for (;;) {
    const now = options.clock();
    if (until !== undefined && counts.operations >= until) break;
    if (options.seconds !== undefined && now - begin >= options.seconds) break;
    const seed = random.integer(2 ** 32);
    const episode = drawEpisode(seed);
    const performed = await performEpisode(episode, episode.operations);
    counts.operations += performed.operations;
    counts.faults += performed.faults;
    counts.crashes += performed.crashes;
    counts.episodes++;
    if (performed.error !== undefined) {
      failed++;
      if (failures.length < failuresShownMax) {
        failures.push(await failureOf(seed, performed.at, performed.error, failures.length === 0));
      }
    }
    if (now - reported >= 1) {
      reported = now;
      options.report?.({ ...counts });
    }
  }
  return { passed: counts.operations - failed, failed, counts, failures };
}

/** The shortest sequence that still fails is looked for once: it takes a while. */
async function failureOf(
  seed: number,
  at: number,
  error: unknown,
  isShrunk: boolean,
): Promise<PartFailure> {
  const episode = drawEpisode(seed);
  const until = episode.operations.slice(0, at + 1);
  const fails = async (operations: typeof until): Promise<boolean> =>
    (await performEpisode(episode, operations)).error !== undefined;
  const least = isShrunk ? await shrink(until, fails, shrinkTriesMax) : [];
  const sequence = least.map((operation) => `\n  ${JSON.stringify(operation)}`).join("");
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return {
    message: `${message}\n${stack ?? ""}\nThe shortest sequence found to fail:${sequence}`,
    repeat: { part: "model", episode: seed, operation: at },
  };
}
