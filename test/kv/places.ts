/** The storages that the key-value suites run over. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Database,
  MemoryMedium,
  MemoryStorage,
  type OpenOptions,
  open,
} from "../../src/index.ts";

export interface Place {
  readonly name: string;
  /** Synchronous methods work. */
  readonly isSync: boolean;
  /** Opens the database that is here, or creates it. */
  open(options?: OpenOptions): Promise<Database>;
  /** What a crash would leave: everything that was written, with nobody holding it. */
  remove(): void;
}

export interface PlaceKind {
  readonly name: string;
  readonly isSync: boolean;
  make(): Place;
}

function memory(name: string, latency?: () => Promise<void>): PlaceKind {
  const isSync = latency === undefined;
  return {
    name,
    isSync,
    make: () => {
      const medium = new MemoryMedium();
      return {
        name,
        isSync,
        open: (options) => open(new MemoryStorage(medium, latency && { latency }), options),
        remove: () => undefined,
      };
    },
  };
}

const files: PlaceKind = {
  name: "node-fs",
  isSync: true,
  make: () => {
    const root = mkdtempSync(join(tmpdir(), "cairn-kv-"));
    return {
      name: "node-fs",
      isSync: true,
      open: (options) => open(join(root, "db"), options),
      remove: () => rmSync(root, { recursive: true, force: true }),
    };
  },
};

export const memoryPlace: PlaceKind = memory("memory");
export const slowPlace: PlaceKind = memory(
  "asynchronous memory",
  () => new Promise((resolve) => setImmediate(resolve)),
);
export const filePlace: PlaceKind = files;
export const places: readonly PlaceKind[] = [memoryPlace, slowPlace, filePlace];

/** A clock that stands still until it is told to go on. */
export class TestClock {
  time: number;
  constructor(time = 1_700_000_000_000) {
    this.time = time;
  }
  readonly now = (): number => this.time;
  advance(milliseconds: number): void {
    this.time += milliseconds;
  }
}

/** Runs a test with a database of its own, closed and removed afterwards. */
export async function withDatabase(
  kind: PlaceKind,
  run: (db: Database, place: Place) => Promise<void>,
  options: OpenOptions = {},
): Promise<void> {
  const place = kind.make();
  try {
    const db = await place.open(options);
    try {
      await run(db, place);
    } finally {
      await db.close();
    }
  } finally {
    place.remove();
  }
}
