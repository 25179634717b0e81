/**
 * The part `kill`: real processes that are killed, stopped, run out of memory or out of disk, and
 * threads that are terminated, while they commit, open, recover, write checkpoints, compact and
 * back up. `count` is cycles, of which two run side by side.
 */
import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { Random } from "../../storage/random.ts";
import { fillDisk } from "../kill/full-disk.ts";
import { KillCounts, Lane } from "../kill/lane.ts";
import { type Mistake, program } from "../kill/process.ts";
import { failuresShownMax, type PartFailure, type PartOptions, type PartResult } from "../part.ts";

const countDefault = 100;
const lanesMax = 2;

export interface KillOptions extends PartOptions {
  readonly mistake?: Mistake;
}

export async function run(options: KillOptions): Promise<PartResult> {
  const { seed, seconds, clock, report } = options;
  const most = options.count ?? (seconds === undefined ? countDefault : Number.POSITIVE_INFINITY);
  const end = clock() + (seconds ?? Number.POSITIVE_INFINITY);
  const child = await program(options.mistake);
  const counts = new KillCounts();
  const failures: PartFailure[] = [];
  let begun = 0;
  let told = clock();
  const fail = (error: unknown, where: string): void => {
    counts.lost++;
    const message = `${where}: ${error instanceof Error ? error.stack : String(error)}`;
    if (failures.length < failuresShownMax)
      failures.push({ message, repeat: { part: "kill", seed } });
  };
  const runLane = async (index: number): Promise<void> => {
    const lane = new Lane(child, new Random(seed * lanesMax + index), counts);
    try {
      while (begun < most && clock() < end) {
        begun++;
        await lane.cycle();
        if (report === undefined || clock() - told < 1) continue;
        told = clock();
        report({ ...counts });
      }
      lane.remove();
    } catch (error) {
      fail(error, `cycle ${counts.cycles}, database kept in ${lane.folder}`);
      if (options.mistake !== undefined) lane.remove();
    }
  };
  await Promise.all(Array.from({ length: lanesMax }, (_, index) => runLane(index)));
  const disksFilled = options.mistake === undefined ? await tryFillDisk(child, fail) : 0;
  rmSync(dirname(child), { recursive: true, force: true });
  const passed = counts.cycles + disksFilled;
  return { passed, failed: counts.lost, counts: { ...counts, disksFilled }, failures };
}

async function tryFillDisk(
  child: string,
  fail: (error: unknown, where: string) => void,
): Promise<number> {
  try {
    return (await fillDisk(child, 4)) ? 1 : 0;
  } catch (error) {
    fail(error, "a full disk");
    return 0;
  }
}
