/**
 * The part `damage`: small databases with every bit flipped, every file cut off at every length,
 * blocks copied, exchanged and misdirected, files exchanged and replaced, reads that go wrong.
 *
 * `count` is the number of single-bit flips; the other kinds follow from how many specimens that
 * takes. The first specimen, all of it, is what `npm test` does.
 */
import { Random } from "../../storage/random.ts";
import * as damages from "../damage/damages.ts";
import { Judge, type Verdict } from "../damage/judge.ts";
import { type Specimen, specimen, specimenNames } from "../damage/specimen.ts";
import { failuresShownMax, type PartFailure, type PartOptions, type PartResult } from "../part.ts";
import { FaultCounter, type FaultId } from "../simulator/faults.ts";
import type { Fault, SimulatedOptions } from "../simulator/file-system.ts";
import { Instances } from "../simulator/instances.ts";

const countDefault = 131_072;
const countLong = 524_288;

/** What happens to a read: the bytes change, or come from somewhere else, or fewer come. */
const readFaults: readonly { id: FaultId; fault: (random: Random) => Fault }[] = [
  {
    id: "S13",
    fault: (random) => {
      // Drawn now: who looks a second time must see the same.
      const bit = random.integer(2 ** 31);
      return {
        alter: (bytes) => {
          const at = Math.floor(bit / 8) % Math.max(1, bytes.length);
          if (bytes.length > 0) bytes[at] = (bytes[at] as number) ^ (1 << (bit % 8));
        },
      };
    },
  },
  { id: "S7", fault: (random) => ({ at: 512 * random.integer(16) }) },
  { id: "E9", fault: (random) => ({ bytes: random.integer(5000) }) },
  { id: "E5", fault: () => ({ errno: "EIO" }) },
];

export function run(options: PartOptions): Promise<PartResult> {
  return runOn(new Instances(), options);
}

/** The same on a core of one's choice, for showing that mistakes are found. */
export async function runOn(instances: Instances, options: PartOptions): Promise<PartResult> {
  const work = new Work(instances, options);
  await work.run();
  return work.result();
}

class Work {
  readonly #options: PartOptions;
  readonly #count: number;
  readonly #end: number;
  readonly #random: Random;
  readonly #instances: Instances;
  readonly #judge: Judge;
  readonly #faults = new FaultCounter();
  readonly #verdicts: Record<Verdict, number> = { whole: 0, shortened: 0, refused: 0 };
  readonly #failures: PartFailure[] = [];
  #failed = 0;
  #judged = 0;
  #flips = 0;
  #cuts = 0;
  #pairs = 0;
  #told: number;

  constructor(instances: Instances, options: PartOptions) {
    this.#instances = instances;
    this.#judge = new Judge(instances);
    this.#options = options;
    this.#count = options.count ?? (options.seconds === undefined ? countDefault : countLong);
    this.#end = options.clock() + (options.seconds ?? Number.POSITIVE_INFINITY);
    this.#told = options.clock();
    this.#random = new Random(options.seed);
  }

  async run(): Promise<void> {
    const { seed } = this.#options;
    const isLong = this.#count > countDefault;
    for (let round = 0; this.#flips < this.#count && !this.#isOver(); round++) {
      const specimens: Specimen[] = [];
      for (let index = 0; index < specimenNames.length; index++) {
        specimens.push(await specimen(index, this.#instances.fresh, seed + 1000 * round));
      }
      for (const of of specimens) await this.#roughly(of);
      for (const of of isLong ? specimens : specimens.slice(0, 1)) await this.#exactly(of);
      for (const of of specimens) if (this.#flips < this.#count) await this.#flip(of);
    }
  }

  /** Whole files, reads, and random damage: the same few thousand, however large it is. */
  async #roughly(of: Specimen): Promise<void> {
    const isWhole = (await this.#judge.judge(of, of.disk, [])) === "whole";
    if (!isWhole) throw new Error(`the specimen "${of.name}" is not whole`);
    await this.#all(of, damages.files(of, this.#random));
    await this.#reads(of);
    await this.#all(of, damages.random(of, this.#random, 2000));
  }

  /** Every length and every pair of blocks. */
  async #exactly(of: Specimen): Promise<void> {
    for (const damage of damages.cuts(of)) {
      if (this.#isOver()) return;
      await this.#one(of, damage);
      this.#cuts++;
    }
    this.#pairs += damages.pairCount(of);
    await this.#all(of, damages.pairs(of));
    await this.#all(of, damages.blocks(of, this.#random));
  }

  async #flip(of: Specimen): Promise<void> {
    const bits = damages.totalBits(of);
    for (let bit = 0; bit < bits && !this.#isOver(); bit++) {
      await this.#one(of, damages.flip(of, bit));
      this.#flips++;
    }
  }

  async #all(of: Specimen, some: Iterable<damages.Damage>): Promise<void> {
    for (const damage of some) {
      if (this.#isOver()) return;
      await this.#one(of, damage);
    }
  }

  /** Each read of the recovery in turn goes wrong once, for all later times, or for a file. */
  async #reads(of: Specimen): Promise<void> {
    for (const { id, fault } of readFaults) {
      for (const reach of ["once", "for ever", "of this file"] as const) {
        if (id === "S13" && reach !== "once") continue;
        // A flip is as likely to hit what does not count: several of them at each read.
        const times = id === "S13" ? 64 : 1;
        for (let struck = true, step = 0; struck; step++) {
          const number = 1 + Math.floor(step / times);
          struck = false;
          let reads = 0;
          let where = "";
          const struckBy = fault(this.#random);
          const files: SimulatedOptions = {
            fault: (call, name, path) => {
              if (call === 1) reads = 0;
              if (name !== "read") return undefined;
              reads++;
              if (reads === number) where = path;
              const isMeant =
                reads === number ||
                (reach === "for ever" && reads > number) ||
                (reach === "of this file" && where === path);
              if (!isMeant) return undefined;
              struck = true;
              return struckBy;
            },
          };
          const what = `read ${number} ${reach}`;
          // Whoever is told of a failure, or may read again, misses nothing.
          const isSeen = id !== "S7" || reach === "once";
          const paths = isSeen ? [] : of.disk.paths();
          const hurt = paths.map((path) => ({ path, from: 0, to: 2 ** 31 }));
          await this.#one(of, { fault: id, what, disk: of.disk, hurt }, files);
        }
      }
    }
  }

  async #one(of: Specimen, damage: damages.Damage, files?: SimulatedOptions): Promise<void> {
    this.#judged++;
    this.#faults.add(damage.fault);
    const { clock, report } = this.#options;
    try {
      this.#verdicts[await this.#judge.judge(of, damage.disk, damage.hurt, files)]++;
    } catch (error) {
      this.#fail(of, damage, error as Error);
    }
    if (report === undefined || clock() - this.#told < 1) return;
    this.#told = clock();
    report(this.result().counts);
  }

  #fail(of: Specimen, { fault, what }: damages.Damage, error: Error): void {
    this.#failed++;
    if (this.#failures.length >= failuresShownMax) return;
    this.#failures.push({
      message: `${of.name}, ${fault}, ${what}: ${error.message}`,
      repeat: { seed: this.#options.seed, specimen: of.name, fault, what },
    });
  }

  #isOver(): boolean {
    return this.#options.clock() > this.#end;
  }

  result(): PartResult {
    const counts = {
      judged: this.#judged,
      flips: this.#flips,
      cuts: this.#cuts,
      pairs: this.#pairs,
      ...this.#verdicts,
      lookedAgain: this.#judge.lookedAgain,
      ...this.#faults.toRecord(),
    };
    const failed = this.#failed;
    return { passed: this.#judged - failed, failed, counts, failures: this.#failures };
  }
}
