import { resolve } from "node:path";
import { CairnError } from "../../errors.ts";
import { Access, readOnlyClaim } from "../access.ts";
import type { AccessMode, Claim, LockHolder, Storage, StorageCapabilities } from "../port.ts";
import { NodeBlobs } from "./blobs.ts";
import { claimExclusively, findHolder } from "./claim.ts";
import { errnoOf, storageFailure } from "./failure.ts";
import { type FileSystem, nodeFileSystem } from "./file-system.ts";
import { Folder } from "./folder.ts";
import { NodeLog } from "./log.ts";
import { closeAll } from "./open-file.ts";
import { NodeRoot, rootName } from "./root.ts";

export interface NodeStorageOptions {
  /** Sealed blobs whose files are kept open for reading. Default 256. */
  openBlobsMax?: number;
  /** For tests: what the files lie in, and how it is claimed for writing. */
  files?: { readonly fs: FileSystem; readonly claim: (path: string) => Promise<Claim> };
}

/**
 * A database in a folder, on Node, Deno and Bun:
 *
 *     root                        two slots (root.ts)
 *     log/NNNNNNNNNN.segment      (log.ts)
 *     blobs/NAME.blob             (blobs.ts)
 *     lock/…                      who may write (lock.ts)
 *
 * A file that ends in `.staged` is unfinished; the next exclusive opener removes it.
 */
export class NodeStorage implements Storage {
  readonly name: string;
  readonly capabilities: StorageCapabilities = {
    sync: true,
    durable: "fsync",
    staging: true,
    shared: true,
    limits: { writeBytes: 2 ** 30, blobBytes: Number.MAX_SAFE_INTEGER },
  };
  readonly log: NodeLog;
  readonly blobs: NodeBlobs;
  readonly root: NodeRoot;
  readonly #access: Access;
  readonly #folder: Folder;
  readonly #fs: FileSystem;
  readonly #claim: (path: string) => Promise<Claim>;

  constructor(path: string, options: NodeStorageOptions = {}) {
    const { fs = nodeFileSystem, claim = claimExclusively } = options.files ?? {};
    this.#fs = fs;
    this.#claim = claim;
    this.name = resolve(path);
    this.#access = new Access(this.name);
    this.#folder = new Folder(this.name, fs);
    this.log = new NodeLog(this.#access, this.#folder.file("log"), fs);
    this.blobs = new NodeBlobs(
      this.#access,
      this.#folder.file("blobs"),
      options.openBlobsMax ?? 256,
      fs,
    );
    this.root = new NodeRoot(this.#access, this.#folder);
  }

  async acquire(mode: AccessMode, options: { create: boolean }): Promise<Claim> {
    this.#access.requireClosed("acquire");
    this.#requireFolder(mode, options.create);
    if (mode === "read-only") {
      this.#access.mode = mode;
      return readOnlyClaim;
    }
    const claim = await this.#claim(this.name);
    try {
      this.log.prepare();
      this.blobs.prepare();
      this.#folder.removeStaged();
      this.#folder.syncSync();
    } catch (error) {
      try {
        this.close();
      } catch {
        // The first failure is the one to tell of; the claim must be given up all the same.
      }
      claim.release();
      throw error;
    }
    this.#access.mode = mode;
    return claim;
  }

  holder(): Promise<LockHolder | undefined> {
    return findHolder(this.name);
  }

  usedBytes(): number {
    this.#access.requireOpen("measure");
    return this.log.usedBytes() + this.blobs.usedBytes() + this.root.usedBytes();
  }

  close(): void {
    this.#access.mode = undefined;
    closeAll([this.log, this.blobs, this.root, this.#folder]);
  }

  #requireFolder(mode: AccessMode, create: boolean): void {
    const kind = this.#kind();
    if (kind === "other") {
      throw new CairnError(
        "not_a_database",
        `Cannot open ${this.name}: found a file, expected a folder. Name the database's folder.`,
        { details: { path: this.name } },
      );
    }
    if (kind === "missing") {
      if (!create || mode === "read-only") throw this.#notFound("there is no such folder");
      this.#folder.create();
    } else if (create && mode === "exclusive" && !this.#folder.exists(rootName)) {
      this.#folder.syncName();
    }
    // Do not litter a folder that somebody named by mistake with a lock.
    const isMine = create || mode === "read-only" || this.#folder.exists(rootName);
    if (!isMine) throw this.#notFound("the folder holds no root");
  }

  #kind(): "folder" | "other" | "missing" {
    try {
      return this.#fs.statSync(this.name).isDirectory() ? "folder" : "other";
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return "missing";
      if (errnoOf(error) === "ENOTDIR") return "other";
      throw storageFailure("open", this.name, error);
    }
  }

  #notFound(found: string): CairnError {
    return new CairnError(
      "database_not_found",
      `Cannot open ${this.name}: ${found}. Check the path, or allow creating a database.`,
      { details: { path: this.name } },
    );
  }
}

/** A storage in folder `path`. Nothing is touched until it is acquired. */
export function openNodeStorage(path: string, options: NodeStorageOptions = {}): NodeStorage {
  return new NodeStorage(path, options);
}
