/** One database from its creation to its last look: a sequence of operations, performed. */
import type { EngineOptions } from "../../../src/engine/index.ts";
import { Random } from "../../storage/random.ts";
import { Draw, type Operation } from "./operation.ts";
import { type AnyUniverse, Performer } from "./perform.ts";
import { compare, create, recover } from "./perform-upkeep.ts";
import { Reference } from "./reference.ts";
import { shelfKinds } from "./shelf-kind.ts";
import { bytesUniverse, textUniverse } from "./universe.ts";
import { World, type WorldOptions } from "./world.ts";

export interface Episode {
  readonly seed: number;
  readonly options: WorldOptions;
  readonly universes: readonly AnyUniverse[];
  readonly operations: readonly Operation[];
}

/** Operations of an episode on a storage that answers at once, and on one that answers later. */
const lengths = { sync: 12_000, async: 2_500 };
/** After so many operations a database whose storage has failed is opened again. */
const struckMax = 25;

export function drawEpisode(seed: number): Episode {
  const random = new Random(seed);
  const isAsync = random.chance(0.1);
  const options: WorldOptions = { seed, isAsync, engine: engineOptions(random) };
  const count = random.pick([12, 60, 60, 300, 1_500]);
  const text = textUniverse(random, count);
  const bytes = bytesUniverse(random, count);
  const universes: AnyUniverse[] = shelfKinds.map(({ isText }) =>
    isText ? (text as unknown as AnyUniverse) : (bytes as unknown as AnyUniverse),
  );
  const draw = new Draw(random, {
    keys: universes.map(({ keys }) => keys.length),
    prefixes: universes.map(({ prefixes }) => prefixes.length),
    groups: universes.map(({ groups }) => groups.length),
    ordered: [...shelfKinds.keys()].filter((index) => shelfKinds[index].isOrdered),
    grouped: [...shelfKinds.keys()].filter(
      (index) => shelfKinds[index].isOrdered && shelfKinds[index].isText,
    ),
  });
  const length = isAsync ? lengths.async : lengths.sync;
  const operations = Array.from({ length }, () => draw.next());
  return { seed, options, universes, operations };
}

function engineOptions(random: Random): EngineOptions {
  const logBytes = random.pick([20_000, 100_000, 1_000_000]);
  const first = random.pick([8_192, 32_768]);
  return {
    durability: random.pick(["full", "full", "none", { relaxed: 500 }]),
    memoryBudget: random.pick([4 << 20, 4 << 20, 64 << 20]),
    checkpointLogBytes: logBytes,
    checkpointIdleMs: random.pick([0, 2_000]),
    segmentBytes: { first, max: first * random.pick([1, 4]) },
    ...(random.chance(0.3) ? { hashMask: random.pick([0n, 3n, 0xffn]) } : {}),
  };
}

export interface Performed {
  /** Operations whose results were compared. */
  readonly operations: number;
  /** Storage calls that were made to fail, and processes that died. */
  readonly faults: number;
  readonly crashes: number;
  readonly error: unknown;
  /** The operation at which it failed. */
  readonly at: number;
}

/** Performs the operations of an episode, or some of them. */
export async function performEpisode(
  { options, universes }: Episode,
  operations: readonly Operation[],
): Promise<Performed> {
  const world = await World.create(options);
  const reference = new Reference(universes.map(({ keys }) => keys.length));
  const performer = new Performer(world, reference, universes);
  let at = 0;
  try {
    for (const shelf of shelfKinds.keys()) await create(performer, shelf);
    for (; at < operations.length; at++) {
      const done = performer.perform(operations[at]);
      if (done !== undefined) await done;
      if (world.isCrashed) await recover(performer, 0, world.seed);
      else if (world.isArmed && world.hasStruck && ++performer.sinceStrike > struckMax) {
        await performer.perform({ do: "reopen", crashAfter: 0, seed: world.seed });
      }
    }
    await finish(performer);
    return performedBy(performer, undefined, at);
  } catch (error) {
    await world.db.close().catch(() => undefined);
    return performedBy(performer, error, at);
  }
}

function performedBy({ done, faults, crashes }: Performer, error: unknown, at: number): Performed {
  return { operations: done, faults, crashes, error, at };
}

/** Whatever has happened: closed and opened once more, everything is there and sound. */
async function finish(performer: Performer): Promise<void> {
  for (const what of ["reopen", "reopen"] as const) {
    await performer.perform({ do: what, crashAfter: 0, seed: 1 });
    if (performer.world.isCrashed) await recover(performer, 0, 1);
  }
  await compare(performer);
  await performer.perform({ do: "verify" });
  await performer.world.db.close();
}
