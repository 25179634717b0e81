import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { frameHeaderBytes } from "../../../src/engine/log/frame.ts";
import { type LogPosition, logStart } from "../../../src/engine/log/position.ts";
import { segmentHeaderBytes } from "../../../src/engine/log/segment.ts";
import { runAsync, runSync } from "../../../src/engine/steps.ts";
import { MapLog } from "./map-log.ts";
import { bitwiseChecksum, tableChecksum } from "./reference-checksum.ts";
import {
  appendSync,
  differenceOf,
  payloadOf,
  type ReadGroup,
  readAll,
  readAllAsync,
  writerOf,
} from "./session.ts";

describe("the reference checksum", () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);
  // RFC 3720, appendix B.4, and the check value of the CRC catalogue.
  test.each([
    ["32 zeros", new Uint8Array(32), 0x8a9136aa],
    ["32 ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ["ascending", ascending, 0x46dd794e],
    ["descending", ascending.slice().reverse(), 0x113fdb5c],
    ["123456789", new TextEncoder().encode("123456789"), 0xe3069283],
  ])("answers the published value for %s", (_, bytes, expected) => {
    expect(bitwiseChecksum(bytes, 0)).toBe(expected);
    expect(tableChecksum(bytes, 0)).toBe(expected);
    expect(tableChecksum(bytes.subarray(5), tableChecksum(bytes.subarray(0, 5), 0))).toBe(expected);
  });
});

const groupArbitrary = fc.record({
  bytes: fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 5000 })),
  commits: fc.integer({ min: 1, max: 5 }),
  sync: fc.boolean(),
});
const sizesArbitrary = fc.record({
  firstBytes: fc.integer({ min: segmentHeaderBytes + 300, max: 12_000 }),
  maxBytes: fc.integer({ min: segmentHeaderBytes + 300, max: 40_000 }),
  frameBytesMax: fc.integer({ min: 88, max: 3000 }),
  stagingBytes: fc.integer({ min: 88, max: 3000 }),
});

describe("what is written is read", () => {
  test("over any sessions, sizes and rotations, from any position a writer has named", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            sizes: sizesArbitrary,
            groups: fc.array(groupArbitrary, { maxLength: 12 }),
            close: fc.boolean(),
          }),
          { minLength: 1, maxLength: 4 },
        ),
        fc.integer({ min: 512, max: 9000 }),
        (sessions, windowBytes) => {
          const log = new MapLog();
          const model: ReadGroup[] = [];
          const positions: [LogPosition, number][] = [[logStart, 0]];
          let isMarked = false;
          for (const [i, { sizes, groups, close }] of sessions.entries()) {
            const { tail } = readAll(log, { windowBytes });
            const staging = new Uint8Array(sizes.stagingBytes);
            const writer = writerOf(log, {
              ...sizes,
              staging,
              recovered: tail,
              generation: i + 1,
            });
            for (const { bytes, commits, sync } of groups) {
              const { seq } = writer.position;
              const payload = payloadOf(seq, bytes);
              appendSync(writer, payload, commits);
              if (sync) writer.syncSync();
              const time = 1_700_000_000_000 + seq;
              model.push({ firstSeq: seq + 1, lastSeq: seq + commits, time, payload });
              positions.push([writer.position, model.length]);
              isMarked = false;
            }
            if (close) {
              runSync(writer.close({ time: 5 }));
              isMarked ||= groups.length > 0;
            }
          }
          for (const [from, skipped] of positions) {
            const { groups, tail } = readAll(log, { from, windowBytes });
            expect(differenceOf(groups, model.slice(skipped))).toBe("");
            expect(tail.droppedBytes).toBe(0);
            expect(tail.end).toEqual(positions.at(-1)?.[0]);
            const kind = model.length === 0 ? "empty" : isMarked ? "clean" : "unclosed";
            expect(tail.kind).toBe(kind);
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  test("over a storage that answers later", async () => {
    const log = new MapLog({ isAsync: true });
    const sizes = { firstBytes: 6000, maxBytes: 12_000, frameBytesMax: 800 };
    for (let session = 0; session < 3; session++) {
      const { tail } = await readAllAsync(log);
      const writer = writerOf(log, { ...sizes, recovered: tail, generation: session + 1 });
      for (let i = 0; i < 20; i++) {
        const { seq } = writer.position;
        const payload = payloadOf(seq + 1, 40 * i + 1);
        const info = { firstSeq: seq + 1, lastSeq: seq + 1, durableSeq: 0, time: i };
        await runAsync(writer.append(payload, info));
        if (i % 3 === 0) await writer.sync();
      }
      await runAsync(writer.close({ time: 1 }));
    }
    const { groups, tail } = await readAllAsync(log);
    expect(groups.map((group) => group.payload)).toEqual(
      Array.from({ length: 60 }, (_, i) => payloadOf(i + 1, 40 * (i % 20) + 1)),
    );
    expect(tail.kind).toBe("clean");
    expect(tail.durableSeq).toBe(60);
  });

  test("a payload that was composed in the staging area is not copied and reads the same", () => {
    const log = new MapLog();
    const staging = new Uint8Array(4096);
    const writer = writerOf(log, { staging, frameBytesMax: 120 });
    staging.set(payloadOf(1, 33), frameHeaderBytes);
    appendSync(writer, staging.subarray(frameHeaderBytes, frameHeaderBytes + 33));
    // In parts, each part moves to the front after the one before it was written.
    staging.set(payloadOf(2, 333), frameHeaderBytes);
    appendSync(writer, staging.subarray(frameHeaderBytes, frameHeaderBytes + 333));
    const { groups } = readAll(log);
    expect(groups.map((group) => group.payload)).toEqual([payloadOf(1, 33), payloadOf(2, 333)]);
  });
});
