/**
 * The databases of the vector suites: over every storage, with the stand-in for the graph, which
 * begins with few vectors and does little at a time, so that everything that lags is seen lagging.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCore } from "../../bindings/load.ts";
import { Database } from "../../src/database.ts";
import { type EngineOptions, openEngine } from "../../src/engine/index.ts";
import { MemoryMedium, MemoryStorage } from "../../src/storage/memory/index.ts";
import { openNodeStorage } from "../../src/storage/node-fs/index.ts";
import type { Storage } from "../../src/storage/port.ts";
import { systemClock, systemRandom, systemTimers } from "../../src/surroundings.ts";
import { coreGraphs, type GraphMaker, type KeeperLimits } from "../../src/vector/index.ts";
import { bruteForceGraphs } from "./brute-force-graph.ts";

export interface PlaceOptions {
  readonly engine?: EngineOptions;
  readonly graphs?: GraphMaker;
  readonly limits?: Partial<KeeperLimits>;
}

export interface Place {
  readonly name: string;
  readonly isSync: boolean;
  open(options?: PlaceOptions): Promise<Database>;
  /** Everything on the medium by name: `root`, `log/…`, `blobs/…`. */
  files(): Map<string, Uint8Array>;
  /** Replaces the bytes of a blob, or removes it. */
  replaceBlob(name: string, bytes: Uint8Array | undefined): void;
  remove(): void;
}

export const eagerLimits: Partial<KeeperLimits> = {
  graphRowsMin: 4,
  backlogMax: 64,
  linkBudget: 500,
  searchRowsMax: 8,
  exactSlots: 8,
};

export { bruteForceGraphs, coreGraphs };

export async function openOn(storage: Storage, options: PlaceOptions = {}): Promise<Database> {
  const engine = await openEngine(storage, options.engine ?? {}, {
    module: loadCore(),
    clock: systemClock,
    random: systemRandom,
  });
  return new Database(engine, {
    timers: systemTimers,
    valueDefault: "json",
    leaseMs: undefined,
    openStorage: () => Promise.reject(new Error("no paths here")),
    graphs: options.graphs ?? bruteForceGraphs,
    graphLimits: options.limits ?? eagerLimits,
  });
}

function memory(name: string, latency?: () => Promise<void>): () => Place {
  return () => {
    const medium = new MemoryMedium();
    return {
      name,
      isSync: latency === undefined,
      open: (options) => openOn(new MemoryStorage(medium, latency && { latency }), options),
      files: () => {
        const files = new Map<string, Uint8Array>();
        const { root, segments, blobs } = medium;
        if (root !== undefined) files.set("root", new Uint8Array([...root[0], ...root[1]]));
        for (const [number, bytes] of segments) files.set(`log/${number}`, bytes);
        for (const [blob, bytes] of blobs) files.set(`blobs/${blob}`, bytes);
        return files;
      },
      replaceBlob: (blob, bytes) => {
        if (bytes === undefined) medium.blobs.delete(blob);
        else medium.blobs.set(blob, bytes);
      },
      remove: () => undefined,
    };
  };
}

function folder(): Place {
  const root = mkdtempSync(join(tmpdir(), "cairn-vector-"));
  return {
    name: "node-fs",
    isSync: true,
    open: (options) => openOn(openNodeStorage(root), options),
    files: () => {
      const files = new Map<string, Uint8Array>();
      for (const name of readdirSync(root, { recursive: true, encoding: "utf8" })) {
        const path = join(root, name);
        if (!name.startsWith("lock") && statSync(path).isFile()) {
          files.set(name, readFileSync(path));
        }
      }
      return files;
    },
    replaceBlob: (blob, bytes) => {
      const path = join(root, "blobs", blob);
      if (bytes === undefined) rmSync(path);
      else writeFileSync(path, bytes);
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

export const memoryPlace: () => Place = memory("memory");
export const slowPlace: () => Place = memory(
  "asynchronous memory",
  () => new Promise((resolve) => setImmediate(resolve)),
);
export const places: readonly (readonly [name: string, make: () => Place])[] = [
  ["memory", memoryPlace],
  ["asynchronous memory", slowPlace],
  ["node-fs", folder],
];

export async function withDatabase(
  make: () => Place,
  run: (db: Database, place: Place) => Promise<void>,
  options: PlaceOptions = {},
): Promise<void> {
  const place = make();
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
