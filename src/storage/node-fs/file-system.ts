/**
 * The calls that the files of a database are made of, as `node:fs` has them.
 *
 * Everything but the lock goes through an object of this form, so that a test can put a file system
 * of its own under the adapter and let any call fail, be torn, or be lost by a crash.
 */
import {
  close,
  closeSync,
  existsSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  write,
  writeSync,
} from "node:fs";

type Done<T> = (error: Error | null, value?: T) => void;

export interface FileSystem {
  openSync(path: string, flags: string, mode: number): number;
  closeSync(fd: number): void;
  close(fd: number, done: Done<void>): void;
  readSync(fd: number, into: Uint8Array, offset: number, length: number, at: number): number;
  writeSync(fd: number, bytes: Uint8Array, offset: number, length: number, at: number): number;
  write(
    fd: number,
    bytes: Uint8Array,
    offset: number,
    length: number,
    at: number,
    done: Done<number>,
  ): void;
  fsyncSync(fd: number): void;
  fsync(fd: number, done: Done<void>): void;
  fdatasyncSync(fd: number): void;
  fdatasync(fd: number, done: Done<void>): void;
  fstatSync(fd: number): { readonly size: number };
  statSync(path: string): { readonly size: number; isDirectory(): boolean };
  existsSync(path: string): boolean;
  /** The first folder that had to be made, if any. */
  mkdirSync(path: string, options: { recursive: true; mode: number }): string | undefined;
  readdirSync(path: string): string[];
  renameSync(from: string, to: string): void;
  linkSync(from: string, to: string): void;
  unlinkSync(path: string): void;
}

/** The one of the operating system. */
export const nodeFileSystem: FileSystem = {
  openSync,
  closeSync,
  close,
  readSync,
  writeSync,
  write,
  fsyncSync,
  fsync,
  fdatasyncSync,
  fdatasync,
  fstatSync,
  statSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  linkSync,
  unlinkSync,
};
