import { CairnError } from "../../errors.ts";
import { attempt, storageFailure } from "./failure.ts";
import { type FileSystem, nodeFileSystem } from "./file-system.ts";

/** Mode of every file of a database: its user only. */
export const fileMode = 0o600;

/** One slice of an asynchronous write: short enough not to occupy a pool thread for long. */
const sliceBytes = 1 << 20;

let zeros: Uint8Array | undefined;

function zeroSlice(bytes: number): Uint8Array {
  zeros ??= new Uint8Array(sliceBytes);
  return bytes === sliceBytes ? zeros : zeros.subarray(0, bytes);
}

/**
 * An open file with positional reads and writes.
 *
 * It may be closed while an asynchronous call still runs: the descriptor is given back when that
 * call has ended, so that its number cannot meanwhile mean another file.
 */
export class OpenFile {
  /** Where it is, for messages; changes when a staged file gets its name. */
  path: string;
  /** Bytes in the file, kept by whoever writes it, so that no call asks the kernel. */
  size = 0;
  /** Set by each read and cleared by the cache that looks for a file to close. */
  used = false;
  /** -1 once closed: a late call fails instead of reaching whatever the number means by then. */
  #fd: number;
  #running = 0;
  readonly #fs: FileSystem;

  constructor(path: string, flags: string, fs: FileSystem = nodeFileSystem) {
    this.path = path;
    this.#fs = fs;
    this.#fd = attempt("open", path, () => fs.openSync(path, flags, fileMode));
  }

  /** Asks the kernel for the size, once, when the file was there before it was opened. */
  measure(): this {
    try {
      this.size = this.#fs.fstatSync(this.#fd).size;
    } catch (error) {
      // Nobody else has it yet, to close it.
      this.close();
      throw storageFailure("look at", this.path, error);
    }
    return this;
  }

  /** Writes all bytes. A short write is continued; one that gets nowhere is a failure. */
  write(at: number, bytes: Uint8Array): void {
    try {
      const length = bytes.byteLength;
      let done = this.#fs.writeSync(this.#fd, bytes, 0, length, at);
      while (done < length) {
        const more = this.#fs.writeSync(this.#fd, bytes, done, length - done, at + done);
        if (more === 0) throw new Error(`wrote ${done} of ${length} bytes`);
        done += more;
      }
    } catch (error) {
      throw storageFailure("write", this.path, error);
    }
  }

  /** Bytes read; fewer than asked only at the end of the file. */
  read(at: number, into: Uint8Array): number {
    try {
      const length = into.byteLength;
      let done = this.#fs.readSync(this.#fd, into, 0, length, at);
      if (done === 0) return 0;
      while (done < length) {
        const more = this.#fs.readSync(this.#fd, into, done, length - done, at + done);
        if (more === 0) break;
        done += more;
      }
      return done;
    } catch (error) {
      throw storageFailure("read", this.path, error);
    }
  }

  fillWithZeros(bytes: number): void {
    for (let at = 0; at < bytes; at += sliceBytes) {
      this.write(at, zeroSlice(Math.min(sliceBytes, bytes - at)));
    }
    this.size = bytes;
  }

  async fillWithZerosAsync(bytes: number): Promise<void> {
    let at = 0;
    while (at < bytes) {
      const from = at;
      const slice = zeroSlice(Math.min(sliceBytes, bytes - from));
      const written = await this.#run<number>("write", (fd, done) =>
        this.#fs.write(fd, slice, 0, slice.byteLength, from, done),
      );
      if (written === 0) throw storageFailure("write", this.path, new Error("wrote nothing"));
      at += written;
    }
    this.size = bytes;
  }

  /** Makes the bytes durable, and of the metadata what is needed to read them. */
  syncSync(): void {
    try {
      this.#fs.fdatasyncSync(this.#fd);
    } catch (error) {
      throw storageFailure("sync", this.path, error);
    }
  }

  sync(): Promise<void> {
    return this.#run<void>("sync", (fd, done) => this.#fs.fdatasync(fd, done));
  }

  /** Makes bytes and all metadata durable; for a folder, the names in it. */
  fullSyncSync(): void {
    attempt("sync", this.path, () => this.#fs.fsyncSync(this.#fd));
  }

  fullSync(): Promise<void> {
    return this.#run<void>("sync", (fd, done) => this.#fs.fsync(fd, done));
  }

  /** Closes off the caller's turn: giving back the space of a removed file takes milliseconds. */
  closeLater(): void {
    const fd = this.#fd;
    this.#fd = -1;
    // The file has no name any more, so there is nobody whom a failure could concern.
    if (fd >= 0) this.#fs.close(fd, () => undefined);
  }

  close(): void {
    const fd = this.#fd;
    this.#fd = -1;
    if (fd >= 0 && this.#running === 0) attempt("close", this.path, () => this.#fs.closeSync(fd));
  }

  #run<T>(
    operation: string,
    start: (fd: number, done: (error: Error | null, value?: T) => void) => void,
  ): Promise<T> {
    const fd = this.#fd;
    if (fd < 0) {
      const message = `Gave up to ${operation} ${this.path}: the storage was closed.`;
      return Promise.reject(new CairnError("closed", message, { details: { path: this.path } }));
    }
    return new Promise<T>((resolve, reject) => {
      start(fd, (error, value) => {
        this.#running--;
        // Nobody is left who could be told that closing failed: the bytes were synced or given up.
        if (this.#fd < 0 && this.#running === 0) this.#fs.close(fd, () => undefined);
        if (error) reject(storageFailure(operation, this.path, error));
        else resolve(value as T);
      });
      this.#running++;
    });
  }
}

/** Closes all of them, also when one fails to: the first failure is thrown at the end. */
export function closeAll(all: Iterable<{ close(): void }>): void {
  let failure: { error: unknown } | undefined;
  for (const one of all) {
    try {
      one.close();
    } catch (error) {
      failure ??= { error };
    }
  }
  if (failure !== undefined) throw failure.error;
}
