/**
 * The blobs of a file storage: `blobs/NAME.blob`, written as `blobs/NAME.blob.staged`.
 *
 * Sealing syncs the bytes, renames, and syncs the folder, so that a crash leaves a whole blob or a
 * staged file that the next exclusive opener removes. A removed blob stays readable through a file
 * that is already open: so a read-only process outlives a checkpoint of the writer.
 */
import { type Access, forbidden, requireBlobName } from "../access.ts";
import type { BlobStorage, StagedBlob } from "../port.ts";
import { BlobFiles } from "./blob-files.ts";
import { storageFailure } from "./failure.ts";
import type { FileSystem } from "./file-system.ts";
import { Folder, stagedSuffix } from "./folder.ts";
import { closeAll, type OpenFile } from "./open-file.ts";

const suffix = ".blob";

export class NodeBlobs implements BlobStorage {
  readonly #access: Access;
  readonly #folder: Folder;
  readonly #files: BlobFiles;
  readonly #staged = new Set<NodeStagedBlob>();

  constructor(access: Access, path: string, openFilesMax: number, fs?: FileSystem) {
    this.#access = access;
    this.#folder = new Folder(path, fs);
    this.#files = new BlobFiles(openFilesMax);
  }

  /** Makes the folder ready for the holder of an exclusive claim. */
  prepare(): void {
    this.#folder.create();
    this.#folder.removeStaged();
  }

  stage(name: string): StagedBlob {
    this.#access.requireWritable("stage a blob");
    requireBlobName("stage a blob", name);
    const path = this.#folder.file(name + suffix);
    if (this.#folder.exists(name + suffix)) {
      throw storageFailure("create", path, Object.assign(new Error("exists"), { code: "EEXIST" }));
    }
    const ended = (file: OpenFile | undefined): void => {
      this.#staged.delete(blob);
      if (file !== undefined) this.#files.adopt(name, file);
    };
    const readSealed = (at: number, into: Uint8Array): number => this.read(name, at, into);
    const blob = new NodeStagedBlob(name, this.#folder, ended, readSealed);
    this.#staged.add(blob);
    return blob;
  }

  read(name: string, at: number, into: Uint8Array): number {
    return this.#file(name).read(at, into);
  }

  size(name: string): number {
    return this.#file(name).size;
  }

  list(): string[] {
    this.#access.requireOpen("list blobs");
    const names: string[] = [];
    for (const name of this.#folder.names()) {
      if (name.endsWith(suffix)) names.push(name.slice(0, -suffix.length));
    }
    return names;
  }

  remove(names: readonly string[]): void {
    this.#access.requireWritable("remove blobs");
    for (const name of names) {
      requireBlobName("remove a blob", name);
      this.#files.forget(name);
      this.#folder.removeLarge(name + suffix);
    }
  }

  usedBytes(): number {
    return this.#folder.usedBytes();
  }

  close(): void {
    const aborts = Array.from(this.#staged, (blob) => ({ close: () => blob.abort() }));
    closeAll([...aborts, this.#files, this.#folder]);
  }

  #file(name: string): OpenFile {
    return this.#files.get(name) ?? this.#open(name);
  }

  #open(name: string): OpenFile {
    this.#access.requireOpen("read a blob");
    requireBlobName("read a blob", name);
    const file = this.#folder.open(name + suffix, "r").measure();
    this.#files.adopt(name, file);
    return file;
  }
}

class NodeStagedBlob implements StagedBlob {
  readonly name: string;
  readonly #folder: Folder;
  /** Called once, with the open file when the blob was sealed. */
  readonly #ended: (file: OpenFile | undefined) => void;
  readonly #readSealed: (at: number, into: Uint8Array) => number;
  readonly #file: OpenFile;
  #done = false;
  #isSealed = false;

  constructor(
    name: string,
    folder: Folder,
    ended: (file: OpenFile | undefined) => void,
    readSealed: (at: number, into: Uint8Array) => number,
  ) {
    this.name = name;
    this.#folder = folder;
    this.#ended = ended;
    this.#readSealed = readSealed;
    this.#file = folder.open(name + suffix + stagedSuffix, "wx+");
  }

  write(at: number, bytes: Uint8Array): void {
    this.#requireStaged("write");
    this.#file.write(at, bytes);
    const end = at + bytes.byteLength;
    if (end > this.#file.size) this.#file.size = end;
  }

  read(at: number, into: Uint8Array): number {
    if (this.#isSealed) return this.#readSealed(at, into);
    this.#requireStaged("read");
    return this.#file.read(at, into);
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  seal(): void {
    this.#requireStaged("seal");
    this.#file.fullSyncSync();
    this.#rename();
    this.#folder.syncSync();
  }

  async sealAsync(): Promise<void> {
    this.#requireStaged("seal");
    await this.#file.fullSync();
    // Meanwhile it may have been aborted, or the storage closed and its claim released.
    this.#requireStaged("seal");
    this.#rename();
    await this.#folder.sync();
  }

  abort(): void {
    if (this.#done) return;
    this.#done = true;
    this.#ended(undefined);
    this.#file.close();
    this.#folder.remove(this.name + suffix + stagedSuffix);
  }

  #rename(): void {
    const to = this.name + suffix;
    this.#folder.rename(to + stagedSuffix, to);
    this.#file.path = this.#folder.file(to);
    this.#done = true;
    this.#isSealed = true;
    this.#ended(this.#file);
  }

  #requireStaged(operation: string): void {
    if (!this.#done) return;
    throw forbidden(`${operation} staged blob ${this.name}`, "it sealed or aborted", "it open");
  }
}
