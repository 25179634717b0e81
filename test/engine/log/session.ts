/** Opens a log as the engine would: recover, then write. */
import type { Checksum } from "../../../src/engine/checksum.ts";
import { type LogPosition, logStart } from "../../../src/engine/log/position.ts";
import { LogReader, type LogTail } from "../../../src/engine/log/reader.ts";
import { LogWriter, type LogWriterOptions } from "../../../src/engine/log/writer.ts";
import { runAsync, runSync } from "../../../src/engine/steps.ts";
import type { MapLog } from "./map-log.ts";
import { tableChecksum } from "./reference-checksum.ts";

export const databaseId: Uint8Array = Uint8Array.from({ length: 16 }, (_, i) => i * 13 + 7);

export interface ReadGroup {
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly time: number;
  readonly payload: Uint8Array;
}

export interface ReadLog {
  readonly groups: ReadGroup[];
  readonly tail: LogTail;
}

export interface ReadOptions {
  readonly from?: LogPosition;
  readonly checksum?: Checksum;
  readonly windowBytes?: number;
  readonly durableSeq?: number;
  readonly databaseId?: Uint8Array;
}

function readerOf(log: MapLog, options: ReadOptions): LogReader {
  return new LogReader({
    log,
    checksum: options.checksum ?? tableChecksum,
    databaseId: options.databaseId ?? databaseId,
    from: options.from ?? logStart,
    windowBytes: options.windowBytes ?? 512,
    durableSeq: options.durableSeq,
  });
}

/** Reads all groups, parts put together. `into` shows what was handed out when reading throws. */
export function readAll(log: MapLog, options: ReadOptions = {}, into: ReadGroup[] = []): ReadLog {
  const reader = readerOf(log, options);
  for (;;) {
    const part = runSync(reader.next());
    if (part === undefined) return { groups: into, tail: reader.tail };
    const before = part.part === 0 ? new Uint8Array(0) : (into.pop()?.payload ?? fail());
    const { firstSeq, lastSeq, time, payload } = part;
    into.push({
      firstSeq,
      lastSeq,
      time,
      payload: Uint8Array.from(Buffer.concat([before, payload])),
    });
  }
}

export async function readAllAsync(log: MapLog, options: ReadOptions = {}): Promise<ReadLog> {
  const reader = readerOf(log, options);
  const groups: ReadGroup[] = [];
  for (;;) {
    const part = await runAsync(reader.next());
    if (part === undefined) return { groups, tail: reader.tail };
    const before = part.part === 0 ? new Uint8Array(0) : (groups.pop()?.payload ?? fail());
    const { firstSeq, lastSeq, time, payload } = part;
    groups.push({
      firstSeq,
      lastSeq,
      time,
      payload: Uint8Array.from(Buffer.concat([before, payload])),
    });
  }
}

function fail(): never {
  throw new Error("a part without the one before it");
}

export interface WriterOptions extends LogWriterOptions {
  readonly recovered?: { readonly end: LogPosition; readonly segments: readonly number[] };
  readonly generation?: number;
  readonly staging?: Uint8Array;
  readonly salt?: number;
  readonly databaseId?: Uint8Array;
  readonly checksum?: Checksum;
  readonly check?: () => void;
}

/** A writer on small segments. */
export function writerOf(log: MapLog, options: WriterOptions = {}): LogWriter {
  const staging = options.staging ?? new Uint8Array(65536);
  let salt = options.salt ?? 1;
  return new LogWriter({
    storage: { log, capabilities: log.capabilities },
    checksum: options.checksum ?? tableChecksum,
    databaseId: options.databaseId ?? databaseId,
    generation: options.generation ?? 1,
    random32: () => salt++,
    staging: () => staging,
    recovered: options.recovered ?? { end: logStart, segments: [] },
    check: options.check,
    options,
  });
}

/** Payload bytes that differ from group to group and are never zero. */
export function payloadOf(seq: number, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => 1 + ((seq * 31 + i * 7) % 255));
}

/** Appends one group of one commit in this turn. */
export function appendSync(writer: LogWriter, payload: Uint8Array, commits: number = 1): void {
  const { seq } = writer.position;
  runSync(
    writer.append(payload, {
      firstSeq: seq + 1,
      lastSeq: seq + commits,
      durableSeq: writer.durableSeq,
      time: 1_700_000_000_000 + seq,
    }),
  );
}

/** Says which group differs, or nothing. Much faster than a deep comparison of bytes. */
export function differenceOf(found: readonly ReadGroup[], expected: readonly ReadGroup[]): string {
  if (found.length !== expected.length) {
    return `${found.length} groups instead of ${expected.length}`;
  }
  const at = found.findIndex((group, i) => {
    const other = expected[i];
    return (
      group.firstSeq !== other.firstSeq ||
      group.lastSeq !== other.lastSeq ||
      group.time !== other.time ||
      Buffer.compare(group.payload, other.payload) !== 0
    );
  });
  return at < 0 ? "" : `group ${at} differs`;
}
