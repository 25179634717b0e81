/** Ways through recovery, the log and checkpoints that hardly anything else takes. */
import { describe, expect, test } from "vitest";
import { loadCore } from "../../bindings/load.ts";
import { checkBlobHeader, encodeBlobHeader } from "../../src/engine/blob.ts";
import { decodeCatalogue, encodeCatalogue } from "../../src/engine/catalogue.ts";
import { type Engine, runAsync } from "../../src/engine/index.ts";
import { frameFault, frameKind, readFrame, sealFrame } from "../../src/engine/log/frame.ts";
import { logStart } from "../../src/engine/log/position.ts";
import { LogReader } from "../../src/engine/log/reader.ts";
import { recover } from "../../src/engine/recovery.ts";
import { MemoryMedium, MemoryStorage } from "../../src/storage/memory/index.ts";
import { FaultStorage } from "../storage/fault-storage.ts";
import { tableChecksum } from "./log/reference-checksum.ts";
import { hashed, open, openWithTrees, ordered, put, records, utf8 } from "./places.ts";

const databaseId = new Uint8Array(16).fill(7);

/** A database with two checkpoints, closed, or left as a crash would leave it. */
async function written(isClosed = true): Promise<MemoryMedium> {
  const medium = new MemoryMedium();
  const engine = await openWithTrees(new MemoryStorage(medium));
  for (let round = 0; round < 3; round++) {
    await put(engine, [[`round ${round}`, "v".repeat(3000)]]);
    if (round < 2) await engine.checkpoint();
  }
  if (isClosed) await engine.close();
  else medium.loseHolder();
  return medium;
}

async function contentOf(engine: Engine): Promise<string[]> {
  return (await records(engine, ordered)).map(([key]) => key);
}

const everything = ["round 0", "round 1", "round 2"];

/** The newest blob of a kind. */
function newest(medium: MemoryMedium, kind: "catalogue" | "pages"): string {
  const numberOf = (name: string): number => Number(name.split("-")[1]);
  const names = [...medium.blobs.keys()].filter((name) => name.startsWith(kind));
  return names.sort((a, b) => numberOf(b) - numberOf(a))[0] as string;
}

describe("a blob", () => {
  const name = { number: 3, generation: 2, random: 5n };

  test("is refused when its header is another blob's, whole as it may be", () => {
    const header = encodeBlobHeader(name, 9, databaseId, tableChecksum);
    const check = (other: typeof name, slots: number): void =>
      checkBlobHeader(header, other, slots, databaseId, tableChecksum);
    check(name, 9);
    const another = expect.objectContaining({ code: "corruption" });
    for (const wrong of [{ number: 4 }, { generation: 1 }, { random: 6n }]) {
      expect(() => check({ ...name, ...wrong }, 9)).toThrow(another);
    }
    expect(() => check(name, 8)).toThrow(another);
  });
});

describe("a catalogue", () => {
  const content = { nextTree: 1, nextBlob: 1, trees: [], blobs: [], reclaim: [] };
  function decode(bytes: Uint8Array, number = 4): unknown {
    const checksum = tableChecksum(bytes, 0);
    const place = { number, generation: 1, random: 1n, offset: 0, bytes: bytes.length, checksum };
    return decodeCatalogue(bytes, place, databaseId, tableChecksum);
  }
  const refused = expect.objectContaining({ code: "corruption" });

  test("is refused when it has the right checksum and is something else", () => {
    const bytes = encodeCatalogue(content, databaseId, 4);
    expect(decode(bytes)).toEqual(content);
    expect(() => decode(bytes, 5)).toThrow(refused);
    expect(() => decode(bytes.subarray(0, 20))).toThrow(refused);
    expect(() => decode(bytes.map((byte, at) => (at === 0 ? byte ^ 1 : byte)))).toThrow(refused);
    const foreign = encodeCatalogue(content, new Uint8Array(16).fill(8), 4);
    expect(() => decode(foreign)).toThrow(refused);
    expect(() => decode(bytes.subarray(0, bytes.length - 1))).toThrow(refused);
  });

  test("that was cut off is no harm: the older root and the log have everything", async () => {
    const medium = await written();
    const name = newest(medium, "catalogue");
    medium.blobs.set(name, (medium.blobs.get(name) as Uint8Array).subarray(0, 60));
    const engine = await open(new MemoryStorage(medium));
    expect(engine.recovery.rootDamaged).toBe(true);
    expect(await contentOf(engine)).toEqual(everything);
    await engine.close();
  });
});

describe("opening", () => {
  test("without the newest pages takes the older root and the log", async () => {
    const medium = await written();
    medium.blobs.delete(newest(medium, "pages"));
    const engine = await open(new MemoryStorage(medium));
    expect(engine.recovery.rootDamaged).toBe(true);
    expect(await contentOf(engine)).toEqual(everything);
    expect((await engine.verify()).findings).toEqual([]);
    await engine.close();
  });

  test("beside a writer whose checkpoints are never whole gives up and says so", async () => {
    const medium = await written(false);
    const writer = await open(new MemoryStorage(medium));
    for (const name of [...medium.blobs.keys()]) medium.blobs.delete(name);
    const reader = open(new MemoryStorage(medium), { readOnly: true });
    await expect(reader).rejects.toMatchObject({ code: "root_superseded", retryable: true });
    await writer.close().catch(() => undefined);
  });

  test("finds no database when its root goes away meanwhile", async () => {
    const storage = new MemoryStorage(await written());
    const read = storage.root.read.bind(storage.root);
    let reads = 0;
    storage.root.read = () => (++reads > 1 ? undefined : read());
    const opening = open(storage, { readOnly: true });
    await expect(opening).rejects.toMatchObject({ code: "database_not_found" });
  });

  test("read-only ends when the log changes more than memory can ever hold", async () => {
    const medium = new MemoryMedium();
    const engine = await openWithTrees(new MemoryStorage(medium), { checkpointLogBytes: 1 << 30 });
    for (let round = 0; round < 6; round++) {
      await put(
        engine,
        Array.from({ length: 500 }, (_, i) => [`${round} ${i}`, "v".repeat(1500)]),
      );
    }
    medium.loseHolder();
    const storage = new MemoryStorage(medium);
    await storage.acquire("read-only", { create: false });
    const setup = {
      module: loadCore(),
      storage,
      generation: 9,
      frames: 1024,
      framesMax: 2048,
      readOnly: true,
      clock: () => 1,
      random: (bytes: Uint8Array) => bytes.fill(1),
      hashMask: undefined,
      replaysLog: true,
    };
    const slots = medium.root as [Uint8Array, Uint8Array];
    await expect(runAsync(recover(setup, slots))).rejects.toMatchObject({ code: "memory_limit" });
  });

  test("keeps what many keys with few different hashes stand for", async () => {
    const medium = new MemoryMedium();
    const options = { hashMask: 0xff00_0000_0000_0000n };
    const keys = Array.from({ length: 800 }, (_, i): [string, string] => [`key ${i}`, `${i}`]);
    let engine = await openWithTrees(new MemoryStorage(medium), options);
    await put(engine, keys, [hashed]);
    await engine.close();
    engine = await open(new MemoryStorage(medium), options);
    expect((await records(engine, hashed)).sort()).toEqual(keys.sort());
    await engine.close();
  });

  test("goes on giving back what several clears have cut off", async () => {
    const medium = new MemoryMedium();
    const engine = await openWithTrees(new MemoryStorage(medium));
    await put(
      engine,
      Array.from({ length: 900 }, (_, i) => [`key ${i}`, "v".repeat(300)]),
    );
    await engine.checkpoint();
    const effects = engine.beginCommit();
    effects.clear(ordered);
    effects.clear(hashed);
    await engine.submit();
    await engine.checkpoint();
    medium.loseHolder();
    const again = await open(new MemoryStorage(medium));
    await again.maintenance.reclaim();
    expect((await again.verify()).findings).toEqual([]);
    expect(again.stats().storage.liveBytes).toBe(0);
    await again.close();
  });
});

describe("the log", () => {
  test("is not shortened by one read that brings the zeros of another place", async () => {
    for (let wrong = 1; wrong <= 6; wrong++) {
      const storage = new MemoryStorage(await written(false));
      const read = storage.log.read.bind(storage.log);
      let reads = 0;
      storage.log.read = (segment, at, into) => {
        const isWrong = ++reads === wrong;
        const count = read(segment, at, into);
        if (isWrong && typeof count === "number") into.fill(0, 0, count);
        return count;
      };
      const engine = await open(storage, { readOnly: true }).catch((error: unknown) => error);
      if (engine instanceof Error) expect(engine).toMatchObject({ code: "log_corrupt" });
      else expect(await contentOf(engine as Engine), `read ${wrong}`).toEqual(everything);
    }
  });

  test("is at the root's position before anything was read", () => {
    const { log } = new MemoryStorage();
    const setup = { log, checksum: tableChecksum, databaseId, from: logStart };
    expect(new LogReader(setup).position).toEqual(logStart);
  });

  test("has no frames whose fields contradict each other", () => {
    const good = {
      kind: frameKind.commits,
      payloadBytes: 8,
      part: 0,
      parts: 1,
      generation: 1,
      firstSeq: 5,
      lastSeq: 6,
      durableSeq: 4,
      time: 1,
      previousChecksum: 1,
      groupBytes: 8,
    };
    const faultOf = (fields: Partial<typeof good>): string | undefined => {
      const bytes = new Uint8Array(200);
      const view = new DataView(bytes.buffer);
      sealFrame(bytes, view, 0, { ...good, ...fields }, tableChecksum, 0);
      const frame = readFrame(view, 0);
      return frame === undefined ? "none" : frameFault(frame);
    };
    expect(faultOf({})).toBeUndefined();
    expect(faultOf({ groupBytes: 7 })).toBe("group length");
    expect(faultOf({ part: 1 })).toBe("part");
    expect(faultOf({ kind: frameKind.cleanClose })).toBe("seq");
    expect(faultOf({ kind: 3 as never })).toBe("kind");
  });

  test("has all of a group of several frames after a crash, or nothing of it", async () => {
    const options = { checkpointLogBytes: 1 << 30, memoryBudget: 32 << 20 };
    const seen = new Set<number>();
    for (const bytes of [100, 700_000, 2 ** 31]) {
      for (let call = 1; call <= 12; call++) {
        const storage = new FaultStorage();
        const engine = await openWithTrees(storage, options);
        const effects = engine.beginCommit();
        for (let i = 0; i < 5; i++) effects.put(ordered, `large ${i}`, utf8("w".repeat(500_000)));
        storage.crashAt(storage.trace.length + call, bytes);
        await engine.submit().catch(() => undefined);
        storage.crash();
        const medium = storage.survivors(call, "kill");
        const again = await open(new MemoryStorage(medium), options);
        const found = await contentOf(again);
        expect([0, 5]).toContain(found.length);
        if (found.length > 0) expect(again.recovery.droppedBytes).toBe(0);
        seen.add(found.length);
        await again.close();
      }
    }
    expect(seen).toEqual(new Set([0, 5]));
  });

  test("of a database without a commit need not move on for a compaction", async () => {
    const medium = new MemoryMedium();
    const engine = await open(new MemoryStorage(medium));
    await engine.compact();
    await engine.close();
    const again = await open(new MemoryStorage(medium));
    expect(again.recovery.seq).toBe(0n);
    await again.close();
  });
});
