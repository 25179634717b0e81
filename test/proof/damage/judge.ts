/**
 * Opens a damaged database and reads all of it. It answers what was written, or refuses with a
 * typed error; never something else, and never less in silence.
 *
 * One thing cannot be told from the end of a log that was being written when the power failed:
 * damage to everything that follows some commit. Then the commits that were hit may be missing, and
 * the report must say that bytes were dropped, unless what was hit holds nothing any more.
 */
import { type Engine, openEngine } from "../../../src/engine/index.ts";
import { CairnError } from "../../../src/errors.ts";
import { difference, readState, type State } from "../../crash/model.ts";
import { storageOn, surroundingsOf } from "../crash/recording.ts";
import type { Disk } from "../simulator/disk.ts";
import { SimulatedFiles, type SimulatedOptions } from "../simulator/file-system.ts";
import type { Instances } from "../simulator/instances.ts";
import type { Stretch } from "./damages.ts";
import type { Specimen } from "./specimen.ts";

/** What may be answered in place of what was written. */
const codes = new Set([
  "corruption",
  "database_not_found",
  "format_newer",
  "format_older",
  "log_corrupt",
  "not_a_database",
  "page_corrupt",
  "root_corrupt",
  "storage_failed",
]);

export type Verdict =
  /** All of it, as written. */
  | "whole"
  /** Without commits at the end that were hit. */
  | "shortened"
  /** A typed error when opening, or when reading. */
  | "refused";

export class Judge {
  /** Disks that were judged a second time, on a fresh instance. */
  lookedAgain = 0;
  readonly #instances: Instances;

  constructor(instances: Instances) {
    this.#instances = instances;
  }

  /** Throws when something else than a verdict comes of it. */
  async judge(
    specimen: Specimen,
    disk: Disk,
    hurt: readonly Stretch[],
    files: SimulatedOptions = {},
  ): Promise<Verdict> {
    const { module, fresh } = this.#instances;
    const verdict = await this.#judge(specimen, disk, hurt, files, module).catch(() => {
      this.#instances.abandon();
      this.lookedAgain++;
      return this.#judge(specimen, disk, hurt, files, fresh);
    });
    this.#instances.giveBack();
    return verdict;
  }

  async #judge(
    specimen: Specimen,
    disk: Disk,
    hurt: readonly Stretch[],
    files: SimulatedOptions,
    module: WebAssembly.Module,
  ): Promise<Verdict> {
    const storage = storageOn(new SimulatedFiles(disk.fork(), files), 1000);
    let engine: Engine | undefined;
    try {
      const options = { ...specimen.options, create: false };
      engine = await openEngine(storage, options, surroundingsOf(module, 1));
      return await this.#read(engine, specimen, hurt);
    } catch (error) {
      if (error instanceof CairnError && codes.has(error.code)) return "refused";
      throw error;
    } finally {
      if (engine !== undefined) storage.close();
    }
  }

  async #read(engine: Engine, specimen: Specimen, hurt: readonly Stretch[]): Promise<Verdict> {
    const { seq, droppedBytes } = engine.recovery;
    const found = Number(seq);
    const differs = difference(await readState(engine), specimen.states[found] as State);
    if (differs !== undefined) throw new Error(`the state of commit ${found} differs: ${differs}`);
    if (found === specimen.seq) return "whole";
    const lost = specimen.frames.filter((frame) => frame.seq > found);
    const missed = lost.find((frame) => !isHit(frame, hurt));
    if (lost.length === 0 || missed !== undefined) {
      throw new Error(`commit ${found + 1} to ${specimen.seq} are gone, and not all were hit`);
    }
    const isReported = droppedBytes > 0 || isBlank(hurt, lost);
    if (!isReported) throw new Error(`commits after ${found} are gone, and nothing says so`);
    return "shortened";
  }
}

/** A frame is hit itself, or with both copies of the header that its checksum begins with. */
function isHit(frame: Stretch, hurt: readonly Stretch[]): boolean {
  const { path } = frame;
  const hits = (stretch: Stretch): boolean => hurt.some((one) => overlaps(one, stretch));
  return hits(frame) || (hits({ path, from: 0, to: 512 }) && hits({ path, from: 4096, to: 4608 }));
}

function overlaps(a: Stretch, b: Stretch): boolean {
  return a.path === b.path && a.from < b.to && b.from < a.to;
}

/** True when the damage covers all of the lost frames: then nothing of them is left to report. */
function isBlank(hurt: readonly Stretch[], lost: readonly Stretch[]): boolean {
  return lost.every((frame) =>
    hurt.some(({ path, from, to }) => path === frame.path && from <= frame.from && frame.to <= to),
  );
}
