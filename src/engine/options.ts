/** What an engine can be told when it is opened, and what it answers. */

/**
 * When a commit is durable. `full`: before it is answered. `relaxed`: within so many milliseconds.
 * `none`: at the next checkpoint, flush or close.
 */
export type Durability = "full" | "none" | { readonly relaxed: number };

export interface Timers {
  /** Calls `run` once after `ms`, without keeping the process alive; the result cancels it. */
  after(ms: number, run: () => void): () => void;
}

/**
 * States before the newest that stay readable: the last so many commits, or what was the newest
 * within the last so many milliseconds; with both, what both allow. At most 32,768.
 */
export interface Retain {
  readonly commits?: number;
  readonly ms?: number;
}

export interface EngineOptions {
  readonly durability?: Durability;
  readonly readOnly?: boolean;
  /** Creates the database when there is none; true by default. */
  readonly create?: boolean;
  /** Bytes of pages held in memory at most; 256 MiB, at least 4 MiB. */
  readonly memoryBudget?: number;
  /** Unix milliseconds. */
  readonly clock?: () => number;
  /** Fills the bytes with randomness. */
  readonly random?: (bytes: Uint8Array) => void;
  readonly timers?: Timers;
  /** States that stay readable by their seq; none by default. */
  readonly retain?: Retain;
  /** Commits are followed by a checkpoint when the log has grown by this; 64 MiB. */
  readonly checkpointLogBytes?: number;
  /** A checkpoint after so long without commits, if the log has over 1 MiB; 30 s, 0 for never. */
  readonly checkpointIdleMs?: number;
  /** Bytes of the first log segment and of the largest one; 256 KiB and 16 MiB. */
  readonly segmentBytes?: { readonly first: number; readonly max: number };
  /** For tests: bytes of a log frame at most; 1 MiB. */
  readonly frameBytesMax?: number;
  /** For tests: keeps only these bits of key hashes. */
  readonly hashMask?: bigint;
}

/** What opening found and did. */
export interface RecoveryReport {
  /** `created`: there was no database. `clean`: it had been closed. `recovered`: it had not. */
  readonly outcome: "created" | "clean" | "recovered";
  /** Commits applied from the log. */
  readonly commitsReplayed: number;
  readonly bytesReplayed: number;
  /** The last commit that is there. */
  readonly seq: bigint;
  /** Bytes at the end of the log that were never a whole commit group, and were dropped. */
  readonly droppedBytes: number;
  /** A root slot was damaged and the other one was used. */
  readonly rootDamaged: boolean;
  /**
   * Bytes of pages held in memory at most: as asked for, or more where the database was opened
   * read-only and the log has changed more than fits. A reader may not write it anywhere else.
   */
  readonly memoryBudget: number;
  /** Milliseconds from the claim to the last commit. */
  readonly milliseconds: number;
}

/** Figures of an open database. Sizes are in bytes. */
export interface EngineStats {
  /** The newest commit that readers see. */
  readonly seq: bigint;
  /** The newest commit that survives a loss of power. */
  readonly durableSeq: bigint;
  /** The newest commit that the last checkpoint holds. */
  readonly checkpointSeq: bigint;
  /** Raised by each open for writing. */
  readonly generation: number;
  readonly trees: number;
  readonly memory: {
    readonly budgetBytes: number;
    readonly frameBytes: number;
    readonly residentBytes: number;
    readonly dirtyBytes: number;
    /** All of linear memory, tables included. */
    readonly wasmBytes: number;
  };
  readonly storage: {
    readonly usedBytes: number;
    readonly blobs: number;
    /** Pages that the newest version of the trees holds, in bytes. */
    readonly liveBytes: number;
    /** What `compact` could give back, about. */
    readonly reclaimableBytes: number;
    /** Bytes appended since the last checkpoint. */
    readonly logBytes: number;
  };
  /** Pages of 4,096 bytes since the database was opened. */
  readonly pagesRead: number;
  readonly pagesWritten: number;
  /** Snapshots that are held. */
  readonly snapshots: number;
  /** Why the last upkeep in the background has not done all of its work; it is tried again. */
  readonly upkeepFailure: string | undefined;
}

/** Where a long operation stands. */
export interface Progress {
  readonly phase: string;
  readonly done: number;
  readonly total: number;
  readonly unit: "pages" | "bytes" | "records" | "blobs";
}

/** What every long operation takes. */
export interface LongOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}
