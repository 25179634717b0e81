/** How writing and reading a log ends when something stops in the middle. */
import { describe, expect, test } from "vitest";
import { CommitReader } from "../../../src/engine/log/commit.ts";
import {
  frameBytes,
  frameHeaderBytes,
  frameKind,
  frameSeed,
  sealFrame,
} from "../../../src/engine/log/frame.ts";
import type { LogPart, LogReader } from "../../../src/engine/log/reader.ts";
import { surveyRemains } from "../../../src/engine/log/remains.ts";
import { decodeSegmentHeader, segmentHeaderBytes } from "../../../src/engine/log/segment.ts";
import { SegmentSupply } from "../../../src/engine/log/segments.ts";
import { SegmentSyncs } from "../../../src/engine/log/syncs.ts";
import { LogWindow } from "../../../src/engine/log/window.ts";
import { runAsync, runSync } from "../../../src/engine/steps.ts";
import { MapLog } from "./map-log.ts";
import { tableChecksum } from "./reference-checksum.ts";
import { appendSync, payloadOf, readAll, writerOf } from "./session.ts";

const refused = (code: string): unknown => expect.objectContaining({ code });

describe("a writer whose storage answers later", () => {
  async function begun(): Promise<ReturnType<typeof writerOf>> {
    const writer = writerOf(new MapLog({ isAsync: true }));
    const info = { firstSeq: 1, lastSeq: 1, durableSeq: 0, time: 1 };
    await runAsync(writer.append(payloadOf(1, 40), info));
    return writer;
  }

  test("cannot go on after a close that was given up in the middle", async () => {
    const writer = await begun();
    expect(() => runSync(writer.close({ time: 1 }))).toThrow(refused("synchronous_unavailable"));
    await expect(writer.sync()).rejects.toThrow();
    await expect(runAsync(writer.close({ time: 1 }))).rejects.toThrow();
  });

  test("cannot go on after a new segment that was given up in the middle", async () => {
    const writer = await begun();
    expect(() => runSync(writer.rotate())).toThrow(refused("synchronous_unavailable"));
    await expect(writer.sync()).rejects.toThrow();
    await expect(runAsync(writer.rotate())).rejects.toThrow();
  });
});

describe("syncs", () => {
  test("make nothing durable once one of them has failed", async () => {
    const log = new MapLog();
    const failure = new Error("the medium is gone");
    let noted: unknown;
    const syncs = new SegmentSyncs(log, [1], {
      get isSet() {
        return noted !== undefined;
      },
      set(error) {
        noted ??= error;
        return noted;
      },
    });
    let open: () => void = () => undefined;
    log.sync = () => new Promise((resolve) => (open = resolve));
    log.syncSync = () => {
      throw failure;
    };
    const first = syncs.sync(3);
    expect(syncs.isUnderWay(1)).toBe(true);
    expect(() => syncs.syncSync(4)).toThrow(failure);
    open();
    await first;
    expect(syncs.durableSeq).toBe(0);
  });
});

describe("segments made ahead", () => {
  const sizes = { firstBytes: 8192, maxBytes: 8192 };

  test("are nobody's to remove while they are being made, or came too late", async () => {
    const log = new MapLog();
    const supply = new SegmentSupply(log, true, sizes);
    await runAsync(supply.take(100, 0));
    let open: () => void = () => undefined;
    log.aheadGate = new Promise((resolve) => (open = resolve));
    supply.prepare();
    supply.prepare();
    expect([supply.holds(1), supply.holds(2)]).toEqual([false, true]);
    // It is needed now: another one takes its place.
    expect(runSync(supply.take(100, 1)).segment).toBe(3);
    expect([supply.holds(2), supply.holds(3)]).toEqual([true, false]);
    open();
    await supply.settled();
    expect(supply.holds(2)).toBe(false);
    expect([...log.segments.keys()]).toEqual([1, 3]);
  });

  test("are waited for before they are given back", async () => {
    const log = new MapLog({ isAsync: true });
    const supply = new SegmentSupply(log, false, sizes);
    await runAsync(supply.take(100, 0));
    supply.prepare();
    await runAsync(supply.release());
    expect([...log.segments.keys()]).toEqual([1]);
  });
});

describe("what is left of a group", () => {
  test("of several frames is torn when a later frame is not there", () => {
    for (const lost of ["all of it", "a bit"]) {
      const log = new MapLog();
      const writer = writerOf(log, { firstBytes: 16_384, maxBytes: 16_384, frameBytesMax: 600 });
      appendSync(writer, payloadOf(1, 40));
      const begun = log.writes.length;
      appendSync(writer, payloadOf(2, 1500));
      const frames = log.writes.slice(begun);
      expect(frames.length).toBeGreaterThan(2);
      const last = frames.at(-1) as (typeof frames)[0];
      const bytes = log.segments.get(1) as Uint8Array;
      if (lost === "a bit") bytes[last.at + 100] ^= 1;
      else bytes.fill(0, last.at, last.at + last.bytes.length);
      const { groups, tail } = readAll(log);
      expect([lost, groups.length, tail.kind, tail.droppedBytes > 0]).toEqual([
        lost,
        1,
        "torn",
        true,
      ]);
    }
  });

  test("that its reader does not finish is no commit", () => {
    const payload = new Uint8Array(10).fill(1);
    const part: LogPart = {
      payload,
      part: 0,
      parts: 2,
      groupBytes: 500,
      firstSeq: 1,
      lastSeq: 1,
      time: 1,
      generation: 1,
    };
    const parts = [part];
    const reader = {
      // biome-ignore lint/correctness/useYield: it has what it answers
      *next() {
        return parts.shift();
      },
      position: { segment: 1, offset: 0, previousChecksum: 0, seq: 0 },
    };
    const commits = new CommitReader(reader as unknown as LogReader);
    expect(() => runSync(commits.next())).toThrow(refused("log_corrupt"));
  });
});

describe("what lies behind the last group", () => {
  /** A segment with a frame of such fields at its last bytes. */
  function survey(payloadBytes: number, spoil: (bytes: Uint8Array, at: number) => void) {
    const log = new MapLog();
    appendSync(writerOf(log, { firstBytes: 16_384, maxBytes: 16_384 }), payloadOf(1, 40));
    const bytes = log.segments.get(1) as Uint8Array;
    const { header } = decodeSegmentHeader(bytes.subarray(0, segmentHeaderBytes), tableChecksum);
    if (header === undefined) throw new Error("no header");
    const end = 8192;
    const at = end - frameHeaderBytes - 8;
    const fields = { kind: frameKind.commits, part: 0, parts: 1, generation: 1, firstSeq: 2 };
    const rest = { lastSeq: 2, durableSeq: 1, time: 1, previousChecksum: 1 };
    const scratch = new Uint8Array(frameBytes(payloadBytes));
    const seed = frameSeed(header.checksum, at);
    const view = new DataView(scratch.buffer);
    const whole = { ...fields, ...rest, payloadBytes, groupBytes: payloadBytes };
    sealFrame(scratch, view, 0, whole, tableChecksum, seed);
    bytes.set(scratch.subarray(0, end - at), at);
    spoil(bytes, at);
    const stretch = { segment: 1, from: at, end, header };
    return runSync(surveyRemains(new LogWindow(log, 4096), tableChecksum, stretch));
  }

  test("proves nothing when it begins where no header has room", () => {
    const cut = (bytes: Uint8Array, at: number): void => {
      bytes.copyWithin(8192 - 16, at, at + 16);
      bytes.fill(0, at, 8192 - 16);
    };
    expect(survey(8, cut)).toEqual({ bytes: 88, durableSeq: 0, lastSeq: 0 });
  });

  test("proves something when it is a frame that fits", () => {
    expect(survey(8, () => undefined)).toMatchObject({ durableSeq: 1, lastSeq: 2 });
  });

  test("proves nothing when it is longer than the segment, or no frame but its first bytes", () => {
    expect(survey(64, () => undefined)).toMatchObject({ durableSeq: 0, lastSeq: 0 });
    const other = (bytes: Uint8Array, at: number): void => {
      bytes[at + 12] = 0xff;
    };
    expect(survey(8, other)).toMatchObject({ durableSeq: 0, lastSeq: 0 });
    const flipped = (bytes: Uint8Array, at: number): void => {
      bytes[at + 48] ^= 1;
    };
    expect(survey(8, flipped)).toMatchObject({ durableSeq: 0, lastSeq: 0 });
  });
});
