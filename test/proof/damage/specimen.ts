/** Small databases to be damaged, each with what it must answer. */
import type { EngineOptions } from "../../../src/engine/index.ts";
import type { State } from "../../crash/model.ts";
import { path, small, Teller } from "../crash/recording.ts";
import type { Disk } from "../simulator/disk.ts";

/** Where the bytes of a commit lie in the log. */
export interface Frame {
  readonly seq: number;
  readonly path: string;
  readonly from: number;
  readonly to: number;
}

export interface Specimen {
  readonly name: string;
  readonly options: EngineOptions;
  readonly disk: Disk;
  /** The disk as it was some commits before, and the one of another database. */
  readonly earlier: Disk;
  readonly other: Disk;
  readonly states: readonly State[];
  /** The last commit. */
  readonly seq: number;
  /** Commits that only the log holds, in order. */
  readonly frames: readonly Frame[];
}

async function fill(teller: Teller, from: number, to: number, length: number): Promise<void> {
  for (let i = from; i < to; i++) {
    await teller.put([1, `k${i}`, `${i}${"v".repeat(length)}`], [2, `h${i}`, `${i}`]);
  }
}

interface Plan {
  readonly name: string;
  readonly options?: EngineOptions;
  /** Told up to here the disk is `earlier`. */
  readonly before: (teller: Teller) => Promise<void>;
  readonly after: (teller: Teller) => Promise<void>;
}

const plans: readonly Plan[] = [
  {
    // Each file as small as it can be: root, one blob of one page, its catalogue, one segment.
    name: "one page and one segment, not closed",
    options: { segmentBytes: { first: 10_240, max: 10_240 } },
    before: async (teller) => {
      await teller.send([...teller.create(1, "ordered"), ...teller.change([[1, "a", "1"]])]);
      await teller.engine.checkpoint();
    },
    after: async (teller) => {
      await teller.put([1, "b", "2"]);
      await teller.put([1, "a", "3"], [1, "c", "4"]);
    },
  },
  {
    name: "a checkpoint and commits after it, not closed",
    before: async (teller) => {
      await teller.plant();
      await fill(teller, 0, 3, 20);
      await teller.engine.checkpoint();
      await fill(teller, 3, 4, 20);
    },
    after: async (teller) => fill(teller, 4, 6, 20),
  },
  {
    name: "commits and no checkpoint, not closed",
    before: async (teller) => {
      await teller.plant();
      await fill(teller, 0, 3, 60);
    },
    after: async (teller) => fill(teller, 3, 9, 60),
  },
  {
    name: "two checkpoints and a clean close",
    before: async (teller) => {
      await teller.plant();
      await fill(teller, 0, 3, 100);
      await teller.engine.checkpoint();
    },
    after: async (teller) => {
      await fill(teller, 3, 6, 100);
      await teller.close();
    },
  },
  {
    name: "several segments and large values, not closed",
    options: { segmentBytes: { first: 5632, max: 5632 } },
    before: async (teller) => {
      await teller.plant();
      await fill(teller, 0, 4, 150);
      await teller.engine.checkpoint();
    },
    after: async (teller) => {
      await teller.put([1, "large", "l".repeat(6000)]);
      await teller.engine.checkpoint();
      await fill(teller, 4, 12, 150);
    },
  },
];

async function make(plan: Plan, module: WebAssembly.Module, seed: number): Promise<Specimen> {
  const teller = new Teller(module, seed, {});
  await teller.open(plan.options);
  await plan.before(teller);
  await teller.rest();
  const earlier = teller.files.disk.fork();
  await plan.after(teller);
  await teller.rest();
  const stranger = new Teller(module, seed + 77, {});
  await stranger.open(plan.options);
  await plan.before(stranger);
  await plan.after(stranger);
  await stranger.rest();
  const disk = teller.files.disk.fork();
  return {
    name: plan.name,
    options: { ...small, ...plan.options },
    disk,
    earlier,
    other: stranger.files.disk.fork(),
    states: teller.states,
    seq: teller.seq,
    frames: framesOf(teller, disk),
  };
}

/**
 * The frames, by the calls that wrote them: a commit's writes to the log come after it was begun
 * and before it was acknowledged. Only of commits that were sent one by one.
 */
function framesOf(teller: Teller, disk: Disk): Frame[] {
  const frames: Frame[] = [];
  const pathOf = new Map(disk.paths().map((at) => [disk.inodeAt(at), at]));
  let sent = 0;
  let next = 0;
  teller.trace.forEach(({ change }, entry) => {
    while ((teller.promised[next]?.entry ?? Number.POSITIVE_INFINITY) <= entry) {
      sent = Math.max(sent, teller.promised[next]?.sent ?? 0);
      next++;
    }
    if (change?.kind !== "write") return;
    const at = pathOf.get(change.inode);
    if (at === undefined || !at.startsWith(`${path}/log/`) || change.at < 4608) return;
    frames.push({ seq: sent, path: at, from: change.at, to: change.at + change.bytes.length });
  });
  return frames;
}

export const specimenNames: readonly string[] = plans.map(({ name }) => name);

/** Makes specimen number `index`, the same for the same seed. */
export function specimen(
  index: number,
  module: WebAssembly.Module,
  seed: number,
): Promise<Specimen> {
  return make(plans[index] as Plan, module, seed);
}
