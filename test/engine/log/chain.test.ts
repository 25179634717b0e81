/** Segments that are missing, exchanged, foreign, newer or beside the log. */
import { describe, expect, test } from "vitest";
import { type LogPosition, logStart } from "../../../src/engine/log/position.ts";
import { LogReader } from "../../../src/engine/log/reader.ts";
import { segmentHeaderBytes } from "../../../src/engine/log/segment.ts";
import { runSync } from "../../../src/engine/steps.ts";
import { CairnError } from "../../../src/errors.ts";
import { MapLog } from "./map-log.ts";
import { tableChecksum } from "./reference-checksum.ts";
import {
  appendSync,
  databaseId,
  payloadOf,
  readAll,
  type WriterOptions,
  writerOf,
} from "./session.ts";

const segmentBytes = segmentHeaderBytes + 720;
const sizes = { firstBytes: segmentBytes, maxBytes: segmentBytes };

interface Sample {
  readonly log: MapLog;
  /** After each group. */
  readonly positions: LogPosition[];
}

/** Synced groups of 100 bytes each, three to a segment. */
async function write(
  groups: number,
  options: WriterOptions = {},
  log: MapLog = new MapLog(),
): Promise<Sample> {
  const writer = writerOf(log, { ...sizes, ...options });
  const positions: LogPosition[] = [];
  for (let i = 0; i < groups; i++) {
    appendSync(writer, payloadOf(i, 100));
    writer.syncSync();
    positions.push(writer.position);
    // The next segment is ready when it is needed, so that numbers have no gaps.
    await writer.settled();
  }
  return { log, positions };
}

function refusal(log: MapLog, from?: LogPosition): { code: string; reason: unknown } {
  try {
    readAll(log, { from });
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
    return { code: error.code, reason: error.details.reason };
  }
  throw new Error("the log was read");
}

function placeOf(log: MapLog): unknown {
  try {
    readAll(log);
  } catch (error) {
    if (error instanceof CairnError) return error.details.offset;
  }
  return undefined;
}

function edit(log: MapLog, segment: number, change: (bytes: Uint8Array) => void): void {
  const bytes = log.segments.get(segment);
  if (bytes === undefined) throw new Error(`segment ${segment} does not exist`);
  change(bytes);
}

/** Changes a field of both copies of a header, and makes their checksums right again. */
function editHeader(log: MapLog, segment: number, change: (view: DataView) => void): void {
  edit(log, segment, (bytes) => {
    for (const at of [0, 4096]) {
      const view = new DataView(bytes.buffer, at, 512);
      change(view);
      view.setUint32(4, tableChecksum(bytes.subarray(at + 8, at + 512), 0), true);
    }
  });
}

describe("the log is refused", () => {
  test("when a segment in the middle is missing", async () => {
    const { log, positions } = await write(9);
    log.segments.delete(2);
    expect(refusal(log)).toEqual({ code: "log_corrupt", reason: "segment-missing" });
    expect(refusal(log, positions[1])).toEqual({ code: "log_corrupt", reason: "segment-missing" });
  });

  test("when the segment of the root is missing", async () => {
    const { log, positions } = await write(9);
    for (const segment of [1, 2, 3]) log.segments.delete(segment);
    expect(refusal(log, positions[1])).toEqual({ code: "log_corrupt", reason: "segment-missing" });
  });

  test("when both copies of the header of the root's segment are damaged", async () => {
    const { log, positions } = await write(9);
    edit(log, 1, (bytes) => {
      bytes[20] ^= 1;
      bytes[4096 + 20] ^= 1;
    });
    const expected = { code: "log_corrupt", reason: "segment-header-damaged" };
    expect(refusal(log, positions[1])).toEqual(expected);
  });

  test("when both copies of the header of a synced segment in the middle are damaged", async () => {
    const { log } = await write(9);
    edit(log, 2, (bytes) => bytes.fill(0, 0, segmentHeaderBytes));
    expect(refusal(log)).toEqual({ code: "log_corrupt", reason: "frame-damaged" });
  });

  test("when a segment belongs to another database", async () => {
    const { log } = await write(6);
    const other = (await write(6, { databaseId: new Uint8Array(16) })).log;
    log.segments.set(2, other.segments.get(2) as Uint8Array);
    expect(refusal(log)).toEqual({ code: "log_corrupt", reason: "foreign-database" });
  });

  test("when two segments have changed places", async () => {
    const { log } = await write(9);
    const [second, third] = [2, 3].map((segment) => log.segments.get(segment) as Uint8Array);
    log.segments.set(2, third).set(3, second);
    expect(refusal(log)).toEqual({ code: "log_corrupt", reason: "segment-misplaced" });
  });

  test("when a segment comes from a copy of the database that has lived on by itself", async () => {
    const { log } = await write(3);
    const fork = log.copy();
    const options = { generation: 2, salt: 50, recovered: readAll(log).tail };
    const first = (await write(7, options, log)).log;
    await write(7, { ...options, salt: 60 }, fork);
    first.segments.set(3, fork.segments.get(3) as Uint8Array);
    expect(refusal(first)).toEqual({ code: "log_corrupt", reason: "pin-mismatch" });
  });

  test("when a frame was written at another place of the same segment", async () => {
    const { log } = await write(3);
    edit(log, 1, (bytes) =>
      bytes.copyWithin(segmentHeaderBytes, segmentHeaderBytes + 184, segmentHeaderBytes + 368),
    );
    expect(refusal(log)).toEqual({ code: "log_corrupt", reason: "frame-damaged" });
  });

  test("when the generation goes backwards", async () => {
    const { log } = await write(3, { generation: 5 });
    await write(1, { generation: 4, recovered: readAll(log).tail }, log);
    expect(refusal(log)).toEqual({ code: "log_corrupt", reason: "generation-backwards" });
  });

  test("when a segment continues before the root", async () => {
    const { log, positions } = await write(2);
    await write(1, { generation: 2, recovered: { end: positions[0], segments: [1] } }, log);
    const expected = { code: "log_corrupt", reason: "pin-mismatch" };
    expect(refusal(log, positions[1])).toEqual(expected);
  });

  test("when a segment follows one from before the root", async () => {
    const { log, positions } = await write(6);
    await write(1, { generation: 2, recovered: { end: positions[0], segments: [1] } }, log);
    const expected = { code: "log_corrupt", reason: "pin-mismatch" };
    expect(refusal(log, positions[5])).toEqual(expected);
  });

  test("when a segment continues where no frame ends", async () => {
    const { log, positions } = await write(2);
    const end = { ...positions[1], offset: positions[1].offset - 8 };
    await write(1, { generation: 2, recovered: { end, segments: [1] } }, log);
    expect(refusal(log)).toEqual({ code: "log_corrupt", reason: "frame-damaged" });
  });

  test("when the root continues after another frame than the one that is there", async () => {
    const { log, positions } = await write(4);
    const { code, reason } = refusal(log, { ...positions[0], previousChecksum: 7 });
    expect({ code, reason }).toEqual({ code: "log_corrupt", reason: "frame-out-of-order" });
    expect(refusal(log, { ...positions[0], seq: 3 }).reason).toBe("frame-out-of-order");
    expect(refusal(log, { ...positions[2], previousChecksum: 7 }).reason).toBe("pin-mismatch");
  });

  test("when the root points outside its segment", async () => {
    const { log, positions } = await write(1);
    const expected = { code: "log_corrupt", reason: "pin-mismatch" };
    expect(refusal(log, { ...positions[0], offset: segmentBytes + 8 })).toEqual(expected);
    expect(refusal(log, { ...positions[0], offset: 8 })).toEqual(expected);
  });

  test("when it is of a format not read, but not when the version is merely damaged", async () => {
    const { log } = await write(4);
    editHeader(log, 2, (view) => view.setUint16(8, 2, true));
    expect(refusal(log).code).toBe("format_newer");
    editHeader(log, 2, (view) => view.setUint16(8, 0, true));
    expect(refusal(log).code).toBe("format_older");
    const damaged = (await write(4)).log;
    edit(damaged, 2, (bytes) => {
      bytes[8] = 2;
    });
    expect(readAll(damaged).groups.length).toBe(4);
  });
});

test("a log that lacks a commit known as durable elsewhere is refused, closed or not", async () => {
  const { log } = await write(2);
  const reason = (durableSeq: number): string => {
    try {
      return readAll(log, { durableSeq }).tail.kind;
    } catch (error) {
      return error instanceof CairnError ? `${error.details.reason}` : "";
    }
  };
  expect([reason(2), reason(3)]).toEqual(["unclosed", "frame-damaged"]);
  const writer = writerOf(log, { ...sizes, recovered: readAll(log).tail, generation: 2 });
  appendSync(writer, payloadOf(3, 10));
  runSync(writer.close({ time: 1 }));
  expect([reason(3), reason(4)]).toEqual(["clean", "frame-damaged"]);
});

test("an intact header is refused when what it leaves unused is not zero", async () => {
  for (const at of [10, 92, 511]) {
    const { log } = await write(4);
    editHeader(log, 2, (view) => view.setUint8(at, 1));
    expect(refusal(log)).toEqual({ code: "log_corrupt", reason: "segment-header-damaged" });
  }
});

describe("an intact frame is refused", () => {
  /** Changes fields of the frame at `at` and makes both checksums right, as no crash would. */
  function editFrame(log: MapLog, at: number, change: (frame: DataView) => void): void {
    edit(log, 1, (bytes) => {
      const seed = new DataView(bytes.buffer).getUint32(4, true) ^ at;
      const view = new DataView(bytes.buffer, at);
      change(view);
      const end = at + 80 + Math.ceil(view.getUint32(16, true) / 8) * 8;
      const header = tableChecksum(bytes.subarray(at + 12, at + 80), seed >>> 0);
      view.setUint32(4, header, true);
      view.setUint32(8, tableChecksum(bytes.subarray(at + 80, end), header), true);
    });
  }

  const [first, second] = [segmentHeaderBytes, segmentHeaderBytes + 184];

  test.each<[string, (frame: DataView) => void, string]>([
    ["of another format version", (frame) => frame.setUint16(12, 9, true), "frame-malformed"],
    ["of an unknown kind", (frame) => frame.setUint8(14, 3), "frame-malformed"],
    ["with a flag", (frame) => frame.setUint8(15, 1), "frame-malformed"],
    ["with a part beyond the parts", (frame) => frame.setUint32(20, 1, true), "frame-malformed"],
    ["without parts", (frame) => frame.setUint32(24, 0, true), "frame-malformed"],
    ["with a number beyond 2^53", (frame) => frame.setUint8(71, 1), "frame-malformed"],
    [
      "with a last seq before the first",
      (frame) => frame.setUint32(48, 1, true),
      "frame-malformed",
    ],
    ["that is durable itself", (frame) => frame.setUint32(56, 2, true), "frame-malformed"],
    ["with another group length", (frame) => frame.setUint32(72, 101, true), "frame-malformed"],
    ["after another frame", (frame) => frame.setUint32(28, 1, true), "frame-out-of-order"],
    ["of another generation", (frame) => frame.setUint32(32, 7, true), "frame-out-of-order"],
    [
      "that begins with a later commit",
      (frame) => {
        frame.setUint32(40, 3, true);
        frame.setUint32(48, 3, true);
      },
      "frame-out-of-order",
    ],
    [
      "that is a part in the middle",
      (frame) => {
        frame.setUint32(20, 1, true);
        frame.setUint32(24, 2, true);
      },
      "frame-out-of-order",
    ],
    [
      "that closes the log at another commit",
      (frame) => {
        frame.setUint8(14, 2);
        for (const at of [40, 48, 56]) frame.setUint32(at, 9, true);
      },
      "frame-out-of-order",
    ],
  ])("%s", async (_, change, reason) => {
    const { log } = await write(3);
    editFrame(log, second, change);
    expect(refusal(log)).toEqual({ code: "log_corrupt", reason });
    // The frame itself, not the one after it, whose chain is broken as well.
    expect(placeOf(log)).toBe(second);
  });

  test.each<[string, (frame: DataView) => void, string]>([
    ["another last seq", (frame) => frame.setUint32(48, 2, true), "frame-out-of-order"],
    ["another time", (frame) => frame.setUint32(64, 2, true), "frame-out-of-order"],
    ["another number of parts", (frame) => frame.setUint32(24, 3, true), "frame-out-of-order"],
    ["another number", (frame) => frame.setUint32(20, 0, true), "frame-out-of-order"],
    [
      "fewer bytes than the group needs",
      (frame) => {
        frame.setUint32(16, 99, true);
        frame.setUint8(80 + 99, 0);
      },
      "frame-malformed",
    ],
  ])("that is a part with %s", async (_, change, reason) => {
    const log = new MapLog();
    const writer = writerOf(log, { ...sizes, frameBytesMax: 184 });
    appendSync(writer, payloadOf(1, 204));
    editFrame(log, second, change);
    expect(refusal(log)).toEqual({ code: "log_corrupt", reason });
    // Lengths are known to be wrong of the whole group only.
    expect(placeOf(log)).toBe(reason === "frame-malformed" ? first : second);
  });

  test("while the same change is harmless when it is undone", async () => {
    const { log } = await write(3);
    editFrame(log, first, (frame) => frame.setUint8(15, 1));
    editFrame(log, first, (frame) => frame.setUint8(15, 0));
    expect(readAll(log).groups.length).toBe(3);
  });
});

describe("the log is read", () => {
  test("past segments that were made ahead and never begun", async () => {
    const { log } = await write(2);
    expect(readAll(log).tail).toMatchObject({ kind: "unclosed", segments: [1] });
    const { tail } = readAll(log);
    await write(5, { generation: 2, recovered: tail }, log);
    expect(readAll(log).tail).toMatchObject({ kind: "unclosed", segments: [1, 3, 4] });
  });

  test("past garbage in a segment whose creation was not finished", async () => {
    const { log } = await write(2);
    edit(log, 2, (bytes) => bytes.set(log.segments.get(1)?.subarray(4608) as Uint8Array, 4608));
    expect(readAll(log).tail).toMatchObject({ kind: "torn", end: { segment: 1, seq: 2 } });
  });

  test("past whole segments that an earlier recovery dropped", async () => {
    const { log } = await write(2);
    const writer = writerOf(log, { ...sizes, generation: 2, recovered: readAll(log).tail });
    for (let i = 0; i < 9; i++) {
      appendSync(writer, payloadOf(i + 50, 100));
      await writer.settled();
    }
    // Unsynced: the first frame of the session is lost, everything after it is there.
    const left = log.crash((write) =>
      write.segment === 3 && write.at === segmentHeaderBytes ? undefined : write.bytes,
    );
    const { tail } = readAll(left);
    expect(tail).toMatchObject({ kind: "torn", end: { seq: 2 }, lastDroppedSeq: 11 });
    await write(4, { generation: 3, recovered: tail }, left);
    const again = readAll(left);
    expect(again.groups.map((group) => group.payload)).toEqual(
      [0, 1, 0, 1, 2, 3].map((i) => payloadOf(i, 100)),
    );
    expect(again.tail).toMatchObject({ kind: "unclosed", droppedBytes: 0, segments: [1, 3, 7, 8] });
  });

  test("after the segments before the root have been trimmed", async () => {
    const { log, positions } = await write(9);
    log.segments.delete(1);
    const { groups, tail } = readAll(log, { from: positions[4] });
    expect(groups.length).toBe(4);
    expect(tail.segments).toEqual([2, 3]);
  });

  test("from a start that has a commit number but no log yet", async () => {
    const log = new MapLog();
    const end = { ...logStart, seq: 41 };
    expect(readAll(log, { from: end }).tail).toMatchObject({ kind: "empty", end, durableSeq: 41 });
    await write(4, { recovered: { end, segments: [] } }, log);
    const { groups } = readAll(log, { from: end });
    expect(groups.map((group) => group.firstSeq)).toEqual([42, 43, 44, 45]);
  });

  test("with a torn new segment behind a clean close", async () => {
    const log = new MapLog();
    const writer = writerOf(log, sizes);
    appendSync(writer, payloadOf(1, 100));
    runSync(writer.close({ time: 1 }));
    expect(readAll(log).tail.kind).toBe("clean");
    await write(1, { generation: 2, recovered: readAll(log).tail }, log);
    edit(log, 2, (bytes) => bytes.fill(0, 50, 4096 + 50));
    expect(readAll(log).tail).toMatchObject({ kind: "torn", end: { segment: 1, seq: 1 } });
  });
});

test("the end of the log is not told before it was read", async () => {
  const { log } = await write(1);
  const setup = { log, checksum: tableChecksum, databaseId, from: logStart };
  const reader = new LogReader(setup);
  const codes = [];
  for (let i = 0; i < 3; i++) {
    try {
      codes.push(reader.tail.kind);
    } catch (error) {
      codes.push(error instanceof CairnError ? error.code : "");
    }
    runSync(reader.next());
  }
  expect(codes).toEqual(["invariant_broken", "invariant_broken", "unclosed"]);
  expect(runSync(reader.next())).toBeUndefined();
});

describe("a storage that does not give what it has", () => {
  test("is a failure, not the end of the log", async () => {
    for (const bytes of [0, 40, 100]) {
      const { log } = await write(3);
      const read = log.read.bind(log);
      log.read = (segment, at, into) =>
        read(segment, at, at < segmentHeaderBytes + 184 ? into : into.subarray(0, bytes));
      expect(refusal(log)).toEqual({ code: "storage_failed", reason: undefined });
    }
  });

  test("or gives something else the second time, is refused", () => {
    const log = new MapLog();
    const writer = writerOf(log, { firstBytes: 16_384, frameBytesMax: 184 });
    appendSync(writer, payloadOf(1, 2000));
    const read = log.read.bind(log);
    let isChanged = false;
    log.read = (segment, at, into) => {
      if (!isChanged && at > segmentHeaderBytes + 1000) {
        isChanged = true;
        edit(log, 1, (bytes) => {
          bytes[segmentHeaderBytes + 100] ^= 1;
        });
      }
      return read(segment, at, into);
    };
    expect(refusal(log)).toEqual({ code: "log_corrupt", reason: "frame-changed" });
  });
});

test("a reader that meets a live writer does not take its progress for damage", async () => {
  const log = new MapLog();
  const writer = writerOf(log, { firstBytes: 65_536 });
  appendSync(writer, payloadOf(1, 100));
  writer.syncSync();
  const end = writer.position.offset;
  let isMet = false;
  const read = log.read.bind(log);
  log.read = (segment, at, into) => {
    // The reader has found zeros at the end and goes on behind it: now the writer moves.
    if (!isMet && at > end) {
      isMet = true;
      for (let i = 0; i < 40; i++) {
        appendSync(writer, payloadOf(2 + i, 100));
        writer.syncSync();
      }
    }
    return read(segment, at, into);
  };
  const { groups } = readAll(log);
  expect(isMet).toBe(true);
  expect(groups.length).toBe(41);
});
