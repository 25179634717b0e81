/**
 * Sessions that end in a loss of power, a killed process or a clean close, one after the other.
 * After each, the log must give a prefix of what was appended that holds everything acknowledged.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type LogPosition, logStart } from "../../../src/engine/log/position.ts";
import { segmentHeaderBytes } from "../../../src/engine/log/segment.ts";
import { runSync } from "../../../src/engine/steps.ts";
import { MapLog, type Write } from "./map-log.ts";
import {
  appendSync,
  differenceOf,
  payloadOf,
  type ReadGroup,
  readAll,
  writerOf,
} from "./session.ts";

/** What is left of one unsynced write. */
type Fate =
  | { readonly kind: "kept" | "lost" }
  /** The first bytes, as a share of the write. */
  | { readonly kind: "prefix"; readonly share: number }
  /** Some sectors; bit i of the mask says whether sector i (modulo 8) is there. */
  | { readonly kind: "sectors"; readonly mask: number; readonly bytes: number };

function leftOf(fate: Fate, { at, bytes }: Write): Uint8Array | undefined {
  if (fate.kind === "lost") return undefined;
  if (fate.kind === "kept") return bytes;
  if (fate.kind === "prefix") return bytes.slice(0, Math.floor(bytes.length * fate.share));
  return bytes.map((byte, i) => {
    const sector = Math.floor((at + i) / fate.bytes) % 8;
    return (fate.mask & (1 << sector)) !== 0 ? byte : 0;
  });
}

const fateArbitrary: fc.Arbitrary<Fate> = fc.oneof(
  fc.constant({ kind: "kept" } as const),
  fc.constant({ kind: "lost" } as const),
  fc.record({
    kind: fc.constant("prefix" as const),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
  }),
  fc.record({
    kind: fc.constant("sectors" as const),
    mask: fc.integer({ min: 0, max: 255 }),
    bytes: fc.constantFrom(16, 512),
  }),
);

const sessionArbitrary = fc.record({
  groups: fc.array(
    fc.record({
      bytes: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 900 })),
      commits: fc.integer({ min: 1, max: 3 }),
      sync: fc.boolean(),
      /** Takes the position as that of a root, and trims below it. */
      root: fc.constantFrom("no", "no", "take", "trim"),
    }),
    { maxLength: 8 },
  ),
  syncAll: fc.boolean(),
  syncAtOpen: fc.boolean(),
  firstBytes: fc.integer({ min: segmentHeaderBytes + 200, max: segmentHeaderBytes + 2000 }),
  frameBytesMax: fc.integer({ min: 88, max: 700 }),
  end: fc.constantFrom("power", "power", "kill", "close"),
  fates: fc.array(fateArbitrary, { minLength: 1, maxLength: 12 }),
});

/** The groups that were appended and not dropped, and what is known to be durable of them. */
class Model {
  groups: ReadGroup[] = [];
  durableSeq = 0;
  root: LogPosition = logStart;
  tag = 0;

  /** Throws when the log is not a prefix that holds everything durable; forgets what is dropped. */
  accept(log: MapLog, from: LogPosition): ReturnType<typeof readAll> {
    const read = readAll(log, { from });
    const skipped = this.groups.filter((group) => group.lastSeq <= from.seq).length;
    const count = skipped + read.groups.length;
    const difference = differenceOf(read.groups, this.groups.slice(skipped, count));
    if (difference !== "") throw new Error(`from ${from.seq}: ${difference}`);
    if (read.tail.end.seq < this.durableSeq) {
      throw new Error(
        `commit ${this.durableSeq} was durable, the log ends at ${read.tail.end.seq}`,
      );
    }
    this.groups = this.groups.slice(0, count);
    return read;
  }
}

type Session = typeof sessionArbitrary extends fc.Arbitrary<infer T> ? T : never;

/** Runs one session on what the one before has left; answers what this one leaves. */
function live(log: MapLog, model: Model, session: Session, generation: number): MapLog {
  const { tail } = model.accept(log, model.root);
  const fromStart = log.segments.has(1) ? readAll(log).groups.length : model.groups.length;
  expect(fromStart).toBe(model.groups.length);
  const { firstBytes, frameBytesMax } = session;
  const writer = writerOf(log, {
    recovered: tail,
    generation,
    firstBytes,
    maxBytes: firstBytes * 2,
    frameBytesMax,
    salt: generation * 1000,
  });
  if (session.syncAtOpen) writer.syncSync();
  for (const { bytes, commits, sync, root } of session.groups) {
    const { seq } = writer.position;
    const payload = payloadOf(++model.tag * 17, bytes);
    appendSync(writer, payload, commits);
    const time = 1_700_000_000_000 + seq;
    model.groups.push({ firstSeq: seq + 1, lastSeq: seq + commits, time, payload });
    if (sync || session.syncAll || root !== "no") writer.syncSync();
    if (root !== "no") model.root = writer.position;
    if (root === "trim") runSync(writer.trim(model.root));
    model.durableSeq = Math.max(model.durableSeq, writer.durableSeq);
  }
  if (session.end === "close") runSync(writer.close({ time: 1 }));
  model.durableSeq = Math.max(model.durableSeq, writer.durableSeq);
  if (session.end !== "power") return log;
  return log.crash((write, i) => leftOf(session.fates[i % session.fates.length], write));
}

test("any sequence of sessions keeps a prefix that holds everything acknowledged", () => {
  fc.assert(
    fc.property(fc.array(sessionArbitrary, { minLength: 1, maxLength: 6 }), (sessions) => {
      const model = new Model();
      let log = new MapLog();
      for (const [i, session] of sessions.entries()) log = live(log, model, session, i + 1);
      const once = model.accept(log, model.root);
      expect(model.accept(log, model.root).tail).toEqual(once.tail);
    }),
    { numRuns: 1500 },
  );
});

describe("a loss of power with five unsynced groups", () => {
  /** Two synced groups, then five without a sync, in segments that hold three or so. */
  function build(): { log: MapLog; model: ReadGroup[]; durable: number } {
    const log = new MapLog();
    const segmentBytes = segmentHeaderBytes + 600;
    const writer = writerOf(log, { firstBytes: segmentBytes, maxBytes: segmentBytes });
    const model: ReadGroup[] = [];
    for (const [seq, length] of [40, 41, 60, 30, 25, 90, 10].entries()) {
      const payload = payloadOf(seq, length);
      appendSync(writer, payload);
      model.push({ firstSeq: seq + 1, lastSeq: seq + 1, time: 1_700_000_000_000 + seq, payload });
      if (seq === 1) writer.syncSync();
    }
    return { log, model, durable: 2 };
  }

  function check(log: MapLog, model: readonly ReadGroup[], durable: number, what: string): void {
    const { groups, tail } = readAll(log);
    const difference = differenceOf(groups, model.slice(0, groups.length));
    if (difference !== "" || groups.length < durable) {
      throw new Error(`${what}: ${difference || `only ${groups.length} groups`}`);
    }
    // The next open cuts here for ever, whatever else is on the medium, and is read on its own.
    const writer = writerOf(log, { recovered: tail, generation: 2, salt: 77 });
    appendSync(writer, payloadOf(99, 50));
    const next = readAll(log);
    expect(next.groups.length).toBe(groups.length + 1);
    expect(next.tail.kind).toBe("unclosed");
  }

  test("leaves any subset of the writes, and a prefix is read", () => {
    const { log, model, durable } = build();
    const { unsynced } = log;
    // Five frames and the headers of two segments.
    expect(unsynced.length).toBe(7);
    for (let set = 0; set < 1 << unsynced.length; set++) {
      const left = log.crash((write, i) => ((set & (1 << i)) !== 0 ? write.bytes : undefined));
      check(left, model, durable, `writes ${set.toString(2)}`);
    }
  });

  test("tears any one write at any byte, the others there or not", () => {
    const { log, model, durable } = build();
    for (const [torn, { bytes }] of log.unsynced.entries()) {
      for (let length = 0; length < bytes.length; length += bytes.length > 1000 ? 37 : 1) {
        for (const others of ["kept", "lost", "before", "after"] as const) {
          const left = log.crash((write, i) => {
            if (i === torn) return write.bytes.slice(0, length);
            const isKept = others === "before" ? i < torn : others === "after" ? i > torn : null;
            return (isKept ?? others === "kept") ? write.bytes : undefined;
          });
          check(left, model, durable, `write ${torn} torn at ${length}, others ${others}`);
        }
      }
    }
  });
});

describe("a recovery that crashes", () => {
  const segmentBytes = segmentHeaderBytes + 900;
  const sizes = { firstBytes: segmentBytes, maxBytes: segmentBytes };

  /** Three groups, the last one torn. */
  function torn(): MapLog {
    const log = new MapLog();
    const writer = writerOf(log, sizes);
    for (let seq = 0; seq < 3; seq++) {
      if (seq === 2) writer.syncSync();
      appendSync(writer, payloadOf(seq, 50));
    }
    return log.crash((write) => write.bytes.slice(0, 70));
  }

  test("before its first write changes nothing", () => {
    const log = torn();
    const first = readAll(log).tail;
    writerOf(log, { ...sizes, recovered: first, generation: 2 });
    expect(readAll(log).tail).toEqual(first);
    expect(first).toMatchObject({ kind: "torn", firstDroppedSeq: 3 });
  });

  test("at any byte of its first writes, and again, still ends at the same commit", () => {
    for (let length = 0; length <= segmentHeaderBytes; length += 91) {
      let log = torn();
      for (let generation = 2; generation < 5; generation++) {
        const { tail, groups } = readAll(log);
        expect(groups.length).toBe(2);
        const writer = writerOf(log, { ...sizes, recovered: tail, generation });
        appendSync(writer, payloadOf(generation * 10, 50));
        log = log.crash((write) => (write.at === 0 ? write.bytes.slice(0, length) : undefined));
      }
      const { tail } = readAll(log);
      expect(tail.end.seq).toBe(2);
      const writer = writerOf(log, { ...sizes, recovered: tail, generation: 9 });
      appendSync(writer, payloadOf(5, 50));
      runSync(writer.close({ time: 1 }));
      expect(readAll(log).tail).toMatchObject({ kind: "clean", end: { seq: 3 } });
    }
  });

  test("makes what it accepted durable before anything can build on it", () => {
    const log = new MapLog();
    appendSync(writerOf(log, sizes), payloadOf(1, 50));
    // The process dies; the next one sees the unsynced group, and power is lost after its first
    // sync.
    const { tail } = readAll(log);
    const writer = writerOf(log, { ...sizes, recovered: tail, generation: 2 });
    appendSync(writer, payloadOf(2, 50));
    expect(log.operations.indexOf("sync 1")).toBeLessThan(log.operations.indexOf("append 2"));
    const { groups } = readAll(log.crash(() => undefined));
    expect(groups.length).toBe(1);
  });
});

test("a writer that goes on after a recovery has cut its log is ignored", () => {
  const log = new MapLog();
  const old = writerOf(log);
  appendSync(old, payloadOf(1, 50));
  const { tail } = readAll(log);
  const heir = writerOf(log, { recovered: tail, generation: 2 });
  appendSync(heir, payloadOf(2, 60));
  appendSync(old, payloadOf(3, 70));
  old.syncSync();
  appendSync(old, payloadOf(4, 80));
  expect(readAll(log).groups.map((group) => group.payload)).toEqual([
    payloadOf(1, 50),
    payloadOf(2, 60),
  ]);
});
