/**
 * Commits, as they lie in the payload of a group, one after the other without padding.
 *
 *     0    u64   seq
 *     8    u64   time, Unix milliseconds
 *     16   u16   flags, 0; room for further fields behind the header
 *     18   u16   idempotency bytes, 0 when there is no such record
 *     20   u32   effects bytes
 *     24   idempotency record, then effects (see `effect.ts`)
 *
 * A commit never spans groups, but it may span the parts of a large one.
 */
import type { CairnError } from "../../errors.ts";
import type { Steps } from "../steps.ts";
import { logCorrupt } from "./corrupt.ts";
import type { LogPart, LogReader } from "./reader.ts";
import { isU64, readU64, writeU64 } from "./u64.ts";

export const commitHeaderBytes = 24;

export interface CommitHeader {
  readonly seq: number;
  /** Unix milliseconds. */
  readonly time: number;
  readonly idempotencyBytes: number;
  readonly effectsBytes: number;
}

/** A commit read back. Its bytes are views that are valid until the next one is asked for. */
export interface Commit {
  readonly seq: number;
  /** Unix milliseconds. */
  readonly time: number;
  /** Empty when there is no such record. */
  readonly idempotency: Uint8Array;
  readonly effects: Uint8Array;
  /** Of the open that wrote it. */
  readonly generation: number;
}

/** Writes the header at `at`. The idempotency record and the effects follow it. */
export function writeCommitHeader(view: DataView, at: number, header: CommitHeader): void {
  writeU64(view, at, header.seq);
  writeU64(view, at + 8, header.time);
  view.setUint16(at + 16, 0, true);
  view.setUint16(at + 18, header.idempotencyBytes, true);
  view.setUint32(at + 20, header.effectsBytes, true);
}

/** Reads the log commit by commit. Only a commit that spans parts is copied. */
export class CommitReader {
  readonly #reader: LogReader;
  /** The part that is being read; undefined before the first and after the last. */
  #part: LogPart | undefined;
  #view: DataView = new DataView(new ArrayBuffer(0));
  /** Within the payload of the part. */
  #at = 0;
  /** Payload bytes of the group before the part. */
  #before = 0;
  /** Next commit of the group. */
  #seq = 0;

  constructor(reader: LogReader) {
    this.#reader = reader;
  }

  /** The next commit in order, undefined at the end of the log. Throws as `LogReader.next` does. */
  *next(): Steps<Commit | undefined> {
    let part = this.#part;
    if (part === undefined || this.#isGroupRead(part)) {
      part = yield* this.#nextPart();
      if (part === undefined) return undefined;
      this.#seq = part.firstSeq;
      this.#before = 0;
    }
    const at = this.#at;
    if (at + commitHeaderBytes <= part.payload.length) {
      const bytes = this.#commitBytes(part, this.#view, at);
      if (at + bytes <= part.payload.length) {
        this.#at += bytes;
        return this.#commit(part, part.payload.subarray(at, at + bytes));
      }
    }
    return yield* this.#gather(part);
  }

  /** Puts together a commit that goes on in the next part. */
  *#gather(part: LogPart): Steps<Commit> {
    const header = new Uint8Array(commitHeaderBytes);
    this.#requireRoom(part, commitHeaderBytes);
    yield* this.#fill(header, 0);
    const count = this.#commitBytes(part, new DataView(header.buffer), 0);
    this.#requireRoom(part, count - commitHeaderBytes);
    const bytes = new Uint8Array(count);
    bytes.set(header);
    yield* this.#fill(bytes, commitHeaderBytes);
    return this.#commit(part, bytes);
  }

  /** Copies what follows in the group to `into`, from `filled` on. The group has enough of it. */
  *#fill(into: Uint8Array, filled: number): Steps<void> {
    let to = filled;
    while (to < into.length) {
      if (this.#part === undefined) return;
      const piece = this.#part.payload.subarray(this.#at, this.#at + into.length - to);
      into.set(piece, to);
      this.#at += piece.length;
      to += piece.length;
      if (to < into.length) {
        this.#before += this.#part.payload.length;
        yield* this.#nextPart();
      }
    }
  }

  *#nextPart(): Steps<LogPart | undefined> {
    const part = yield* this.#reader.next();
    this.#part = part;
    this.#at = 0;
    if (part !== undefined) {
      const { buffer, byteOffset, length } = part.payload;
      this.#view = new DataView(buffer, byteOffset, length);
    }
    return part;
  }

  #isGroupRead(part: LogPart): boolean {
    if (this.#before + this.#at < part.groupBytes) return false;
    if (this.#seq === part.lastSeq + 1) return true;
    throw this.#malformed(`the group ends after commit ${this.#seq - 1}, not ${part.lastSeq}`);
  }

  /** Bytes of the commit whose header lies at `at` of `view`. */
  #commitBytes(part: LogPart, view: DataView, at: number): number {
    const seq = readU64(view, at);
    if (seq !== this.#seq || seq > part.lastSeq) {
      throw this.#malformed(`commit ${seq} was found, up to ${part.lastSeq} are expected`);
    }
    if (view.getUint16(at + 16, true) !== 0 || !isU64(readU64(view, at + 8))) {
      throw this.#malformed("the header of the commit is not one that can be written");
    }
    return commitHeaderBytes + view.getUint16(at + 18, true) + view.getUint32(at + 20, true);
  }

  #requireRoom(part: LogPart, bytes: number): void {
    if (this.#before + this.#at + bytes <= part.groupBytes) return;
    throw this.#malformed("the commit is longer than its group");
  }

  #commit(part: LogPart, bytes: Uint8Array): Commit {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const effectsAt = commitHeaderBytes + view.getUint16(18, true);
    this.#seq++;
    return {
      seq: this.#seq - 1,
      time: readU64(view, 8),
      idempotency: bytes.subarray(commitHeaderBytes, effectsAt),
      effects: bytes.subarray(effectsAt),
      generation: part.generation,
    };
  }

  #malformed(found: string): CairnError {
    const { segment, offset } = this.#reader.position;
    return logCorrupt("payload-malformed", { segment, offset, seq: this.#seq }, found);
  }
}
