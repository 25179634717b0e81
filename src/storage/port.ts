/**
 * The storage port: a log, blobs and a root, not files.
 *
 * The engine asks nothing else of the world. An adapter is a class that implements {@link Storage};
 * `node-fs` and `memory` are ours, and tests add a `fault` one. Bytes are raw here: formats,
 * checksums and recovery belong to the engine.
 *
 * Conventions for every adapter:
 * - A method typed {@link Awaitable} answers at once when `capabilities.sync` is true, and may
 *   answer with a promise otherwise. Nothing else about it changes.
 * - A `Uint8Array` argument is valid only until the method returns, not until its promise settles:
 *   it may point into Wasm memory, which moves. An adapter that writes later copies first.
 * - A `Uint8Array` to read `into` stays valid until the promise settles.
 * - Failures are `CairnError`s: `disk_full`, `storage_read_only`, `storage_permission`, else
 *   `storage_failed`, with the adapter's own error as `cause`. A short write is a failure. A name
 *   that is missing, or taken, is `storage_failed` with `details.errno` `ENOENT` or `EEXIST`.
 * - Before `acquire` and after `close` everything is `closed`; a change under a read-only claim is
 *   `read_only`; what the port forbids (an append past the end, a bad name) `invariant_broken`.
 */
export type Awaitable<T> = T | Promise<T>;

/** What a claim allows: `exclusive` all, to one at a time; `read-only` reads, to any number. */
export type AccessMode = "exclusive" | "read-only";

/** What "synced" means on this storage. */
export type Durable = "fsync" | "flush" | "replicated" | "none";

/** What an adapter can do, and its limits in bytes. The same as long as it is open. */
export interface StorageCapabilities {
  /** Every Awaitable answers at once, and `syncSync` works. */
  readonly sync: boolean;
  readonly durable: Durable;
  /** Staged blobs can be read back before they are sealed. */
  readonly staging: boolean;
  /** Other processes may open the same database. */
  readonly shared: boolean;
  readonly limits: {
    /** Largest single `append` or `write`, in bytes. */
    readonly writeBytes: number;
    /** Largest blob, in bytes. */
    readonly blobBytes: number;
  };
}

/** Who holds a database for writing. */
export interface LockHolder {
  readonly pid: number;
  readonly host: string;
  /** When it was opened, Unix milliseconds. */
  readonly since: number;
  readonly runtime: string;
  readonly generation: number;
}

/** The right to use a storage, from `acquire` until `release`. */
export interface Claim {
  readonly mode: AccessMode;
  /** Raised by each exclusive claim; 0 for read-only ones. */
  readonly generation: number;
  /** Throws `generation_lost` when a later generation has been claimed by somebody else. */
  check(): Awaitable<void>;
  release(): Awaitable<void>;
}

/**
 * The log: numbered segments of preallocated, zero-filled space. A segment is created once, written
 * forwards, and removed; its number is never used again.
 */
export interface LogStorage {
  /** Numbers of all segments, ascending. */
  list(): Awaitable<number[]>;
  /** Creates a segment of `bytes` zeros, durable with its name. Fails if the number exists. */
  create(segment: number, bytes: number): Awaitable<void>;
  /** The same, off the caller's turn, so that commits need not wait for it. */
  createAhead(segment: number, bytes: number): Promise<void>;
  size(segment: number): Awaitable<number>;
  append(segment: number, at: number, bytes: Uint8Array): Awaitable<void>;
  sync(segment: number): Promise<void>;
  /** Only where `capabilities.sync`. */
  syncSync(segment: number): void;
  /** Bytes read; fewer than asked only at the end of the segment. */
  read(segment: number, at: number, into: Uint8Array): Awaitable<number>;
  /** After a power failure, any of them may be there again. One that is missing is no error. */
  remove(segments: readonly number[]): Awaitable<void>;
}

/** A blob that is being written. It has no name that a reader could see until it is sealed. */
export interface StagedBlob {
  readonly name: string;
  write(at: number, bytes: Uint8Array): Awaitable<void>;
  /** Also while it is being sealed, and afterwards; not after `abort`. */
  read(at: number, into: Uint8Array): Awaitable<number>;
  /** Hands what was written so far to the device, without sealing; may be called between slices. */
  sync(): Promise<void>;
  /** Durable with its name when this answers. The blob is then immutable. */
  seal(): Awaitable<void>;
  /** The same, off the caller's turn. */
  sealAsync(): Promise<void>;
  abort(): Awaitable<void>;
}

/** Immutable named bytes. Names are `[a-z0-9-]+`. */
export interface BlobStorage {
  stage(name: string): Awaitable<StagedBlob>;
  /** Bytes read; fewer than asked only at the end of the blob. */
  read(name: string, at: number, into: Uint8Array): Awaitable<number>;
  size(name: string): Awaitable<number>;
  /** Names of sealed blobs, in any order. */
  list(): Awaitable<string[]>;
  /**
   * Deletes sealed blobs. After a power failure, any may be there again. A missing one is no error.
   */
  remove(names: readonly string[]): Awaitable<void>;
}

/** Two slots of {@link rootBytes} bytes; record number n lives in slot n % 2. */
export interface RootStorage {
  /**
   * Both slots' bytes as they are on the medium, zeros where it lacks some. Undefined when there is
   * no database here.
   */
  read(): Awaitable<readonly [Uint8Array, Uint8Array] | undefined>;
  /** Creates both slots with these bytes, atomically and durably; else `database_exists`. */
  create(bytes: Uint8Array): Awaitable<void>;
  /**
   * Replaces the slot of record `expected - 1` by record `expected + 1`, durably. Stores with a
   * compare-and-set answer `conflict` when the newest record is not `expected`.
   */
  compareAndSet(expected: number, bytes: Uint8Array): Awaitable<"ok" | "conflict">;
  compareAndSetAsync(expected: number, bytes: Uint8Array): Promise<"ok" | "conflict">;
}

/** Bytes of one root slot. */
export const rootBytes = 4096;

/** A place for one database: what an adapter implements, by the conventions above. */
export interface Storage {
  /** For messages: the folder of a file storage, `memory:` otherwise. */
  readonly name: string;
  readonly capabilities: StorageCapabilities;
  /**
   * Takes the right to read or write. Creates the place itself (the folder) only when `create` is
   * set. An exclusive claim fails with `lock_held` while any live process holds one, or when it
   * cannot be told that the holder is dead. Without `create`, `database_not_found` when there is
   * no such place.
   */
  acquire(mode: AccessMode, options: { create: boolean }): Promise<Claim>;
  /** Who holds the exclusive claim, if anybody does. Takes no lock. */
  holder(): Promise<LockHolder | undefined>;
  readonly log: LogStorage;
  readonly blobs: BlobStorage;
  readonly root: RootStorage;
  /** Bytes in use on the medium. */
  usedBytes(): Awaitable<number>;
  /**
   * Closes every handle and gives up what is unfinished: staged blobs, segments created ahead. The
   * claim is released separately, after this.
   */
  close(): Awaitable<void>;
}
