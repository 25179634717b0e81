/** Opening an engine over a storage: claim, root, recovery, and what a writer tidies up. */
import { pageBytes } from "../../bindings/status.ts";
import { CairnError } from "../errors.ts";
import type { Claim, Storage } from "../storage/port.ts";
import { blobFile } from "./blob.ts";
import { budgetFrames, Engine } from "./engine.ts";
import { imageFile } from "./images.ts";
import { rewrite } from "./log/rewrite.ts";
import type { EngineOptions, RecoveryReport } from "./options.ts";
import { createDatabase, type Recovered, type RecoverySetup, recover } from "./recovery.ts";
import { encodeRoot, firstRecord } from "./root.ts";
import { runAsync } from "./steps.ts";

/** How often a reader tries again when checkpoints replace the root under it. */
const attemptsMax = 8;

export interface Surroundings {
  readonly module: WebAssembly.Module;
  /** Unix milliseconds. */
  readonly clock: () => number;
  readonly random: (bytes: Uint8Array) => void;
}

/**
 * Opens the database at a storage, or creates it. Throws `database_not_found`, `lock_held`,
 * `not_a_database`, `format_newer`, `root_corrupt`, `log_corrupt`, `corruption`.
 */
export async function openEngine(
  storage: Storage,
  options: EngineOptions,
  surroundings: Surroundings,
): Promise<Engine> {
  const readOnly = options.readOnly ?? false;
  const create = !readOnly && (options.create ?? true);
  const claim = await storage.acquire(readOnly ? "read-only" : "exclusive", { create });
  try {
    return await openClaimed(storage, claim, options, surroundings, create);
  } catch (error) {
    try {
      await storage.close();
    } catch {
      // The first failure is the one to tell of; the claim must be given up all the same.
    }
    await claim.release();
    throw error;
  }
}

async function openClaimed(
  storage: Storage,
  claim: Claim,
  options: EngineOptions,
  { module, clock, random }: Surroundings,
  create: boolean,
): Promise<Engine> {
  const start = clock();
  const isLive = options.readOnly === true && (await storage.holder()) !== undefined;
  const setup: RecoverySetup = {
    module,
    storage,
    generation: claim.generation,
    frames: budgetFrames(options),
    readOnly: options.readOnly ?? false,
    clock,
    random,
    hashMask: options.hashMask,
    replaysLog: !isLive,
  };
  let isNew = false;
  if ((await storage.root.read()) === undefined) {
    if (!create) throw notFound(storage);
    await refuseForeign(storage);
    await runAsync(createDatabase(setup));
    isNew = true;
  }
  const recovered = await recoverNewest(setup, isLive);
  if (options.readOnly !== true) {
    await removeOrphans(storage, recovered);
    await rewriteUnsure(storage, recovered);
  }
  const report: RecoveryReport = {
    outcome: isNew ? "created" : isClean(recovered) ? "clean" : "recovered",
    commitsReplayed: recovered.commitsReplayed,
    bytesReplayed: recovered.bytesReplayed,
    seq: BigInt(recovered.state.seq),
    droppedBytes: recovered.tail?.droppedBytes ?? 0,
    rootDamaged: recovered.rootDamaged,
    memoryBudget: recovered.frames * pageBytes,
    milliseconds: Math.max(0, clock() - start),
  };
  return new Engine({ storage, claim, recovered, options, clock, random, report });
}

function isClean(recovered: Recovered): boolean {
  const kind = recovered.tail?.kind;
  return kind === "clean" || kind === undefined || kind === "empty";
}

/** Recovers; a reader beside a writer may have to look at the root again. */
async function recoverNewest(setup: RecoverySetup, isLive: boolean): Promise<Recovered> {
  for (let attempt = 1; ; attempt++) {
    const slots = await setup.storage.root.read();
    if (slots === undefined) throw notFound(setup.storage);
    try {
      return await runAsync(recover(setup, slots));
    } catch (error) {
      if (!isLive || !(error instanceof CairnError) || error.code !== "corruption") throw error;
      if (attempt === attemptsMax) {
        throw new CairnError(
          "root_superseded",
          `Cannot open ${setup.storage.name} read-only: its writer replaces checkpoints faster ` +
            "than they can be read. Try again.",
          { cause: error },
        );
      }
    }
  }
}

function notFound(storage: Storage): CairnError {
  return new CairnError(
    "database_not_found",
    `Cannot open ${storage.name}: there is no database. Check the path, or open with create.`,
    { details: { path: storage.name } },
  );
}

/** A place that has a log or blobs but no root is no place for a new database. */
async function refuseForeign(storage: Storage): Promise<void> {
  const segments = await storage.log.list();
  const blobs = await storage.blobs.list();
  if (segments.length === 0 && blobs.length === 0) return;
  throw new CairnError(
    "root_corrupt",
    `Cannot open ${storage.name}: it has ${segments.length} log segments and ${blobs.length} ` +
      "blobs but no root. Nothing was changed. Restore the root or all of it from a backup.",
    { details: { segments: segments.length, blobs: blobs.length } },
  );
}

/**
 * After an unclean end the last bytes of the log and the newest root may be in a cache only,
 * because their sync has failed: they are written again before anything builds on them. A root that
 * is lost later, below its successor, would leave two that do not follow each other.
 */
async function rewriteUnsure(storage: Storage, recovered: Recovered): Promise<void> {
  const { core, tail, roots } = recovered;
  if (tail === undefined || tail.kind === "clean") return;
  if (storage.capabilities.durable !== "fsync") return;
  await runAsync(rewrite(storage.log, core.checksum, tail.unsure));
  const { root } = roots.newest;
  if (root.record === firstRecord) return;
  await storage.root.compareAndSet(root.record - 1, encodeRoot(root, core.checksum));
}

/** Blobs that neither root names were never finished, or are no longer needed. */
async function removeOrphans(storage: Storage, recovered: Recovered): Promise<void> {
  const { newest, older } = recovered.roots;
  if (newest === older && newest.root.record > 1) return;
  const known = new Set<string>();
  for (const blob of recovered.pager.blobs.values()) known.add(blob.file);
  for (const { root, images } of [newest, older]) {
    for (const image of images) known.add(imageFile(image));
    if (root.catalogue !== undefined) known.add(blobFile("catalogue", root.catalogue));
  }
  // By their whole names: after a fallback to the older root, numbers are given a second time.
  const orphans = (await storage.blobs.list()).filter((file) => !known.has(file));
  if (orphans.length > 0) await storage.blobs.remove(orphans);
}
