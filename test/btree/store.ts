import type { CoreExports } from "../../bindings/core.ts";
import { columns, rowAbsent, rowSkipped, scanFlags, status } from "../../bindings/status.ts";
import { type Build, coreModule } from "../core/arithmetic.ts";

export const pageBytes = 4096;
/** Content of an overflow page: assembly/page/extent.ts. */
export const contentBytes = 4048;
/** Export of pages: how many fit into the output area beside their ids. */
const pagesAtOnce = 128;

export const op = { put: 1, delete: 2, deleteRange: 3, clear: 4 } as const;

/** One change, as the log would hold it. */
export interface Effect {
  readonly op: number;
  readonly tree: number;
  readonly key: Uint8Array;
  /** The value; for deleteRange the high key. */
  readonly value: Uint8Array;
  /** Unix milliseconds; 0 for never. */
  readonly expiresAt: number;
}

export interface Row {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly seq: number;
  readonly expiresAt: number;
}

export interface Bounds {
  readonly low?: Uint8Array;
  readonly lowExclusive?: boolean;
  readonly high?: Uint8Array;
  readonly highInclusive?: boolean;
  readonly reverse?: boolean;
}

export interface Options {
  readonly build?: Build;
  /** Frames in all. Beyond them pages are written to the medium and evicted. */
  readonly frames?: number;
  readonly databaseSeed?: number;
  readonly firstBlob?: number;
  /** Pages that exist already. */
  readonly medium?: Map<number, Uint8Array>;
}

const nothing = Buffer.alloc(0);
const modules = new Map<Build, WebAssembly.Module>();

function moduleOf(build: Build): WebAssembly.Module {
  const module = modules.get(build) ?? coreModule(build);
  modules.set(build, module);
  return module;
}

export function put(tree: number, key: Uint8Array, value: Uint8Array, expiresAt = 0): Effect {
  return { op: op.put, tree, key, value, expiresAt };
}
export function remove(tree: number, key: Uint8Array): Effect {
  return { op: op.delete, tree, key, value: nothing, expiresAt: 0 };
}
export function removeRange(tree: number, low: Uint8Array, high: Uint8Array): Effect {
  return { op: op.deleteRange, tree, key: low, value: high, expiresAt: 0 };
}
export function clear(tree: number): Effect {
  return { op: op.clear, tree, key: nothing, value: nothing, expiresAt: 0 };
}

/** The bytes of an effect: the byte map is in assembly/effect/apply.ts. */
export function encode(effect: Effect): Buffer {
  const body = effect.expiresAt > 0 ? 24 : 16;
  const bytes = Buffer.alloc(body + effect.key.length + effect.value.length);
  bytes[0] = effect.op;
  bytes[1] = effect.expiresAt > 0 ? 1 : 0;
  bytes.writeUInt16LE(effect.key.length, 2);
  bytes.writeUInt32LE(effect.tree, 4);
  bytes.writeUInt32LE(effect.value.length, 8);
  if (effect.expiresAt > 0) bytes.writeDoubleLE(effect.expiresAt, 16);
  bytes.set(effect.key, body);
  bytes.set(effect.value, body + effect.key.length);
  return bytes;
}

/** A core, and a medium that keeps the pages it does not hold: the host's side, made small. */
export class Store {
  readonly build: Build;
  readonly core: CoreExports;
  /** What was written, by page id. */
  readonly medium: Map<number, Uint8Array>;
  readonly input: number;
  readonly output: number;
  bytes: Uint8Array = nothing;
  view: DataView = new DataView(new ArrayBuffer(0));
  /** Pages that were read back, and results that made the host call again. */
  loads = 0;
  seq = 0;
  #status: number;
  #framesLeft: number;

  constructor(options: Options = {}) {
    const { build = "release", frames = 65_536, databaseSeed = 99, firstBlob = 1 } = options;
    this.build = build;
    const abort = (message: number, file: number, line: number, column: number): never => {
      const place = `${this.#text(file)}:${line}:${column}`;
      throw new Error(`assertion "${this.#text(message)}" failed at ${place}`);
    };
    const instance = new WebAssembly.Instance(moduleOf(build), { env: { abort } });
    this.core = instance.exports as unknown as CoreExports;
    this.core.initialize();
    this.input = this.core.inputAddress();
    this.output = this.core.outputAddress();
    this.#status = this.core.statusAddress();
    this.#framesLeft = frames;
    this.medium = options.medium ?? new Map();
    this.#must(this.core.configure(frames, databaseSeed, 1, 2, firstBlob));
    this.#grow();
  }

  #text(address: number): string {
    const { buffer } = this.core.memory;
    if (address === 0) return "";
    const bytes = new DataView(buffer).getUint32(address - 4, true);
    return Buffer.from(buffer, address, bytes).toString("utf16le");
  }

  #must(result: number): number {
    if (result >= 0) return result;
    const where = result === status.corrupt ? `, page ${this.page}, reason ${this.reason}` : "";
    throw new Error(`The core answered ${result}${where}`);
  }

  #grow(): boolean {
    if (this.#framesLeft === 0) return false;
    const added = this.#must(this.core.addFrames(Math.min(this.#framesLeft, 4096)));
    this.#framesLeft -= added;
    this.bytes = new Uint8Array(this.core.memory.buffer);
    this.view = new DataView(this.core.memory.buffer);
    return true;
  }

  // ---- the status block

  get page(): number {
    return this.view.getFloat64(this.#status, true);
  }
  get reason(): number {
    return this.view.getUint32(this.#status + 36, true);
  }
  get consumed(): number {
    return this.view.getUint32(this.#status + 32, true);
  }
  get count(): number {
    return this.view.getFloat64(this.#status + 56, true);
  }
  get run(): number {
    return this.view.getFloat64(this.#status + 64, true);
  }
  get more(): boolean {
    return this.view.getUint32(this.#status + 48, true) !== 0;
  }
  get keyColumnBytes(): number {
    return this.view.getUint32(this.#status + 40, true);
  }

  // ---- the host loop

  /** Calls again after loading what is missing, or after making room. */
  retry(action: () => number): number {
    for (let attempt = 0; attempt < 100_000; attempt++) {
      const result = action();
      if (result === status.pageMiss) this.load(this.page);
      else if (result === status.needFrames) this.makeRoom();
      else return result;
    }
    throw new Error("The core never gets further");
  }

  makeRoom(): void {
    if (this.#grow()) return;
    const wanted = this.core.frameReserve() + 64;
    while (this.core.freeFrames() < wanted) {
      const evicted = this.core.evictClean(wanted - this.core.freeFrames());
      if (this.core.freeFrames() >= wanted) return;
      const written = this.writeUnused(pagesAtOnce);
      if (evicted + written > 0) continue;
      if (this.core.freeFrames() >= this.core.frameReserve()) return;
      throw new Error("No frame can be had");
    }
  }

  /** Writes dirty pages to the medium; how many. */
  writeUnused(most: number): number {
    const written = this.core.exportUnused(most);
    for (let index = 0; index < written; index++) {
      const id = this.view.getFloat64(this.output + most * pageBytes + index * 8, true);
      this.#keep(id, index);
    }
    return written;
  }

  #keep(id: number, position: number): void {
    const at = this.output + position * pageBytes;
    const page = this.bytes.subarray(at, at + pageBytes);
    const old = this.medium.get(id);
    if (old === undefined) this.medium.set(id, page.slice());
    else old.set(page);
  }

  /** Writes the dirty pages of a blob to the medium; how many. */
  writeBlob(blob: number): number {
    let total = 0;
    for (let from = 0; ; ) {
      const count = this.core.exportRun(blob, from, pagesAtOnce);
      if (count === 0) return total;
      const first = this.consumed;
      for (let index = 0; index < count; index++) this.#keep(blob * 65_536 + first + index, index);
      from = first + count;
      total += count;
    }
  }

  /** Writes and evicts everything that can be. */
  evictAll(): void {
    while (this.writeUnused(pagesAtOnce) > 0);
    while (this.core.evictClean(4096) > 0);
  }

  load(id: number): void {
    const bytes = this.medium.get(id);
    if (bytes === undefined) throw new Error(`Page ${id} is missing and was never written`);
    this.#must(this.tryLoad(id, bytes));
    this.loads++;
  }

  tryLoad(id: number, bytes: Uint8Array): number {
    let frame = this.core.loadBegin();
    while (frame === status.needFrames) {
      this.makeRoom();
      frame = this.core.loadBegin();
    }
    this.bytes.set(bytes, frame >>> 0);
    return this.core.loadEnd(frame, id);
  }

  // ---- changes

  /** Runs `action` in an epoch of its own; the epoch. */
  commit(effects: readonly Effect[]): number {
    const epoch = this.core.beginEpoch();
    this.apply(effects);
    this.core.commitEpoch();
    return epoch;
  }

  /** Applies effects in the open epoch; how many records they removed. */
  apply(effects: readonly Effect[], chunkBytes = 200_000): number {
    this.seq++;
    const stream = Buffer.concat(effects.map(encode));
    let removed = 0;
    let at = 0;
    let limit = chunkBytes;
    while (at < stream.length) {
      const chunk = stream.subarray(at, at + limit);
      this.bytes.set(chunk, this.input);
      const result = this.core.apply(chunk.length, this.seq);
      removed += this.count;
      at += this.consumed;
      if (result === status.effectLarge) at += this.#putLarge(stream.subarray(at));
      else if (result === status.pageMiss || result === status.needFrames) this.retry(once(result));
      else this.#must(result);
      // An effect that is longer than the chunk needs a longer chunk.
      limit = this.consumed === 0 ? Math.min(limit * 2, 200_000) : chunkBytes;
    }
    return removed;
  }

  /** Writes the value to overflow pages and its record; the bytes of the effect. */
  #putLarge(effect: Buffer): number {
    const body = effect[1] === 1 ? 24 : 16;
    const keyLength = effect.readUInt16LE(2);
    const tree = effect.readUInt32LE(4);
    const valueLength = effect.readUInt32LE(8);
    const expiresAt = effect[1] === 1 ? effect.readDoubleLE(16) : 0;
    const key = effect.subarray(body, body + keyLength);
    const end = body + keyLength + valueLength;
    this.putLarge(tree, key, effect.subarray(body + keyLength, end), expiresAt);
    return end;
  }

  putLarge(tree: number, key: Uint8Array, value: Uint8Array, expiresAt = 0): void {
    const content = Buffer.concat([Buffer.alloc(2), key, value]);
    content.writeUInt16LE(key.length);
    const runs = this.reserve(Math.ceil(content.length / contentBytes));
    let from = 0;
    for (const [first, pages] of runs) {
      for (let index = 0; index < pages; index++, from += contentBytes) {
        const piece = content.subarray(from, from + contentBytes);
        this.retry(() => {
          this.bytes.set(piece, this.input);
          return this.core.overflowWrite(tree, first + index, runs[0][0], piece.length);
        });
      }
    }
    this.putDescriptor(tree, key, describe(value.length, runs), expiresAt);
  }

  /** Reserves overflow pages: [first id, pages] of each run. */
  reserve(pages: number): [number, number][] {
    const runs: [number, number][] = [];
    for (let left = pages; left > 0; left -= runs[runs.length - 1][1]) {
      const count = this.#must(this.retry(() => this.core.overflowReserve(left)));
      runs.push([this.run, count]);
    }
    return runs;
  }

  putDescriptor(tree: number, key: Uint8Array, descriptor: Uint8Array, expiresAt = 0): void {
    const result = this.retry(() => {
      this.bytes.set(key, this.input);
      this.bytes.set(descriptor, this.input + key.length);
      const { length } = descriptor;
      return this.core.putDescriptor(tree, key.length, this.seq, expiresAt, length);
    });
    this.#must(result);
  }

  reclaimAll(): void {
    while (this.#must(this.retry(() => this.core.reclaim(100))) > 0);
  }

  // ---- reads

  get(tree: number, key: Uint8Array, at = 0, now = 0): Row | undefined {
    const flags = this.retry(() => {
      this.bytes.set(key, this.input);
      return this.core.get(tree, at, key.length, now);
    });
    if (flags === status.notFound) return undefined;
    this.#must(flags);
    const address = this.view.getUint32(this.#status + 8, true);
    const length = this.view.getUint32(this.#status + 12, true);
    const seq = this.view.getFloat64(this.#status + 16, true);
    const expiresAt = this.view.getFloat64(this.#status + 24, true);
    const value = Buffer.from(this.bytes.slice(address, address + length));
    return { key: Buffer.from(key), value: this.#whole(flags, value), seq, expiresAt };
  }

  /** The value itself, read from its overflow pages where `flags` says that they hold it. */
  #whole(flags: number, value: Buffer): Buffer {
    if ((flags & 2) === 0) return value;
    const pieces: Buffer[] = [];
    for (let at = 4; at < value.length; at += 8) {
      let id = value.readUIntLE(at, 6);
      for (let left = value.readUInt16LE(at + 6); left > 0; ) {
        const bytes = this.#must(this.retry(() => this.core.overflowRead(id, Math.min(left, 200))));
        pieces.push(Buffer.from(this.bytes.slice(this.output, this.output + bytes)));
        const pages = this.consumed;
        if (bytes > pages * contentBytes) throw new Error("More content than pages");
        id += pages;
        left -= pages;
      }
    }
    const content = Buffer.concat(pieces);
    return content.subarray(2 + content.readUInt16LE(0));
  }

  /** Looks keys up in batches; undefined where there is no record. */
  getMany(tree: number, keys: readonly Uint8Array[], at = 0, now = 0): (Row | undefined)[] {
    const found: (Row | undefined)[] = [];
    while (found.length < keys.length) {
      const from = found.length;
      let written = 0;
      let asked = 0;
      const rows = this.retry(() => {
        written = 8192;
        asked = 0;
        for (const key of keys.slice(from, from + 4096)) {
          if (written + key.length > 200_000) break;
          this.view.setUint16(this.input + asked * 2, key.length, true);
          this.bytes.set(key, this.input + written);
          written += key.length;
          asked++;
        }
        return this.core.getMany(tree, at, asked, now, scanFlags.values | scanFlags.meta);
      });
      this.#must(rows);
      if (rows === 0) throw new Error("A batch got no further");
      if (this.more !== rows < asked) throw new Error("A batch must say whether it is whole");
      const batch = this.#rows(rows, (row) => keys[from + row]);
      for (const { flags, row } of batch) {
        found.push(
          flags === rowAbsent ? undefined : { ...row, value: this.#whole(flags, row.value) },
        );
      }
    }
    return found;
  }

  #rows(count: number, keyOf?: (row: number) => Uint8Array): { flags: number; row: Row }[] {
    const { view, output } = this;
    const rows: { flags: number; row: Row }[] = [];
    let keyAt: number = columns.keys;
    let valueAt: number = columns.values;
    for (let row = 0; row < count; row++) {
      const keyEnd = columns.keys + view.getUint32(output + columns.keyEnds + row * 4, true);
      const valueEnd = columns.values + view.getUint32(output + columns.valueEnds + row * 4, true);
      const key = keyOf ? keyOf(row) : this.bytes.slice(output + keyAt, output + keyEnd);
      rows.push({
        flags: this.bytes[output + columns.flags + row],
        row: {
          key: Buffer.from(key),
          value: Buffer.from(this.bytes.slice(output + valueAt, output + valueEnd)),
          seq: view.getFloat64(output + columns.seqs + row * 8, true),
          expiresAt: view.getFloat64(output + columns.expires + row * 8, true),
        },
      });
      keyAt = keyEnd;
      valueAt = valueEnd;
    }
    return rows;
  }

  /** One batch of a range. */
  scanBatch(
    tree: number,
    bounds: Bounds,
    limit: number,
    at = 0,
    now = 0,
  ): { rows: Row[]; more: boolean; last: Buffer | undefined } {
    const flags =
      (bounds.reverse ? scanFlags.reverse : 0) |
      (bounds.lowExclusive ? scanFlags.afterLow : 0) |
      (bounds.highInclusive ? scanFlags.throughHigh : 0) |
      scanFlags.keys |
      scanFlags.values |
      scanFlags.meta;
    const count = this.retry(() => {
      const low = bounds.low?.length ?? -1;
      const high = bounds.high?.length ?? -1;
      if (bounds.low) this.bytes.set(bounds.low, this.input);
      if (bounds.high) this.bytes.set(bounds.high, this.input + Math.max(low, 0));
      return this.core.scan(tree, at, flags, low, high, now, limit);
    });
    this.#must(count);
    const { more } = this;
    const found = this.#rows(count);
    const rows = found
      .filter(({ flags: of }) => of !== rowSkipped)
      .map(({ flags: of, row }) => ({ ...row, value: this.#whole(of, row.value) }));
    return { rows, more, last: found[count - 1]?.row.key };
  }

  /** All rows of a range, batch by batch, each going on behind the last key of the one before. */
  scan(tree: number, bounds: Bounds = {}, limit = 1000, at = 0, now = 0): Row[] {
    const all: Row[] = [];
    let rest = bounds;
    while (true) {
      const { rows, more, last } = this.scanBatch(tree, rest, limit, at, now);
      if (rows.length > limit) throw new Error("A batch exceeds its limit");
      all.push(...rows);
      if (!more) return all;
      if (last === undefined) throw new Error("A batch got no further");
      rest = rest.reverse
        ? { ...rest, high: last, highInclusive: false }
        : { ...rest, low: last, lowExclusive: true };
    }
  }

  countRange(tree: number, low: Uint8Array, high: Uint8Array, at = 0): number {
    const result = this.retry(() => {
      this.bytes.set(low, this.input);
      this.bytes.set(high, this.input + low.length);
      return this.core.countRange(tree, at, low.length, high.length);
    });
    this.#must(result);
    return this.count;
  }

  /** The core's own check of a whole tree: how many records it saw. Throws where it objects. */
  check(tree: number, at = 0, pagesAtOnceToCheck = 1000): number {
    const kind = this.core.checkTreeBegin(tree, at);
    this.#must(kind);
    let result = 1;
    while (result === 1) {
      result = this.retry(() => this.core.checkTreeNext(kind, pagesAtOnceToCheck));
    }
    this.#must(result);
    return this.count;
  }

  /** Live pages in all blobs. */
  livePages(): number {
    let sum = 0;
    for (let blob = 1; blob <= this.core.currentBlob(); blob++) sum += this.core.livePages(blob);
    return sum;
  }
}

/** A result the first time, 0 afterwards: what `retry` needs to do its part and go on. */
function once(result: number): () => number {
  let left = 1;
  return () => (left-- > 0 ? result : 0);
}

export function describe(valueBytes: number, runs: readonly [number, number][]): Buffer {
  const descriptor = Buffer.alloc(4 + 8 * runs.length);
  descriptor.writeUInt32LE(valueBytes);
  runs.forEach(([first, pages], index) => {
    descriptor.writeUIntLE(first, 4 + 8 * index, 6);
    descriptor.writeUInt16LE(pages, 10 + 8 * index);
  });
  return descriptor;
}
