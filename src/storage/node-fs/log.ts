/**
 * The log of a file storage: `log/NNNNNNNNNN.segment`, each of its full size from the start.
 *
 * A segment is zero-filled and synced as `NAME.staged` and then renamed, so that a crash leaves
 * either the whole segment or a staged file that the next exclusive opener removes.
 */
import { CairnError } from "../../errors.ts";
import { type Access, forbidden } from "../access.ts";
import type { LogStorage } from "../port.ts";
import { storageFailure } from "./failure.ts";
import type { FileSystem } from "./file-system.ts";
import { Folder, stagedSuffix } from "./folder.ts";
import { closeAll, type OpenFile } from "./open-file.ts";

const suffix = ".segment";
const namePattern = /^(\d{10,})\.segment$/;

function segmentName(segment: number): string {
  return `${String(segment).padStart(10, "0")}${suffix}`;
}

export class NodeLog implements LogStorage {
  readonly #access: Access;
  readonly #folder: Folder;
  readonly #open = new Map<number, OpenFile>();
  /** Segments that are being created. */
  readonly #staged = new Map<number, OpenFile>();
  /** The segment of the last append: `append` compares one number and writes. */
  #activeSegment = -1;
  #activeFile: OpenFile | undefined;

  constructor(access: Access, path: string, fs?: FileSystem) {
    this.#access = access;
    this.#folder = new Folder(path, fs);
  }

  /** Makes the folder ready for the holder of an exclusive claim. */
  prepare(): void {
    this.#folder.create();
    this.#folder.removeStaged();
  }

  list(): number[] {
    this.#access.requireOpen("list segments");
    const segments: number[] = [];
    for (const name of this.#folder.names()) {
      const match = namePattern.exec(name);
      if (match !== null) segments.push(Number(match[1]));
    }
    return segments.sort((a, b) => a - b);
  }

  create(segment: number, bytes: number): void {
    const file = this.#stage(segment);
    try {
      file.fillWithZeros(bytes);
      file.fullSyncSync();
      this.#publish(segment, file);
    } catch (error) {
      this.#discard(segment, file);
      throw error;
    }
    this.#folder.syncSync();
  }

  async createAhead(segment: number, bytes: number): Promise<void> {
    const file = this.#stage(segment);
    try {
      await file.fillWithZerosAsync(bytes);
      await file.fullSync();
      this.#publish(segment, file);
    } catch (error) {
      this.#discard(segment, file);
      throw error;
    }
    await this.#folder.sync();
  }

  size(segment: number): number {
    return this.#file(segment).size;
  }

  append(segment: number, at: number, bytes: Uint8Array): void {
    let file = this.#activeFile;
    if (segment !== this.#activeSegment || file === undefined) file = this.#activate(segment);
    if (at + bytes.byteLength > file.size) {
      throw forbidden(
        `append to segment ${segment}`,
        `an end at ${at + bytes.byteLength}`,
        `at most ${file.size}`,
      );
    }
    file.write(at, bytes);
  }

  sync(segment: number): Promise<void> {
    try {
      return this.#file(segment).sync();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  syncSync(segment: number): void {
    this.#file(segment).syncSync();
  }

  read(segment: number, at: number, into: Uint8Array): number {
    return this.#file(segment).read(at, into);
  }

  remove(segments: readonly number[]): void {
    this.#access.requireWritable("remove segments");
    for (const segment of segments) {
      this.#open.get(segment)?.close();
      this.#open.delete(segment);
      if (segment === this.#activeSegment) this.#deactivate();
      this.#folder.removeLarge(segmentName(segment));
    }
  }

  usedBytes(): number {
    return this.#folder.usedBytes();
  }

  close(): void {
    // While the claim is still held: afterwards the staged names may be another opener's.
    for (const [segment, file] of this.#staged) this.#discard(segment, file);
    const open = [...this.#open.values()];
    this.#open.clear();
    this.#deactivate();
    closeAll([...open, this.#folder]);
  }

  #file(segment: number): OpenFile {
    this.#access.requireOpen("use a segment");
    let file = this.#open.get(segment);
    if (file === undefined) {
      const flags = this.#access.mode === "exclusive" ? "r+" : "r";
      file = this.#folder.open(segmentName(segment), flags).measure();
      this.#open.set(segment, file);
    }
    return file;
  }

  #activate(segment: number): OpenFile {
    this.#access.requireWritable("append");
    const file = this.#file(segment);
    this.#activeSegment = segment;
    this.#activeFile = file;
    return file;
  }

  #deactivate(): void {
    this.#activeSegment = -1;
    this.#activeFile = undefined;
  }

  #stage(segment: number): OpenFile {
    this.#access.requireWritable("create a segment");
    this.#requireAbsent(segment);
    const file = this.#folder.open(segmentName(segment) + stagedSuffix, "wx+");
    this.#staged.set(segment, file);
    return file;
  }

  #publish(segment: number, file: OpenFile): void {
    if (this.#staged.get(segment) !== file) {
      throw new CairnError("closed", `Gave up creating ${file.path}: the storage was closed.`);
    }
    this.#requireAbsent(segment);
    const name = segmentName(segment);
    this.#folder.rename(name + stagedSuffix, name);
    file.path = this.#folder.file(name);
    this.#staged.delete(segment);
    this.#open.set(segment, file);
  }

  /** Removes what was staged, unless that was done before: by `close`, when it gave it up. */
  #discard(segment: number, file: OpenFile): void {
    if (this.#staged.get(segment) !== file) return;
    this.#staged.delete(segment);
    try {
      file.close();
      this.#folder.remove(segmentName(segment) + stagedSuffix);
    } catch {
      // The first failure is the one to report; the next exclusive opener removes what is left.
    }
  }

  #requireAbsent(segment: number): void {
    const name = segmentName(segment);
    if (!this.#folder.exists(name)) return;
    const path = this.#folder.file(name);
    throw storageFailure("create", path, Object.assign(new Error("exists"), { code: "EEXIST" }));
  }
}
