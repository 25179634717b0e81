/** The log on the storages of the product: files, memory at once, memory that answers later. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { logStart } from "../../../src/engine/log/position.ts";
import { LogReader, type LogTail } from "../../../src/engine/log/reader.ts";
import { LogWriter } from "../../../src/engine/log/writer.ts";
import { runAsync } from "../../../src/engine/steps.ts";
import { MemoryMedium, MemoryStorage } from "../../../src/storage/memory/index.ts";
import { openNodeStorage } from "../../../src/storage/node-fs/index.ts";
import type { Storage } from "../../../src/storage/port.ts";
import { tableChecksum } from "./reference-checksum.ts";
import { databaseId, payloadOf } from "./session.ts";

interface Place {
  open(): Storage | Promise<Storage>;
  dispose(): void;
}

const places: [string, () => Place][] = [
  [
    "files",
    () => {
      const parent = mkdtempSync(join(tmpdir(), "cairn-log-"));
      return {
        open: () => openNodeStorage(join(parent, "database")),
        dispose: () => rmSync(parent, { recursive: true }),
      };
    },
  ],
  [
    "memory that answers at once",
    () => {
      const medium = new MemoryMedium();
      return { open: () => new MemoryStorage(medium), dispose: () => undefined };
    },
  ],
  [
    "memory that answers later",
    () => {
      const medium = new MemoryMedium();
      const latency = (): Promise<void> => Promise.resolve();
      return { open: () => new MemoryStorage(medium, { latency }), dispose: () => undefined };
    },
  ],
];

async function readAll(storage: Storage): Promise<{ payloads: Uint8Array[]; tail: LogTail }> {
  const setup = { log: storage.log, checksum: tableChecksum, databaseId, from: logStart };
  const reader = new LogReader(setup);
  const payloads: Uint8Array[] = [];
  for (;;) {
    const part = await runAsync(reader.next());
    if (part === undefined) return { payloads, tail: reader.tail };
    const before = part.part === 0 ? new Uint8Array(0) : (payloads.pop() as Uint8Array);
    payloads.push(Uint8Array.from(Buffer.concat([before, part.payload])));
  }
}

describe.each(places)("on %s", (_, place) => {
  test("what sessions write is read after each of them, closed or not", async () => {
    const { open, dispose } = place();
    const expected: Uint8Array[] = [];
    const staging = new Uint8Array(65_536);
    for (let session = 1; session <= 4; session++) {
      const storage = await open();
      const claim = await storage.acquire("exclusive", { create: true });
      const { payloads, tail } = await readAll(storage);
      expect(payloads.length).toBe(expected.length);
      expect(Buffer.compare(Buffer.concat(payloads), Buffer.concat(expected))).toBe(0);
      expect(tail.kind).toBe(["", "empty", "clean", "unclosed", "clean"][session]);
      const writer = new LogWriter({
        storage,
        checksum: tableChecksum,
        databaseId,
        generation: claim.generation,
        random32: () => session,
        staging: () => staging,
        recovered: tail,
        check: () => claim.check(),
        options: { firstBytes: 16_384, maxBytes: 32_768, frameBytesMax: 8192 },
      });
      for (let i = 0; i < 20; i++) {
        const { seq } = writer.position;
        const payload = payloadOf(seq, i === 9 ? 40_000 : 700 * i + 1);
        expected.push(payload);
        const info = { firstSeq: seq + 1, lastSeq: seq + 1, durableSeq: 0, time: i };
        await runAsync(writer.append(payload, info));
        if (i % 4 === 0) await writer.sync();
      }
      await writer.sync();
      if (session % 2 === 1) await runAsync(writer.close({ time: 1 }));
      await writer.settled();
      await storage.close();
      await claim.release();
    }
    dispose();
  });
});
