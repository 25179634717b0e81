/** Offsets beyond 2 and 4 GiB, on a log that keeps only what is not zero. */
import { expect, test } from "vitest";
import { logStart } from "../../../src/engine/log/position.ts";
import { LogReader } from "../../../src/engine/log/reader.ts";
import { LogWriter } from "../../../src/engine/log/writer.ts";
import { runSync } from "../../../src/engine/steps.ts";
import type { LogStorage, StorageCapabilities } from "../../../src/storage/port.ts";
import { databaseId } from "./session.ts";

const mebibyte = 1 << 20;
const capacity = 5 * 1024 * mebibyte;
/** Of each write only its beginning is not zero. */
const keptBytes = 8192;

class SparseLog implements LogStorage {
  readonly sizes = new Map<number, number>();
  readonly pieces: { segment: number; at: number; bytes: Uint8Array }[] = [];

  list(): number[] {
    return [...this.sizes.keys()];
  }
  create(segment: number, bytes: number): void {
    this.sizes.set(segment, bytes);
  }
  async createAhead(segment: number, bytes: number): Promise<void> {
    this.sizes.set(segment, bytes);
  }
  size(segment: number): number {
    return this.sizes.get(segment) ?? 0;
  }
  append(segment: number, at: number, bytes: Uint8Array): void {
    this.pieces.push({ segment, at, bytes: bytes.slice(0, keptBytes) });
  }
  async sync(): Promise<void> {}
  syncSync(): void {}
  read(segment: number, at: number, into: Uint8Array): number {
    const count = Math.max(0, Math.min(into.length, this.size(segment) - at));
    into.fill(0, 0, count);
    for (const piece of this.pieces) {
      const from = Math.max(piece.at, at);
      const to = Math.min(piece.at + piece.bytes.length, at + count);
      if (piece.segment !== segment || from >= to) continue;
      into.set(piece.bytes.subarray(from - piece.at, to - piece.at), from - at);
    }
    return count;
  }
  remove(segments: readonly number[]): void {
    for (const segment of segments) this.sizes.delete(segment);
  }
}

/** Tells lengths and first bytes apart: the payloads are zeros behind those. */
function checksum(bytes: Uint8Array, seed: number): number {
  let sum = (seed ^ Math.imul(bytes.length, 0x9e37_79b1)) >>> 0;
  const most = Math.min(bytes.length, 128);
  for (let at = 0; at < most; at++) sum = (Math.imul(sum, 31) + (bytes[at] as number)) >>> 0;
  return sum;
}

const capabilities: StorageCapabilities = {
  sync: true,
  durable: "none",
  staging: false,
  shared: false,
  limits: { writeBytes: 1 << 30, blobBytes: 1 << 30 },
};

test("a segment of 5 GiB is written and read to its end", () => {
  const log = new SparseLog();
  const payload = new Uint8Array(96 * mebibyte);
  const staging = new Uint8Array(payload.length + mebibyte);
  const writer = new LogWriter({
    storage: { log, capabilities },
    checksum,
    databaseId,
    generation: 1,
    random32: () => 7,
    staging: () => staging,
    recovered: { end: logStart, segments: [] },
    check: undefined,
    options: { firstBytes: capacity, maxBytes: capacity, frameBytesMax: staging.length },
  });
  const groups = 45;
  const offsets: number[] = [];
  for (let seq = 1; seq <= groups; seq++) {
    payload[0] = seq;
    runSync(
      writer.append(payload, { firstSeq: seq, lastSeq: seq, durableSeq: seq - 1, time: seq }),
    );
    offsets.push(writer.position.offset);
  }
  for (const edge of [2 ** 31, 2 ** 32]) {
    expect(offsets.some((offset, at) => at > 0 && offsets[at - 1] < edge && offset > edge)).toBe(
      true,
    );
  }
  runSync(writer.close({ time: 99 }));
  const reader = new LogReader({ log, checksum, databaseId, from: logStart });
  for (let seq = 1; seq <= groups; seq++) {
    const part = runSync(reader.next());
    expect([part?.firstSeq, part?.payload.length, part?.payload[0]]).toEqual([
      seq,
      payload.length,
      seq,
    ]);
  }
  expect(runSync(reader.next())).toBeUndefined();
  expect(reader.tail).toMatchObject({ kind: "clean", end: { offset: offsets.at(-1) } });
});
