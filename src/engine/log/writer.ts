/**
 * Writes commit groups to the log, for one writing open.
 *
 * The first append syncs what recovery read (it may have come from a cache that the device has not
 * seen), begins a new segment that pins the accepted end, and writes the frame. Later appends are
 * one compose, one checksum and one write. A segment that is full is left without a sync; the
 * header of the next one says up to which commit the log was durable then, so that a crash which
 * loses the end of the one and keeps the other is told from a loss of acknowledged commits.
 *
 * A failed append or sync leaves bytes of unknown fate: the writer is then poisoned, and only
 * recovery by another open decides. Nothing is retried.
 */
import { CairnError } from "../../errors.ts";
import type { Awaitable, LogStorage, StorageCapabilities } from "../../storage/port.ts";
import type { Checksum } from "../checksum.ts";
import { type Steps, wait } from "../steps.ts";
import { frameBytes, frameHeaderBytes, frameKind, frameSeed, sealFrame } from "./frame.ts";
import type { LogPosition } from "./position.ts";
import { encodeSegmentHeader, segmentHeaderBytes } from "./segment.ts";
import { SegmentSupply } from "./segments.ts";
import { type Poison, SegmentSyncs } from "./syncs.ts";
import { isU64 } from "./u64.ts";

export interface LogWriterOptions {
  /** Bytes of the first segment; 256 KiB. Each next one has twice as many. */
  readonly firstBytes?: number;
  /** Bytes of a segment at most; 16 MiB. Exceeded only by a frame that needs more. */
  readonly maxBytes?: number;
  /** Bytes of a frame at most, header included; 1 MiB. Larger groups are written in parts. */
  readonly frameBytesMax?: number;
}

export interface LogWriterSetup {
  readonly storage: { readonly log: LogStorage; readonly capabilities: StorageCapabilities };
  readonly checksum: Checksum;
  /** 16 bytes, as in the root. */
  readonly databaseId: Uint8Array;
  /** Of the claim of this open. */
  readonly generation: number;
  /** An unsigned 32-bit random number: the salt of a segment. */
  readonly random32: () => number;
  /**
   * Where frames are composed: at least 64 KiB, asked for at each frame because it may move. A
   * payload that already lies {@link frameHeaderBytes} after its start is not copied.
   */
  readonly staging: () => Uint8Array;
  /** What recovery found: `end` and `segments` of the reader's tail. */
  readonly recovered: { readonly end: LogPosition; readonly segments: readonly number[] };
  /** Called before each segment is begun: throws when the claim is lost. */
  readonly check?: () => Awaitable<void>;
  readonly options?: LogWriterOptions;
}

export interface GroupInfo {
  /** The commit after the last one appended. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Highest commit known durable; a lower number than is true does no harm. */
  readonly durableSeq: number;
  /** Unix milliseconds. */
  readonly time: number;
}

const markBytes = 2 * frameBytes(0);

export class LogWriter {
  /** Bytes of frames appended by this writer, headers and padding included. */
  appendedBytes = 0;
  readonly #setup: LogWriterSetup;
  readonly #log: LogStorage;
  readonly #isSync: boolean;
  readonly #supply: SegmentSupply;
  readonly #frameBytesMax: number;
  // The position, in parts: it changes with every frame.
  #segment: number;
  #offset: number;
  #previousChecksum: number;
  #seq: number;
  /** Of the frame composed last. */
  #nextChecksum = 0;
  // The segment that is being written; all zero before the first.
  #headerChecksum = 0;
  /** Frames end here at the latest: room for the mark of a clean close remains. */
  #usableBytes = 0;
  /** From here on the next segment is prepared. */
  #halfBytes = 0;
  #view: DataView = new DataView(new ArrayBuffer(0));
  #isBusy = false;
  #isClosed = false;
  readonly #poison = new FirstFailure();
  readonly #syncs: SegmentSyncs;

  constructor(setup: LogWriterSetup) {
    const { storage, recovered, options = {} } = setup;
    this.#setup = setup;
    this.#log = storage.log;
    this.#isSync = storage.capabilities.sync;
    const { writeBytes } = storage.capabilities.limits;
    this.#frameBytesMax = Math.min(options.frameBytesMax ?? 1 << 20, writeBytes);
    this.#supply = new SegmentSupply(this.#log, this.#isSync, {
      firstBytes: options.firstBytes ?? 256 << 10,
      maxBytes: options.maxBytes ?? 16 << 20,
    });
    this.#segment = recovered.end.segment;
    this.#offset = recovered.end.offset;
    this.#previousChecksum = recovered.end.previousChecksum;
    this.#seq = recovered.end.seq;
    this.#syncs = new SegmentSyncs(this.#log, recovered.segments, this.#poison);
  }

  /** The boundary after the last group: stored in the root at a checkpoint. */
  get position(): LogPosition {
    return {
      segment: this.#segment,
      offset: this.#offset,
      previousChecksum: this.#previousChecksum,
      seq: this.#seq,
    };
  }

  /** Highest commit whose sync by this writer has returned; 0 for none. */
  get durableSeq(): number {
    return this.#syncs.durableSeq;
  }

  /** True after a failed append or sync: every call then throws `poisoned`. */
  get isPoisoned(): boolean {
    return this.#poison.isSet;
  }

  /**
   * Appends one group. Where the storage answers at once this does not yield. One append at a time.
   * The payload must not overlap the staging area except at the one place where it is not copied.
   */
  *append(payload: Uint8Array, info: GroupInfo): Steps<void> {
    this.#requireUsable("append a commit group");
    this.#requireNext(info);
    this.#isBusy = true;
    let isDone = false;
    try {
      const room = this.#payloadRoom();
      const parts = Math.max(1, Math.ceil(payload.length / room));
      const groupBytes = payload.length;
      for (let part = 0; part < parts; part++) {
        const piece = parts === 1 ? payload : payload.subarray(part * room, (part + 1) * room);
        const bytes = frameBytes(piece.length);
        if (this.#offset + bytes > this.#usableBytes) {
          yield* this.#begin(bytes, info.durableSeq);
        }
        const frame = this.#compose(piece, info, part, parts, groupBytes);
        const written = this.#log.append(this.#segment, this.#offset, frame);
        if (written instanceof Promise) yield written;
        this.#advance(bytes);
      }
      this.#seq = info.lastSeq;
      isDone = true;
    } catch (error) {
      throw this.#poison.set(error);
    } finally {
      this.#isBusy = false;
      // Abandoned half-way: what was under way may still reach the medium.
      if (!isDone) this.#poison.set(abandoned());
    }
  }

  /**
   * Makes everything appended before the call durable, the segments in order. Failing poisons the
   * writer.
   */
  sync(): Promise<void> {
    try {
      this.#requireHealthy("sync the log");
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#syncs.sync(this.#seq);
  }

  /** The same in this turn, only where the storage answers at once. */
  syncSync(): void {
    this.#requireHealthy("sync the log");
    this.#syncs.syncSync(this.#seq);
  }

  /**
   * Syncs, marks the log as cleanly closed, syncs again, and removes the segment made ahead. Does
   * not mark it when this writer has written nothing.
   */
  *close(info: { readonly time: number }): Steps<void> {
    if (this.#isClosed) return;
    this.#requireUsable("close the log");
    this.#isBusy = true;
    let isDone = false;
    try {
      if (this.#usableBytes > 0) {
        yield* this.#syncSteps();
        const marks = this.#composeMarks(info.time);
        yield* wait(this.#log.append(this.#segment, this.#offset, marks));
        this.#syncs.mark(this.#segment);
        yield* this.#syncSteps();
      }
      this.#isClosed = true;
      yield* this.#supply.release();
      isDone = true;
    } catch (error) {
      throw this.#poison.set(error);
    } finally {
      this.#isBusy = false;
      if (!isDone) this.#poison.set(abandoned());
    }
  }

  /** Settles when nothing goes on in the background any more; before the storage is closed. */
  async settled(): Promise<void> {
    await this.#supply.settled();
    await this.#syncs.settled();
  }

  /**
   * Goes on in a new segment, so that all that was appended before can be trimmed once a checkpoint
   * holds it.
   */
  *rotate(): Steps<void> {
    this.#requireUsable("begin a segment of the log");
    if (this.#segment === 0) return;
    this.#isBusy = true;
    let isDone = false;
    try {
      yield* this.#begin(frameBytes(0), this.durableSeq);
      isDone = true;
    } catch (error) {
      throw this.#poison.set(error);
    } finally {
      this.#isBusy = false;
      if (!isDone) this.#poison.set(abandoned());
    }
  }

  /**
   * Removes the segments that lie wholly before `below`, also those that were never part of the
   * log. A failure poisons nothing: they are tried again the next time.
   */
  *trim(below: LogPosition): Steps<void> {
    this.#requireHealthy("trim the log");
    const isDoomed = (segment: number): boolean =>
      segment < below.segment &&
      segment < this.#segment &&
      !this.#syncs.isUnderWay(segment) &&
      !this.#supply.holds(segment);
    const doomed = (yield* wait(this.#log.list())).filter(isDoomed);
    if (doomed.length === 0) return;
    this.#syncs.forget(doomed);
    yield* wait(this.#log.remove(doomed));
  }

  /** Begins the next segment, with room for a frame of `bytes`. */
  *#begin(bytes: number, durableSeq: number): Steps<void> {
    const { check, checksum, databaseId, generation, random32 } = this.#setup;
    if (check !== undefined) yield* wait(check());
    // The first pin of an open cuts off for ever: what lies before it must not get lost any more.
    if (this.#usableBytes === 0) yield* this.#syncSteps();
    const bytesMin = segmentHeaderBytes + bytes + markBytes;
    const { segment, capacityBytes } = yield* this.#supply.take(bytesMin, this.#segment);
    const header = encodeSegmentHeader(
      {
        salt: random32() >>> 0,
        databaseId,
        generation,
        segment,
        capacityBytes,
        durableSeq: Math.max(durableSeq, this.#syncs.durableSeq),
        pin: this.position,
      },
      checksum,
    );
    yield* wait(this.#log.append(segment, 0, header.bytes));
    this.#headerChecksum = header.checksum;
    this.#usableBytes = capacityBytes - markBytes;
    this.#halfBytes = capacityBytes / 2;
    this.#segment = segment;
    this.#offset = segmentHeaderBytes;
    this.#previousChecksum = header.checksum;
    this.#syncs.mark(this.#segment);
  }

  /** Payload bytes of a frame at most. */
  #payloadRoom(): number {
    const bytes = Math.min(this.#frameBytesMax, this.#setup.staging().length);
    const room = Math.floor(bytes / 8) * 8 - frameHeaderBytes;
    if (room > 0) return room;
    throw new CairnError(
      "invariant_broken",
      `Appending to the log: a frame has ${bytes} bytes at most, over ${frameHeaderBytes} needed.`,
    );
  }

  /** The frame of one part, in the staging area. */
  #compose(
    piece: Uint8Array,
    info: GroupInfo,
    part: number,
    parts: number,
    groupBytes: number,
  ): Uint8Array {
    const staging = this.#setup.staging();
    if (this.#view.buffer !== staging.buffer || this.#view.byteOffset !== staging.byteOffset) {
      this.#view = new DataView(staging.buffer, staging.byteOffset, staging.length);
    }
    const isInPlace =
      piece.buffer === staging.buffer && piece.byteOffset === staging.byteOffset + frameHeaderBytes;
    if (!isInPlace) staging.set(piece, frameHeaderBytes);
    this.#nextChecksum = sealFrame(
      staging,
      this.#view,
      0,
      {
        kind: frameKind.commits,
        payloadBytes: piece.length,
        part,
        parts,
        generation: this.#setup.generation,
        firstSeq: info.firstSeq,
        lastSeq: info.lastSeq,
        durableSeq: Math.max(info.durableSeq, this.#syncs.durableSeq),
        time: info.time,
        previousChecksum: this.#previousChecksum,
        groupBytes,
      },
      this.#setup.checksum,
      frameSeed(this.#headerChecksum, this.#offset),
    );
    return staging.subarray(0, frameBytes(piece.length));
  }

  /** Both copies of the mark of a clean close, for the current offset. */
  #composeMarks(time: number): Uint8Array {
    const bytes = new Uint8Array(markBytes);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < markBytes; at += frameBytes(0)) {
      const fields = {
        kind: frameKind.cleanClose,
        payloadBytes: 0,
        part: 0,
        parts: 1,
        generation: this.#setup.generation,
        firstSeq: this.#seq,
        lastSeq: this.#seq,
        durableSeq: this.#seq,
        time,
        previousChecksum: this.#previousChecksum,
        groupBytes: 0,
      };
      const seed = frameSeed(this.#headerChecksum, this.#offset + at);
      sealFrame(bytes, view, at, fields, this.#setup.checksum, seed);
    }
    return bytes;
  }

  /** The frame composed last has been written. */
  #advance(bytes: number): void {
    this.#offset += bytes;
    this.#previousChecksum = this.#nextChecksum;
    this.appendedBytes += bytes;
    this.#syncs.mark(this.#segment);
    if (this.#offset > this.#halfBytes) this.#supply.prepare();
  }

  *#syncSteps(): Steps<void> {
    if (this.#isSync) this.syncSync();
    else yield* wait(this.sync());
  }

  #requireNext({ firstSeq, lastSeq, durableSeq, time }: GroupInfo): void {
    const isNext =
      firstSeq === this.#seq + 1 &&
      lastSeq >= firstSeq &&
      durableSeq < firstSeq &&
      isU64(lastSeq) &&
      isU64(durableSeq) &&
      isU64(time);
    if (isNext) return;
    throw new CairnError(
      "invariant_broken",
      `Appending commits ${firstSeq} to ${lastSeq} (durable ${durableSeq}, time ${time}) to the ` +
        `log: the next one is ${this.#seq + 1}. Nothing was written.`,
    );
  }

  #requireUsable(what: string): void {
    this.#requireHealthy(what);
    if (!this.#isBusy) return;
    throw new CairnError(
      "invariant_broken",
      `Could not ${what}: another append or the close is still under way.`,
    );
  }

  #requireHealthy(what: string): void {
    if (this.#poison.isSet) {
      throw new CairnError(
        "poisoned",
        `Could not ${what}: an earlier write or sync of this log failed, and what it left behind ` +
          "is unknown. Close the database and open it again; recovery decides.",
        { cause: this.#poison.cause },
      );
    }
    if (!this.#isClosed) return;
    throw new CairnError("closed", `Could not ${what}: the log is closed.`);
  }
}

class FirstFailure implements Poison {
  isSet = false;
  cause: unknown;

  set(error: unknown): unknown {
    if (!this.isSet) this.cause = error;
    this.isSet = true;
    return error;
  }
}

function abandoned(): CairnError {
  return new CairnError(
    "synchronous_unavailable",
    "Writing the log was given up half-way, because the storage did not answer in one turn.",
  );
}
