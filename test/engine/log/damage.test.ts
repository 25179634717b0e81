/**
 * What every single flipped bit, every cut and every hole makes of a log, against an expectation
 * that is worked out from the list of writes and knows nothing of the reader.
 */
import { describe, expect, test } from "vitest";
import { segmentHeaderBytes } from "../../../src/engine/log/segment.ts";
import { runSync } from "../../../src/engine/steps.ts";
import { isCairnError } from "../../../src/errors.ts";
import { MapLog, type Write } from "./map-log.ts";
import {
  appendSync,
  differenceOf,
  payloadOf,
  type ReadGroup,
  readAll,
  writerOf,
} from "./session.ts";

/** One write, and what it says. */
interface Record extends Write {
  readonly kind: "header" | "frame" | "mark";
  /** Index of the group that a frame belongs to. */
  readonly group: number;
  /** The last commit known durable when it was written. */
  readonly durableSeq: number;
}

interface Sample {
  readonly log: MapLog;
  readonly records: Record[];
  readonly model: ReadGroup[];
  readonly isClosed: boolean;
}

interface Recipe {
  readonly payloads: readonly number[];
  /** Syncs after these groups. */
  readonly syncAfter: (group: number) => boolean;
  readonly close: boolean;
  readonly segmentBytes?: number;
  readonly frameBytesMax?: number;
}

function build({ payloads, syncAfter, close, segmentBytes, frameBytesMax }: Recipe): Sample {
  const log = new MapLog();
  const bytes = segmentBytes ?? segmentHeaderBytes + 1200;
  const writer = writerOf(log, { firstBytes: bytes, maxBytes: bytes, frameBytesMax });
  const records: Record[] = [];
  const model: ReadGroup[] = [];
  const note = (group: number, durableSeq: number, isMark: boolean): void => {
    for (const write of log.writes.slice(records.length)) {
      const kind = write.at === 0 ? "header" : isMark ? "mark" : "frame";
      records.push({ ...write, kind, group, durableSeq });
    }
  };
  for (const [group, length] of payloads.entries()) {
    const { seq } = writer.position;
    const payload = payloadOf(seq, length);
    const { durableSeq } = writer;
    appendSync(writer, payload, 1 + (group % 2));
    const { seq: lastSeq } = writer.position;
    model.push({ firstSeq: seq + 1, lastSeq, time: 1_700_000_000_000 + seq, payload });
    note(group, durableSeq, false);
    if (syncAfter(group)) writer.syncSync();
  }
  if (close) {
    runSync(writer.close({ time: 9 }));
    note(payloads.length, writer.position.seq, true);
  }
  return { log, records, model, isClosed: close };
}

interface Expectation {
  readonly outcome: "corrupt" | "read";
  readonly groups: number;
}

/** What must come of a log in which these records are not what was written. */
function expectationOf(sample: Sample, damaged: ReadonlySet<Record>): Expectation {
  const firstLost = sample.records.find((record) => damaged.has(record) && record.kind === "frame");
  if (firstLost === undefined) return { outcome: "read", groups: sample.model.length };
  const lastSeq = sample.model[firstLost.group - 1]?.lastSeq ?? 0;
  const later = sample.records.slice(sample.records.indexOf(firstLost) + 1);
  const isProven = later.some((record) => !damaged.has(record) && record.durableSeq > lastSeq);
  return { outcome: isProven ? "corrupt" : "read", groups: firstLost.group };
}

/** Reads a damaged log; throws when it gives anything but what is expected. */
function check(sample: Sample, log: MapLog, expected: Expectation, what: string): string {
  const groups: ReadGroup[] = [];
  let outcome = "read";
  let kind = "";
  try {
    const { tail } = readAll(log, {}, groups);
    kind = tail.kind;
    if (tail.end.seq !== (groups.at(-1)?.lastSeq ?? 0)) throw new Error(`${what}: wrong end`);
  } catch (error) {
    if (!isCairnError(error, "log_corrupt")) throw error;
    outcome = "corrupt";
  }
  const difference = differenceOf(groups, sample.model.slice(0, expected.groups));
  if (outcome !== expected.outcome || difference !== "") {
    throw new Error(`${what}: ${outcome}, ${difference}; expected ${JSON.stringify(expected)}`);
  }
  return outcome === "corrupt" ? outcome : kind;
}

const every = (): boolean => true;
const never = (): boolean => false;
const lengths = [24, 57, 8, 130, 1];
const recipes: [string, Recipe][] = [
  ["synced after each group", { payloads: lengths, syncAfter: every, close: false }],
  ["synced after each group and closed", { payloads: lengths, syncAfter: every, close: true }],
  ["never synced", { payloads: lengths, syncAfter: never, close: false }],
  ["synced now and then", { payloads: lengths, syncAfter: (i) => i === 1, close: false }],
  [
    "large groups in parts over several segments, synced now and then",
    {
      payloads: [300, 40, 500, 90],
      syncAfter: (i) => i === 1,
      close: false,
      segmentBytes: segmentHeaderBytes + 500,
      frameBytesMax: 200,
    },
  ],
  [
    "large groups in parts over several segments, closed",
    {
      payloads: [300, 40, 500, 90],
      syncAfter: every,
      close: true,
      segmentBytes: segmentHeaderBytes + 500,
      frameBytesMax: 200,
    },
  ],
];

describe.each(recipes)("a log %s", (_, recipe) => {
  const sample = build(recipe);

  function recordAt(segment: number, byte: number): Record | undefined {
    return sample.records.find(
      (record) =>
        record.segment === segment && byte >= record.at && byte < record.at + record.bytes.length,
    );
  }

  test("survives or refuses each flipped bit, and never gives wrong bytes", () => {
    const kinds = new Map<string, number>();
    for (const [segment, bytes] of sample.log.segments) {
      const log = sample.log.copy();
      const target = log.segments.get(segment) as Uint8Array;
      for (let byte = 0; byte < bytes.length; byte++) {
        const record = recordAt(segment, byte);
        const damaged = new Set(record === undefined ? [] : [record]);
        const expected = expectationOf(sample, damaged);
        // Headers and unused space are long and alike; one sample has each of their bits flipped.
        const isAlike = record?.kind === "header" || record === undefined;
        if (isAlike && byte % 61 !== 0 && recipe !== recipes[0][1]) continue;
        for (let bit = 0; bit < 8; bit++) {
          target[byte] ^= 1 << bit;
          const kind = check(sample, log, expected, `segment ${segment}, byte ${byte}, bit ${bit}`);
          kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
          if (record?.kind !== "frame" && sample.isClosed) expect(kind).toBe("clean");
          target[byte] ^= 1 << bit;
        }
      }
    }
    if (sample.isClosed) expect([...kinds.keys()].sort()).toEqual(["clean", "corrupt"]);
  });

  test("refuses each cut of its last segment", () => {
    const segment = sample.records.at(-1)?.segment as number;
    const bytes = sample.log.segments.get(segment) as Uint8Array;
    for (let length = 0; length < bytes.length; length++) {
      const log = sample.log.copy();
      log.segments.set(segment, bytes.slice(0, length));
      expect(() => readAll(log), `cut to ${length}`).toThrow(/segment|frame/);
    }
  });

  test("ends before the first frame that is torn, wherever its zeros begin", () => {
    const segment = sample.records.at(-1)?.segment as number;
    const bytes = sample.log.segments.get(segment) as Uint8Array;
    const log = sample.log.copy();
    const target = log.segments.get(segment) as Uint8Array;
    for (let length = bytes.length - 1; length >= 0; length--) {
      target[length] = 0;
      if (length > 520 && length < 4090) continue;
      const isTorn = ({ segment: at, at: from, bytes: written, kind }: Record): boolean => {
        if (at !== segment) return false;
        const now = target.subarray(from, from + written.length);
        if (kind !== "header") return Buffer.compare(now, written) !== 0;
        return length < 512 && Buffer.compare(now.subarray(0, 512), written.subarray(0, 512)) !== 0;
      };
      const damaged = new Set(sample.records.filter(isTorn));
      check(sample, log, expectationOf(sample, damaged), `zeros from ${length}`);
    }
  });

  test("with any of its frames missing ends before the first one, or is refused", () => {
    const frames = sample.records.filter((record) => record.kind !== "header");
    for (let set = 0; set < 1 << frames.length; set++) {
      const damaged = new Set(frames.filter((_, i) => (set & (1 << i)) !== 0));
      const log = sample.log.copy();
      for (const { segment, at, bytes } of damaged) {
        log.segments.get(segment)?.fill(0, at, at + bytes.length);
      }
      check(sample, log, expectationOf(sample, damaged), `without ${set.toString(2)}`);
    }
  });

  test("reads the same from the start of each record on", () => {
    for (const windowBytes of [512, 4096, 1 << 20]) {
      const { groups } = readAll(sample.log, { windowBytes });
      expect(differenceOf(groups, sample.model)).toBe("");
    }
  });
});

test("reports what it dropped", () => {
  const { log, records, model } = build(recipes[2][1]);
  const [, first, second] = records;
  log.segments.get(1)?.fill(0, second.at, second.at + 16);
  const { tail } = readAll(log);
  const last = records.at(-1) as Record;
  expect(tail).toMatchObject({
    kind: "torn",
    end: { segment: 1, offset: first.at + first.bytes.length, seq: model[0].lastSeq },
    droppedBytes: last.at + last.bytes.length - second.at - 16 + 16,
    firstDroppedSeq: model[0].lastSeq + 1,
    lastDroppedSeq: model.at(-1)?.lastSeq,
    durableSeq: 0,
    segments: [1],
    copiesLost: 0,
  });
});

test("says where damage lies, which commit it hits and what proves it, without any payload", () => {
  const { log, records, model } = build(recipes[1][1]);
  const third = records[3];
  (log.segments.get(1) as Uint8Array)[third.at + 84] ^= 4;
  const seq = model[1].lastSeq + 1;
  try {
    readAll(log);
    expect.unreachable();
  } catch (error) {
    expect(isCairnError(error, "log_corrupt") && error.details).toEqual({
      reason: "frame-damaged",
      segment: 1,
      offset: third.at,
      seq,
      durableSeq: model.at(-1)?.lastSeq,
    });
  }
});
