/**
 * The isolation part: 16 to 64 clients at once, in an order that the seed decides, and checkers
 * that look for anomalies in what they saw. `count` is transactions.
 *
 * Lists that are appended to show every anomaly of transactions; registers are checked for
 * linearizability. Under snapshot isolation write skew must turn up, or the checker would see
 * nothing: a part without any fails.
 */
import { Random } from "../../storage/random.ts";
import { perform } from "../isolation/episode.ts";
import { failuresShownMax, type PartFailure, type PartOptions, type PartResult } from "../part.ts";

const countDefault = 50_000;
/** After so many transactions there must have been a write skew. */
const transactionsForSkew = 5_000;

export async function run(options: PartOptions): Promise<PartResult> {
  const random = new Random(options.seed);
  const begin = options.clock();
  const until = options.count ?? (options.seconds === undefined ? countDefault : undefined);
  const failures: PartFailure[] = [];
  const counts = {
    transactions: 0,
    committed: 0,
    conflicts: 0,
    calls: 0,
    crashes: 0,
    writeSkews: 0,
    episodes: 0,
  };
  let failed = 0;
  let reported = begin;
  const fail = (message: string, episode: number): void => {
    failed++;
    const repeat = { part: "isolation", episode };
    if (failures.length < failuresShownMax) failures.push({ message, repeat });
  };
  for (;;) {
    const now = options.clock();
    if (until !== undefined && counts.transactions >= until) break;
    if (options.seconds !== undefined && now - begin >= options.seconds) break;
    const seed = random.integer(2 ** 32);
    try {
      const outcome = await perform({ seed });
      counts.episodes++;
      for (const name of Object.keys(counts) as (keyof typeof counts)[]) {
        if (name !== "episodes") counts[name] += outcome[name];
      }
      for (const { name, message } of outcome.anomalies) fail(`${name}: ${message}`, seed);
    } catch (error) {
      fail(error instanceof Error ? `${error.message}\n${error.stack}` : String(error), seed);
      counts.episodes++;
    }
    if (now - reported >= 1) {
      reported = now;
      options.report?.({ ...counts });
    }
  }
  if (counts.transactions >= transactionsForSkew && counts.writeSkews === 0) {
    fail("no write skew was found under snapshot isolation: the checker sees nothing", 0);
  }
  return { passed: counts.transactions - failed, failed, counts, failures };
}
