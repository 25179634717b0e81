/**
 * The root of a file storage: one file of two slots, 4,096 bytes each.
 *
 *     0     slot 0: records 0, 2, 4, …
 *     4096  slot 1: records 1, 3, 5, …
 *
 * Creation writes both slots to a staged file, syncs it and links it to its name, so that there is
 * a whole root or none. Afterwards a crash can tear only the slot that was being written, which is
 * never the newest.
 */
import { CairnError } from "../../errors.ts";
import { type Access, forbidden, requireRootBytes } from "../access.ts";
import { type RootStorage, rootBytes } from "../port.ts";
import { attemptIfExists, errnoOf, storageFailure } from "./failure.ts";
import { type Folder, stagedSuffix } from "./folder.ts";
import type { OpenFile } from "./open-file.ts";

export const rootName = "root";

export class NodeRoot implements RootStorage {
  readonly #access: Access;
  /** The folder of the database; whoever made this root closes it. */
  readonly #folder: Folder;
  #file: OpenFile | undefined;

  constructor(access: Access, folder: Folder) {
    this.#access = access;
    this.#folder = folder;
  }

  read(): readonly [Uint8Array, Uint8Array] | undefined {
    this.#access.requireOpen("read the root");
    const file = this.#openIfExists();
    if (file === undefined) return undefined;
    // Bytes that a shortened file lacks stay zero: the engine's checksum finds them.
    const slots = [new Uint8Array(rootBytes), new Uint8Array(rootBytes)] as const;
    file.read(0, slots[0]);
    file.read(rootBytes, slots[1]);
    return slots;
  }

  create(bytes: Uint8Array): void {
    this.#access.requireWritable("create the root");
    requireRootBytes(bytes);
    const path = this.#folder.file(rootName);
    const stagedName = rootName + stagedSuffix;
    this.#folder.remove(stagedName);
    const staged = this.#folder.open(stagedName, "wx+");
    try {
      staged.write(0, bytes);
      staged.write(rootBytes, bytes);
      staged.fullSyncSync();
      this.#folder.link(stagedName, rootName);
    } catch (error) {
      if (errnoOf(error) !== "EEXIST") throw storageFailure("create", path, error);
      throw new CairnError(
        "database_exists",
        `Cannot create a database in ${this.#folder.path}: it has a root already. Open it instead.`,
        { cause: error, details: { path } },
      );
    } finally {
      staged.close();
      this.#folder.remove(stagedName);
    }
    this.#folder.syncSync();
  }

  compareAndSet(expected: number, bytes: Uint8Array): "ok" {
    this.#write(expected + 1, bytes).syncSync();
    return "ok";
  }

  compareAndSetAsync(expected: number, bytes: Uint8Array): Promise<"ok"> {
    try {
      return this.#write(expected + 1, bytes)
        .sync()
        .then(() => "ok");
    } catch (error) {
      return Promise.reject(error);
    }
  }

  usedBytes(): number {
    return this.#openIfExists()?.measure().size ?? 0;
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #write(record: number, bytes: Uint8Array): OpenFile {
    this.#access.requireWritable("write the root");
    requireRootBytes(bytes);
    const file = this.#openIfExists();
    if (file === undefined) throw forbidden("write the root", "no root", "one to replace");
    file.write((record % 2) * rootBytes, bytes);
    return file;
  }

  #openIfExists(): OpenFile | undefined {
    if (this.#file !== undefined) return this.#file;
    const path = this.#folder.file(rootName);
    const flags = this.#access.mode === "exclusive" ? "r+" : "r";
    this.#file = attemptIfExists("open", path, () => this.#folder.open(rootName, flags));
    return this.#file;
  }
}
