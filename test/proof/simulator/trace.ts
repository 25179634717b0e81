/** What a workload asked of its file system, call by call, as data. */
import type { Disk } from "./disk.ts";

/** What a call changes on the disk. A rename stays within its folder. */
export type Change =
  | { readonly kind: "mkdir"; readonly folder: string; readonly name: string }
  | {
      readonly kind: "create" | "link" | "unlink";
      readonly folder: string;
      readonly name: string;
      readonly inode: number;
    }
  | {
      readonly kind: "rename";
      readonly folder: string;
      readonly from: string;
      readonly to: string;
      readonly inode: number;
    }
  | {
      readonly kind: "write";
      readonly inode: number;
      readonly at: number;
      readonly bytes: Uint8Array;
    };

/** A call that asks for bytes or names to be made durable. */
export interface Sync {
  /** Of a file; undefined for a folder. */
  readonly inode: number | undefined;
  readonly folder: string | undefined;
  /** `fsync`, not `fdatasync`: with all that the file system knows of the file. */
  readonly all: boolean;
}

/** One moment at which the power can fail. */
export interface Entry {
  /** What was called, to read. */
  readonly line: string;
  readonly change?: Change;
  /** A sync has begun. */
  readonly sync?: Sync;
  /** The sync that began at this entry has ended: it covers what came before its beginning. */
  readonly synced?: number;
  /** The sync that began at this entry has failed: what it should have covered is never written. */
  readonly failed?: number;
}

/** Does to a disk what a change says. */
export function apply(disk: Disk, change: Change): void {
  switch (change.kind) {
    case "mkdir":
      disk.name(change.folder, `${change.name}/`, 0);
      disk.makeFolder(`${change.folder === "/" ? "" : change.folder}/${change.name}`);
      return;
    case "create":
    case "link":
      disk.name(change.folder, change.name, change.inode);
      return;
    case "unlink":
      if (disk.find(change.folder, change.name) === change.inode) {
        disk.folders.get(change.folder)?.delete(change.name);
      }
      return;
    case "rename":
      if (disk.find(change.folder, change.from) === change.inode) {
        disk.folders.get(change.folder)?.delete(change.from);
      }
      disk.name(change.folder, change.to, change.inode);
      return;
    case "write":
      disk.files.set(
        change.inode,
        overwritten(disk.bytesOf(change.inode), change.at, change.bytes),
      );
  }
}

/** A copy of `before` with `bytes` at `at`; what lies between its end and `at` is zero. */
export function overwritten(before: Uint8Array, at: number, bytes: Uint8Array): Uint8Array {
  const after = new Uint8Array(Math.max(before.length, at + bytes.length));
  after.set(before);
  after.set(bytes, at);
  return after;
}
