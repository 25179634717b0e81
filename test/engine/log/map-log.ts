/**
 * The log storage as a map of byte arrays, with what a device would keep after a loss of power: the
 * bytes that were synced, and of each later write whatever the test decides.
 */
import type { Awaitable, LogStorage, StorageCapabilities } from "../../../src/storage/port.ts";

export interface Write {
  readonly segment: number;
  readonly at: number;
  readonly bytes: Uint8Array;
}

export interface MapLogOptions {
  /** Answers with promises. */
  readonly isAsync?: boolean;
  /** Called before each operation; may throw. */
  readonly before?: (operation: string, segment: number) => void;
}

export class MapLog implements LogStorage {
  /** As the process sees it. */
  readonly segments = new Map<number, Uint8Array>();
  /** As the device has it for certain. */
  readonly stable = new Map<number, Uint8Array>();
  /** Writes not yet covered by a sync, in order. */
  unsynced: Write[] = [];
  /** All writes, in order. */
  readonly writes: Write[] = [];
  readonly operations: string[] = [];
  /** When set, segments created ahead wait for it. */
  aheadGate: Promise<void> | undefined;
  readonly #options: MapLogOptions;

  constructor(options: MapLogOptions = {}, from?: ReadonlyMap<number, Uint8Array>) {
    this.#options = options;
    for (const [segment, bytes] of from ?? []) {
      this.segments.set(segment, bytes.slice());
      this.stable.set(segment, bytes.slice());
    }
  }

  get capabilities(): StorageCapabilities {
    return {
      sync: !this.#options.isAsync,
      durable: "none",
      staging: false,
      shared: false,
      limits: { writeBytes: 1 << 30, blobBytes: 1 << 30 },
    };
  }

  /** The same bytes, everything durable, without the history. */
  copy(options: MapLogOptions = this.#options): MapLog {
    return new MapLog(options, this.segments);
  }

  /** What is there after a loss of power; `keep` gives what is left of each unsynced write. */
  crash(keep: (write: Write, index: number) => Uint8Array | undefined): MapLog {
    const next = new MapLog(this.#options, this.stable);
    this.unsynced.forEach((write, index) => {
      const bytes = keep(write, index);
      if (bytes === undefined) return;
      next.segments.get(write.segment)?.set(bytes, write.at);
      next.stable.get(write.segment)?.set(bytes, write.at);
    });
    return next;
  }

  list(): Awaitable<number[]> {
    return this.#answer([...this.segments.keys()].sort((a, b) => a - b));
  }

  create(segment: number, bytes: number): Awaitable<void> {
    this.#note("create", segment);
    this.#add(segment, bytes);
    return this.#answer(undefined);
  }

  async createAhead(segment: number, bytes: number): Promise<void> {
    this.#note("createAhead", segment);
    await this.aheadGate;
    this.#add(segment, bytes);
  }

  size(segment: number): Awaitable<number> {
    return this.#answer(this.#get(segment).length);
  }

  append(segment: number, at: number, bytes: Uint8Array): Awaitable<void> {
    this.#note("append", segment);
    const target = this.#get(segment);
    if (at + bytes.length > target.length) throw new Error("a write beyond the segment");
    const write = { segment, at, bytes: bytes.slice() };
    if (target.subarray(at, at + bytes.length).some((byte) => byte !== 0)) {
      throw new Error("a write over bytes that were written before");
    }
    target.set(bytes, at);
    this.unsynced.push(write);
    this.writes.push(write);
    return this.#answer(undefined);
  }

  async sync(segment: number): Promise<void> {
    this.#note("sync", segment);
    const covered = this.unsynced.filter((write) => write.segment === segment);
    await Promise.resolve();
    this.#settle(covered);
  }

  syncSync(segment: number): void {
    this.#note("sync", segment);
    this.#settle(this.unsynced.filter((write) => write.segment === segment));
  }

  read(segment: number, at: number, into: Uint8Array): Awaitable<number> {
    this.#options.before?.("read", segment);
    const bytes = this.#get(segment).subarray(at, at + into.length);
    into.set(bytes);
    return this.#answer(bytes.length);
  }

  remove(segments: readonly number[]): Awaitable<void> {
    for (const segment of segments) {
      this.#note("remove", segment);
      this.segments.delete(segment);
      this.stable.delete(segment);
      this.unsynced = this.unsynced.filter((write) => write.segment !== segment);
    }
    return this.#answer(undefined);
  }

  #note(operation: string, segment: number): void {
    this.#options.before?.(operation, segment);
    this.operations.push(`${operation} ${segment}`);
  }

  #add(segment: number, bytes: number): void {
    if (this.segments.has(segment)) throw new Error(`segment ${segment} exists`);
    this.segments.set(segment, new Uint8Array(bytes));
    this.stable.set(segment, new Uint8Array(bytes));
  }

  #settle(covered: readonly Write[]): void {
    for (const write of covered) this.stable.get(write.segment)?.set(write.bytes, write.at);
    this.unsynced = this.unsynced.filter((write) => !covered.includes(write));
  }

  #get(segment: number): Uint8Array {
    const bytes = this.segments.get(segment);
    if (bytes === undefined) throw new Error(`segment ${segment} does not exist`);
    return bytes;
  }

  #answer<T>(value: T): Awaitable<T> {
    return this.#options.isAsync ? Promise.resolve(value) : value;
  }
}
