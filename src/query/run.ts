/** What the parts of one run of a query share. */
import { CairnError } from "../errors.ts";
import type { TableReader } from "../tables/inside.ts";
import type { Frame } from "./frame.ts";

/** What a run has really done. */
export interface Counters {
  /** Rows that were looked at, in scans and lookups. */
  rowsScanned: number;
  /** Index entries that were looked at. */
  entriesScanned: number;
  /** Bytes of the rows that were looked at. */
  bytesRead: number;
  /** Rows that were kept to be joined, sorted, grouped or told apart; at most at one time. */
  rowsKept: number;
  rowsReturned: number;
}

export function noCounters(): Counters {
  return { rowsScanned: 0, entriesScanned: 0, bytesRead: 0, rowsKept: 0, rowsReturned: 0 };
}

/** Memory that a run may hold by default. */
export const memoryBytesDefault: number = 256 * 1024 * 1024;

/** Counts what a run holds in memory. */
export class Budget {
  readonly #bytesMax: number;
  readonly #counters: Counters;
  #bytes = 0;
  #rows = 0;

  constructor(bytesMax: number, counters: Counters) {
    this.#bytesMax = bytesMax;
    this.#counters = counters;
  }

  /** @throws CairnError `query_too_large`. */
  take(bytes: number): void {
    this.#bytes += bytes;
    this.#rows++;
    if (this.#rows > this.#counters.rowsKept) this.#counters.rowsKept = this.#rows;
    if (this.#bytes <= this.#bytesMax) return;
    throw new CairnError(
      "query_too_large",
      `Cannot run this query: to sort, group or join it must hold more than ${this.#bytesMax} ` +
        "bytes in memory. Select less, add an index for its order or join, or raise " +
        "memoryBytesMax.",
      { details: { found: this.#bytes, expected: this.#bytesMax } },
    );
  }

  /** True when so much more may be held. */
  has(bytes: number): boolean {
    return this.#bytes + bytes <= this.#bytesMax;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
    this.#rows--;
  }
}

/** One run of a query. */
export interface Run {
  readonly reader: TableReader;
  /** For counting only: nothing that it reads is part of what a transaction has read. */
  readonly statistics: TableReader;
  /** Rows that the reader hands to a decoder must be copied to be kept. */
  readonly isLent: boolean;
  readonly frame: Frame;
  readonly counters: Counters;
  readonly budget: Budget;
  /** It may let go of the event loop between batches, so that others have their turns. */
  readonly isPatient: boolean;
  /** Nothing more is wanted. */
  isDone: boolean;
}

/** Takes the row in the frame. */
export type Push = () => void;

/** Bytes that a value takes in memory, roughly. */
export function valueBytes(value: unknown): number {
  switch (typeof value) {
    case "string":
      return 24 + value.length * 2;
    case "bigint":
      return 48;
    case "object":
      if (value === null) return 8;
      if (value instanceof Uint8Array || value instanceof Float32Array) {
        return 96 + value.byteLength;
      }
      return value instanceof Date ? 32 : 256;
    default:
      return 8;
  }
}
