/**
 * Pages between the core and the storage: faults, eviction, and the blobs they live in.
 *
 * A page is born in a blob that has no name yet on the medium; the blob is staged when the first of
 * its pages must be written, at a checkpoint or because memory is short. Until it is sealed its
 * pages are read back from the staged blob.
 */
import type { Core } from "../../bindings/core.ts";
import { corruptReasons, pageBytes, status } from "../../bindings/status.ts";
import { CairnError } from "../errors.ts";
import type { StagedBlob, Storage } from "../storage/port.ts";
import { type BlobName, blobFile, encodeBlobHeader } from "./blob.ts";
import { type Steps, wait } from "./steps.ts";

/** Pages written in one go: half of the output area, whose other half has room for their ids. */
export const pagesPerWrite = 128;
/** Frames wanted free beyond the core's reserve, so that the next operations need not ask. */
const headroom = 256;

export interface Blob extends BlobName {
  readonly file: string;
  /** While it can be written. */
  staged: StagedBlob | undefined;
  sealed: boolean;
  /** The last write that was begun; reads of the blob come after it. */
  writing: Promise<void> | undefined;
  /** Why a write failed: pages may be missing, so it must never be sealed. */
  failure: unknown;
}

export interface PagerIdentity {
  readonly databaseId: Uint8Array;
  readonly generation: number;
  readonly random64: () => bigint;
}

/** 4 MiB, for which the core has room from the start. */
const framesAtFirst = 1024;

export class Pager {
  readonly core: Core;
  readonly blobs: Map<number, Blob> = new Map();
  /** Numbers from here on are not part of any root. */
  nextBlob = 1;
  readonly #storage: Storage;
  readonly #identity: PagerIdentity;
  readonly #reserve: number;
  /** Pages read and written since open. */
  pagesRead = 0;
  pagesWritten = 0;
  /**
   * Opened read-only: changed pages stay in memory, and the writer may remove blobs that only an
   * older checkpoint needs.
   */
  isReader = false;
  /** Called when no frame can be had: may give back pins. True when it did. */
  onPressure: () => boolean = () => false;
  /** Called when a page could not be written: it is in no blob, and its frame may be taken. */
  onWriteFailed: (error: unknown) => void = () => undefined;

  constructor(core: Core, storage: Storage, identity: PagerIdentity) {
    this.core = core;
    this.#storage = storage;
    this.#identity = identity;
    this.#reserve = core.exports.frameReserve();
  }

  /** Numbers of all blobs that hold pages, the open ones included. */
  numbers(): Set<number> {
    const numbers = new Set(this.blobs.keys());
    const current = this.core.exports.currentBlob();
    for (let number = this.nextBlob; number <= current; number++) numbers.add(number);
    return numbers;
  }

  /** A sealed blob that a root names. */
  addSealed(name: BlobName): void {
    this.blobs.set(name.number, {
      ...name,
      file: blobFile("pages", name),
      staged: undefined,
      sealed: true,
      writing: undefined,
      failure: undefined,
    });
  }

  /** What a result below zero asks for, so that the call can be made again. */
  *resolve(result: number): Steps<void> {
    if (result === status.pageMiss) yield* this.load(this.core.missingPage);
    else if (result === status.needFrames) yield* this.makeRoom();
    else throw this.failure(result);
  }

  failure(result: number): CairnError {
    if (result === status.corrupt) return this.#pageCorrupt(this.core.missingPage);
    if (result === status.tableFull) {
      return new CairnError(
        "memory_limit",
        "Cannot go on: a fixed table of the core is full (65,536 trees or snapshots, or 16,000 " +
          "blobs). Release snapshots, or drop keyspaces.",
      );
    }
    return new CairnError("core_failed", `The core answered with unexpected result ${result}.`);
  }

  /** Reads a page into a frame. */
  *load(id: number): Steps<void> {
    const { core } = this;
    const number = Math.floor(id / 65536);
    const blob = this.blobs.get(number);
    if (blob === undefined) throw this.#pageCorrupt(id);
    if (blob.writing !== undefined) yield* wait(blob.writing);
    let frame = core.exports.loadBegin();
    while (frame === status.needFrames) {
      yield* this.makeRoom();
      frame = core.exports.loadBegin();
    }
    frame >>>= 0;
    try {
      yield* this.#fill(blob, (id % 65536) * pageBytes, frame);
    } catch (error) {
      core.exports.loadAbort(frame);
      if (this.isReader && isMissing(error)) throw superseded(blob.file, error);
      throw error;
    }
    this.pagesRead++;
    if (core.exports.loadEnd(frame, id) >= 0) return;
    throw blob.failure ?? this.#pageCorrupt(id);
  }

  /** Reads 4 KiB at `at` into the frame: straight into memory where the storage answers at once. */
  *#fill(blob: Blob, at: number, frame: number): Steps<void> {
    const { core } = this;
    const isSync = this.#storage.capabilities.sync;
    const into = isSync ? core.bytes.subarray(frame, frame + pageBytes) : new Uint8Array(pageBytes);
    const source = blob.staged;
    const got = yield* wait(
      source === undefined ? this.#storage.blobs.read(blob.file, at, into) : source.read(at, into),
    );
    if (got < pageBytes) into.fill(0, got);
    if (!isSync) core.bytes.set(into, frame);
  }

  #pageCorrupt(id: number): CairnError {
    const number = Math.floor(id / 65536);
    const slot = id % 65536;
    const reason = corruptReasons[this.core.reason] ?? "unknown";
    const file = this.blobs.get(number)?.file ?? `number ${number}`;
    return new CairnError(
      "page_corrupt",
      `Reading page ${slot} of blob ${file}: the page is not what was written there (${reason}). ` +
        "The rest of the database can be read. Restore from a backup.",
      { details: { blob: file, slot, reason } },
    );
  }

  /** Frees frames: by growing, by dropping clean pages, at last by writing dirty ones. */
  *makeRoom(): Steps<void> {
    const { core } = this;
    const wanted = this.#reserve + headroom;
    // Four times as many each time: V8 collects garbage, all of it, whenever linear memory grows.
    const more = Math.max(framesAtFirst, core.exports.frameCount() * 3);
    if (core.addFrames(more) > 0 && core.exports.freeFrames() >= this.#reserve) return;
    while (core.exports.freeFrames() < wanted) {
      const evicted = core.exports.evictClean(wanted - core.exports.freeFrames());
      if (core.exports.freeFrames() >= wanted) return;
      const written = yield* this.#writeUnused();
      if (evicted + written > 0) continue;
      if (core.exports.freeFrames() > this.#reserve) return;
      if (!this.onPressure()) throw tooLarge(core.exports.frameCount());
    }
  }

  /** Writes dirty pages that were not used lately to their staged blobs; how many. */
  *#writeUnused(): Steps<number> {
    if (!this.#storage.capabilities.staging || this.isReader) return 0;
    const { core } = this;
    const count = core.exports.exportUnused(pagesPerWrite);
    if (count === 0) return 0;
    const ids = core.columnF64(pagesPerWrite * pageBytes, count).slice();
    const bytes = this.#storage.capabilities.sync
      ? core.output
      : core.output.slice(0, count * pageBytes);
    // Begun all at once: none of these pages may be read back before its write has ended.
    const writes: Promise<void>[] = [];
    for (let index = 0; index < count; index++) {
      const id = ids[index];
      const at = index * pageBytes;
      const page = bytes.subarray(at, at + pageBytes);
      const write = this.write(Math.floor(id / 65536), id % 65536, page);
      if (write !== undefined) writes.push(write);
    }
    for (const write of writes) yield write;
    return count;
  }

  /**
   * Writes pages in a row to a blob that is not sealed. The bytes are taken before this returns. A
   * promise where the storage answers with one.
   */
  write(number: number, slot: number, bytes: Uint8Array): Promise<void> | undefined {
    const blob = this.unsealed(number);
    try {
      const write = this.#write(blob, slot, bytes);
      const told = write?.catch((error: unknown) => this.#failed(blob, error));
      // Of several writes only the first that fails is waited for.
      told?.catch(() => undefined);
      return told;
    } catch (error) {
      return this.#failed(blob, error);
    }
  }

  #failed(blob: Blob, error: unknown): never {
    blob.failure ??= error;
    this.onWriteFailed(error);
    throw error;
  }

  #write(blob: Blob, slot: number, bytes: Uint8Array): Promise<void> | undefined {
    this.pagesWritten += bytes.length / pageBytes;
    if (blob.staged !== undefined && blob.writing === undefined) {
      const written = blob.staged.write(slot * pageBytes, bytes);
      if (!(written instanceof Promise)) return undefined;
      return this.#track(blob, written);
    }
    if (this.#storage.capabilities.sync) {
      blob.staged = this.#storage.blobs.stage(blob.file) as StagedBlob;
      blob.staged.write(slot * pageBytes, bytes);
      return undefined;
    }
    const copy = bytes.slice();
    const before = blob.writing ?? Promise.resolve();
    return this.#track(
      blob,
      before.then(async () => {
        blob.staged ??= await this.#storage.blobs.stage(blob.file);
        await blob.staged.write(slot * pageBytes, copy);
      }),
    );
  }

  #track(blob: Blob, write: Promise<void>): Promise<void> {
    const tracked = write.finally(() => {
      if (blob.writing === tracked) blob.writing = undefined;
    });
    blob.writing = tracked;
    // Everybody who depends on it waits for it; a failure that nobody waits for is no crash.
    tracked.catch(() => undefined);
    return tracked;
  }

  /** The record of a blob that pages are being born in. */
  unsealed(number: number): Blob {
    let blob = this.blobs.get(number);
    if (blob === undefined) {
      const { generation, random64 } = this.#identity;
      const name = { number, generation, random: random64() };
      const file = blobFile("pages", name);
      blob = {
        ...name,
        file,
        staged: undefined,
        sealed: false,
        writing: undefined,
        failure: undefined,
      };
      this.blobs.set(number, blob);
    }
    return blob;
  }

  /** Writes the header of a blob whose pages are all written. The caller seals it. */
  writeHeader(blob: Blob): Promise<void> | undefined {
    const slots = this.core.exports.blobSlots(blob.number);
    const { checksum } = this.core;
    const header = encodeBlobHeader(blob, slots, this.#identity.databaseId, checksum);
    return this.write(blob.number, 0, header);
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof CairnError && error.details.errno === "ENOENT";
}

function superseded(file: string, cause: unknown): CairnError {
  return new CairnError(
    "root_superseded",
    `Reading blob ${file}: it is gone, because the writer of this database has written newer ` +
      "checkpoints. Open it again to read from the newest.",
    { cause, details: { blob: file } },
  );
}

function tooLarge(frames: number): CairnError {
  return new CairnError(
    "transaction_too_large",
    `Cannot make room in a memory budget of ${frames} pages: everything in it is needed by the ` +
      "open commit or by snapshots. Commit in smaller pieces, release snapshots, or raise " +
      "memoryBudget.",
    { details: { frames } },
  );
}
