/** What each call of the file system can be answered with, in place of what was asked. */

import type { FaultId } from "../simulator/faults.ts";
import type { CallName, Fault } from "../simulator/file-system.ts";

export interface PlannedFault {
  readonly id: FaultId;
  readonly name: string;
  readonly fault: Fault;
  /** Strikes all later calls of the kind as well. */
  readonly isSticky?: boolean;
  /** The next call of the kind is answered with this. */
  readonly next?: Fault;
  /** Bytes that were written and not synced may be gone for the process that goes on. */
  readonly forgets?: boolean;
}

const eio: Fault = { errno: "EIO" };
const full: Fault = { errno: "ENOSPC" };

/** Left by others, and gone when somebody looks at them. */
const foreign = [
  ".DS_Store",
  "0000000001.segment~",
  "1.segment",
  "Thumbs.db",
  "left-over.staged",
  "lost+found",
  "root.orig",
];

/** Ours among them, from behind. */
const amongForeign: Fault = {
  listed: (names) => [...names, ...foreign].sort((a, b) => (reversed(a) < reversed(b) ? -1 : 1)),
};

function reversed(name: string): string {
  return [...name].reverse().join("");
}

/** Calls that take space: a full disk fails them and no others. */
export const takesSpace: ReadonlySet<CallName> = new Set(["mkdir", "link", "write"]);

export const planned: Readonly<Partial<Record<CallName, readonly PlannedFault[]>>> = {
  write: [
    { id: "E1", name: "EIO", fault: eio },
    { id: "E1", name: "EIO after a part", fault: { errno: "EIO", bytes: 100 } },
    { id: "E2", name: "one byte, then the rest", fault: { bytes: 1 } },
    { id: "E2", name: "a part, then EIO", fault: { bytes: 77 }, next: eio },
    { id: "E2", name: "a part, then ENOSPC", fault: { bytes: 700 }, next: full },
    { id: "E3", name: "ENOSPC", fault: full },
    { id: "E3", name: "ENOSPC from now on", fault: full, isSticky: true },
    { id: "E6", name: "EINTR", fault: { errno: "EINTR" } },
    { id: "E6", name: "EAGAIN", fault: { errno: "EAGAIN" } },
  ],
  sync: [
    { id: "E4", name: "EIO, bytes never written", fault: { ...eio, cleans: true } },
    {
      id: "E4",
      name: "EIO, bytes gone",
      fault: { ...eio, reverts: true },
      forgets: true,
    },
    { id: "E4", name: "EIO from now on", fault: { ...eio, cleans: true }, isSticky: true },
    { id: "E3", name: "ENOSPC", fault: full },
    { id: "E8", name: "late", fault: { turns: 300 } },
  ],
  open: [
    { id: "E7", name: "EMFILE", fault: { errno: "EMFILE" } },
    { id: "E7", name: "EACCES", fault: { errno: "EACCES" } },
    { id: "E7", name: "EROFS", fault: { errno: "EROFS" } },
    { id: "E3", name: "ENOSPC", fault: full },
  ],
  read: [
    { id: "E5", name: "EIO", fault: eio },
    { id: "E5", name: "EIO from now on", fault: eio, isSticky: true },
    { id: "E9", name: "one byte", fault: { bytes: 1 } },
  ],
  rename: [
    { id: "E7", name: "EXDEV", fault: { errno: "EXDEV" } },
    { id: "E3", name: "ENOSPC", fault: full },
  ],
  link: [{ id: "E3", name: "ENOSPC", fault: full }],
  mkdir: [{ id: "E3", name: "ENOSPC", fault: full }],
  unlink: [{ id: "E7", name: "EACCES", fault: { errno: "EACCES" } }],
  readdir: [
    { id: "E5", name: "EIO", fault: eio },
    { id: "E10", name: "foreign names, in another order", fault: amongForeign },
    { id: "E10", name: "the same from now on", fault: amongForeign, isSticky: true },
  ],
  stat: [{ id: "E5", name: "EIO", fault: eio }],
  close: [{ id: "E11", name: "EIO", fault: eio }],
};
