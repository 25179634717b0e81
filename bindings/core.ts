/**
 * The Wasm core as the rest of CairnDB sees it. Only this folder touches linear memory directly.
 *
 * Views are made in one place and made again after the only calls that grow the memory, so no
 * operation needs to look whether its views are still good.
 */
import { CairnError } from "../src/errors.ts";
import { guardExports } from "./guard.ts";
import { columns, coreKeyBytesMax, keysOfMany, rowsMax, statusF64, statusU32 } from "./status.ts";

/** The exports of assembly/index.ts that the host uses. Unsigned results may arrive signed. */
export interface CoreExports {
  readonly memory: WebAssembly.Memory;
  initialize(): void;
  statusAddress(): number;
  inputAddress(): number;
  inputBytes(): number;
  outputAddress(): number;
  outputBytes(): number;
  configure(
    frames: number,
    databaseSeed: number,
    hashSeedLow: number,
    hashSeedHigh: number,
    firstBlob: number,
  ): number;
  setHashMask(low: number, high: number): void;
  addFrames(count: number): number;
  freeFrames(): number;
  frameCount(): number;
  dirtyFrames(): number;
  residentPages(): number;
  frameReserve(): number;
  loadBegin(): number;
  loadEnd(page: number, id: number): number;
  loadAbort(page: number): void;
  isResident(id: number): number;
  pinFrame(address: number): void;
  unpinFrame(address: number): void;
  verifyImage(position: number, id: number): number;
  evictClean(wanted: number): number;
  exportUnused(most: number): number;
  exportRun(blob: number, first: number, most: number): number;
  freezeBlobs(): number;
  currentBlob(): number;
  setBlob(number: number, live: number, slots: number): void;
  forgetBlob(number: number): void;
  livePages(number: number): number;
  blobSlots(number: number): number;
  seenPages(number: number): number;
  clearSeen(): void;
  beginEpoch(): number;
  commitEpoch(): void;
  rollbackEpoch(): void;
  pinEpoch(at: number): number;
  unpinEpoch(at: number): void;
  oldestPin(): number;
  rootEpoch(at: number): void;
  reclaim(pages: number): number;
  reclaimQueue(): number;
  copyReclaimQueue(): number;
  restoreReclaimItem(): void;
  createTree(id: number, kind: number): number;
  forgetTree(id: number): number;
  restoreTree(id: number, root: number, count: number, overflow: number): number;
  treeRoot(id: number, at: number): number;
  treeRecords(id: number, at: number): number;
  treeOverflow(id: number): number;
  get(id: number, at: number, keyLength: number, now: number): number;
  getCopied(id: number, at: number, keyLength: number, now: number): number;
  getMany(id: number, at: number, count: number, now: number, columns: number): number;
  scan(
    id: number,
    at: number,
    flags: number,
    lowLength: number,
    highLength: number,
    now: number,
    limit: number,
  ): number;
  setProgram(bytes: number): number;
  fold(id: number, at: number, flags: number, lowLength: number, highLength: number): number;
  countRange(id: number, at: number, lowLength: number, highLength: number): number;
  apply(length: number, seq: number): number;
  clear(id: number): number;
  overflowReserve(pages: number): number;
  overflowWrite(tree: number, id: number, head: number, bytes: number): number;
  overflowRead(id: number, pages: number): number;
  putDescriptor(
    id: number,
    keyLength: number,
    seq: number,
    expiresAt: number,
    descriptorBytes: number,
  ): number;
  relocatePage(id: number): number;
  pageTree(id: number): number;
  repack(id: number, keyLength: number): number;
  repackHashed(id: number, hashLow: number, hashHigh: number): number;
  checkTreeBegin(id: number, at: number): number;
  checkTreeNext(kind: number, pages: number): number;
  crc32c(pointer: number, length: number, seed: number): number;
}

export interface CoreOptions {
  /** Frames of 4 KiB at most. */
  readonly frames: number;
  /** 16 bytes; every page's checksum begins with them. */
  readonly databaseId: Uint8Array;
  /** 8 bytes. */
  readonly hashSeed: Uint8Array;
  readonly firstBlob: number;
}

/** Many keys in one buffer. */
export interface PackedKeys {
  readonly count: number;
  /** One key behind the other. */
  readonly bytes: Uint8Array;
  /** Where a key begins; for `count` the end of all. */
  start(index: number): number;
}

const textEncoder = new TextEncoder();
const loneSurrogate = /\p{Surrogate}/u;
/** Up to here a loop over character codes beats encodeInto. */
const loopCharsMax = 16;

/** One instance of the core, for one database. */
export class Core {
  /** Each throws `core_failed` for a trap, and for every call after one. */
  readonly exports: CoreExports;
  hasTrapped = false;
  /** Called for the first trap, before it is thrown. */
  onTrap: (error: CairnError) => void = () => undefined;
  readonly inputAddress: number;
  readonly inputBytesMax: number;
  readonly outputAddress: number;
  readonly outputBytesMax: number;
  /** All of linear memory. */
  bytes: Uint8Array = new Uint8Array(0);
  input: Uint8Array = new Uint8Array(0);
  output: Uint8Array = new Uint8Array(0);
  #u32: Uint32Array = new Uint32Array(0);
  #f64: Float64Array = new Float64Array(0);
  readonly #statusAddress: number;

  constructor(module: WebAssembly.Module) {
    const instance = new WebAssembly.Instance(module, {});
    const exports = guardExports(instance.exports as unknown as CoreExports, (error) => {
      this.hasTrapped = true;
      this.onTrap(error);
    });
    exports.initialize();
    this.exports = exports;
    this.#statusAddress = exports.statusAddress() >>> 0;
    this.inputAddress = exports.inputAddress() >>> 0;
    this.inputBytesMax = exports.inputBytes() >>> 0;
    this.outputAddress = exports.outputAddress() >>> 0;
    this.outputBytesMax = exports.outputBytes() >>> 0;
    this.#refresh();
  }

  /** Sets the instance up for a database; once. */
  configure(options: CoreOptions): void {
    const seed = new DataView(options.hashSeed.buffer, options.hashSeed.byteOffset, 8);
    const result = this.exports.configure(
      options.frames,
      this.checksum(options.databaseId, 0),
      seed.getUint32(0, true),
      seed.getUint32(4, true),
      options.firstBlob,
    );
    this.#refresh();
    if (result < 0) {
      throw new CairnError(
        "memory_limit",
        `Cannot set up a memory budget of ${options.frames} pages: linear memory cannot grow. ` +
          "Open with a smaller memoryBudget.",
        { details: { frames: options.frames } },
      );
    }
  }

  /** Views are lent out: the memory must not move. */
  #lent = 0;

  /** Adds frames: how many, 0 when the budget or the memory is used up, or views are lent out. */
  addFrames(count: number): number {
    if (this.#lent > 0) return 0;
    const added = this.exports.addFrames(count);
    this.#refresh();
    return added < 0 ? 0 : added;
  }

  /** Where the values of the last rows end in their column. */
  valueEnds: Uint32Array = new Uint32Array(0);
  #keyLengths: Uint16Array = new Uint16Array(0);

  #refresh(): void {
    const { buffer } = this.exports.memory;
    if (this.bytes.buffer === buffer) return;
    this.bytes = new Uint8Array(buffer);
    this.input = new Uint8Array(buffer, this.inputAddress, this.inputBytesMax);
    this.output = new Uint8Array(buffer, this.outputAddress, this.outputBytesMax);
    this.valueEnds = new Uint32Array(buffer, this.outputAddress + columns.valueEnds, rowsMax);
    this.#keyLengths = new Uint16Array(buffer, this.inputAddress, rowsMax);
    this.#u32 = new Uint32Array(buffer, this.#statusAddress, 16);
    this.#f64 = new Float64Array(buffer, this.#statusAddress, 10);
  }

  /** Hands a program to the scans and folds that come next: assembly/tables/program.ts. */
  setProgram(program: Uint8Array): void {
    this.input.set(program);
    if (this.exports.setProgram(program.length) === 0) return;
    throw new CairnError(
      "invariant_broken",
      "Handing a program to the core: it is malformed. This is a fault in CairnDB.",
    );
  }

  /** Keeps a value's page in its frame, and the memory in its place, while `fn` looks at it. */
  lend<T>(address: number, length: number, fn: (bytes: Uint8Array) => T): T {
    this.exports.pinFrame(address);
    this.#lent++;
    try {
      return fn(this.bytes.subarray(address, address + length));
    } finally {
      this.#lent--;
      this.exports.unpinFrame(address);
    }
  }

  // ---- the status block, after a call

  get missingPage(): number {
    return this.#f64[statusF64.page];
  }
  get valueAddress(): number {
    return this.#u32[statusU32.value];
  }
  get valueBytes(): number {
    return this.#u32[statusU32.valueBytes];
  }
  get seq(): number {
    return this.#f64[statusF64.seq];
  }
  get expiresAt(): number {
    return this.#f64[statusF64.expiresAt];
  }
  get count(): number {
    return this.#f64[statusF64.count];
  }
  get run(): number {
    return this.#f64[statusF64.run];
  }
  get consumed(): number {
    return this.#u32[statusU32.consumed];
  }
  get reason(): number {
    return this.#u32[statusU32.reason];
  }
  get keyColumnBytes(): number {
    return this.#u32[statusU32.keyBytes];
  }
  get valueColumnBytes(): number {
    return this.#u32[statusU32.valuesBytes];
  }
  get more(): boolean {
    return this.#u32[statusU32.more] !== 0;
  }

  /** A column of the last rows. Valid until the next call of the core. */
  columnU32(offset: number, length: number): Uint32Array {
    return new Uint32Array(this.bytes.buffer, this.outputAddress + offset, length);
  }
  columnF64(offset: number, length: number): Float64Array {
    return new Float64Array(this.bytes.buffer, this.outputAddress + offset, length);
  }

  /**
   * Writes a key into the input area at `at`; its bytes. Refuses lone surrogates (`key_invalid`)
   * and more than `bytesMax` bytes (`key_too_large`).
   */
  writeKey(key: string | Uint8Array, at: number, bytesMax: number): number {
    if (typeof key !== "string") {
      const { length } = key;
      if (length > bytesMax) throw keyTooLarge(length, bytesMax);
      const { input } = this;
      if (length > 24) input.set(key, at);
      else for (let index = 0; index < length; index++) input[at + index] = key[index];
      return length;
    }
    const { length } = key;
    if (length <= loopCharsMax) {
      const { input } = this;
      let index = 0;
      for (; index < length; index++) {
        const code = key.charCodeAt(index);
        if (code > 127) break;
        input[at + index] = code;
      }
      if (index === length) return length;
    }
    return this.#encodeKey(key, at, bytesMax);
  }

  /**
   * Writes keys from `from` on into the input area, as many as fit; how many. Lengths first, then
   * the keys; see `getMany`. @throws CairnError as {@link writeKey}.
   */
  writeKeys(keys: readonly (string | Uint8Array)[], from: number): number {
    const most = Math.min(keys.length - from, rowsMax);
    const room = this.inputBytesMax - keysOfMany;
    const lengths = this.#keyLengths;
    let text = "";
    let count = 0;
    for (; count < most; count++) {
      const key = keys[from + count];
      if (typeof key !== "string" || key.length > coreKeyBytesMax) break;
      if (text.length + key.length > room) break;
      lengths[count] = key.length;
      // One call of the encoder for all keys takes a third of the time of one for each.
      text += key;
    }
    const { read, written } = textEncoder.encodeInto(text, this.input.subarray(keysOfMany));
    const isAscii = written === text.length && read === text.length;
    return isAscii && count > 0 ? count : this.#writeKeysSingly(keys, from, most);
  }

  /** The same for keys that stand one behind the other. */
  writePackedKeys(keys: PackedKeys, from: number): number {
    const start = keys.start(from);
    const most = Math.min(keys.count - from, rowsMax);
    const room = this.inputBytesMax - keysOfMany;
    let count = 0;
    let end = start;
    for (; count < most; count++) {
      const next = keys.start(from + count + 1);
      if (next - start > room) break;
      this.#keyLengths[count] = next - end;
      end = next;
    }
    this.input.set(keys.bytes.subarray(start, end), keysOfMany);
    return count;
  }

  #writeKeysSingly(keys: readonly (string | Uint8Array)[], from: number, most: number): number {
    // An encoder may write three bytes for each character before the key is found too long.
    const end = this.inputBytesMax - coreKeyBytesMax * 3;
    let at = keysOfMany;
    let count = 0;
    for (; count < most && at < end; count++) {
      const length = this.writeKey(keys[from + count], at, coreKeyBytesMax);
      this.#keyLengths[count] = length;
      at += length;
    }
    return count;
  }

  #encodeKey(key: string, at: number, bytesMax: number): number {
    if (key.length > bytesMax) throw keyTooLarge(key.length, bytesMax);
    const target = at === 0 ? this.input : this.input.subarray(at);
    const { written } = textEncoder.encodeInto(key, target);
    if (written !== key.length && loneSurrogate.test(key)) throw keyInvalid();
    if (written > bytesMax) throw keyTooLarge(written, bytesMax);
    return written;
  }

  /** CRC-32C. Bytes outside linear memory pass through the input area. */
  readonly checksum = (bytes: Uint8Array, seed: number): number => {
    if (bytes.buffer === this.bytes.buffer) {
      return this.exports.crc32c(bytes.byteOffset, bytes.length, seed) >>> 0;
    }
    let crc = seed;
    for (let from = 0; from < bytes.length; from += this.inputBytesMax) {
      const chunk =
        bytes.length <= this.inputBytesMax
          ? bytes
          : bytes.subarray(from, from + this.inputBytesMax);
      this.input.set(chunk);
      crc = this.exports.crc32c(this.inputAddress, chunk.length, crc);
    }
    return crc >>> 0;
  };
}

function keyTooLarge(length: number, bytesMax: number): CairnError {
  return new CairnError(
    "key_too_large",
    `Cannot use a key of ${length} bytes: keys have at most ${bytesMax}. Shorten or hash it.`,
    { details: { found: length, expected: bytesMax } },
  );
}

function keyInvalid(): CairnError {
  return new CairnError(
    "key_invalid",
    "Cannot use a key with a lone surrogate: it has no UTF-8 form. Use well-formed text or bytes.",
  );
}
