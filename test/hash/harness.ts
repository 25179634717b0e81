import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";

/** What test/hash/hash.entry.ts exports, as far as the tests call it. */
export interface Core {
  readonly memory: WebAssembly.Memory;
  initialize(): void;
  statusAddress(): number;
  inputAddress(): number;
  outputAddress(): number;
  configure(frames: number, seed: number, low: number, high: number, blob: number): number;
  addFrames(count: number): number;
  freeFrames(): number;
  frameReserve(): number;
  dirtyFrames(): number;
  residentPages(): number;
  loadBegin(): number;
  loadEnd(page: number, id: number): number;
  isResident(id: number): number;
  evictClean(wanted: number): number;
  exportUnused(most: number): number;
  exportRun(blob: number, first: number, most: number): number;
  freezeBlobs(): number;
  currentBlob(): number;
  livePages(blob: number): number;
  seenPages(blob: number): number;
  clearSeen(): void;
  beginEpoch(): number;
  commitEpoch(): void;
  rollbackEpoch(): void;
  pinEpoch(at: number): number;
  unpinEpoch(at: number): void;
  reclaim(pages: number): number;
  createTree(id: number, kind: number): number;
  treeRoot(id: number, at: number): number;
  treeRecords(id: number, at: number): number;
  treeOverflow(id: number): number;
  get(id: number, at: number, keyLength: number, now: number): number;
  scan(
    id: number,
    at: number,
    flags: number,
    low: number,
    high: number,
    now: number,
    limit: number,
  ): number;
  clear(id: number): number;
  overflowReserve(pages: number): number;
  overflowWrite(tree: number, id: number, head: number, bytes: number): number;
  relocateHashed(id: number, low: number, high: number, depth: number, page: number): number;
  repackHashed(id: number, low: number, high: number): number;
  checkTreeBegin(id: number, at: number): number;
  checkTreeNext(kind: number, pages: number): number;
  putRecord(
    tree: number,
    keyLength: number,
    flags: number,
    seq: number,
    expiresAt: number,
    valueBytes: number,
  ): number;
  getManyRecords(tree: number, at: number, count: number, now: number, columns: number): number;
  removeRecord(tree: number, keyLength: number): number;
  hashKey(keyLength: number): bigint;
  setWholeMask(mask: bigint): void;
  pageAddress(id: number): number;
  canonicalBucket(page: number, target: number): void;
  isBucket(page: number): number;
  isDirectory(page: number): number;
  getLoop(tree: number, keys: number, keyCount: number, count: number, start: number): number;
  hashLoop(keys: number, keyCount: number, count: number, start: number): number;
}

export const builds = ["release", "checked"] as const;
export type Build = (typeof builds)[number];

const root = new URL("../../", import.meta.url).pathname;
const optionsOf: Record<Build, readonly string[]> = {
  release: ["-O3", "--converge", "--noAssert", "--use", "abort="],
  checked: ["--debug"],
};

/** Digest of all that goes into a build. */
function digestOfSources(): string {
  const files = readdirSync(`${root}assembly`, { recursive: true, encoding: "utf8" });
  const sources = files.filter((file) => file.endsWith(".ts")).sort();
  const digest = createHash("sha256");
  for (const file of sources) digest.update(file).update(readFileSync(`${root}assembly/${file}`));
  digest.update(readFileSync(`${root}test/hash/hash.entry.ts`));
  return digest.digest("hex").slice(0, 16);
}

/** The core with the entries of hash.entry.ts; compiled once, for all test files. */
export function compile(build: Build): WebAssembly.Module {
  const name = `hash-${build}-`;
  const outFile = `${root}build/out/${name}${digestOfSources()}.wasm`;
  if (!existsSync(outFile)) {
    const draft = `${outFile}.${process.pid}.wasm`;
    const options = ["--config", "none", "--runtime", "stub", "--enable", "simd"];
    execFileSync(process.execPath, [
      `${root}node_modules/assemblyscript/bin/asc.js`,
      `${root}test/hash/hash.entry.ts`,
      ...options,
      ...optionsOf[build],
      "--exportStart",
      "initialize",
      "--outFile",
      draft,
    ]);
    for (const old of readdirSync(`${root}build/out`)) {
      if (/^[0-9a-f]{16}\.wasm$/.test(old.replace(name, ""))) {
        rmSync(`${root}build/out/${old}`, { force: true });
      }
    }
    renameSync(draft, outFile);
  }
  return new WebAssembly.Module(readFileSync(outFile));
}

export const NOT_FOUND = -1;
export const PAGE_MISS = -2;
export const NEED_FRAMES = -3;
export const CORRUPT = -5;
export const TABLE_FULL = -11;
export const ROW_SKIPPED = 254;
const ROW_ABSENT = 255;

export const PAGE_BYTES = 4096;
const SCAN_COLUMNS = 8 + 16 + 32;
const STATUS_PAGE = 0;
const EVICT_AT_ONCE = 64;

export interface Row {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly flags: number;
  readonly seq: number;
  readonly expiresAt: number;
}

export interface Options {
  /** Frames in all; beyond them pages are written out and evicted. */
  readonly frames?: number;
  readonly seed?: bigint;
  readonly mask?: bigint;
}

/** A core with one hashed tree (id 7), and a map for the pages that it writes out. */
export class Store {
  readonly core: Core;
  readonly tree: number = 7;
  readonly medium: Map<number, Uint8Array> = new Map();
  /** Pages that were read back. */
  loads = 0;
  #framesLeft: number;

  constructor(module: WebAssembly.Module, options: Options = {}) {
    const abort = (_message: number, _file: number, line: number, column: number): never => {
      throw new Error(`assertion failed at line ${line}:${column}`);
    };
    this.core = new WebAssembly.Instance(module, { env: { abort } }).exports as unknown as Core;
    const { frames = 4096, seed = 0x1234_5678_9abc_def0n, mask } = options;
    const core = this.core;
    core.initialize();
    this.#ok(core.configure(frames, 99, Number(seed & 0xffff_ffffn), Number(seed >> 32n), 1));
    if (mask !== undefined) core.setWholeMask(mask);
    this.#framesLeft = frames;
    this.#grow();
    this.#ok(core.createTree(this.tree, 2));
  }

  #ok(result: number): void {
    if (result < 0) throw new Error(`The core answered ${result}`);
  }

  #grow(): boolean {
    if (this.#framesLeft === 0) return false;
    const added = this.core.addFrames(Math.min(this.#framesLeft, 1024));
    this.#ok(added);
    this.#framesLeft -= added;
    return true;
  }

  /** Calls again after loading what is missing, or after making room. */
  retry(action: () => number): number {
    for (let attempt = 0; attempt < 100_000; attempt++) {
      const result = action();
      if (result === PAGE_MISS) this.load(this.status(STATUS_PAGE));
      else if (result === NEED_FRAMES) this.makeRoom();
      else return result;
    }
    throw new Error("The core never gets further");
  }

  makeRoom(): void {
    if (this.#grow()) return;
    this.writeOut();
    if (this.core.evictClean(EVICT_AT_ONCE) === 0) throw new Error("No page can be evicted");
  }

  /** Writes dirty pages to the medium. */
  writeOut(): void {
    while (this.writeSome(128) > 0);
  }

  writeSome(most: number): number {
    const written = this.core.exportUnused(most);
    const output = this.core.outputAddress();
    const view = new DataView(this.core.memory.buffer);
    for (let index = 0; index < written; index++) {
      const id = view.getFloat64(output + most * PAGE_BYTES + index * 8, true);
      const at = output + index * PAGE_BYTES;
      this.medium.set(id, new Uint8Array(this.core.memory.buffer).slice(at, at + PAGE_BYTES));
    }
    return written;
  }

  /** Writes out and evicts everything that may be. */
  evictAll(): void {
    this.writeOut();
    while (this.core.evictClean(1024) > 0);
  }

  load(id: number): void {
    const bytes = this.medium.get(id);
    if (bytes === undefined) throw new Error(`Page ${id} is missing and was never written`);
    this.loads++;
    while (this.core.freeFrames() <= 8) this.makeRoom();
    const page = this.core.loadBegin();
    this.#ok(page);
    this.bytes().set(bytes, page);
    this.#ok(this.core.loadEnd(page, id));
  }

  status(offset: number): number {
    return new DataView(this.core.memory.buffer).getFloat64(
      this.core.statusAddress() + offset,
      true,
    );
  }
  statusWord(offset: number): number {
    return new DataView(this.core.memory.buffer).getUint32(
      this.core.statusAddress() + offset,
      true,
    );
  }
  bytes(): Uint8Array {
    return new Uint8Array(this.core.memory.buffer);
  }
  setKey(key: Uint8Array): number {
    this.bytes().set(key, this.core.inputAddress());
    return key.length;
  }

  /** 0 inserted, 1 replaced. */
  put(key: Uint8Array, value: Uint8Array, seq = 1, expiresAt = 0, flags = 0): number {
    return this.retry(() => {
      this.setKey(key);
      this.bytes().set(value, this.core.inputAddress() + 4096);
      return this.core.putRecord(this.tree, key.length, flags, seq, expiresAt, value.length);
    });
  }

  /** 1 removed, NOT_FOUND. */
  remove(key: Uint8Array): number {
    return this.retry(() => {
      this.setKey(key);
      return this.core.removeRecord(this.tree, key.length);
    });
  }

  get(key: Uint8Array, at = 0, now = 0): Row | undefined {
    const flags = this.retry(() => {
      this.setKey(key);
      return this.core.get(this.tree, at, key.length, now);
    });
    if (flags === NOT_FOUND) return undefined;
    this.#ok(flags);
    const address = this.statusWord(8);
    const value = this.bytes().slice(address, address + this.statusWord(12));
    return { key, value, flags, seq: this.status(16), expiresAt: this.status(24) };
  }

  /** One batch behind a key, as the host would ask for it. */
  scan(
    cursor: Uint8Array | undefined,
    limit: number,
    at = 0,
    now = 0,
  ): { rows: Row[]; more: boolean } {
    const count = this.retry(() => {
      const length = cursor === undefined ? -1 : this.setKey(cursor);
      return this.core.scan(this.tree, at, SCAN_COLUMNS, length, -1, now, limit);
    });
    return { rows: this.#rows(count), more: this.statusWord(48) === 1 };
  }

  /** One call for a batch: how many of the keys it got through, or a code. */
  lookUpMany(keys: readonly Uint8Array[], at = 0, now = 0): number {
    const input = this.core.inputAddress();
    let place = input + 8192;
    for (const [index, key] of keys.slice(0, 4096).entries()) {
      this.bytes().set([key.length % 256, key.length >> 8], input + index * 2);
      this.bytes().set(key, place);
      place += key.length;
    }
    return this.core.getManyRecords(this.tree, at, keys.length, now, SCAN_COLUMNS);
  }

  /** What a batch of look-ups answers, undefined for keys without a record. */
  getMany(keys: readonly Uint8Array[], at = 0, now = 0): (Row | undefined)[] {
    const found: (Row | undefined)[] = [];
    while (found.length < keys.length) {
      const wanted = keys.slice(found.length);
      const count = this.retry(() => this.lookUpMany(wanted, at, now));
      if (count === 0) throw new Error("A batch got no further");
      for (const [index, row] of this.#rows(count).entries()) {
        found.push(row.flags === ROW_ABSENT ? undefined : { ...row, key: wanted[index] });
      }
    }
    return found;
  }

  #rows(count: number): Row[] {
    this.#ok(count);
    const output = this.core.outputAddress();
    const view = new DataView(this.core.memory.buffer);
    const bytes = this.bytes();
    const rows: Row[] = [];
    let keyAt = 128 * 1024;
    let valueAt = 384 * 1024;
    for (let row = 0; row < count; row++) {
      const keyEnd = 128 * 1024 + view.getUint32(output + row * 4, true);
      const valueEnd = 384 * 1024 + view.getUint32(output + 16 * 1024 + row * 4, true);
      rows.push({
        key: bytes.slice(output + keyAt, output + keyEnd),
        value: bytes.slice(output + valueAt, output + valueEnd),
        flags: bytes[output + 32 * 1024 + row],
        seq: view.getFloat64(output + 36 * 1024 + row * 8, true),
        expiresAt: view.getFloat64(output + 68 * 1024 + row * 8, true),
      });
      keyAt = keyEnd;
      valueAt = valueEnd;
    }
    return rows;
  }

  /** All rows, batch by batch; `between` runs after each batch. */
  scanAll(limit: number, at = 0, now = 0, between: () => void = () => {}): Row[] {
    const all: Row[] = [];
    let cursor: Uint8Array | undefined;
    while (true) {
      const { rows, more } = this.scan(cursor, limit, at, now);
      for (const row of rows) if (row.flags !== ROW_SKIPPED) all.push(row);
      if (!more) return all;
      if (rows.length === 0) throw new Error("A batch got no further");
      cursor = rows[rows.length - 1].key;
      between();
    }
  }

  /** The core's own check of the whole tree: 0, or the code and reason of what it found. */
  check(at = 0): number {
    const { core } = this;
    const kind = core.checkTreeBegin(this.tree, at);
    let result = 1;
    while (result === 1) result = this.retry(() => core.checkTreeNext(kind, 50));
    return result;
  }

  hash(key: Uint8Array): bigint {
    return BigInt.asUintN(64, this.core.hashKey(this.setKey(key)));
  }

  /** The bytes of a page, loading it if need be. */
  page(id: number): Uint8Array {
    const address = this.retry(() => {
      const found = this.core.pageAddress(id);
      if (found !== 0) return found;
      this.load(id);
      return this.core.pageAddress(id);
    });
    return this.bytes().slice(address, address + PAGE_BYTES);
  }
}

/** A key for a Map. */
export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
