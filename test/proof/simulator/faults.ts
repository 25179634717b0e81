/**
 * The faults that the simulator knows, and a counter of those that have happened: a fault that is
 * on the list and never strikes proves nothing.
 */

/** What a loss of power, or the end of a process, leaves. */
export const crashFaults = {
  C1: "any of the writes that were not synced are lost",
  C2: "a later write is there, an earlier one is not, also across files",
  C3: "a write is torn at any byte",
  C4: "a write is there in some of its sectors",
  C5: "a write is there at its ends, with a hole between",
  C6: "a file has its new size, with zeros for bytes",
  C6b: "a file has its new size, with what lay there before for bytes",
  C7: "bytes that made a file longer are lost with its size",
  C8: "names are lost, or are there before what they should follow",
  C9: "a rename is seen as both names, or as neither",
  C11: "a crash at every call, before it, in it and after it",
  C12: "a crash at every call of recovery",
  C13: "the last syncs have lied",
  C14: "the process is killed, the machine lives on",
} as const;

/** What calls answer in place of what was asked. */
export const errorFaults = {
  E1: "EIO from a write",
  E2: "a short write",
  E3: "ENOSPC from any call, and only from those that take space",
  E4: "EIO from a sync, with the bytes lost, kept, or told later, or for ever",
  E5: "EIO from a read, once, for ever, or for a stretch of a file",
  E6: "EINTR and EAGAIN",
  E7: "EMFILE, EACCES and EROFS from open, EXDEV from rename",
  E8: "calls that answer late",
  E9: "a short read",
  E10: "names listed in any order, with others among them",
  E11: "EIO from close",
} as const;

/** What happens to bytes without anybody being told. */
export const damageFaults = {
  S1: "a flipped bit, every one",
  S2: "a byte or a sector is zero",
  S3: "a sector holds something else",
  S4: "a file is cut off, at every length",
  S5: "a block is there twice",
  S6: "a write has landed at another place, or in another file",
  S7: "a read was answered from another place",
  S8: "two blocks have changed places",
  S9: "a block is what it was before",
  S10: "a file is another database's, an older one, gone, empty, or a folder",
  S11: "bytes follow the end of a file",
  S12: "two files have changed places",
  S13: "a bit is flipped while it is read, and right the next time",
} as const;

/** What the machine runs out of. */
export const resourceFaults = {
  M1: "memory cannot grow",
  M2: "the core has no frame, or no place in a table, when it needs one",
  M3: "the core traps, in any of its functions",
  M4: "page numbers beyond 32 bits, pages beyond 2 GiB, log offsets beyond 2 and 4 GiB",
} as const;

export const faults = { ...crashFaults, ...errorFaults, ...damageFaults, ...resourceFaults };

export type FaultId = keyof typeof faults;

/** How often each fault has struck. */
export class FaultCounter {
  readonly counts = new Map<FaultId, number>();

  add(id: FaultId, times = 1): void {
    this.counts.set(id, (this.counts.get(id) ?? 0) + times);
  }

  addAll(ids: Iterable<FaultId>): void {
    for (const id of ids) this.add(id);
  }

  /** Those that have not struck. */
  missing(of: Readonly<Record<string, string>> = faults): string[] {
    return Object.keys(of).filter((id) => !this.counts.has(id as FaultId));
  }

  toRecord(): Record<string, number> {
    return Object.fromEntries([...this.counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
