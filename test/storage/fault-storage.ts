/**
 * A storage for tests that crashes or fails at a chosen call, and tells what may have survived.
 *
 * Every call that changes something gets a number, from 1, and a line in `trace`. What a call
 * changed is pending until something makes it durable: a sync of its segment, or for removed names
 * the next name that is made durable in the same folder.
 */
import { CairnError, type ErrorCode } from "../../src/errors.ts";
import { type Latency, MemoryMedium, MemoryStorage } from "../../src/storage/memory/index.ts";
import type {
  AccessMode,
  Awaitable,
  BlobStorage,
  Claim,
  LockHolder,
  LogStorage,
  RootStorage,
  StagedBlob,
  Storage,
  StorageCapabilities,
} from "../../src/storage/port.ts";
import {
  applyEffect,
  type Effect,
  type PendingEffect,
  type Personality,
  prefixOf,
  surviving,
  tearableBytes,
} from "./effects.ts";
import { Random } from "./random.ts";

/** The process is gone: thrown by the call that it died in and by all later ones. */
export class CrashError extends Error {
  override readonly name = "CrashError";
}

interface Fault {
  kind: "crash" | "fail";
  /** Bytes of the call's effect that are done all the same; undefined: none, and no call either. */
  bytesDone: number | undefined;
  code: ErrorCode;
}

export interface FaultStorageOptions {
  medium?: MemoryMedium;
  /** When given, the storage answers asynchronously. */
  latency?: Latency;
}

/** Calls, faults and effects: what the log, the blobs and the root of one fault storage share. */
class FaultCore {
  readonly trace: string[] = [];
  readonly faults = new Map<number, Fault>();
  readonly sync: boolean;
  crashed = false;
  pending: PendingEffect[] = [];
  /** What is certainly on the medium. */
  readonly durable: MemoryMedium;
  /** What the process sees. */
  readonly medium: MemoryMedium;

  constructor(medium: MemoryMedium, sync: boolean) {
    this.medium = medium;
    this.durable = medium.copy();
    this.sync = sync;
  }

  /** Refuses after a crash; otherwise answers as the storage under it does. */
  guard<T>(work: () => Awaitable<T>): Awaitable<T> {
    return this.#answer(() => {
      this.refuseAfterCrash();
      return this.#then(work(), (value) => {
        this.refuseAfterCrash();
        return value;
      });
    });
  }

  /** One numbered call. `end` runs when it has taken effect. */
  call<T>(
    line: string,
    effects: readonly Effect[],
    work: () => Awaitable<T>,
    end?: () => void,
  ): Awaitable<T> {
    return this.#answer(() => {
      this.refuseAfterCrash();
      const number = this.trace.push(line);
      const running = effects.map((effect): PendingEffect => ({ effect, done: false }));
      this.pending.push(...running);
      const fault = this.faults.get(number);
      if (fault !== undefined) this.#strike(number, fault, running);
      const settle = end ?? ((): void => this.settle(running));
      return this.#then(this.#orDrop(running, work), (value) => {
        this.refuseAfterCrash();
        for (const effect of running) effect.done = true;
        settle();
        return value;
      });
    });
  }

  /** These effects are durable now. */
  settle(settled: readonly PendingEffect[]): void {
    for (const { effect } of settled) applyEffect(this.durable, effect);
    this.#drop(settled);
  }

  /** Writes to a segment that have taken effect and are not durable. */
  writesTo(segment: number): PendingEffect[] {
    return this.pending.filter(
      ({ effect, done }) => done && effect.kind === "write" && effect.segment === segment,
    );
  }

  /** A name was made durable: with it, what was done to the other names of its folder. */
  settleNames(kind: "remove segment" | "remove blob", created: Effect["kind"]): void {
    this.settle(
      this.pending.filter(
        ({ effect, done }) => done && (effect.kind === kind || effect.kind === created),
      ),
    );
  }

  refuseAfterCrash(): void {
    if (this.crashed) throw new CrashError("the process has crashed");
  }

  #strike(number: number, fault: Fault, running: PendingEffect[]): void {
    if (fault.bytesDone === undefined) this.#drop(running);
    else for (const effect of running) this.#doInPart(effect, fault.bytesDone);
    if (fault.kind === "crash") {
      this.crashed = true;
      throw new CrashError(`crashed at call ${number}: ${this.trace[number - 1]}`);
    }
    throw new CairnError(fault.code, `Call ${number} was made to fail.`, {
      details: { operation: this.trace[number - 1] ?? "", errno: fault.code },
    });
  }

  #doInPart(running: PendingEffect, bytes: number): void {
    const whole = tearableBytes(running.effect);
    // A name is there or not: leave it running, so that the survivors decide.
    if (whole === undefined) return;
    running.effect = prefixOf(running.effect, Math.min(bytes, whole.byteLength));
    running.done = true;
    applyEffect(this.medium, running.effect);
  }

  #drop(dropped: readonly PendingEffect[]): void {
    this.pending = this.pending.filter((effect) => !dropped.includes(effect));
  }

  #orDrop<T>(running: PendingEffect[], work: () => Awaitable<T>): Awaitable<T> {
    const failed = (error: unknown): never => {
      this.#drop(running);
      throw error;
    };
    try {
      const value = work();
      return value instanceof Promise ? value.catch(failed) : value;
    } catch (error) {
      return failed(error);
    }
  }

  #answer<T>(work: () => Awaitable<T>): Awaitable<T> {
    if (this.sync) return work();
    try {
      return work();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #then<T, R>(value: Awaitable<T>, next: (value: T) => R): Awaitable<R> {
    return value instanceof Promise ? value.then(next) : next(value);
  }
}

export class FaultStorage implements Storage {
  readonly name = "fault:";
  readonly capabilities: StorageCapabilities;
  readonly log: LogStorage;
  readonly blobs: BlobStorage;
  readonly root: RootStorage;
  readonly #inner: MemoryStorage;
  readonly #core: FaultCore;

  constructor(options: FaultStorageOptions = {}) {
    const { medium = new MemoryMedium(), latency } = options;
    this.#inner = new MemoryStorage(medium, latency === undefined ? {} : { latency });
    this.#core = new FaultCore(medium, this.#inner.capabilities.sync);
    this.capabilities = { ...this.#inner.capabilities, durable: "fsync" };
    this.log = new FaultLog(this.#inner.log, this.#core);
    this.blobs = new FaultBlobs(this.#inner.blobs, this.#core);
    this.root = new FaultRoot(this.#inner.root, this.#core);
  }

  /** One line for each call that changes something, in order; call n is line n - 1. */
  get trace(): readonly string[] {
    return this.#core.trace;
  }

  get crashed(): boolean {
    return this.#core.crashed;
  }

  /** The process dies at this call: before it does anything, or after `bytesDone` of its bytes. */
  crashAt(call: number, bytesDone?: number): void {
    this.#core.faults.set(call, { kind: "crash", bytesDone, code: "storage_failed" });
  }

  /** This call fails, after `bytesDone` of its bytes were written (by default none). */
  failAt(call: number, code: "disk_full" | "storage_failed", bytesDone?: number): void {
    this.#core.faults.set(call, { kind: "fail", bytesDone, code });
  }

  /** The process dies between two calls. */
  crash(): void {
    this.#core.crashed = true;
  }

  /** What the next process may find. The same seed and personality always find the same. */
  survivors(seed: number, personality: Personality): MemoryMedium {
    const { durable, pending, medium } = this.#core;
    const survivors = surviving(durable, pending, new Random(seed), personality);
    survivors.generation = medium.generation;
    return survivors;
  }

  async acquire(mode: AccessMode, options: { create: boolean }): Promise<Claim> {
    this.#core.refuseAfterCrash();
    if (mode === "exclusive") this.#core.trace.push("acquire");
    const claim = await this.#inner.acquire(mode, options);
    const core = this.#core;
    return {
      mode: claim.mode,
      generation: claim.generation,
      check: () => core.guard(() => claim.check()),
      release: () => core.guard(() => claim.release()),
    };
  }

  async holder(): Promise<LockHolder | undefined> {
    return this.#core.guard(() => this.#inner.holder());
  }

  usedBytes(): Awaitable<number> {
    return this.#core.guard(() => this.#inner.usedBytes());
  }

  close(): Awaitable<void> {
    return this.#core.guard(() => this.#inner.close());
  }
}

class FaultLog implements LogStorage {
  readonly #inner: LogStorage;
  readonly #core: FaultCore;

  constructor(inner: LogStorage, core: FaultCore) {
    this.#inner = inner;
    this.#core = core;
  }

  list(): Awaitable<number[]> {
    return this.#core.guard(() => this.#inner.list());
  }

  create(segment: number, bytes: number): Awaitable<void> {
    return this.#create("create", segment, bytes, () => this.#inner.create(segment, bytes));
  }

  async createAhead(segment: number, bytes: number): Promise<void> {
    const work = (): Promise<void> => this.#inner.createAhead(segment, bytes);
    return this.#create("create ahead", segment, bytes, work);
  }

  size(segment: number): Awaitable<number> {
    return this.#core.guard(() => this.#inner.size(segment));
  }

  append(segment: number, at: number, bytes: Uint8Array): Awaitable<void> {
    const line = `append segment ${segment} at ${at} ${bytes.byteLength} bytes`;
    const effect: Effect = { kind: "write", segment, at, bytes: bytes.slice() };
    const keepPending = (): void => undefined;
    return this.#core.call(
      line,
      [effect],
      () => this.#inner.append(segment, at, bytes),
      keepPending,
    );
  }

  async sync(segment: number): Promise<void> {
    const before = this.#core.writesTo(segment);
    return this.#core.call(
      `sync segment ${segment}`,
      [],
      () => this.#inner.sync(segment),
      () => this.#core.settle(before),
    );
  }

  syncSync(segment: number): void {
    if (!this.#core.sync) {
      this.#inner.syncSync(segment);
      return;
    }
    const before = this.#core.writesTo(segment);
    this.#core.call(
      `sync segment ${segment}`,
      [],
      () => this.#inner.syncSync(segment),
      () => this.#core.settle(before),
    );
  }

  read(segment: number, at: number, into: Uint8Array): Awaitable<number> {
    return this.#core.guard(() => this.#inner.read(segment, at, into));
  }

  remove(segments: readonly number[]): Awaitable<void> {
    const effects = segments.map((segment): Effect => ({ kind: "remove segment", segment }));
    const keepPending = (): void => undefined;
    return this.#core.call(
      `remove segments ${segments.join(" ")}`,
      effects,
      () => this.#inner.remove(segments),
      keepPending,
    );
  }

  #create(
    verb: string,
    segment: number,
    bytes: number,
    work: () => Awaitable<void>,
  ): Awaitable<void> {
    return this.#core.call(
      `${verb} segment ${segment} ${bytes} bytes`,
      [{ kind: "create segment", segment, bytes }],
      work,
      () => this.#core.settleNames("remove segment", "create segment"),
    );
  }
}

class FaultBlobs implements BlobStorage {
  readonly #inner: BlobStorage;
  readonly #core: FaultCore;

  constructor(inner: BlobStorage, core: FaultCore) {
    this.#inner = inner;
    this.#core = core;
  }

  stage(name: string): Awaitable<StagedBlob> {
    return this.#core.call(`stage blob ${name}`, [], () => {
      const staged = this.#inner.stage(name);
      if (!(staged instanceof Promise)) return new FaultStagedBlob(staged, this.#core);
      return staged.then((blob) => new FaultStagedBlob(blob, this.#core));
    });
  }

  read(name: string, at: number, into: Uint8Array): Awaitable<number> {
    return this.#core.guard(() => this.#inner.read(name, at, into));
  }

  size(name: string): Awaitable<number> {
    return this.#core.guard(() => this.#inner.size(name));
  }

  list(): Awaitable<string[]> {
    return this.#core.guard(() => this.#inner.list());
  }

  remove(names: readonly string[]): Awaitable<void> {
    const effects = names.map((name): Effect => ({ kind: "remove blob", name }));
    const keepPending = (): void => undefined;
    return this.#core.call(
      `remove blobs ${names.join(" ")}`,
      effects,
      () => this.#inner.remove(names),
      keepPending,
    );
  }
}

class FaultStagedBlob implements StagedBlob {
  readonly name: string;
  readonly #inner: StagedBlob;
  readonly #core: FaultCore;
  /** The bytes so far, kept apart from the storage's own: they are what sealing makes durable. */
  #bytes = new Uint8Array(65_536);
  #size = 0;

  constructor(inner: StagedBlob, core: FaultCore) {
    this.name = inner.name;
    this.#inner = inner;
    this.#core = core;
  }

  write(at: number, bytes: Uint8Array): Awaitable<void> {
    const end = at + bytes.byteLength;
    if (end > this.#bytes.byteLength) {
      const larger = new Uint8Array(Math.max(end, 2 * this.#bytes.byteLength));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, at);
    this.#size = Math.max(this.#size, end);
    const line = `write blob ${this.name} at ${at} ${bytes.byteLength} bytes`;
    return this.#core.call(line, [], () => this.#inner.write(at, bytes));
  }

  read(at: number, into: Uint8Array): Awaitable<number> {
    return this.#core.guard(() => this.#inner.read(at, into));
  }

  async sync(): Promise<void> {
    return this.#core.call(`sync blob ${this.name}`, [], () => this.#inner.sync());
  }

  seal(): Awaitable<void> {
    return this.#seal(() => this.#inner.seal());
  }

  async sealAsync(): Promise<void> {
    return this.#seal(() => this.#inner.sealAsync());
  }

  abort(): Awaitable<void> {
    return this.#core.call(`abort blob ${this.name}`, [], () => this.#inner.abort());
  }

  #seal(work: () => Awaitable<void>): Awaitable<void> {
    const bytes = this.#bytes.slice(0, this.#size);
    return this.#core.call(
      `seal blob ${this.name} ${bytes.byteLength} bytes`,
      [{ kind: "seal", name: this.name, bytes }],
      work,
      () => this.#core.settleNames("remove blob", "seal"),
    );
  }
}

class FaultRoot implements RootStorage {
  readonly #inner: RootStorage;
  readonly #core: FaultCore;

  constructor(inner: RootStorage, core: FaultCore) {
    this.#inner = inner;
    this.#core = core;
  }

  read(): Awaitable<readonly [Uint8Array, Uint8Array] | undefined> {
    return this.#core.guard(() => this.#inner.read());
  }

  create(bytes: Uint8Array): Awaitable<void> {
    const effect: Effect = { kind: "create root", bytes: bytes.slice() };
    return this.#core.call("create root", [effect], () => this.#inner.create(bytes));
  }

  compareAndSet(expected: number, bytes: Uint8Array): Awaitable<"ok" | "conflict"> {
    return this.#write(expected + 1, bytes, () => this.#inner.compareAndSet(expected, bytes));
  }

  async compareAndSetAsync(expected: number, bytes: Uint8Array): Promise<"ok" | "conflict"> {
    const work = (): Promise<"ok" | "conflict"> => this.#inner.compareAndSetAsync(expected, bytes);
    return this.#write(expected + 1, bytes, work);
  }

  #write(
    record: number,
    bytes: Uint8Array,
    work: () => Awaitable<"ok" | "conflict">,
  ): Awaitable<"ok" | "conflict"> {
    const effect: Effect = { kind: "write root", slot: record % 2, bytes: bytes.slice() };
    return this.#core.call(`root ${record}`, [effect], work);
  }
}
