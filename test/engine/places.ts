/**
 * Where the engine's tests put their databases: a folder, memory, and memory that answers later.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCore } from "../../bindings/load.ts";
import {
  type Engine,
  type EngineOptions,
  openEngine,
  runAsync,
  type Steps,
} from "../../src/engine/index.ts";
import { MemoryMedium, MemoryStorage } from "../../src/storage/memory/index.ts";
import { openNodeStorage } from "../../src/storage/node-fs/index.ts";
import type { Storage } from "../../src/storage/port.ts";
import { Random } from "../storage/random.ts";

/** A place for one database, that lasts longer than the storages that open it. */
export interface Place {
  readonly isSync: boolean;
  readonly isFolder: boolean;
  storage(): Storage;
  /** Everything on the medium: `root`, `log/…`, `blobs/…`, with the bytes. */
  files(): Map<string, Uint8Array>;
  /** Replaces the bytes of a file, or removes it. */
  replace(name: string, bytes: Uint8Array | undefined): void;
  remove(): void;
}

class FolderPlace implements Place {
  readonly isSync = true;
  readonly isFolder = true;
  readonly #folder = mkdtempSync(join(tmpdir(), "cairn-engine-"));

  storage(): Storage {
    return openNodeStorage(this.#folder);
  }

  files(): Map<string, Uint8Array> {
    const files = new Map<string, Uint8Array>();
    for (const name of readdirSync(this.#folder, { recursive: true, encoding: "utf8" })) {
      if (name.startsWith("lock")) continue;
      const path = join(this.#folder, name);
      if (statSync(path).isFile()) files.set(name, readFileSync(path));
    }
    return files;
  }

  replace(name: string, bytes: Uint8Array | undefined): void {
    if (bytes === undefined) rmSync(join(this.#folder, name));
    else writeFileSync(join(this.#folder, name), bytes);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }
}

class MemoryPlace implements Place {
  readonly isSync: boolean;
  readonly isFolder = false;
  readonly #medium = new MemoryMedium();
  readonly #random = new Random(1);

  constructor(isSync: boolean) {
    this.isSync = isSync;
  }

  storage(): Storage {
    return new MemoryStorage(this.#medium, this.isSync ? {} : { latency: () => this.#wait() });
  }

  async #wait(): Promise<void> {
    if (this.#random.chance(0.02)) await new Promise((resolve) => setImmediate(resolve));
    else await undefined;
  }

  files(): Map<string, Uint8Array> {
    const { root, segments, blobs } = this.#medium;
    const files = new Map<string, Uint8Array>();
    if (root !== undefined) files.set("root", new Uint8Array([...root[0], ...root[1]]));
    for (const [number, bytes] of segments) files.set(`log/${number}`, bytes);
    for (const [name, bytes] of blobs) files.set(`blobs/${name}`, bytes);
    return files;
  }

  replace(name: string, bytes: Uint8Array | undefined): void {
    const medium = this.#medium;
    const [folder, file = ""] = name.split("/");
    if (folder === "root") {
      medium.root = bytes === undefined ? undefined : [bytes.slice(0, 4096), bytes.slice(4096)];
    } else if (folder === "log") {
      if (bytes === undefined) medium.segments.delete(Number(file));
      else medium.segments.set(Number(file), bytes);
    } else if (bytes === undefined) medium.blobs.delete(file);
    else medium.blobs.set(file, bytes);
  }

  remove(): void {
    this.#medium.blobs.clear();
  }
}

export const places: readonly [name: string, make: () => Place][] = [
  ["a folder", () => new FolderPlace()],
  ["memory", () => new MemoryPlace(true)],
  ["memory that answers later", () => new MemoryPlace(false)],
];

const module = loadCore();
let randomSeed = 1;

/** Opens the engine at a place. The clock is the test's own: it counts milliseconds by calls. */
export function open(storage: Storage, options: EngineOptions = {}): Promise<Engine> {
  const random = new Random(randomSeed++);
  return openEngine(storage, options, {
    module,
    clock: options.clock ?? ((): number => Date.now()),
    random: (bytes) => bytes.set(random.bytes(bytes.length)),
  });
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}
export function text(memory: Uint8Array, at: number, length: number): string {
  return decoder.decode(memory.subarray(at, at + length));
}
export function bytes(memory: Uint8Array, at: number, length: number): Uint8Array {
  return memory.slice(at, at + length);
}

export const ordered = 1;
export const hashed = 2;

/** Opens it with the two trees that most tests want. */
export async function openWithTrees(storage: Storage, options?: EngineOptions): Promise<Engine> {
  const engine = await open(storage, options);
  if (engine.tree(ordered) === undefined) {
    const effects = engine.beginCommit();
    effects.createTree(ordered, utf8('{"kind":"ordered"}'));
    effects.createTree(hashed, utf8('{"kind":"hashed"}'));
    await engine.submit();
  }
  return engine;
}

export async function put(
  engine: Engine,
  records: Iterable<[key: string, value: string | Uint8Array]>,
  trees: readonly number[] = [ordered, hashed],
): Promise<void> {
  const effects = engine.beginCommit();
  for (const [key, value] of records) {
    for (const tree of trees) {
      effects.put(tree, key, typeof value === "string" ? utf8(value) : value);
    }
  }
  await engine.submit();
}

export function steps<T>(run: Steps<T>): Promise<T> {
  return runAsync(run);
}

/** All records of a tree in the order of the scan. */
export async function records(
  engine: Engine,
  tree: number,
  at?: Parameters<Engine["records"]>[1],
  now = 0,
): Promise<[string, string][]> {
  const found: [string, string][] = [];
  let from: Uint8Array | undefined;
  do {
    const range = from === undefined ? {} : { low: from, lowExclusive: true };
    const columns = { keys: true, values: true, meta: true };
    const rows = await steps(engine.scanSteps(tree, range, at, now, 300, columns));
    for (let row = 0; row < rows.count; row++) {
      found.push([rows.keyText(row), decoder.decode(rows.value(row))]);
    }
    from = rows.resume;
  } while (from !== undefined);
  return found;
}

/** The first position of `wanted` in any file of the place. */
export function findBytes(place: Place, wanted: Uint8Array): string | undefined {
  const needle = Buffer.from(wanted);
  for (const [name, file] of place.files()) {
    const at = Buffer.from(file.buffer, file.byteOffset, file.byteLength).indexOf(needle);
    if (at >= 0) return `${name} at ${at}`;
  }
  return undefined;
}
