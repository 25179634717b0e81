/**
 * Checkpoints: the trees as of one commit, written to blobs and named by a root, while reads and
 * commits go on.
 *
 *     1. freeze, in one turn between groups: pin the newest epoch, close the open blobs, note
 *        roots, counts, live pages and the position of the log
 *     2. write the dirty pages of the closed blobs in slices, and seal the blobs
 *     3. write and seal the catalogue
 *     4. sync the log through the frozen commit
 *     5. ask whether the claim still holds, and write the root slot that is not the newest
 *     6. only then trim the log below the older root and remove blobs that no root or pin needs
 *
 * A crash before 5 leaves the old roots and blobs that nobody names (removed at the next writing
 * open); after 5 it leaves a log and blobs that are longer than they need be.
 */
import type { StagedBlob, Storage } from "../storage/port.ts";
import { blobFile } from "./blob.ts";
import { type Catalogue, type CatalogueBlob, encodeCatalogue } from "./catalogue.ts";
import type { CatalogueImage, Images } from "./images.ts";
import type { LogWriter } from "./log/writer.ts";
import { type Blob, type Pager, pagesPerWrite } from "./pager.ts";
import { type CatalogueReference, encodeRoot, type Root } from "./root.ts";
import { type Steps, wait } from "./steps.ts";
import type { Trees } from "./trees.ts";

/** Pages between two moments in which others may run. */
const pagesPerSlice = 256;

/** A root together with the blobs that it needs. */
export interface RootedState {
  readonly root: Root;
  readonly blobs: ReadonlySet<number>;
  readonly images: readonly CatalogueImage[];
}

export interface Frozen {
  readonly epoch: number;
  readonly seq: number;
  readonly time: number;
  readonly position: Root["position"];
  readonly catalogue: Catalogue;
  /** Blobs that were closed: to be written and sealed. */
  readonly closed: readonly number[];
}

export interface CheckpointerSetup {
  readonly storage: Storage;
  readonly pager: Pager;
  readonly trees: Trees;
  readonly log: LogWriter;
  readonly images: Images;
  readonly check: () => Promise<void> | void;
  readonly generation: number;
  readonly random64: () => bigint;
  readonly roots: { newest: RootedState; older: RootedState };
}

/** Called between slices with pages written and pages to write. */
export type SliceDone = (done: number, total: number) => void;

export class Checkpointer {
  readonly #setup: CheckpointerSetup;
  /** The two roots on the medium. */
  newest: RootedState;
  older: RootedState;
  /** Blobs without live pages that a pin below the epoch may still need. */
  #condemned: { number: number; epoch: number }[] = [];
  /** States that are being copied. */
  readonly #held: RootedState[] = [];
  /** Blobs that no root names any more. */
  #staleFiles: string[] = [];

  constructor(setup: CheckpointerSetup) {
    this.#setup = setup;
    this.newest = setup.roots.newest;
    this.older = setup.roots.older;
  }

  /** Keeps the newest root's blobs from being removed, for a copy. */
  hold(): RootedState {
    this.#held.push(this.newest);
    return this.newest;
  }
  letGo(state: RootedState): void {
    this.#held.splice(this.#held.indexOf(state), 1);
  }

  /** Step 1. In one turn, when no epoch is open; everything applied has been appended. */
  freeze(state: { epoch: number; seq: number; time: number }): Frozen {
    const { pager, trees, log } = this.#setup;
    const images = this.#setup.images.freeze((tree) => trees.get(tree) !== undefined);
    const { exports } = pager.core;
    exports.pinEpoch(state.epoch);
    const last = exports.freezeBlobs();
    const closed: number[] = [];
    const blobs: CatalogueBlob[] = [];
    const firstOpen = last + 1;
    for (let number = pager.nextBlob; number < firstOpen; number++) {
      if (exports.blobSlots(number) > 0) pager.unsealed(number);
    }
    for (const [number, blob] of pager.blobs) {
      if (number >= firstOpen) continue;
      if (!blob.sealed) closed.push(number);
      const live = exports.livePages(number);
      if (live === 0) continue;
      const random = blob.random.toString(16).padStart(16, "0");
      const slots = exports.blobSlots(number);
      blobs.push({ number, generation: blob.generation, random, slots, live });
    }
    const catalogue: Catalogue = {
      nextTree: trees.next,
      nextBlob: firstOpen,
      trees: [...trees.all()].map((info) => ({
        id: info.id,
        kind: info.kind,
        root: exports.treeRoot(info.id, 0),
        records: exports.treeRecords(info.id, 0),
        overflowPages: exports.treeOverflow(info.id),
        descriptor: info.descriptor,
      })),
      blobs,
      ...(images.length === 0 ? {} : { images }),
      reclaim: this.#reclaimQueue(),
    };
    closed.sort((a, b) => a - b);
    return { ...state, position: log.position, catalogue, closed };
  }

  #reclaimQueue(): string[] {
    const { core } = this.#setup.pager;
    const items: string[] = [];
    const count = core.exports.copyReclaimQueue();
    const view = new DataView(core.bytes.buffer, core.outputAddress, count * 16);
    for (let index = 0; index < count; index++) {
      items.push(
        view
          .getBigUint64(index * 16, true)
          .toString(16)
          .padStart(16, "0"),
      );
    }
    return items;
  }

  /** Steps 2 to 5. When it fails, nothing may be written to this storage any more. */
  *write(frozen: Frozen, isSync: boolean, sliceDone: SliceDone): Steps<void> {
    const { pager, trees } = this.#setup;
    try {
      yield* this.#writeBlobs(frozen, isSync, sliceDone);
      const reference = yield* this.#writeCatalogue(frozen, isSync);
      yield* this.#writeRoot(frozen, reference, isSync);
      trees.root(frozen.epoch);
    } finally {
      pager.core.exports.unpinEpoch(frozen.epoch);
    }
  }

  *#writeBlobs(frozen: Frozen, isSync: boolean, sliceDone: SliceDone): Steps<void> {
    const { pager } = this.#setup;
    const { exports } = pager.core;
    const total = frozen.closed.reduce((sum, number) => sum + exports.blobSlots(number), 0);
    let done = 0;
    for (const number of frozen.closed) {
      const blob = pager.unsealed(number);
      const slots = exports.blobSlots(number);
      let next = 1;
      let inSlice = 0;
      for (;;) {
        const count = exports.exportRun(number, next, pagesPerWrite);
        if (count === 0) break;
        const first = pager.core.consumed;
        const bytes = pager.core.output.subarray(0, count * 4096);
        const write = pager.write(number, first, bytes);
        if (write !== undefined) yield write;
        next = first + count;
        inSlice += count;
        if (inSlice < pagesPerSlice) continue;
        inSlice = 0;
        sliceDone(done + next, total);
        if (!isSync && blob.staged !== undefined) yield blob.staged.sync();
      }
      done += slots;
      yield* this.#seal(blob, isSync);
      sliceDone(done, total);
    }
  }

  *#seal(blob: Blob, isSync: boolean): Steps<void> {
    const { pager } = this.#setup;
    const write = pager.writeHeader(blob);
    if (write !== undefined) yield write;
    // A page that was written to make room is missing: what the root would name is not there.
    if (blob.failure !== undefined) throw blob.failure;
    const staged = blob.staged as StagedBlob;
    if (isSync) yield* wait(staged.seal());
    else yield staged.sealAsync();
    blob.sealed = true;
    blob.staged = undefined;
  }

  *#writeCatalogue(frozen: Frozen, isSync: boolean): Steps<CatalogueReference> {
    const { storage, pager, generation, random64 } = this.#setup;
    const number = this.newest.root.record + 1;
    const name = { number, generation, random: random64() };
    const { databaseId } = this.newest.root;
    const bytes = encodeCatalogue(frozen.catalogue, databaseId, number);
    const staged = yield* wait(storage.blobs.stage(blobFile("catalogue", name)));
    yield* wait(staged.write(0, bytes));
    if (isSync) yield* wait(staged.seal());
    else yield staged.sealAsync();
    const checksum = pager.core.checksum(bytes, 0);
    return { ...name, offset: 0, bytes: bytes.length, checksum };
  }

  *#writeRoot(frozen: Frozen, catalogue: CatalogueReference, isSync: boolean): Steps<void> {
    const { storage, log, check, generation, pager } = this.#setup;
    if (isSync) log.syncSync();
    else yield log.sync();
    const checked = check();
    if (checked !== undefined) yield checked;
    const before = this.newest.root;
    const root: Root = {
      ...before,
      record: before.record + 1,
      generation,
      seq: frozen.seq,
      time: frozen.time,
      position: frozen.position,
      catalogue,
    };
    const bytes = encodeRoot(root, pager.core.checksum);
    if (isSync) yield* wait(storage.root.compareAndSet(before.record, bytes));
    else yield storage.root.compareAndSetAsync(before.record, bytes);
    const stale = this.older.root.catalogue;
    if (stale !== undefined && stale.number !== before.catalogue?.number) {
      this.#staleFiles.push(blobFile("catalogue", stale));
    }
    this.older = this.newest;
    this.newest = {
      root,
      blobs: new Set(frozen.catalogue.blobs.map((blob) => blob.number)),
      images: frozen.catalogue.images ?? [],
    };
    pager.nextBlob = frozen.catalogue.nextBlob;
  }

  /** Step 6: removes what neither root nor a pinned epoch needs. */
  *cleanUp(epoch: number): Steps<void> {
    const { storage, pager, log } = this.#setup;
    const { exports } = pager.core;
    const states = [this.newest, this.older, ...this.#held];
    const needed = (number: number): boolean => states.some((state) => state.blobs.has(number));
    for (const [number, blob] of pager.blobs) {
      if (!blob.sealed || needed(number) || exports.livePages(number) > 0) continue;
      if (!this.#condemned.some((entry) => entry.number === number)) {
        this.#condemned.push({ number, epoch });
      }
    }
    const oldest = exports.oldestPin();
    const isGone = (entry: { number: number; epoch: number }): boolean =>
      entry.epoch <= oldest && !needed(entry.number);
    const gone = this.#condemned.filter(isGone);
    this.#condemned = this.#condemned.filter((entry) => !isGone(entry));
    const files = this.#staleFiles;
    this.#staleFiles = [];
    if (this.#held.length > 0) this.#staleFiles = files.splice(0);
    for (const { number } of gone) {
      const blob = pager.blobs.get(number);
      if (blob === undefined) continue;
      files.push(blob.file);
      pager.blobs.delete(number);
      exports.forgetBlob(number);
    }
    files.push(...this.#setup.images.takeUnneeded(states.flatMap((state) => state.images)));
    try {
      yield* log.trim(this.older.root.position);
      if (files.length > 0) yield* wait(storage.blobs.remove(files));
    } catch (error) {
      // They are in nobody's way, and tried again the next time.
      this.#staleFiles.push(...files);
      throw error;
    }
  }
}
