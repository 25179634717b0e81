/**
 * Every disk that a loss of power may leave, at every entry of a trace.
 *
 * Going through the trace, what completed syncs cover is put on the base disk; what they do not is
 * pending, in atoms that are there or not. A choice says which, and which of them is torn.
 */
import type { Random } from "../../storage/random.ts";
import type { Disk } from "./disk.ts";
import type { FaultId } from "./faults.ts";
import type { Personality } from "./personality.ts";
import { apply, type Change, type Entry, overwritten } from "./trace.ts";

/** A change, or half of a rename, that a crash keeps or loses as one. */
export interface Atom {
  readonly change: Change;
  readonly entry: number;
}

/** A moment of the trace: the power fails while this entry runs. */
export interface Moment {
  readonly entry: number;
  readonly base: Disk;
  readonly pending: readonly Atom[];
}

/** How a write is torn. */
export type Tear =
  /** Only its first bytes are there. */
  | { readonly kind: "prefix"; readonly bytes: number }
  /** Only these sectors of 512 bytes are there: bit i of the mask, again after 30. */
  | { readonly kind: "sectors"; readonly mask: number }
  /** The first and the last sector are there, nothing between. */
  | { readonly kind: "hole" }
  /** The file has its new size, but none of the bytes. */
  | { readonly kind: "grown"; readonly filler: "stale" | "zeros" };

export interface Choice {
  readonly kept: readonly boolean[];
  readonly torn?: { readonly atom: number; readonly tear: Tear };
}

const sectorBytes = 512;
const noneKept: ReadonlySet<FaultId> = new Set();

/** The moments of a trace on a disk that held `begin` when it began. */
export function momentsOf(
  begin: Disk,
  trace: readonly Entry[],
  personality: Personality,
  lyingSyncs = 0,
): Moment[] {
  const moments: Moment[] = [];
  const lies = lyingSyncs === 0 ? trace.length : lastSyncs(trace, lyingSyncs);
  let base = begin;
  let pending: Atom[] = [];
  trace.forEach((entry, index) => {
    if (entry.change !== undefined) {
      pending = [...pending, ...atomsOf(entry.change, index, personality)];
    } else if (entry.synced !== undefined && index < lies) {
      const [settled, rest] = settle(trace[entry.synced], entry.synced, pending, personality);
      if (settled.length > 0) {
        base = base.fork();
        for (const { change } of settled) apply(base, change);
        pending = rest;
      }
    }
    if (entry.failed !== undefined) {
      const { inode } = trace[entry.failed]?.sync ?? {};
      const begun = entry.failed;
      pending = pending.filter(
        ({ change, entry: at }) => change.kind !== "write" || change.inode !== inode || at > begun,
      );
    }
    moments.push({ entry: index, base, pending: pending.filter((atom) => counts(atom, pending)) });
  });
  return moments;

  /** A write to a file that no name leads to changes nothing. */
  function counts({ change }: Atom, all: readonly Atom[]): boolean {
    if (change.kind !== "write") return true;
    for (const names of base.folders.values()) {
      for (const inode of names.values()) if (inode === change.inode) return true;
    }
    return all.some((other) => other.change.kind !== "write" && inodeOf(other) === change.inode);
  }
}

function inodeOf({ change }: Atom): number {
  return change.kind === "mkdir" ? -1 : change.inode;
}

/** The entry from which on syncs lie. */
function lastSyncs(trace: readonly Entry[], count: number): number {
  const ends = trace.flatMap(({ synced }, index) => (synced === undefined ? [] : [index]));
  return ends[Math.max(0, ends.length - count)] ?? trace.length;
}

function atomsOf(change: Change, entry: number, personality: Personality): Atom[] {
  if (change.kind !== "rename" || !personality.halfRenames) return [{ change, entry }];
  const { folder, from, to, inode } = change;
  return [
    { change: { kind: "link", folder, name: to, inode }, entry },
    { change: { kind: "unlink", folder, name: from, inode }, entry },
  ];
}

/** What a sync that began at `begun` has made durable, and what it has not. */
function settle(
  { sync }: Entry,
  begun: number,
  pending: readonly Atom[],
  personality: Personality,
): [settled: Atom[], rest: Atom[]] {
  const settled: Atom[] = [];
  const rest: Atom[] = [];
  if (sync === undefined) throw new Error("a sync ends that has not begun");
  const grows = pending.some(
    ({ change }) => change.kind === "write" && change.inode === sync.inode,
  );
  const keepsNames =
    sync.folder === undefined
      ? personality.fileSyncKeepsNames && (sync.all || grows)
      : personality.names === "ordered";
  for (const atom of pending) {
    const { change } = atom;
    const isCovered =
      change.kind === "write"
        ? change.inode === sync.inode
        : keepsNames || change.folder === sync.folder;
    (isCovered && atom.entry < begun ? settled : rest).push(atom);
  }
  return [settled, rest];
}

/** Up to here all subsets are looked at. */
const subsetsMax = 10;

/** Choices that are made at every moment: all subsets of few atoms, the telling ones of many. */
export function* mainChoices(
  { pending }: Moment,
  personality: Personality,
  random: Random,
): Generator<Choice> {
  const count = pending.length;
  const all = pending.map(() => true);
  yield { kept: all };
  if (count === 0) return;
  const allowed = (kept: boolean[]): Choice => ({ kept: allow(kept, pending, personality) });
  if (personality.inOrder || count > subsetsMax) {
    for (let length = 0; length < count; length++) {
      yield allowed(all.map((_, index) => index < length));
    }
  }
  if (personality.inOrder) return;
  if (count <= subsetsMax) {
    for (let set = 0; set < 2 ** count - 1; set++) {
      yield allowed(all.map((_, index) => (set & (1 << index)) !== 0));
    }
    return;
  }
  for (let one = 0; one < count; one++) {
    yield allowed(all.map((_, index) => index !== one));
    yield allowed(all.map((_, index) => index === one));
  }
  for (let more = 0; more < 64; more++) yield allowed(all.map(() => random.chance(0.5)));
}

/** Cuts what this personality cannot do: names out of order. */
function allow(kept: boolean[], pending: readonly Atom[], personality: Personality): boolean[] {
  if (personality.names === "any") return kept;
  let isLost = false;
  return kept.map((isKept, index) => {
    if (pending[index]?.change.kind === "write") return isKept;
    if (!isKept) isLost = true;
    return !isLost;
  });
}

/** Torn writes: the last one at every byte, others at some, under subsets of the rest. */
export function* tornChoices(
  { pending }: Moment,
  personality: Personality,
  random: Random,
): Generator<Choice> {
  const writes = pending.flatMap(({ change }, index) => (change.kind === "write" ? [index] : []));
  const last = writes.at(-1);
  if (last === undefined) return;
  const all = pending.map(() => true);
  const tears = (index: number): Tear[] => {
    const { change } = pending[index] as Atom;
    return change.kind === "write" ? tearsOf(change.bytes.length, personality, random) : [];
  };
  for (const tear of tears(last)) yield { kept: all, torn: { atom: last, tear } };
  for (let more = 0; more < 8 * writes.length; more++) {
    const atom = random.pick(writes);
    for (const tear of sample(tears(atom), 8, random)) {
      const kept = allow(
        pending.map((_, index) => index === atom || random.chance(0.6)),
        pending,
        personality,
      );
      yield { kept, torn: { atom, tear } };
    }
  }
}

function sample<T>(items: readonly T[], count: number, random: Random): T[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, () => random.pick(items));
}

function tearsOf(bytes: number, { tears, growth }: Personality, random: Random): Tear[] {
  const found: Tear[] = [];
  if (growth !== "none") found.push({ kind: "grown", filler: "zeros" });
  if (growth === "stale") found.push({ kind: "grown", filler: "stale" });
  if (!tears) return found;
  if (bytes <= 256) {
    for (let cut = 1; cut < bytes; cut++) found.push({ kind: "prefix", bytes: cut });
    return found;
  }
  for (let sampled = 0; sampled < 32; sampled++) {
    found.push({ kind: "prefix", bytes: 1 + random.integer(bytes - 1) });
  }
  for (let cut = sectorBytes; cut < bytes; cut += sectorBytes) {
    found.push({ kind: "prefix", bytes: cut });
    found.push({ kind: "sectors", mask: random.integer(2 ** 30) });
  }
  if (bytes > 2 * sectorBytes) found.push({ kind: "hole" });
  return found;
}

/** The disk that a choice leaves at a moment. */
export function diskOf({ base, pending }: Moment, { kept, torn }: Choice): Disk {
  const disk = base.fork();
  pending.forEach(({ change }, index) => {
    if (kept[index] !== true) return;
    if (torn?.atom !== index || change.kind !== "write") apply(disk, change);
    else {
      const before = disk.bytesOf(change.inode);
      disk.files.set(change.inode, tornBytes(before, change.at, change.bytes, torn.tear));
    }
  });
  return disk;
}

function tornBytes(before: Uint8Array, at: number, bytes: Uint8Array, tear: Tear): Uint8Array {
  switch (tear.kind) {
    case "prefix":
      return overwritten(before, at, bytes.subarray(0, tear.bytes));
    case "grown": {
      const after = overwritten(before, at, new Uint8Array(0));
      const grown = new Uint8Array(Math.max(after.length, at + bytes.length));
      if (tear.filler === "stale") for (let i = 0; i < grown.length; i++) grown[i] = i * 167 + 13;
      grown.set(after);
      return grown;
    }
    default: {
      const isThere = (sector: number, first: number, last: number): boolean =>
        tear.kind === "hole"
          ? sector === first || sector === last
          : (tear.mask & (1 << ((sector - first) % 30))) !== 0;
      const after = overwritten(before, at, bytes.subarray(0, 0));
      const grown = new Uint8Array(Math.max(after.length, at + bytes.length));
      grown.set(after);
      const first = Math.floor(at / sectorBytes);
      const last = Math.floor((at + bytes.length - 1) / sectorBytes);
      for (let sector = first; sector <= last; sector++) {
        if (!isThere(sector, first, last)) continue;
        const from = Math.max(at, sector * sectorBytes);
        const to = Math.min(at + bytes.length, (sector + 1) * sectorBytes);
        grown.set(bytes.subarray(from - at, to - at), from);
      }
      return grown;
    }
  }
}

/** Which faults of the list a choice is. */
export function faultsOf({ base, pending }: Moment, choice: Choice): ReadonlySet<FaultId> {
  if (pending.length === 0) return noneKept;
  const faults = new Set<FaultId>();
  const { kept, torn } = choice;
  const firstLost = kept.indexOf(false);
  if (firstLost >= 0) faults.add("C1");
  if (firstLost >= 0 && kept.indexOf(true, firstLost) > 0) faults.add("C2");
  pending.forEach(({ change, entry }, index) => {
    const isKept = kept[index] === true;
    if (change.kind !== "write") {
      if (!isKept) faults.add("C8");
      const other = pending[index + 1];
      const isRename = other?.entry === entry && change.kind === "link";
      if (isRename && isKept !== kept[index + 1]) faults.add("C9");
      return;
    }
    const grows = change.at + change.bytes.length > base.bytesOf(change.inode).length;
    if (!isKept && grows) faults.add("C7");
    if (!isKept && pending.some((name, at) => kept[at] === true && isNameOf(name, change.inode))) {
      faults.add("C8");
    }
  });
  if (torn === undefined) return faults;
  const { tear } = torn;
  if (tear.kind === "prefix") faults.add("C3");
  if (tear.kind === "sectors") faults.add("C4");
  if (tear.kind === "hole") faults.add("C5");
  if (tear.kind === "grown") faults.add(tear.filler === "stale" ? "C6b" : "C6");
  return faults;
}

function isNameOf({ change }: Atom, inode: number): boolean {
  return change.kind !== "write" && change.kind !== "mkdir" && change.inode === inode;
}
