import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Commit,
  CommitReader,
  commitHeaderBytes,
  writeCommitHeader,
} from "../../../src/engine/log/commit.ts";
import { logStart } from "../../../src/engine/log/position.ts";
import { LogReader } from "../../../src/engine/log/reader.ts";
import { segmentHeaderBytes } from "../../../src/engine/log/segment.ts";
import { runSync } from "../../../src/engine/steps.ts";
import { isCairnError } from "../../../src/errors.ts";
import { MapLog } from "./map-log.ts";
import { tableChecksum } from "./reference-checksum.ts";
import { databaseId, payloadOf, type WriterOptions, writerOf } from "./session.ts";

interface Written {
  readonly seq: number;
  readonly time: number;
  readonly idempotency: Uint8Array;
  readonly effects: Uint8Array;
}

function encode({ seq, time, idempotency, effects }: Written): Uint8Array {
  const bytes = new Uint8Array(commitHeaderBytes + idempotency.length + effects.length);
  writeCommitHeader(new DataView(bytes.buffer), 0, {
    seq,
    time,
    idempotencyBytes: idempotency.length,
    effectsBytes: effects.length,
  });
  bytes.set(idempotency, commitHeaderBytes);
  bytes.set(effects, commitHeaderBytes + idempotency.length);
  return bytes;
}

/** One session that appends these payloads as groups of so many commits. */
function logOf(groups: readonly [Uint8Array, number][], options: WriterOptions = {}): MapLog {
  const log = new MapLog();
  const writer = writerOf(log, options);
  for (const [payload, commits] of groups) {
    const { seq } = writer.position;
    const info = { firstSeq: seq + 1, lastSeq: seq + commits, durableSeq: 0, time: 1 };
    runSync(writer.append(payload, info));
  }
  return log;
}

function readCommits(log: MapLog): Commit[] {
  const setup = { log, checksum: tableChecksum, databaseId, from: logStart, windowBytes: 512 };
  const reader = new CommitReader(new LogReader(setup));
  const commits: Commit[] = [];
  for (;;) {
    const commit = runSync(reader.next());
    if (commit === undefined) return commits;
    const { idempotency, effects } = commit;
    commits.push({ ...commit, idempotency: idempotency.slice(), effects: effects.slice() });
  }
}

function reasonOf(log: MapLog): unknown {
  try {
    readCommits(log);
  } catch (error) {
    if (isCairnError(error, "log_corrupt")) return error.details.reason;
    throw error;
  }
  return "none";
}

test("a commit has the documented bytes", () => {
  const written = {
    seq: 0x1_0000_0002,
    time: 0x18b_cfe5_6801,
    idempotency: Uint8Array.of(9),
    effects: Uint8Array.of(1, 2),
  };
  expect(Buffer.from(encode(written)).toString("hex")).toBe(
    ["0200000001000000", "0168e5cf8b010000", "0000", "0100", "02000000", "09", "0102"].join(""),
  );
});

test("commits are read as they were written, however groups are cut into parts", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.array(
          fc.record({
            idempotency: fc.integer({ min: 0, max: 40 }),
            effects: fc.oneof(fc.integer({ min: 0, max: 90 }), fc.integer({ min: 0, max: 2000 })),
          }),
          { minLength: 1, maxLength: 6 },
        ),
        { maxLength: 6 },
      ),
      fc.integer({ min: 88, max: 400 }),
      (groups, frameBytesMax) => {
        const model: Written[] = [];
        const payloads = groups.map((group): [Uint8Array, number] => {
          const commits = group.map(({ idempotency, effects }) => {
            const seq = model.length + 1;
            const commit = {
              seq,
              time: 1000 + seq,
              idempotency: payloadOf(seq, idempotency),
              effects: payloadOf(seq * 3, effects),
            };
            model.push(commit);
            return encode(commit);
          });
          return [Uint8Array.from(Buffer.concat(commits)), group.length];
        });
        const sizes = { firstBytes: segmentHeaderBytes + 900, maxBytes: 8000, frameBytesMax };
        const log = logOf(payloads, sizes);
        expect(readCommits(log)).toEqual(model.map((commit) => ({ ...commit, generation: 1 })));
      },
    ),
    { numRuns: 200 },
  );
});

describe("a group with malformed commits is refused", () => {
  const commit = { seq: 1, time: 5, idempotency: payloadOf(1, 3), effects: payloadOf(2, 20) };
  const good = encode(commit);

  function changed(change: (view: DataView) => void): Uint8Array {
    const bytes = good.slice();
    change(new DataView(bytes.buffer));
    return bytes;
  }

  test.each<[string, Uint8Array, number]>([
    ["an empty group", new Uint8Array(0), 1],
    ["a cut header", good.subarray(0, 20), 1],
    ["a cut commit", good.subarray(0, 40), 1],
    ["a later seq", changed((view) => view.setUint8(0, 2)), 1],
    ["an earlier seq", changed((view) => view.setUint8(0, 0)), 1],
    ["flags", changed((view) => view.setUint8(16, 1)), 1],
    ["a time beyond 2^53", changed((view) => view.setUint8(15, 1)), 1],
    ["a length beyond the group", changed((view) => view.setUint32(20, 0xffffffff, true)), 1],
    ["too few commits", good, 2],
    ["too many commits", Uint8Array.from([...good, ...encode({ ...commit, seq: 2 })]), 1],
    ["bytes behind the last commit", Uint8Array.from([...good, 0]), 1],
  ])("%s", (_, payload, commits) => {
    for (const frameBytesMax of [88, 96, 1 << 20]) {
      expect(reasonOf(logOf([[payload, commits]], { frameBytesMax }))).toBe("payload-malformed");
    }
  });
});
