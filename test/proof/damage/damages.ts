/** What can happen to the bytes of a database, one by one. */

import type { Random } from "../../storage/random.ts";
import type { Disk } from "../simulator/disk.ts";
import type { FaultId } from "../simulator/faults.ts";
import { overwritten } from "../simulator/trace.ts";
import type { Specimen } from "./specimen.ts";

export interface Damage {
  readonly fault: FaultId;
  /** What was done, to repeat it. */
  readonly what: string;
  readonly disk: Disk;
  /** Stretches that are not what they were, by path. */
  readonly hurt: readonly Stretch[];
}

export interface Stretch {
  readonly path: string;
  readonly from: number;
  readonly to: number;
}

/** Pairs and sectors are of blocks of so many bytes. */
export const blockBytes = 512;

const everything = Number.POSITIVE_INFINITY;

function changed(disk: Disk, path: string, bytes: Uint8Array): Disk {
  const copy = disk.fork();
  const inode = copy.inodeAt(path);
  if (inode !== undefined) copy.files.set(inode, bytes);
  return copy;
}

function bytesAt(disk: Disk, path: string): Uint8Array {
  return disk.read(path) ?? new Uint8Array(0);
}

export function totalBits({ disk }: Specimen): number {
  return disk.usedBytes() * 8;
}

/** S1: bit `number` of all bits of all files. */
export function flip({ disk }: Specimen, number: number): Damage {
  let at = Math.floor(number / 8);
  for (const path of disk.paths()) {
    const bytes = bytesAt(disk, path);
    if (at >= bytes.length) {
      at -= bytes.length;
      continue;
    }
    const flipped = bytes.slice();
    flipped[at] = (flipped[at] as number) ^ (1 << (number % 8));
    return {
      fault: "S1",
      what: `bit ${number % 8} of byte ${at} of ${path}`,
      disk: changed(disk, path, flipped),
      hurt: [{ path, from: at, to: at + 1 }],
    };
  }
  throw new Error(`there is no bit ${number}`);
}

/** S4: every file, cut off at every length. */
export function* cuts({ disk }: Specimen): Generator<Damage> {
  for (const path of disk.paths()) {
    const bytes = bytesAt(disk, path);
    for (let length = 0; length < bytes.length; length++) {
      const what = `${path} cut off at ${length}`;
      const hurt = [{ path, from: length, to: everything }];
      yield { fault: "S4", what, disk: changed(disk, path, bytes.subarray(0, length)), hurt };
    }
  }
}

interface Block extends Stretch {
  readonly bytes: Uint8Array;
}

export function blocksOf(disk: Disk): Block[] {
  const blocks: Block[] = [];
  for (const path of disk.paths()) {
    const bytes = bytesAt(disk, path);
    for (let from = 0; from < bytes.length; from += blockBytes) {
      const to = Math.min(from + blockBytes, bytes.length);
      blocks.push({ path, from, to, bytes: bytes.subarray(from, to) });
    }
  }
  return blocks;
}

function put(disk: Disk, { path, from, to }: Stretch, bytes: Uint8Array): Disk {
  return changed(disk, path, overwritten(bytesAt(disk, path), from, bytes.subarray(0, to - from)));
}

/** S5, S6, S8: every ordered pair of blocks copied and misdirected, every pair exchanged. */
export function* pairs({ disk, earlier }: Specimen): Generator<Damage> {
  const blocks = blocksOf(disk);
  for (const [i, one] of blocks.entries()) {
    for (const [j, two] of blocks.entries()) {
      if (i === j) continue;
      const where = `${one.path} ${one.from} and ${two.path} ${two.from}`;
      yield { fault: "S5", what: `copied: ${where}`, disk: put(disk, two, one.bytes), hurt: [two] };
      const old = bytesAt(earlier, one.path).slice(one.from, one.to);
      const before = overwritten(new Uint8Array(one.to - one.from), 0, old);
      yield {
        fault: "S6",
        what: `misdirected: ${where}`,
        disk: put(put(disk, two, one.bytes), one, before),
        hurt: [one, two],
      };
      if (i > j) continue;
      const exchanged = put(put(disk, two, one.bytes), one, two.bytes);
      yield { fault: "S8", what: `exchanged: ${where}`, disk: exchanged, hurt: [one, two] };
    }
  }
}

/** How many ordered pairs of blocks a specimen has. */
export function pairCount({ disk }: Specimen): number {
  const { length } = blocksOf(disk);
  return length * (length - 1);
}

/** S2, S3, S9: each block zeroed, filled at random, as it was before; each byte zeroed. */
export function* blocks({ disk, earlier }: Specimen, random: Random): Generator<Damage> {
  for (const block of blocksOf(disk)) {
    const where = `${block.path} ${block.from}`;
    const size = block.to - block.from;
    const zeroed = put(disk, block, new Uint8Array(size));
    yield { fault: "S2", what: `zeroed: ${where}`, disk: zeroed, hurt: [block] };
    const noise = put(disk, block, random.bytes(size));
    yield { fault: "S3", what: `random: ${where}`, disk: noise, hurt: [block] };
    const old = bytesAt(earlier, block.path).slice(block.from, block.to);
    const stale = put(disk, block, overwritten(new Uint8Array(size), 0, old));
    yield { fault: "S9", what: `as before: ${where}`, disk: stale, hurt: [block] };
  }
  for (const path of disk.paths()) {
    const bytes = bytesAt(disk, path);
    for (let at = 0; at < bytes.length; at++) {
      if (bytes[at] === 0) continue;
      const hurt = [{ path, from: at, to: at + 1 }];
      const zeroed = changed(disk, path, overwritten(bytes, at, new Uint8Array(1)));
      yield { fault: "S2", what: `byte ${at} of ${path} zeroed`, disk: zeroed, hurt };
    }
  }
}

/** S10, S11, S12: whole files. */
export function* files(specimen: Specimen, random: Random): Generator<Damage> {
  const { disk, earlier, other } = specimen;
  const paths = disk.paths();
  const of = (path: string, what: string, fault: FaultId, damaged: Disk): Damage => ({
    fault,
    what: `${path} ${what}`,
    disk: damaged,
    hurt: [{ path, from: 0, to: everything }],
  });
  for (const path of paths) {
    const bytes = bytesAt(disk, path);
    const gone = disk.fork();
    gone.remove(path);
    yield of(path, "gone", "S10", gone);
    const folder = disk.fork();
    folder.remove(path);
    const at = path.lastIndexOf("/");
    folder.name(path.slice(0, at), `${path.slice(at + 1)}/`, 0);
    folder.makeFolder(path);
    yield of(path, "is a folder", "S10", folder);
    yield of(path, "is empty", "S10", changed(disk, path, new Uint8Array(0)));
    for (const foreign of other.paths()) {
      if (kindOf(foreign) !== kindOf(path)) continue;
      yield of(
        path,
        `is ${foreign} of another`,
        "S10",
        changed(disk, path, bytesAt(other, foreign)),
      );
    }
    if (earlier.read(path) !== undefined) {
      yield of(path, "is an older one", "S10", changed(disk, path, bytesAt(earlier, path)));
    }
    for (const more of [new Uint8Array(4096), random.bytes(1), random.bytes(5000), bytes]) {
      const longer = changed(disk, path, overwritten(bytes, bytes.length, more));
      yield { ...of(path, `and ${more.length} bytes more`, "S11", longer), hurt: [] };
    }
    for (const second of paths) {
      if (second <= path) continue;
      const exchanged = changed(changed(disk, path, bytesAt(disk, second)), second, bytes);
      const hurt = [path, second].map((name) => ({ path: name, from: 0, to: everything }));
      yield { ...of(path, `exchanged with ${second}`, "S12", exchanged), hurt };
    }
  }
}

function kindOf(path: string): string {
  return path.replace(/\d.*/, "");
}

/** Several flips, bursts, runs of one value: anywhere, so many. */
export function* random({ disk }: Specimen, from: Random, count: number): Generator<Damage> {
  const paths = disk.paths();
  for (let done = 0; done < count; done++) {
    let damaged = disk;
    const hurt: Stretch[] = [];
    for (let left = 1 + from.integer(4); left > 0; left--) {
      const path = from.pick(paths);
      const bytes = bytesAt(damaged, path);
      const at = from.integer(bytes.length);
      const length = Math.min(1 + from.integer(from.pick([2, 8, 64, 600])), bytes.length - at);
      const filler = from.chance(0.5)
        ? from.bytes(length)
        : new Uint8Array(length).fill(from.integer(256));
      damaged = changed(damaged, path, overwritten(bytes, at, filler));
      hurt.push({ path, from: at, to: at + length });
    }
    const what = `random ${done}: ${hurt.map(({ path, from: at }) => `${path} ${at}`).join(", ")}`;
    yield { fault: "S3", what, disk: damaged, hurt };
  }
}
