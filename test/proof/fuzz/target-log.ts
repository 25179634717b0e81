/** Segments and frames of the log, the commits in them, and their effects. */
import {
  CommitReader,
  commitHeaderBytes,
  writeCommitHeader,
} from "../../../src/engine/log/commit.ts";
import { readEffects } from "../../../src/engine/log/effect.ts";
import { EffectBuffer } from "../../../src/engine/log/effect-buffer.ts";
import { logStart } from "../../../src/engine/log/position.ts";
import { LogReader, type LogTail } from "../../../src/engine/log/reader.ts";
import {
  decodeSegmentHeader,
  isSegmentHeaderSound,
  segmentHeaderBytes,
} from "../../../src/engine/log/segment.ts";
import { LogWriter } from "../../../src/engine/log/writer.ts";
import { runSync } from "../../../src/engine/steps.ts";
import { Random } from "../../storage/random.ts";
import { ArrayLog } from "./array-log.ts";
import { type Guard, Violation } from "./guard.ts";
import { mutate, resize } from "./mutate.ts";
import { checksum, databaseId, signFrames, signSegmentHeader } from "./sign.ts";
import type { Target } from "./target.ts";

interface Frame {
  readonly segment: number;
  readonly at: number;
  readonly bytes: number;
  readonly durableSeq: number;
}

/** A log, and what is in it. */
interface Sample {
  readonly segments: ReadonlyMap<number, Uint8Array>;
  /** Effects, by commit. */
  readonly commits: readonly Uint8Array[];
  readonly frames: readonly Frame[];
  readonly bytes: number;
  /** What reading it as it is allocates. */
  readonly fixed: number;
}

const windowBytes = 4_096;

function effectsOf(random: Random): Uint8Array {
  const effects = new EffectBuffer({ keyBytesMax: 1_040 });
  for (let left = 1 + random.integer(4); left > 0; left--) {
    const key = `k${random.integer(1_000)}`;
    const tree = 1 + random.integer(3);
    switch (random.integer(8)) {
      case 0:
        effects.delete(tree, key);
        break;
      case 1:
        effects.deleteRange(tree, key, "l");
        break;
      case 2:
        effects.clear(tree);
        break;
      default: {
        const value = random.bytes(random.integer(random.chance(0.1) ? 900 : 40));
        effects.put(tree, key, value, random.chance(0.3) ? 1_700_000_000_000 : undefined);
      }
    }
  }
  return effects.bytes.slice();
}

function drawSample(seed: number): Sample {
  const random = new Random(seed);
  const log = new ArrayLog();
  const commits: Uint8Array[] = [];
  let tail: { end: LogTail["end"]; segments: readonly number[] } = { end: logStart, segments: [] };
  const sessions = 1 + random.integer(3);
  for (let session = 1; session <= sessions; session++) {
    const writer = new LogWriter({
      storage: { log, capabilities: log.capabilities },
      checksum,
      databaseId,
      generation: session,
      random32: () => random.integer(2 ** 32),
      staging: () => new Uint8Array(65_536),
      recovered: tail,
      check: () => undefined,
      options: {
        firstBytes: segmentHeaderBytes + 800 + random.integer(1_500),
        maxBytes: 8_192,
        frameBytesMax: random.pick([200, 1_000, 100_000]),
      },
    });
    for (let group = random.integer(8); group >= 0; group--) appendGroup(random, writer, commits);
    if (random.chance(0.5)) runSync(writer.close({ time: 9 }));
    tail = readAll(log, []).tail;
  }
  const frames = framesOf(log.segments);
  let bytes = 0;
  for (const segment of log.segments.values()) bytes += segment.length;
  return { segments: log.segments, commits, frames, bytes, fixed: 2 * bytes + 65_536 };
}

function appendGroup(random: Random, writer: LogWriter, commits: Uint8Array[]): void {
  const first = commits.length + 1;
  const pieces: Uint8Array[] = [];
  for (let left = 1 + random.integer(3); left > 0; left--) {
    const effects = effectsOf(random);
    commits.push(effects);
    const header = new Uint8Array(commitHeaderBytes);
    const seq = commits.length;
    writeCommitHeader(new DataView(header.buffer), 0, {
      seq,
      time: 1_000 + seq,
      idempotencyBytes: 0,
      effectsBytes: effects.length,
    });
    pieces.push(header, effects);
  }
  const payload = Uint8Array.from(Buffer.concat(pieces));
  const { durableSeq } = writer;
  const lastSeq = commits.length;
  runSync(writer.append(payload, { firstSeq: first, lastSeq, durableSeq, time: 1_000 + first }));
  if (random.chance(0.6)) writer.syncSync();
}

function framesOf(segments: ReadonlyMap<number, Uint8Array>): Frame[] {
  const frames: Frame[] = [];
  for (const [segment, bytes] of segments) {
    const view = new DataView(bytes.buffer);
    for (let at = segmentHeaderBytes; at + 80 <= bytes.length; ) {
      if (view.getUint32(at, true) !== 0x4d524643) break;
      const length = 80 + Math.ceil(view.getUint32(at + 16, true) / 8) * 8;
      frames.push({ segment, at, bytes: length, durableSeq: view.getUint32(at + 56, true) });
      at += length;
    }
  }
  return frames;
}

function readAll(log: ArrayLog, into: Uint8Array[]): { tail: LogTail } {
  const reader = new LogReader({ log, checksum, databaseId, from: logStart, windowBytes });
  const commits = new CommitReader(reader);
  for (;;) {
    const commit = runSync(commits.next());
    if (commit === undefined) return { tail: reader.tail };
    into.push(commit.effects.slice());
  }
}

const samples: readonly Sample[] = Array.from({ length: 48 }, (_, seed) => drawSample(seed));

/** Damage as a medium does it: what is read is a beginning of what was written. */
function runDamaged(random: Random, guard: Guard): void {
  const sample = random.pick(samples);
  const segments = new Map(sample.segments);
  const number = random.pick([...segments.keys()]);
  const original = sample.segments.get(number) as Uint8Array;
  const damaged = original.slice();
  mutate(random, damaged, 1 + random.integer(2));
  const isShorter = random.chance(0.05);
  segments.set(number, isShorter ? damaged.slice(0, random.integer(damaged.length)) : damaged);
  const commits: Uint8Array[] = [];
  const read = guard.run(
    () => readAll(new ArrayLog(segments), commits),
    sample.bytes,
    sample.fixed,
  );
  for (const [index, effects] of commits.entries()) {
    const expected = sample.commits[index];
    if (expected === undefined || Buffer.compare(effects, expected) !== 0) {
      throw new Violation(`commit ${index + 1} of a damaged log was read, but not as written`);
    }
  }
  if (read === undefined || isShorter) return;
  const known = knownDurable(sample, number, original, damaged);
  if (commits.length < known) {
    const found = `only ${commits.length} commits of a damaged log were read, and no error told`;
    throw new Violation(`${found}; an intact record knows that ${known} were durable`);
  }
}

/** The highest commit that a record which is still as it was calls durable. */
function knownDurable(
  sample: Sample,
  number: number,
  original: Uint8Array,
  damaged: Uint8Array,
): number {
  const isWhole = (from: number, to: number): boolean =>
    Buffer.compare(original.subarray(from, to), damaged.subarray(from, to)) === 0;
  const hasHeader = isWhole(0, 512) || isWhole(4_096, segmentHeaderBytes);
  let known = 0;
  for (const { segment, at, bytes, durableSeq } of sample.frames) {
    if (segment === number && !(hasHeader && isWhole(at, at + bytes))) continue;
    known = Math.max(known, durableSeq);
  }
  return known;
}

/** What somebody writes who knows the checksums: anything but a trap. */
function runForged(random: Random, guard: Guard): void {
  const sample = random.pick(samples);
  const segments = new Map(sample.segments);
  const number = random.pick([...segments.keys()]);
  let bytes = (sample.segments.get(number) as Uint8Array).slice();
  const frames = sample.frames.filter(({ segment }) => segment === number);
  if (frames.length === 0 || random.chance(0.15)) {
    mutate(random, bytes, 1 + random.integer(3), 8, 92);
    bytes.copyWithin(4_096, 0, 512);
    signSegmentHeader(bytes);
  } else {
    const frame = random.pick(frames);
    const isHeader = random.chance(0.5);
    const from = frame.at + (isHeader ? 12 : 80);
    mutate(random, bytes, 1 + random.integer(3), from, frame.at + (isHeader ? 80 : frame.bytes));
  }
  if (random.chance(0.1)) bytes = resize(random, bytes);
  if (bytes.length >= segmentHeaderBytes) signFrames(bytes, segmentHeaderBytes);
  segments.set(number, bytes);
  const commits: Uint8Array[] = [];
  guard.run(() => readAll(new ArrayLog(segments), commits), sample.bytes, sample.fixed);
  for (const effects of commits) {
    guard.run(() => [...readEffects(effects)].length, effects.length, 4_096);
  }
}

function runHeader(random: Random, guard: Guard): void {
  const sample = random.pick(samples);
  const number = random.pick([...sample.segments.keys()]);
  const original = sample.segments.get(number) as Uint8Array;
  let opening = original.slice(0, segmentHeaderBytes);
  mutate(random, opening, 1 + random.integer(3), 0, 512);
  if (random.chance(0.4)) opening.copyWithin(4_096, 0, 512);
  const isForged = random.chance(0.5);
  if (isForged) signSegmentHeader(opening);
  if (random.chance(0.1)) opening = resize(random, opening);
  guard.run(
    () => {
      const { header } = decodeSegmentHeader(opening, checksum);
      if (header === undefined) return;
      const isSound = isSegmentHeaderSound(header);
      if (isForged || !isSound || header.segment === number) return;
      throw new Violation("a damaged header of a segment was taken for another one");
    },
    opening.length,
    4_096,
  );
}

function runEffects(random: Random, guard: Guard): void {
  const sample = random.pick(samples);
  let effects = random.pick(sample.commits).slice();
  if (random.chance(0.3)) effects = resize(random, effects);
  mutate(random, effects, random.integer(4));
  guard.run(
    () => {
      let bytes = 0;
      for (const { key, value } of readEffects(effects)) bytes += key.length + value.length;
      if (bytes > effects.length) throw new Violation("effects are longer than their bytes");
    },
    effects.length,
    4_096,
  );
}

export const logTargets: readonly Target[] = [
  { name: "log damaged", weight: 70, run: runDamaged },
  { name: "log forged", weight: 70, run: runForged },
  { name: "segment header", weight: 110, run: runHeader },
  { name: "effects", weight: 150, run: runEffects },
];
