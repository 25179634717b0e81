/**
 * A file system in memory, for the adapter of node:fs: deterministic, recorded, and able to fail.
 *
 * Calls that change or sync something are appended to the trace. Callbacks are called after a few
 * microtasks, as many as the seed says, so that what runs side by side overtakes each other.
 */
import type { FileSystem } from "../../../src/storage/node-fs/file-system.ts";
import type { Random } from "../../storage/random.ts";
import { Disk, split } from "./disk.ts";
import { apply, type Change, type Entry, type Sync } from "./trace.ts";

interface OpenFile {
  readonly path: string;
  /** 0 for a folder. */
  readonly inode: number;
  readonly folder: string | undefined;
  readonly canWrite: boolean;
}

export type CallName =
  | "close"
  | "link"
  | "mkdir"
  | "open"
  | "read"
  | "readdir"
  | "rename"
  | "stat"
  | "sync"
  | "unlink"
  | "write";

/** What happens to one call in place of what was asked. */
export interface Fault {
  /** Fails with this errno, after what else is said here. */
  readonly errno?: string;
  /** Only so many bytes are written, or read. */
  readonly bytes?: number;
  /** A sync that fails: unsynced bytes of the file are forgotten, as Btrfs does. */
  readonly reverts?: boolean;
  /** A sync that fails: the bytes can be read, but no later sync writes them: ext4 and XFS. */
  readonly cleans?: boolean;
  /** A sync that answers without having done anything. */
  readonly lies?: boolean;
  /** Changes the bytes that a read has brought. */
  readonly alter?: (bytes: Uint8Array) => void;
  /** A read, or a write, at another place. */
  readonly at?: number;
  /** The names that a folder is said to have. */
  readonly listed?: (names: readonly string[]) => string[];
  /** So many more microtasks before a callback is called. */
  readonly turns?: number;
}

export interface SimulatedOptions {
  /** Calls are recorded here. */
  readonly trace?: Entry[];
  /** Delays of callbacks; at once without it. */
  readonly random?: Random;
  /** Asked before each call; `call` counts them from 1. */
  readonly fault?: (
    call: number,
    name: CallName,
    path: string,
    /** Of a sync: `fsync`, not `fdatasync`. */
    all?: boolean,
  ) => Fault | undefined;
  /** Order of the names that a folder is listed in. */
  readonly shuffle?: Random;
}

type Done<T> = (error: Error | null, value?: T) => void;

export class SimulatedFiles implements FileSystem {
  readonly disk: Disk;
  /** What is certainly on the medium, for syncs that fail: bytes by inode as last synced. */
  readonly synced: Map<number, Uint8Array> = new Map();
  /** Calls so far. */
  calls = 0;
  readonly #options: SimulatedOptions;
  readonly #open = new Map<number, OpenFile>();
  #nextFd = 3;
  #nextInode: number;

  constructor(disk: Disk = new Disk(), options: SimulatedOptions = {}) {
    this.disk = disk;
    this.#options = options;
    this.#nextInode = disk.freeInode();
  }

  get openFiles(): number {
    return this.#open.size;
  }

  openSync(path: string, flags: string): number {
    this.#strike("open", path);
    const [folder, name] = split(path);
    if (this.disk.folders.has(path) && this.disk.isReachable(path)) {
      if (flags !== "r") throw failure("EISDIR", "open", path);
      return this.#give({ path, inode: 0, folder: path, canWrite: false });
    }
    if (!this.disk.isReachable(folder)) throw failure("ENOENT", "open", path);
    let inode = this.disk.find(folder, name);
    if (flags === "wx+") {
      if (inode !== undefined) throw failure("EEXIST", "open", path);
      inode = this.#nextInode++;
      this.disk.files.set(inode, new Uint8Array(0));
      this.#change(`create ${path}`, { kind: "create", folder, name, inode });
    } else if (flags !== "r" && flags !== "r+") throw failure("EINVAL", "open", path);
    if (inode === undefined) throw failure("ENOENT", "open", path);
    return this.#give({ path, inode, folder: undefined, canWrite: flags !== "r" });
  }

  closeSync(fd: number): void {
    const { path } = this.#file(fd, "close");
    this.#open.delete(fd);
    this.#strike("close", path);
  }

  close(fd: number, done: Done<void>): void {
    this.#later(done, () => this.closeSync(fd));
  }

  readSync(fd: number, into: Uint8Array, offset: number, length: number, at: number): number {
    const { path, inode } = this.#file(fd, "read");
    const fault = this.#strike("read", path);
    const bytes = this.disk.bytesOf(inode);
    const from = fault?.at ?? at;
    const count = Math.max(0, Math.min(length, bytes.length - from, fault?.bytes ?? length));
    const target = into.subarray(offset, offset + count);
    target.set(bytes.subarray(from, from + count));
    fault?.alter?.(target);
    return count;
  }

  writeSync(fd: number, bytes: Uint8Array, offset: number, length: number, at: number): number {
    const { path, inode, canWrite } = this.#file(fd, "write");
    if (!canWrite) throw failure("EBADF", "write", path);
    const fault = this.#take("write", path);
    const count = Math.min(length, fault?.bytes ?? (fault?.errno === undefined ? length : 0));
    if (count > 0) {
      const slice = bytes.slice(offset, offset + count);
      const place = fault?.at ?? at;
      const line = `write ${path} at ${place} ${count} bytes`;
      this.#change(line, { kind: "write", inode, at: place, bytes: slice });
    }
    if (fault?.errno !== undefined) throw failure(fault.errno, "write", path);
    return count;
  }

  write(
    fd: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    at: number,
    done: Done<number>,
  ): void {
    this.#later(done, () => this.writeSync(fd, bytes, offset, length, at));
  }

  fsyncSync(fd: number): void {
    this.#syncNow(fd, true);
  }

  fdatasyncSync(fd: number): void {
    this.#syncNow(fd, false);
  }

  fsync(fd: number, done: Done<void>): void {
    this.#syncLater(fd, true, done);
  }

  fdatasync(fd: number, done: Done<void>): void {
    this.#syncLater(fd, false, done);
  }

  fstatSync(fd: number): { size: number } {
    const { path, inode } = this.#file(fd, "stat");
    this.#strike("stat", path);
    return { size: this.disk.bytesOf(inode).length };
  }

  statSync(path: string): { size: number; isDirectory(): boolean } {
    this.#strike("stat", path);
    const isFolder = this.disk.folders.has(path) && this.disk.isReachable(path);
    const inode = this.disk.inodeAt(path);
    if (!isFolder && inode === undefined) throw failure("ENOENT", "stat", path);
    const size = isFolder ? 4096 : this.disk.bytesOf(inode as number).length;
    return { size, isDirectory: () => isFolder };
  }

  existsSync(path: string): boolean {
    const [folder, name] = split(path);
    return this.disk.isReachable(folder) && this.disk.find(folder, name) !== undefined;
  }

  mkdirSync(path: string): string | undefined {
    this.#strike("mkdir", path);
    const missing: string[] = [];
    for (let at = path; !(this.disk.folders.has(at) && this.disk.isReachable(at)); ) {
      missing.push(at);
      at = split(at)[0];
    }
    for (const made of missing.reverse()) {
      const [folder, name] = split(made);
      this.disk.folders.set(made, new Map());
      this.#change(`mkdir ${made}`, { kind: "mkdir", folder, name });
    }
    return missing[0];
  }

  readdirSync(path: string): string[] {
    const fault = this.#strike("readdir", path);
    const names = this.disk.isReachable(path) ? this.disk.folders.get(path) : undefined;
    if (names === undefined) throw failure("ENOENT", "readdir", path);
    const own = Array.from(names.keys(), (name) => name.replace("/", ""));
    const listed = fault?.listed?.(own) ?? own;
    const { shuffle } = this.#options;
    if (shuffle === undefined) return listed;
    return listed
      .map((name): [number, string] => [shuffle.fraction(), name])
      .sort(([a], [b]) => a - b)
      .map(([, name]) => name);
  }

  renameSync(fromPath: string, toPath: string): void {
    this.#strike("rename", toPath);
    const [folder, from] = split(fromPath);
    const [target, to] = split(toPath);
    const inode = this.disk.find(folder, from);
    if (inode === undefined) throw failure("ENOENT", "rename", fromPath);
    if (folder !== target) throw failure("EXDEV", "rename", toPath);
    this.#change(`rename ${fromPath} ${to}`, { kind: "rename", folder, from, to, inode });
  }

  linkSync(fromPath: string, toPath: string): void {
    this.#strike("link", toPath);
    const inode = this.disk.inodeAt(fromPath);
    const [folder, name] = split(toPath);
    if (inode === undefined) throw failure("ENOENT", "link", fromPath);
    if (this.disk.find(folder, name) !== undefined) throw failure("EEXIST", "link", toPath);
    this.#change(`link ${toPath}`, { kind: "link", folder, name, inode });
  }

  unlinkSync(path: string): void {
    this.#strike("unlink", path);
    const [folder, name] = split(path);
    const inode = this.disk.isReachable(folder) ? this.disk.find(folder, name) : undefined;
    if (inode === undefined) throw failure("ENOENT", "unlink", path);
    this.#change(`unlink ${path}`, { kind: "unlink", folder, name, inode });
  }

  #give(file: OpenFile): number {
    const fd = this.#nextFd++;
    this.#open.set(fd, file);
    return fd;
  }

  #file(fd: number, operation: string): OpenFile {
    const file = this.#open.get(fd);
    if (file === undefined) throw failure("EBADF", operation, String(fd));
    return file;
  }

  #change(line: string, change: Change): void {
    apply(this.disk, change);
    this.#options.trace?.push({ line, change });
  }

  #take(name: CallName, path: string, all?: boolean): Fault | undefined {
    this.calls++;
    return this.#options.fault?.(this.calls, name, path, all);
  }

  #strike(name: CallName, path: string): Fault | undefined {
    const fault = this.#take(name, path);
    if (fault?.errno !== undefined) throw failure(fault.errno, name, path);
    return fault;
  }

  #begin(fd: number, all: boolean): { end: () => void; fault: Fault | undefined } {
    const { path, inode, folder } = this.#file(fd, "sync");
    const fault = this.#take("sync", path, all);
    const sync: Sync = { inode: folder === undefined ? inode : undefined, folder, all };
    const { trace } = this.#options;
    const line = `${all ? "fsync" : "fdatasync"} ${path}`;
    const begun = trace?.push({ line, sync });
    const bytes = this.disk.bytesOf(inode);
    const end = (): void => {
      if (fault?.reverts === true && folder === undefined) {
        this.disk.files.set(inode, this.synced.get(inode) ?? new Uint8Array(0));
      }
      if ((fault?.cleans ?? fault?.reverts) === true && begun !== undefined) {
        trace?.push({ line: `failed: ${line}`, failed: begun - 1 });
      }
      if (fault?.errno !== undefined) throw failure(fault.errno, "sync", path);
      if (fault?.lies === true) return;
      this.synced.set(inode, bytes);
      if (begun !== undefined) trace?.push({ line: `done: ${line}`, synced: begun - 1 });
    };
    return { end, fault };
  }

  #syncNow(fd: number, all: boolean): void {
    this.#begin(fd, all).end();
  }

  #syncLater(fd: number, all: boolean, done: Done<void>): void {
    const { end, fault } = this.#begin(fd, all);
    this.#after(fault?.turns ?? 0, () => answer(done, end));
  }

  #later<T>(done: Done<T>, work: () => T): void {
    let value: T;
    try {
      value = work();
    } catch (error) {
      this.#after(0, () => done(error as Error));
      return;
    }
    this.#after(0, () => done(null, value));
  }

  #after(more: number, run: () => void): void {
    const turns = more + (this.#options.random?.integer(5) ?? 0);
    const wait = (left: number): void => {
      if (left > 0) queueMicrotask(() => wait(left - 1));
      else run();
    };
    queueMicrotask(() => wait(turns));
  }
}

function answer(done: Done<void>, end: () => void): void {
  try {
    end();
  } catch (error) {
    done(error as Error);
    return;
  }
  done(null);
}

export function failure(errno: string, operation: string, path: string): Error {
  return Object.assign(new Error(`${errno}: simulated, ${operation} '${path}'`), { code: errno });
}
