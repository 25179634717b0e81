/**
 * Opening: the root, its catalogue, then the log after it. The time it takes grows with the log
 * since the last checkpoint, never with the data.
 */
import { Core } from "../../bindings/core.ts";
import { pageBytes, treeKinds } from "../../bindings/status.ts";
import { CairnError } from "../errors.ts";
import type { Storage } from "../storage/port.ts";
import { Applier } from "./applier.ts";
import { type BlobName, blobCorrupt, blobFile } from "./blob.ts";
import { type Catalogue, type CatalogueBlob, decodeCatalogue } from "./catalogue.ts";
import type { RootedState } from "./checkpoint.ts";
import { CommitReader } from "./log/commit.ts";
import { logStart } from "./log/position.ts";
import { LogReader, type LogTail } from "./log/reader.ts";
import { Pager } from "./pager.ts";
import {
  encodeRoot,
  firstRecord,
  optionsDigestBytes,
  type Root,
  type RootSlots,
  readRoots,
} from "./root.ts";
import { type Steps, wait } from "./steps.ts";
import { Trees } from "./trees.ts";

export interface RecoverySetup {
  readonly module: WebAssembly.Module;
  readonly storage: Storage;
  readonly generation: number;
  /** Pages that memory may hold. */
  readonly frames: number;
  /** Pages that a reader may hold at most; as many as linear memory has room for by default. */
  readonly framesMax?: number;
  /** True to write nothing, also when memory is short. */
  readonly readOnly: boolean;
  readonly clock: () => number;
  readonly random: (bytes: Uint8Array) => void;
  readonly hashMask: bigint | undefined;
  /** False to stay at the root: somebody else is still writing the log. */
  readonly replaysLog: boolean;
}

export interface Recovered {
  readonly core: Core;
  readonly pager: Pager;
  readonly trees: Trees;
  readonly applier: Applier;
  /** Pages that memory may hold; for a reader perhaps more than it was told to. */
  readonly frames: number;
  readonly roots: { newest: RootedState; older: RootedState };
  readonly state: { epoch: number; seq: number; time: number };
  /** The highest that root or log were written by. */
  readonly generation: number;
  /** Undefined when the log was not read. */
  readonly tail: LogTail | undefined;
  readonly commitsReplayed: number;
  readonly bytesReplayed: number;
  readonly rootDamaged: boolean;
}

/** Writes the two root slots of a new database. */
export function* createDatabase(setup: RecoverySetup): Steps<void> {
  const identity = new Uint8Array(24);
  setup.random(identity);
  const core = new Core(setup.module);
  const now = setup.clock();
  const root: Root = {
    databaseId: identity.slice(0, 16),
    record: firstRecord,
    generation: setup.generation,
    seq: 0,
    time: now,
    createdAt: now,
    hashSeed: new DataView(identity.buffer).getBigUint64(16, true),
    oldestSeq: 0,
    position: logStart,
    catalogue: undefined,
    optionsDigest: new Uint8Array(optionsDigestBytes),
  };
  yield* wait(setup.storage.root.create(encodeRoot(root, core.checksum)));
}

/** Frames of the largest budget that linear memory has room for. */
const framesOfMemory = (3 * 1024 * 1024 * 1024) / pageBytes;

/**
 * Brings the newest durable state into memory. Seals nothing; when memory is short a writer stages
 * what the log has changed. A reader has nowhere to put it: it tries again with twice the memory,
 * until half of it is left for reading.
 */
export function* recover(
  setup: RecoverySetup,
  slots: readonly [Uint8Array, Uint8Array],
): Steps<Recovered> {
  let { frames } = setup;
  const framesMax = setup.framesMax ?? framesOfMemory;
  for (;;) {
    try {
      const recovered = yield* recoverWithin({ ...setup, frames }, slots);
      const isRoomLeft = recovered.core.exports.dirtyFrames() <= frames / 2;
      if (!setup.readOnly || isRoomLeft) return recovered;
    } catch (error) {
      const isFull = error instanceof CairnError && error.code === "transaction_too_large";
      if (!setup.readOnly || !isFull) throw error;
    }
    if (frames >= framesMax) throw logTooLarge();
    frames = Math.min(frames * 2, framesMax);
  }
}

function logTooLarge(): CairnError {
  return new CairnError(
    "memory_limit",
    "Cannot open read-only: the log after the last checkpoint changes more pages than memory can " +
      "hold, and a reader may not write them. Open the database for writing once, and close it.",
  );
}

function* recoverWithin(
  setup: RecoverySetup,
  slots: readonly [Uint8Array, Uint8Array],
): Steps<Recovered> {
  const core = new Core(setup.module);
  const found = readRoots(slots, core.checksum);
  try {
    return yield* recoverFrom(setup, core, found, found.newest);
  } catch (error) {
    const older = found.older;
    const isBlobDamage = error instanceof CairnError && error.code === "corruption";
    if (!isBlobDamage || older === undefined) throw error;
    // The older root and the log after it hold everything the newest one does.
    return yield* recoverFrom(setup, new Core(setup.module), found, older);
  }
}

function* recoverFrom(
  setup: RecoverySetup,
  core: Core,
  found: RootSlots,
  root: Root,
): Steps<Recovered> {
  const { storage } = setup;
  const catalogue = yield* readCatalogue(storage, core, root);
  const seed = new Uint8Array(8);
  new DataView(seed.buffer).setBigUint64(0, root.hashSeed, true);
  const nextBlob = catalogue?.nextBlob ?? 1;
  core.configure({
    frames: setup.frames,
    databaseId: root.databaseId,
    hashSeed: seed,
    firstBlob: nextBlob,
  });
  if (setup.hashMask !== undefined) {
    const low = Number(setup.hashMask & 0xffff_ffffn);
    core.exports.setHashMask(low, Number(setup.hashMask >> 32n));
  }
  const pager = new Pager(core, storage, {
    databaseId: root.databaseId,
    generation: setup.generation,
    random64: () => random64(setup.random),
  });
  pager.nextBlob = nextBlob;
  pager.isReader = setup.readOnly;
  const trees = new Trees(core);
  const applier = new Applier(pager, trees);
  if (catalogue !== undefined) yield* restore(storage, pager, trees, catalogue);
  const epoch = restoreEpoch(applier);
  trees.root(epoch);
  const newest: RootedState = {
    root,
    blobs: blobsOf(catalogue),
    images: catalogue?.images ?? [],
  };
  const older = yield* olderState(storage, pager, found, root, newest);
  const replayed = yield* replay(setup, core, applier, root, found.newest.seq, epoch);
  return {
    core,
    pager,
    trees,
    applier,
    frames: setup.frames,
    ...replayed,
    roots: { newest, older },
    rootDamaged: found.damagedSlot !== undefined || root !== found.newest,
  };
}

/** Roots restored from the catalogue belong to an epoch, so that the first commit can leave it. */
function restoreEpoch(applier: Applier): number {
  const epoch = applier.begin();
  applier.commit(epoch);
  return epoch;
}

function blobsOf(catalogue: Catalogue | undefined): Set<number> {
  return new Set(catalogue?.blobs.map((blob) => blob.number) ?? []);
}

/** The other root, and blobs that only it needs: no longer live, but not to be removed yet. */
function* olderState(
  storage: Storage,
  pager: Pager,
  found: RootSlots,
  root: Root,
  newest: RootedState,
): Steps<RootedState> {
  const { core } = pager;
  const { older } = found;
  if (older === undefined || older === root) return newest;
  try {
    const catalogue = yield* readCatalogue(storage, core, older);
    for (const blob of catalogue?.blobs ?? []) {
      if (pager.blobs.has(blob.number)) continue;
      pager.addSealed(nameOf(blob));
      core.exports.setBlob(blob.number, 0, blob.slots);
    }
    return { root: older, blobs: blobsOf(catalogue), images: catalogue?.images ?? [] };
  } catch {
    // It is only the spare; what it names is kept out of harm's way by being unknown.
    return newest;
  }
}

function* readCatalogue(storage: Storage, core: Core, root: Root): Steps<Catalogue | undefined> {
  const reference = root.catalogue;
  if (reference === undefined) return undefined;
  const file = blobFile("catalogue", reference);
  // Before there is room made for it: the root may say anything.
  const size = yield* wait(sizeOf(storage, file));
  if (size < reference.offset + reference.bytes) {
    throw blobCorrupt(file, "it is missing, or shorter than the root says");
  }
  const bytes = new Uint8Array(reference.bytes);
  try {
    const got = yield* wait(storage.blobs.read(file, reference.offset, bytes));
    if (got < bytes.length) throw blobCorrupt(file, "it is shorter than the root says");
  } catch (error) {
    if (error instanceof CairnError && error.code !== "storage_failed") throw error;
    throw new CairnError(
      "corruption",
      `Reading the catalogue ${file}: the root names it, but it cannot be read. Restore from a ` +
        "backup.",
      { cause: error, details: { blob: file, reason: "missing" } },
    );
  }
  return decodeCatalogue(bytes, reference, root.databaseId, core.checksum);
}

function* restore(storage: Storage, pager: Pager, trees: Trees, catalogue: Catalogue): Steps<void> {
  const { exports } = pager.core;
  for (const blob of catalogue.blobs) {
    const name = nameOf(blob);
    pager.addSealed(name);
    exports.setBlob(blob.number, blob.live, blob.slots);
    const file = blobFile("pages", name);
    const size = yield* wait(sizeOf(storage, file));
    if (size < blob.slots * 4096 && size < 4096) throw blobCorrupt(file, "it is missing or empty");
  }
  for (const tree of catalogue.trees) {
    exports.createTree(tree.id, treeKinds[tree.kind]);
    exports.restoreTree(tree.id, tree.root, tree.records, tree.overflowPages);
    trees.create({ id: tree.id, kind: tree.kind, descriptor: tree.descriptor });
  }
  trees.commit(0);
  trees.next = catalogue.nextTree;
  for (const item of catalogue.reclaim) {
    // The queue lies in frames, and there are none yet.
    if (exports.freeFrames() === 0) yield* pager.makeRoom();
    new DataView(pager.core.input.buffer, pager.core.inputAddress).setBigUint64(
      0,
      BigInt(`0x${item}`),
      true,
    );
    exports.restoreReclaimItem();
  }
}

function nameOf(blob: CatalogueBlob): BlobName {
  const { number, generation, random } = blob;
  return { number, generation, random: BigInt(`0x${random}`) };
}

function sizeOf(storage: Storage, file: string): number | Promise<number> {
  try {
    const size = storage.blobs.size(file);
    return size instanceof Promise ? size.catch(() => 0) : size;
  } catch {
    return 0;
  }
}

interface Replayed {
  readonly state: Recovered["state"];
  /** The highest that root or log were written by. */
  readonly generation: number;
  readonly tail: LogTail | undefined;
  readonly commitsReplayed: number;
  readonly bytesReplayed: number;
}

/** Applies the commits of the log after the root. */
function* replay(
  setup: RecoverySetup,
  core: Core,
  applier: Applier,
  root: Root,
  durableSeq: number,
  restored: number,
): Steps<Replayed> {
  let state = { epoch: restored, seq: root.seq, time: root.time };
  core.exports.pinEpoch(restored);
  let { generation } = root;
  if (!setup.replaysLog) {
    return { state, generation, tail: undefined, commitsReplayed: 0, bytesReplayed: 0 };
  }
  const log = new LogReader({
    log: setup.storage.log,
    checksum: core.checksum,
    databaseId: root.databaseId,
    from: root.position,
    durableSeq,
  });
  const commits = new CommitReader(log);
  let commitsReplayed = 0;
  let bytesReplayed = 0;
  for (;;) {
    const commit = yield* commits.next();
    if (commit === undefined) break;
    // The reader's bytes may be gone when the storage is asked for a page in between.
    const effects = setup.storage.capabilities.sync ? commit.effects : commit.effects.slice();
    const { seq, time } = commit;
    const epoch = applier.begin();
    yield* applier.apply(effects, seq);
    applier.commit(epoch);
    core.exports.pinEpoch(epoch);
    core.exports.unpinEpoch(state.epoch);
    state = { epoch, seq, time: Math.max(state.time, time) };
    generation = Math.max(generation, commit.generation);
    commitsReplayed++;
    bytesReplayed += effects.length;
  }
  return { state, generation, tail: log.tail, commitsReplayed, bytesReplayed };
}

export function random64(random: (bytes: Uint8Array) => void): bigint {
  const bytes = new Uint8Array(8);
  random(bytes);
  return new DataView(bytes.buffer).getBigUint64(0, true);
}
