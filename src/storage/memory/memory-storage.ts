import { CairnError } from "../../errors.ts";
import { Access, readOnlyClaim } from "../access.ts";
import type {
  AccessMode,
  Awaitable,
  Claim,
  LockHolder,
  Storage,
  StorageCapabilities,
} from "../port.ts";
import { Answers, type Latency } from "./answers.ts";
import { MemoryBlobs } from "./blobs.ts";
import { MemoryLog } from "./log.ts";
import { MemoryMedium } from "./medium.ts";
import { MemoryRoot } from "./root.ts";

/** How a {@link MemoryStorage} answers. */
export interface MemoryStorageOptions {
  /** When given, everything answers with a promise, and takes effect when this has resolved. */
  latency?: Latency;
  /** Unix milliseconds, for {@link LockHolder.since}; 0 without it. */
  clock?: () => number;
}

/** A database in memory. It lasts as long as its {@link MemoryMedium}. */
export class MemoryStorage implements Storage {
  readonly name = "memory:";
  readonly capabilities: StorageCapabilities;
  readonly log: MemoryLog;
  readonly blobs: MemoryBlobs;
  readonly root: MemoryRoot;
  readonly medium: MemoryMedium;
  readonly #access = new Access("memory:");
  readonly #answers: Answers;
  readonly #clock: () => number;

  constructor(medium: MemoryMedium = new MemoryMedium(), options: MemoryStorageOptions = {}) {
    this.medium = medium;
    this.#answers = new Answers(options.latency);
    this.#clock = options.clock ?? (() => 0);
    this.capabilities = {
      sync: this.#answers.atOnce,
      durable: "none",
      staging: true,
      shared: false,
      limits: { writeBytes: 2 ** 30, blobBytes: 2 ** 31 },
    };
    this.log = new MemoryLog(this.#access, medium, this.#answers);
    this.blobs = new MemoryBlobs(this.#access, medium, this.#answers);
    this.root = new MemoryRoot(this.#access, medium, this.#answers);
  }

  acquire(mode: AccessMode, _options: { create: boolean }): Promise<Claim> {
    return this.#answers.promise(() => {
      this.#access.requireClosed("acquire");
      const claim = mode === "exclusive" ? this.#claim() : readOnlyClaim;
      this.#access.mode = mode;
      return claim;
    });
  }

  holder(): Promise<LockHolder | undefined> {
    return this.#answers.promise(() => this.medium.holder);
  }

  usedBytes(): Awaitable<number> {
    return this.#answers.give(() => {
      this.#access.requireOpen("measure");
      return this.medium.usedBytes();
    });
  }

  close(): Awaitable<void> {
    return this.#answers.give(() => {
      this.blobs.close();
      this.#access.mode = undefined;
    });
  }

  #claim(): Claim {
    const { medium } = this;
    if (medium.holder !== undefined) {
      throw new CairnError(
        "lock_held",
        "Cannot open this memory database for writing: it is open for writing already. " +
          "Close it there, or open read-only.",
        { details: { ...medium.holder } },
      );
    }
    const generation = medium.generation + 1;
    const holder = { pid: 0, host: "memory", since: this.#clock(), runtime: "memory", generation };
    medium.generation = generation;
    medium.holder = holder;
    return new MemoryClaim(medium, holder, this.#answers);
  }
}

class MemoryClaim implements Claim {
  readonly mode: AccessMode = "exclusive";
  readonly generation: number;
  readonly #medium: MemoryMedium;
  readonly #holder: LockHolder;
  readonly #answers: Answers;

  constructor(medium: MemoryMedium, holder: LockHolder, answers: Answers) {
    this.generation = holder.generation;
    this.#medium = medium;
    this.#holder = holder;
    this.#answers = answers;
  }

  check(): Awaitable<void> {
    return this.#answers.give(() => {
      if (this.#medium.holder === this.#holder) return;
      throw new CairnError(
        "generation_lost",
        `Cannot go on writing this memory database: generation ${this.generation} no longer ` +
          "holds it. Open it again.",
        { details: { generation: this.generation } },
      );
    });
  }

  release(): Awaitable<void> {
    return this.#answers.give(() => {
      if (this.#medium.holder === this.#holder) this.#medium.holder = undefined;
    });
  }
}
