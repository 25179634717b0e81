/**
 * The tables part: 16 to 64 clients at once, in an order that the seed decides, with statements,
 * transactions, queries and changes of tables, and crashes. `count` is transactions over lists.
 *
 * What they saw is looked at for anomalies, and every row against its constraints and entries.
 * Under snapshot isolation write skew must turn up, or the checker would see nothing.
 */
import { Random } from "../../storage/random.ts";
import { failuresShownMax, type PartFailure, type PartOptions, type PartResult } from "../part.ts";
import { perform } from "../tables/episode.ts";

const countDefault = 1_000;
/** After so many transactions there must have been a write skew. */
const transactionsForSkew = 1_500;

export async function run(options: PartOptions): Promise<PartResult> {
  const random = new Random(options.seed);
  const begin = options.clock();
  const until = options.count ?? (options.seconds === undefined ? countDefault : undefined);
  const failures: PartFailure[] = [];
  const counts = {
    transactions: 0,
    committed: 0,
    conflicts: 0,
    statements: 0,
    changes: 0,
    crashes: 0,
    writeSkews: 0,
    episodes: 0,
  };
  let failed = 0;
  let reported = begin;
  const fail = (message: string, episode: number): void => {
    failed++;
    const repeat = { part: "tables", episode };
    if (failures.length < failuresShownMax) failures.push({ message, repeat });
  };
  for (;;) {
    const now = options.clock();
    if (until !== undefined && counts.transactions >= until) break;
    if (options.seconds !== undefined && now - begin >= options.seconds) break;
    const seed = random.integer(2 ** 32);
    counts.episodes++;
    try {
      const outcome = await perform({ seed });
      for (const name of Object.keys(counts) as (keyof typeof counts)[]) {
        if (name !== "episodes") counts[name] += outcome[name];
      }
      for (const { name, message } of outcome.anomalies) fail(`${name}: ${message}`, seed);
    } catch (error) {
      fail(error instanceof Error ? `${error.message}\n${error.stack}` : String(error), seed);
    }
    if (now - reported >= 1) {
      reported = now;
      options.report?.({ ...counts });
    }
  }
  if (counts.transactions >= transactionsForSkew && counts.writeSkews === 0) {
    fail("no write skew was found under snapshot isolation: the checker sees nothing", 0);
  }
  return { passed: counts.transactions + counts.statements - failed, failed, counts, failures };
}
