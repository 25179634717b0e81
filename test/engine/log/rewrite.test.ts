/** The end of a log that is written once more: whatever its frames look like on the second look. */
import { describe, expect, test } from "vitest";
import type { UnsureStretch } from "../../../src/engine/log/rewrite.ts";
import { rewrite } from "../../../src/engine/log/rewrite.ts";
import { decodeSegmentHeader, segmentHeaderBytes } from "../../../src/engine/log/segment.ts";
import { runSync } from "../../../src/engine/steps.ts";
import { MapLog, type Write } from "./map-log.ts";
import { tableChecksum } from "./reference-checksum.ts";
import { appendSync, payloadOf, readAll, writerOf } from "./session.ts";

/** Takes writes over what is there, as a medium does. */
class SecondLog extends MapLog {
  readonly again: Write[] = [];
  /** Changes what reads bring, from the second look on. */
  alter: ((segment: number, at: number, into: Uint8Array) => void) | undefined;

  override append(segment: number, at: number, bytes: Uint8Array): void {
    this.again.push({ segment, at, bytes: bytes.slice() });
  }

  override read(segment: number, at: number, into: Uint8Array): number {
    const count = super.read(segment, at, into) as number;
    this.alter?.(segment, at, into.subarray(0, count));
    return count;
  }
}

const segmentBytes = 64_000;

/** A log with a group of each length, and all of it as a stretch. */
function written(lengths: readonly number[]): { log: SecondLog; stretch: UnsureStretch } {
  const first = new MapLog();
  const writer = writerOf(first, {
    firstBytes: segmentBytes,
    maxBytes: segmentBytes,
    staging: new Uint8Array(1 << 20),
  });
  for (const [seq, bytes] of lengths.entries()) appendSync(writer, payloadOf(seq, bytes));
  const log = new SecondLog({}, first.segments);
  const opening = (first.segments.get(1) as Uint8Array).subarray(0, segmentHeaderBytes);
  const { header } = decodeSegmentHeader(opening, tableChecksum);
  if (header === undefined) throw new Error("no header");
  const { offset } = writer.position;
  return { log, stretch: { segment: 1, header, from: 0, to: offset } };
}

/** What was written again, put together over zeros. */
function together(log: SecondLog): Uint8Array {
  const bytes = new Uint8Array(segmentBytes);
  for (const { at, bytes: piece } of log.again) bytes.set(piece, at);
  return bytes;
}

const changed = expect.objectContaining({
  code: "log_corrupt",
  details: expect.objectContaining({ reason: "frame-changed" }),
});

describe("what is written again", () => {
  test.each([
    ["small groups", [40, 40, 40]],
    ["more than one reading brings", Array.from({ length: 90 }, () => 300)],
    ["a group that ends shortly before a reading does", Array.from({ length: 30 }, () => 328)],
    ["a group larger than one reading, first and last", [9_000, 40, 9_000]],
  ])("is the same, byte for byte: %s", (_name, lengths) => {
    const { log, stretch } = written(lengths);
    runSync(rewrite(log, tableChecksum, [stretch]));
    const whole = log.segments.get(1) as Uint8Array;
    expect(
      Buffer.compare(together(log).subarray(0, stretch.to), whole.subarray(0, stretch.to)),
    ).toBe(0);
    expect(readAll(log).groups.length).toBe(lengths.length);
  });

  test("is not the header when only later frames are unsure", () => {
    const { log, stretch } = written([40, 40, 40]);
    const second = segmentHeaderBytes + Math.round((stretch.to - segmentHeaderBytes) / 3);
    runSync(rewrite(log, tableChecksum, [{ ...stretch, from: second }]));
    expect(log.again.map(({ at }) => at)).toEqual([second]);
  });

  test("is nothing of a frame that is not intact any more", () => {
    const { log, stretch } = written([40, 700]);
    const frames: number[] = [];
    runSync(rewrite(log, tableChecksum, [stretch]));
    const end = log.again.at(-1)?.at ?? 0;
    expect(end).toBeGreaterThan(0);
    // Each byte of the first frame in turn: its magic, its length, its header, its payload.
    for (let flipAt = segmentHeaderBytes; flipAt < segmentHeaderBytes + 96; flipAt++) {
      log.again.length = 0;
      log.alter = (_segment, at, into) => {
        if (at <= flipAt && flipAt < at + into.length) into[flipAt - at] ^= 0x80;
      };
      expect(() => runSync(rewrite(log, tableChecksum, [stretch])), `byte ${flipAt}`).toThrow(
        changed,
      );
      frames.push(log.again.filter(({ at }) => at >= segmentHeaderBytes).length);
    }
    expect(new Set(frames)).toEqual(new Set([0]));
  });

  test("is all up to a later frame that is not intact any more", () => {
    const { log, stretch } = written([40, 40, 40]);
    const third = stretch.to - (stretch.to - segmentHeaderBytes) / 3;
    log.alter = (_segment, at, into) => {
      const place = third + 70;
      if (at <= place && place < at + into.length) into[place - at] ^= 1;
    };
    expect(() => runSync(rewrite(log, tableChecksum, [stretch]))).toThrow(changed);
    expect(log.again.filter(({ at }) => at >= segmentHeaderBytes)).toHaveLength(1);
  });
});
