/**
 * Compaction: pages move out of blobs that are mostly dead, so that the blobs can go.
 *
 * Moving is an ordinary path copy in an epoch of its own; nothing is logged. A checkpoint carries
 * some pages over when there are too many blobs or too much dead space; `compact` rewrites
 * everything, packs leaves nine tenths full, and ends with both roots on the new blobs.
 */
import { overflowContentBytes, pageBytes, status } from "../../bindings/status.ts";
import { CairnError } from "../errors.ts";
import type { Engine } from "./engine.ts";
import { nextTurn } from "./event-loop.ts";
import { EffectBuffer } from "./log/effect-buffer.ts";
import { throwIfAborted } from "./maintenance.ts";
import type { LongOptions } from "./options.ts";
import { keyBytesMax } from "./reader.ts";
import type { Steps } from "./steps.ts";
import type { TreeInfo } from "./trees.ts";

const blobsMax = 128;
const slackPages = 4096;
/** Pages looked at in one turn: they may all have to be read. */
const pagesPerTurn = 64;
/** A checkpoint carries over at least so many pages when it must carry over any. */
const carriedPagesMin = 256;

interface Usage {
  readonly number: number;
  readonly live: number;
  readonly slots: number;
}

function usage(engine: Engine): Usage[] {
  const { exports } = engine.core;
  return [...engine.pager.blobs.values()]
    .filter((blob) => blob.sealed)
    .map(({ number }) => ({
      number,
      live: exports.livePages(number),
      slots: exports.blobSlots(number),
    }));
}

/** Moves live pages out of the cheapest blobs, when there are too many or they are too empty. */
export async function carryOver(engine: Engine): Promise<void> {
  const blobs = usage(engine).filter((blob) => blob.live > 0);
  const live = blobs.reduce((sum, blob) => sum + blob.live, 0);
  const slots = blobs.reduce((sum, blob) => sum + blob.slots, 0);
  const tooMany = blobs.length - blobsMax;
  if (tooMany <= 0 && slots <= 2 * live + slackPages) return;
  blobs.sort((a, b) => a.live / a.slots - b.live / b.slots);
  const dirty = engine.core.exports.dirtyFrames();
  const isUrgent = slots > 4 * live + slackPages;
  let budget = isUrgent ? Number.POSITIVE_INFINITY : Math.max(carriedPagesMin, dirty / 4);
  let freed = 0;
  let freedSlots = 0;
  for (const blob of blobs) {
    const isDone = freed >= tooMany && slots - freedSlots <= 2 * live + slackPages;
    if (isDone || budget < blob.live) break;
    await evacuate(engine, blob);
    budget -= blob.live;
    freed++;
    freedSlots += blob.slots - blob.live;
  }
}

async function evacuate(engine: Engine, blob: Usage): Promise<void> {
  for (let slot = 1; slot < blob.slots; slot += pagesPerTurn) {
    if (engine.core.exports.livePages(blob.number) === 0) return;
    const end = Math.min(slot + pagesPerTurn, blob.slots);
    await engine.move(() => movePages(engine, blob.number, slot, end));
    await nextTurn();
  }
}

function* movePages(engine: Engine, number: number, from: number, to: number): Steps<void> {
  const { core, pager } = engine;
  for (let slot = from; slot < to; slot++) {
    const id = number * 65536 + slot;
    for (;;) {
      const result = core.exports.relocatePage(id);
      if (result === 2) yield* moveValue(engine, core.run);
      if (result >= 0) break;
      if (result === status.pageMiss && core.missingPage === id && (yield* isUnused(engine, id))) {
        break;
      }
      try {
        yield* pager.resolve(result);
      } catch (error) {
        // A damaged page stays where it is, and its blob with it; the others can move.
        if (error instanceof CairnError && error.code === "page_corrupt") break;
        throw error;
      }
    }
  }
}

/** True for a slot that was never written: its page died before its blob was sealed. */
function* isUnused(engine: Engine, id: number): Steps<boolean> {
  const { pager, storage } = engine;
  const blob = pager.blobs.get(Math.floor(id / 65536));
  if (blob === undefined) return true;
  const bytes = new Uint8Array(pageBytes);
  const read = storage.blobs.read(blob.file, (id % 65536) * pageBytes, bytes);
  if (read instanceof Promise) yield read;
  return bytes.every((byte) => byte === 0);
}

/** Writes the value that owns the overflow page `head` anew, if its record still leads there. */
function* moveValue(engine: Engine, head: number): Steps<void> {
  const { core, pager } = engine;
  let bytes = core.exports.overflowRead(head, 1);
  while (bytes < 0) {
    yield* pager.resolve(bytes);
    bytes = core.exports.overflowRead(head, 1);
  }
  const at = core.outputAddress;
  const keyBytes = core.bytes[at] + core.bytes[at + 1] * 256;
  if (keyBytes + 2 > overflowContentBytes) return;
  const key = core.bytes.slice(at + 2, at + 2 + keyBytes);
  const tree = core.exports.pageTree(head);
  if (engine.tree(tree) === undefined) return;
  yield* rewriteValue(engine, tree, key, head);
}

/** Puts a large value again, with its seq and expiry, so that it lies in new pages. */
function* rewriteValue(
  engine: Engine,
  tree: number,
  key: Uint8Array,
  head: number | undefined,
): Steps<void> {
  const { core, pager } = engine;
  for (;;) {
    const keyLength = core.writeKey(key, 0, keyBytesMax + 16);
    const flags = core.exports.get(tree, 0, keyLength, 0);
    if (flags === status.notFound) return;
    if (flags >= 0) {
      if ((flags & 2) === 0) return;
      const first =
        core.bytes[core.valueAddress + 4] +
        core.bytes[core.valueAddress + 5] * 2 ** 8 +
        core.bytes[core.valueAddress + 6] * 2 ** 16 +
        core.bytes[core.valueAddress + 7] * 2 ** 24 +
        core.bytes[core.valueAddress + 8] * 2 ** 32 +
        core.bytes[core.valueAddress + 9] * 2 ** 40;
      if (head !== undefined && first !== head) return;
      break;
    }
    yield* pager.resolve(flags);
  }
  let seq = 0;
  const effects = new EffectBuffer({ keyBytesMax: keyBytesMax + 16 });
  yield* engine.readSteps(tree, key, "newest", 0, (memory, at, length, record) => {
    seq = record.seq;
    const { expiresAt } = record;
    const value = memory.subarray(at, at + length);
    effects.put(tree, key, value, expiresAt === 0 ? undefined : expiresAt);
  });
  yield* engine.applier.apply(effects.bytes, seq);
}

/** Rewrites all trees; see the head of this file. */
export async function compact(engine: Engine, options: LongOptions): Promise<void> {
  throwIfAborted(options.signal);
  // Pages that were changed lately may share a blob with what they replaced: it must be a closed
  // one.
  await engine.maintenance.checkpoint({ signal: options.signal });
  await engine.maintenance.reclaim();
  const trees = [...engine.newestTrees()];
  const total = usage(engine).reduce((sum, blob) => sum + blob.live, 0);
  let done = 0;
  const progress = (pages: number): void => {
    throwIfAborted(options.signal);
    done += pages;
    options.onProgress?.({ phase: "compact", done: Math.min(done, total), total, unit: "pages" });
  };
  for (const tree of trees) {
    if (tree.kind === "ordered") await repackOrdered(engine, tree, progress);
    else await repackHashed(engine, tree, progress);
    if (engine.core.exports.treeOverflow(tree.id) > 0) await rewriteValues(engine, tree, progress);
  }
  await engine.prepare("compact");
  // What was deleted also stands in the log.
  await engine.pipeline.turn(() => engine.log.rotate());
  // Two: afterwards both roots name the new blobs, and the old ones go.
  await engine.maintenance.checkpoint({}, true);
  await engine.maintenance.checkpoint({}, true);
  options.onProgress?.({ phase: "compact", done: total, total, unit: "pages" });
}

async function repackOrdered(
  engine: Engine,
  tree: TreeInfo,
  progress: (pages: number) => void,
): Promise<void> {
  const { core, pager } = engine;
  let key: Uint8Array | undefined = new Uint8Array(0);
  while (key !== undefined && engine.tree(tree.id) !== undefined) {
    await nextTurn();
    const from: Uint8Array = key;
    key = await engine.move(function* () {
      for (;;) {
        const keyLength = core.writeKey(from, 0, keyBytesMax + 16);
        const leaves = core.exports.repack(tree.id, keyLength);
        if (leaves < 0) yield* pager.resolve(leaves);
        else {
          progress(leaves);
          return core.more ? core.output.slice(0, core.keyColumnBytes) : undefined;
        }
      }
    });
  }
}

async function repackHashed(
  engine: Engine,
  tree: TreeInfo,
  progress: (pages: number) => void,
): Promise<void> {
  const { core, pager } = engine;
  let next: Uint32Array | undefined = new Uint32Array(2);
  while (next !== undefined && engine.tree(tree.id) !== undefined) {
    await nextTurn();
    const [low, high]: Uint32Array = next;
    next = await engine.move(function* () {
      for (;;) {
        const pages = core.exports.repackHashed(tree.id, low, high);
        if (pages < 0) yield* pager.resolve(pages);
        else {
          progress(pages);
          return core.more ? core.columnU32(0, 2).slice() : undefined;
        }
      }
    });
  }
}

/** Moves every large value of a tree. */
async function rewriteValues(
  engine: Engine,
  tree: TreeInfo,
  progress: (pages: number) => void,
): Promise<void> {
  let resume: Uint8Array | undefined;
  do {
    const from = resume;
    resume = await engine.move(function* () {
      const range = from === undefined ? {} : { low: from, lowExclusive: true };
      const columns = { keys: true, values: false, meta: false };
      const rows = yield* engine.scanSteps(tree.id, range, "newest", 0, 64, columns);
      for (let row = 0; row < rows.count; row++) {
        if (rows.isLarge(row)) yield* rewriteValue(engine, tree.id, rows.key(row), undefined);
      }
      return rows.resume;
    });
    progress(0);
    await nextTurn();
  } while (resume !== undefined);
}
