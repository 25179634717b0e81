/**
 * The deep check: every page of every blob on the medium, then every tree from its root, then the
 * counts that say which pages are live. Reads and commits go on meanwhile.
 */
import { corruptReasons, pageBytes } from "../../bindings/status.ts";
import { CairnError } from "../errors.ts";
import { checkBlobHeader } from "./blob.ts";
import type { Engine } from "./engine.ts";
import { nextTurn } from "./event-loop.ts";
import { type CatalogueImage, imageFile } from "./images.ts";
import { throwIfAborted } from "./maintenance.ts";
import type { LongOptions } from "./options.ts";
import type { Blob } from "./pager.ts";

/** One thing that is not as it should be. */
export interface Finding {
  readonly what: "blob" | "page" | "tree" | "live-count" | "image" | "index";
  /** The file of the blob, the id of the tree, or the table and its index. */
  readonly where: string;
  readonly slot?: number;
  readonly reason: string;
}

/** What a deep check found. */
export interface VerifyReport {
  /** True when there is no finding. */
  readonly ok: boolean;
  /** The commit whose state was checked. */
  readonly seq: bigint;
  /** Pages, trees and records that were read. */
  readonly pages: number;
  readonly trees: number;
  readonly records: number;
  readonly findings: readonly Finding[];
}

const pagesPerRead = 64;
const pagesPerTurn = 64;

/** The core keeps the place of one walk: checks of one engine wait for each other. */
const running = new WeakMap<Engine, Promise<unknown>>();

export async function verify(engine: Engine, options: LongOptions): Promise<VerifyReport> {
  const before = running.get(engine) ?? Promise.resolve();
  const run = before.catch(() => undefined).then(() => new Verification(engine, options).run());
  running.set(engine, run);
  return await run;
}

class Verification {
  readonly #engine: Engine;
  readonly #options: LongOptions;
  readonly #findings: Finding[] = [];
  #pages = 0;
  #records = 0;
  #done = 0;
  #total = 0;

  constructor(engine: Engine, options: LongOptions) {
    this.#engine = engine;
    this.#options = options;
  }

  async run(): Promise<VerifyReport> {
    const { core, published } = this.#engine;
    const { exports } = core;
    const trees = [...this.#engine.trees()];
    const blobs = [...this.#engine.pager.blobs.values()].filter((blob) => blob.sealed);
    for (const { number } of blobs) this.#total += exports.blobSlots(number);
    for (const number of this.#engine.pager.numbers()) this.#total += exports.livePages(number);
    exports.pinEpoch(published.epoch);
    try {
      for (const blob of blobs) await this.#verifyBlob(blob);
      for (const image of this.#engine.checkpointer.newest.images) await this.#verifyImage(image);
      exports.clearSeen();
      for (const tree of trees) await this.#verifyTree(tree.id, published.epoch);
      if (this.#engine.pipeline.epoch === published.epoch) this.#verifyLive();
    } finally {
      exports.unpinEpoch(published.epoch);
    }
    return {
      ok: this.#findings.length === 0,
      seq: BigInt(published.seq),
      pages: this.#pages,
      trees: trees.length,
      records: this.#records,
      findings: this.#findings,
    };
  }

  async #verifyImage(image: CatalogueImage): Promise<void> {
    try {
      await this.#engine.images.read(image, () => throwIfAborted(this.#options.signal));
    } catch (error) {
      if (!(error instanceof CairnError) || error.code !== "corruption") throw error;
      const reason = String(error.details.reason);
      this.#findings.push({ what: "image", where: imageFile(image), reason });
    }
  }

  async #step(pages: number): Promise<void> {
    throwIfAborted(this.#options.signal);
    this.#done = Math.min(this.#done + pages, this.#total);
    this.#options.onProgress?.({
      phase: "verify",
      done: this.#done,
      total: this.#total,
      unit: "pages",
    });
    await nextTurn();
  }

  async #verifyBlob(blob: Blob): Promise<void> {
    const { storage, core, checkpointer } = this.#engine;
    const { databaseId } = checkpointer.newest.root;
    const slots = core.exports.blobSlots(blob.number);
    const buffer = new Uint8Array(pagesPerRead * pageBytes);
    for (let first = 0; first < slots; first += pagesPerRead) {
      const count = Math.min(pagesPerRead, slots - first);
      const bytes = buffer.subarray(0, count * pageBytes);
      let got = 0;
      try {
        got = await storage.blobs.read(blob.file, first * pageBytes, bytes);
      } catch (error) {
        if (!this.#engine.pager.blobs.has(blob.number)) return; // removed meanwhile
        const reason = error instanceof CairnError ? error.code : "storage_failed";
        this.#findings.push({ what: "blob", where: blob.file, reason });
        return;
      }
      bytes.fill(0, got);
      if (first === 0) {
        const header = bytes.subarray(0, pageBytes);
        try {
          checkBlobHeader(header, blob, slots, databaseId, core.checksum);
        } catch {
          this.#findings.push({ what: "blob", where: blob.file, slot: 0, reason: "header" });
        }
      }
      this.#verifyPages(blob, first, count, bytes);
      await this.#step(count);
    }
  }

  #verifyPages(blob: Blob, first: number, count: number, bytes: Uint8Array): void {
    const { core } = this.#engine;
    for (let index = first === 0 ? 1 : 0; index < count; index++) {
      const slot = first + index;
      core.input.set(bytes.subarray(index * pageBytes, (index + 1) * pageBytes));
      this.#pages++;
      if (core.exports.verifyImage(0, blob.number * 65536 + slot) >= 0) continue;
      const reason = corruptReasons[core.reason] ?? "unknown";
      // Bytes that are as they were written: whether they make sense is asked where a tree leads to
      // them. A page that died in the commit that made it may have been written half emptied.
      if (reason !== "checksum") continue;
      this.#findings.push({ what: "page", where: blob.file, slot, reason });
    }
  }

  async #verifyTree(tree: number, epoch: number): Promise<void> {
    const { core, pipeline, pager } = this.#engine;
    const kind = core.exports.checkTreeBegin(tree, epoch);
    if (kind < 0) return;
    let result = 1;
    while (result !== 0) {
      try {
        result = await pipeline.turn(function* () {
          let checked = core.exports.checkTreeNext(kind, pagesPerTurn);
          // Pages that must be read come one at a time: some of them belong into one turn.
          for (let reads = 0; checked < 0 && reads < pagesPerTurn; reads++) {
            yield* pager.resolve(checked);
            checked = core.exports.checkTreeNext(kind, pagesPerTurn);
          }
          return checked < 0 ? 1 : checked;
        });
      } catch (error) {
        if (!(error instanceof CairnError)) throw error;
        const { reason = error.code, slot, blob } = error.details;
        const at = typeof slot === "number" ? { slot } : {};
        const where = `tree ${tree}${blob === undefined ? "" : `, blob ${blob}`}`;
        this.#findings.push({ what: "tree", where, ...at, reason: String(reason) });
        return;
      }
      await this.#step(pagesPerTurn);
    }
    this.#records += core.exports.treeRecords(tree, epoch);
  }

  /** Pages that the walks have met against pages that are counted as live. */
  #verifyLive(): void {
    const { core, pager } = this.#engine;
    if (core.exports.reclaimQueue() > 0 || this.#findings.length > 0) return;
    for (const number of pager.numbers()) {
      const live = core.exports.livePages(number);
      const seen = core.exports.seenPages(number);
      if (live === seen) continue;
      const reason = `${live} counted, ${seen} reachable`;
      const where = pager.blobs.get(number)?.file ?? `blob ${number}`;
      this.#findings.push({ what: "live-count", where, reason });
    }
  }
}
