/**
 * The files of the lock:
 *
 *     lock/generation-NNNNNNNNNN   a claim (lock-record.ts), created by link(2), never empty
 *     lock/floor                   a number in decimal; claims below it count no more
 *     lock/ID.socket               the sign of life of the opener ID
 *     lock/ID.binding, ID.staged   not yet finished; removed once the sign of life refuses
 */
import {
  accessSync,
  closeSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  statfsSync,
  writeSync,
} from "node:fs";
import process from "node:process";
import { isCairnError } from "../../errors.ts";
import { attempt, attemptIfExists, errnoOf, storageFailure } from "./failure.ts";
import { Folder, stagedSuffix } from "./folder.ts";
import type { LockFolder } from "./lock.ts";
import { type ClaimRecord, decodeClaim, encodeClaim, lockInvalid } from "./lock-record.ts";
import { fileMode } from "./open-file.ts";
import { isProcessGone, otherBoot, processIdentity, sameBoot } from "./process-identity.ts";
import { bindingSuffix, probe, socketSuffix } from "./sign-of-life.ts";

/** Nobody takes this long from binding a socket to listening on it. */
const bindingMsMax = 60_000;

const floorName = "floor";
const claimPattern = /^generation-(\d{10,})$/;
const openerPattern = /^([0-9a-f]{16})\.(socket|binding|staged)$/;

/** What statfs says of file systems that only one kernel at a time can have mounted. */
const localFileSystems: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // xfs
  0x9123683e, // btrfs
  0x2fc12fc1, // zfs
  0xf2f52010, // f2fs
  0x01021994, // tmpfs
  0x794c7630, // overlayfs, the root of most containers
]);

export class NodeLockFolder implements LockFolder {
  /** The folder of the database, for messages. */
  readonly path: string;
  readonly folder: Folder;
  /** True once others could see a claim of this opener. */
  wasSeen = false;
  /** Names the temporary files of this opener. */
  readonly #id: string;

  constructor(path: string, id: string) {
    this.path = path;
    this.folder = new Folder(new Folder(path).file("lock"));
    this.#id = id;
  }

  generations(): number[] {
    const generations: number[] = [];
    for (const name of this.folder.names()) {
      const match = claimPattern.exec(name);
      if (match !== null) generations.push(Number(match[1]));
    }
    return generations;
  }

  floor(): number {
    const path = this.folder.file(floorName);
    const text = attemptIfExists("read", path, () => readFileSync(path, "latin1"));
    if (text === undefined) return 0;
    if (!/^\d{1,15}\n$/.test(text)) throw lockInvalid(path, "a damaged floor", "a number");
    return Number(text);
  }

  read(generation: number): ClaimRecord | undefined {
    const path = this.#claimPath(generation);
    const text = attemptIfExists("read", path, () => readFileSync(path, "utf8"));
    return text === undefined ? undefined : decodeClaim(text, path);
  }

  publish(record: ClaimRecord): boolean {
    const path = this.#claimPath(record.generation);
    const staged = this.#writeStaged(encodeClaim(record));
    try {
      linkSync(staged, path);
      this.wasSeen = true;
    } catch (error) {
      // ENOENT: another opener took this one for dead and swept its file away. It tries again.
      if (errnoOf(error) === "EEXIST" || errnoOf(error) === "ENOENT") return false;
      throw storageFailure("create", path, error);
    } finally {
      this.folder.remove(this.#id + stagedSuffix);
    }
    // The name need not survive a loss of power: nobody who could hold the lock does either.
    return true;
  }

  raiseFloor(generation: number): void {
    this.#replace(floorName, `${generation}\n`);
  }

  remove(generations: readonly number[]): void {
    for (const generation of generations) this.folder.remove(claimName(generation));
  }

  async isDead(record: ClaimRecord): Promise<boolean> {
    const me = processIdentity();
    const local = this.#isLocal();
    // Files of another boot on a disk that only this kernel has: whoever wrote them is no more.
    if (otherBoot(me, record)) return local;
    const sameHost = me.host !== "" && me.host === record.host;
    const sameMachine = sameHost && (process.platform !== "linux" || sameBoot(me, record));
    if (!local && !sameMachine) return false;
    // Asked first: a process that the holder started can inherit its socket and keep it alive (on
    // Deno 2.9), and without its socket only this can tell.
    if (isProcessGone(record)) return true;
    return (await probe(this.folder.path, record.id + socketSuffix)) === "refuses";
  }

  /** Says in the claim's own file that it is over. Does nothing when the file is not ours. */
  markReleased(record: ClaimRecord): void {
    if (this.read(record.generation)?.id !== record.id) return;
    this.#replace(claimName(record.generation), encodeClaim({ ...record, state: "released" }));
  }

  /** True while the claim is there, unharmed, and is the newest. */
  isNewest(record: ClaimRecord): boolean {
    try {
      return this.#isNewest(record);
    } catch (error) {
      if (isCairnError(error, "lock_invalid")) return false;
      throw error;
    }
  }

  /** Removes what dead openers left, except the socket of `holder`. */
  async sweep(holder: ClaimRecord): Promise<void> {
    if (!this.#isLocal()) return;
    const ids = new Set<string>();
    for (const name of this.folder.names()) {
      const id = openerPattern.exec(name)?.[1];
      if (id !== undefined && id !== holder.id) ids.add(id);
    }
    for (const id of ids) {
      if (await this.#mayLive(id, holder)) continue;
      // The socket last: while it is there, a later opener finds the rest by it.
      for (const suffix of [stagedSuffix, bindingSuffix, socketSuffix]) {
        this.folder.remove(id + suffix);
      }
    }
  }

  /** Starts anew above everything that is there, whatever state it is in. */
  reset(record: Omit<ClaimRecord, "generation">): void {
    const floorPath = this.folder.file(floorName);
    const text = attemptIfExists("read", floorPath, () => readFileSync(floorPath, "latin1")) ?? "";
    const floor = /^\d{1,15}\n$/.test(text) ? Number(text) : 0;
    const generation = Math.max(floor, ...this.generations()) + 1;
    this.publish({ ...record, generation });
    this.raiseFloor(generation);
  }

  #isNewest(record: ClaimRecord): boolean {
    if (this.read(record.generation)?.id !== record.id) return false;
    const path = this.#claimPath(record.generation + 1);
    const next = attemptIfExists("look for", path, () => {
      accessSync(path);
      return true;
    });
    return next === undefined && this.floor() <= record.generation;
  }

  async #mayLive(id: string, holder: ClaimRecord): Promise<boolean> {
    const sign = await probe(this.folder.path, id + socketSuffix);
    if (sign === "answers" || sign === "unclear") return true;
    // A socket that is only bound refuses too, for the moment until it listens.
    const path = this.folder.file(id + bindingSuffix);
    const bound = attemptIfExists("look at", path, () => lstatSync(path).mtimeMs);
    return bound !== undefined && bound > holder.since - bindingMsMax;
  }

  #claimPath(generation: number): string {
    return this.folder.file(claimName(generation));
  }

  #isLocal(): boolean {
    try {
      return localFileSystems.has(statfsSync(this.folder.path).type);
    } catch {
      return false;
    }
  }

  /** Replaces a file as a whole. Its bytes are durable before its name, which need not be. */
  #replace(name: string, text: string): void {
    this.#writeStaged(text);
    try {
      attempt("replace", this.folder.file(name), () =>
        renameSync(this.folder.file(this.#id + stagedSuffix), this.folder.file(name)),
      );
    } finally {
      this.folder.remove(this.#id + stagedSuffix);
    }
  }

  #writeStaged(text: string): string {
    const path = this.folder.file(this.#id + stagedSuffix);
    attempt("write", path, () => {
      const fd = openSync(path, "w", fileMode);
      try {
        const bytes = Buffer.from(text);
        if (writeSync(fd, bytes) !== bytes.byteLength) {
          throw Object.assign(new Error("short write"), { code: "ENOSPC" });
        }
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
    });
    return path;
  }
}

function claimName(generation: number): string {
  return `generation-${String(generation).padStart(10, "0")}`;
}
