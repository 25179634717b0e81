import { describe, expect, test } from "vitest";
import { logStart } from "../../../src/engine/log/position.ts";
import { segmentHeaderBytes } from "../../../src/engine/log/segment.ts";
import type { LogWriter } from "../../../src/engine/log/writer.ts";
import { runAsync, runSync } from "../../../src/engine/steps.ts";
import { CairnError, isCairnError } from "../../../src/errors.ts";
import { MapLog } from "./map-log.ts";
import { tableChecksum } from "./reference-checksum.ts";
import { appendSync, payloadOf, readAll, writerOf } from "./session.ts";

const segmentBytes = segmentHeaderBytes + 720;
const sizes = { firstBytes: segmentBytes, maxBytes: segmentBytes };

function infoOf(writer: LogWriter): {
  firstSeq: number;
  lastSeq: number;
  durableSeq: number;
  time: number;
} {
  const { seq } = writer.position;
  return { firstSeq: seq + 1, lastSeq: seq + 1, durableSeq: 0, time: 1 };
}

function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof CairnError) return error.code;
    throw error;
  }
  return "none";
}

function gate(): { promise: Promise<void>; open: () => void } {
  let open: () => void = () => undefined;
  const promise = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}

describe("segments", () => {
  test("are begun at the first write and not before", () => {
    const log = new MapLog();
    const writer = writerOf(log);
    expect(writer.position).toEqual(logStart);
    expect(log.operations).toEqual([]);
    appendSync(writer, payloadOf(1, 10));
    expect(log.operations).toEqual(["create 1", "append 1", "append 1"]);
    expect(writer.appendedBytes).toBe(96);
  });

  test("double from the first size to the largest", async () => {
    const log = new MapLog();
    const writer = writerOf(log, { firstBytes: 8192, maxBytes: 40_000 });
    for (let i = 0; i < 200; i++) {
      appendSync(writer, payloadOf(i, 500));
      await writer.settled();
    }
    const lengths = [...log.segments.values()].map((bytes) => bytes.length);
    expect(lengths.slice(0, 5)).toEqual([8192, 16_384, 32_768, 40_000, 40_000]);
    expect([...log.segments.keys()]).toEqual(lengths.map((_, i) => i + 1));
  });

  test("are larger when a frame needs it", () => {
    const log = new MapLog();
    const writer = writerOf(log, sizes);
    appendSync(writer, payloadOf(1, 5001));
    expect(log.segments.get(1)?.length).toBe(segmentHeaderBytes + 80 + 5008 + 160);
    runSync(writer.close({ time: 1 }));
    expect(readAll(log).tail.kind).toBe("clean");
  });

  test("that were made ahead in time cost the commit no creation", async () => {
    const log = new MapLog();
    const writer = writerOf(log, sizes);
    for (let i = 0; i < 3; i++) appendSync(writer, payloadOf(i, 100));
    await writer.settled();
    appendSync(writer, payloadOf(3, 100));
    expect(log.operations.filter((operation) => operation.startsWith("create"))).toEqual([
      "create 1",
      "createAhead 2",
      "createAhead 3",
    ]);
    expect(writer.position.segment).toBe(2);
  });

  test("that come too late are passed over and removed; none is tried meanwhile", async () => {
    const log = new MapLog();
    const ready = gate();
    log.aheadGate = ready.promise;
    const writer = writerOf(log, sizes);
    for (let i = 0; i < 9; i++) appendSync(writer, payloadOf(i, 100));
    expect(log.operations.filter((operation) => operation.startsWith("create"))).toEqual([
      "create 1",
      "createAhead 2",
      "create 3",
      "create 4",
    ]);
    ready.open();
    await writer.settled();
    expect([...log.segments.keys()]).toEqual([1, 3, 4]);
    expect(readAll(log).groups.length).toBe(9);
  });

  test("that are still being made are waited for where the storage answers later", async () => {
    const log = new MapLog({ isAsync: true });
    const ready = gate();
    log.aheadGate = ready.promise;
    const writer = writerOf(log, sizes);
    for (let i = 0; i < 3; i++) await runAsync(writer.append(payloadOf(i, 100), infoOf(writer)));
    const fourth = runAsync(writer.append(payloadOf(3, 100), infoOf(writer)));
    ready.open();
    await fourth;
    expect(log.operations.filter((operation) => operation.startsWith("create"))).toEqual([
      "create 1",
      "createAhead 2",
      "createAhead 3",
    ]);
  });

  test("that cannot be made ahead are made in line", async () => {
    const log = new MapLog({
      before: (operation) => {
        if (operation === "createAhead") throw new CairnError("disk_full", "no space");
      },
    });
    const writer = writerOf(log, sizes);
    for (let i = 0; i < 4; i++) {
      appendSync(writer, payloadOf(i, 100));
      await writer.settled();
    }
    expect(writer.isPoisoned).toBe(false);
    expect(readAll(log).groups.length).toBe(4);
  });

  test("that were made ahead and are too small for a frame are passed over", async () => {
    const log = new MapLog();
    const writer = writerOf(log, sizes);
    for (let i = 0; i < 3; i++) appendSync(writer, payloadOf(i, 100));
    await writer.settled();
    appendSync(writer, payloadOf(3, 3000));
    await writer.settled();
    expect(writer.position.segment).toBe(3);
    expect(log.segments.has(2)).toBe(false);
    expect(readAll(log).groups.length).toBe(4);
  });

  test("that are passed over are removed where that takes a while, or is impossible", async () => {
    for (const isPossible of [true, false]) {
      const log = new MapLog({ isAsync: true });
      const remove = log.remove.bind(log);
      log.remove = async (segments) => {
        await new Promise((resolve) => setImmediate(resolve));
        if (!isPossible) throw new CairnError("storage_failed", "cannot remove");
        await remove(segments);
      };
      const writer = writerOf(log, sizes);
      for (let i = 0; i < 2; i++) await runAsync(writer.append(payloadOf(i, 100), infoOf(writer)));
      await writer.settled();
      await runAsync(writer.append(payloadOf(2, 3000), infoOf(writer)));
      await writer.settled();
      expect(log.segments.has(2)).toBe(!isPossible);
      expect(writer.isPoisoned).toBe(false);
      if (isPossible) continue;
      log.remove = remove;
      await runAsync(writer.trim(writer.position));
      expect(log.segments.has(2)).toBe(false);
    }
  });

  test("that are being made are neither trimmed nor left behind by a close", async () => {
    for (const isAsync of [true, false]) {
      const log = new MapLog({ isAsync });
      const ready = gate();
      log.aheadGate = ready.promise;
      const writer = writerOf(log, sizes);
      for (let i = 0; i < 4; i++) {
        await runAsync(writer.append(payloadOf(i, 50), infoOf(writer)));
      }
      await runAsync(writer.trim(writer.position));
      const closed = runAsync(writer.close({ time: 1 }));
      ready.open();
      await closed;
      await writer.settled();
      expect([...log.segments.keys()]).toEqual([1]);
    }
  });

  test("that failed to be made where the storage answers later are made in line", async () => {
    const log = new MapLog({
      isAsync: true,
      before: (operation) => {
        if (operation === "createAhead") throw new CairnError("disk_full", "no space");
      },
    });
    const writer = writerOf(log, sizes);
    for (let i = 0; i < 4; i++) await runAsync(writer.append(payloadOf(i, 100), infoOf(writer)));
    await runAsync(writer.close({ time: 1 }));
    expect([...log.segments.keys()]).toEqual([1, 3]);
  });

  test("are checked against the claim before each one is begun", () => {
    const log = new MapLog();
    let claims = 0;
    const check = (): void => {
      if (++claims > 2) throw new CairnError("generation_lost", "claimed by somebody else");
    };
    const writer = writerOf(log, { ...sizes, check });
    for (let i = 0; i < 6; i++) appendSync(writer, payloadOf(i, 100));
    expect(codeOf(() => appendSync(writer, payloadOf(7, 100)))).toBe("generation_lost");
    expect(codeOf(() => appendSync(writer, payloadOf(7, 100)))).toBe("poisoned");
  });

  test("wholly before a position are trimmed, those beside the log too, no others", async () => {
    const log = new MapLog();
    log.create(1, segmentBytes);
    const writer = writerOf(log, sizes);
    const positions = [writer.position];
    for (let i = 0; i < 9; i++) {
      appendSync(writer, payloadOf(i, 100));
      await writer.settled();
      positions.push(writer.position);
    }
    writer.syncSync();
    runSync(writer.trim(positions[0]));
    expect([...log.segments.keys()]).toEqual([1, 2, 3, 4, 5]);
    runSync(writer.trim(positions[5]));
    expect([...log.segments.keys()]).toEqual([3, 4, 5]);
    expect(readAll(log, { from: positions[5] }).groups.length).toBe(4);
    runSync(writer.trim(writer.position));
    expect([...log.segments.keys()]).toEqual([4, 5]);
  });

  test("get numbers that no other segment has", () => {
    const log = new MapLog();
    log.create(7, segmentBytes);
    const writer = writerOf(log, sizes);
    appendSync(writer, payloadOf(1, 10));
    expect(writer.position.segment).toBe(8);
  });
});

describe("syncs", () => {
  test("cover every segment that has unsynced bytes, in order, once", async () => {
    const log = new MapLog();
    const writer = writerOf(log, sizes);
    for (let i = 0; i < 7; i++) {
      appendSync(writer, payloadOf(i, 100));
      await writer.settled();
    }
    log.operations.length = 0;
    await writer.sync();
    await writer.sync();
    writer.syncSync();
    expect(log.operations).toEqual(["sync 1", "sync 2", "sync 3"]);
    expect(writer.durableSeq).toBe(7);
  });

  test("do not cover what is appended while they run", async () => {
    const log = new MapLog();
    const writer = writerOf(log);
    appendSync(writer, payloadOf(1, 100));
    const first = writer.sync();
    appendSync(writer, payloadOf(2, 100));
    await first;
    expect(writer.durableSeq).toBe(1);
    expect(readAll(log.crash(() => undefined)).groups.length).toBe(1);
    await writer.sync();
    expect(writer.durableSeq).toBe(2);
  });

  test("are over when the writer has settled", async () => {
    const log = new MapLog();
    const writer = writerOf(log);
    appendSync(writer, payloadOf(1, 100));
    const sync = writer.sync();
    await writer.settled();
    expect(writer.durableSeq).toBe(1);
    await sync;
  });

  test("that are asked for twice answer after the one under way", async () => {
    const log = new MapLog();
    const ready = gate();
    const sync = log.sync.bind(log);
    log.sync = async (segment) => {
      await ready.promise;
      await sync(segment);
    };
    const writer = writerOf(log);
    appendSync(writer, payloadOf(1, 100));
    const order: string[] = [];
    const first = writer.sync().then(() => order.push("first"));
    const again = writer.sync().then(() => order.push("again"));
    appendSync(writer, payloadOf(2, 100));
    const second = writer.sync().then(() => order.push("second"));
    ready.open();
    await Promise.all([first, again, second]);
    expect(order).toEqual(["first", "again", "second"]);
    expect(log.operations.filter((operation) => operation === "sync 1").length).toBe(2);
  });

  test("in one turn cover what another one has under way", () => {
    const log = new MapLog();
    log.sync = () => new Promise(() => undefined);
    const writer = writerOf(log);
    appendSync(writer, payloadOf(1, 100));
    void writer.sync();
    writer.syncSync();
    expect(writer.durableSeq).toBe(1);
    expect(readAll(log.crash(() => undefined)).groups.length).toBe(1);
  });

  test("are recorded in the next frame", () => {
    const log = new MapLog();
    const writer = writerOf(log);
    appendSync(writer, payloadOf(1, 100));
    writer.syncSync();
    appendSync(writer, payloadOf(2, 100));
    const frame = log.writes[2].bytes;
    expect(new DataView(frame.buffer).getUint32(56, true)).toBe(1);
  });
});

describe("a failure", () => {
  const full = new CairnError("disk_full", "no space left");

  function failing(operation: string, after: number): MapLog {
    let count = 0;
    return new MapLog({
      before: (found) => {
        if (found === operation && ++count > after) throw full;
      },
    });
  }

  test.each(["create", "append", "sync"])(
    "of %s is thrown once, and then poisons",
    async (operation) => {
      const log = failing(operation, operation === "append" ? 2 : operation === "create" ? 0 : 0);
      const writer = writerOf(log, sizes);
      const attempt = (): void => {
        appendSync(writer, payloadOf(1, 100));
        appendSync(writer, payloadOf(2, 100));
        writer.syncSync();
      };
      expect(codeOf(attempt)).toBe("disk_full");
      expect(writer.isPoisoned).toBe(true);
      const calls = log.operations.length;
      for (const call of [
        () => appendSync(writer, payloadOf(3, 100)),
        () => writer.syncSync(),
        () => runSync(writer.close({ time: 1 })),
        () => runSync(writer.trim(writer.position)),
      ]) {
        try {
          call();
          expect.unreachable();
        } catch (error) {
          expect(isCairnError(error, "poisoned") && error.cause).toBe(full);
        }
      }
      await expect(writer.sync()).rejects.toMatchObject({ code: "poisoned", cause: full });
      expect(log.operations.length).toBe(calls);
    },
  );

  test("of a sync that runs in the background poisons, and raises nothing to durable", async () => {
    const log = failing("sync", 0);
    const writer = writerOf(log);
    appendSync(writer, payloadOf(1, 100));
    const first = writer.sync();
    const second = writer.sync();
    await expect(first).rejects.toBe(full);
    await expect(second).rejects.toBe(full);
    expect(writer.durableSeq).toBe(0);
    expect(codeOf(() => appendSync(writer, payloadOf(2, 100)))).toBe("poisoned");
    await writer.settled();
  });

  test("of an append on a storage that answers later poisons", async () => {
    const log = new MapLog({ isAsync: true });
    const writer = writerOf(log);
    await runAsync(writer.append(payloadOf(1, 100), infoOf(writer)));
    log.append = () => Promise.reject(full);
    await expect(runAsync(writer.append(payloadOf(2, 100), infoOf(writer)))).rejects.toBe(full);
    await expect(writer.sync()).rejects.toMatchObject({ code: "poisoned", cause: full });
  });

  test("to answer in one turn poisons, because the write may still happen", () => {
    const writer = writerOf(new MapLog({ isAsync: true }));
    const append = (): void => runSync(writer.append(payloadOf(1, 100), infoOf(writer)));
    expect(codeOf(append)).toBe("synchronous_unavailable");
    expect(codeOf(append)).toBe("poisoned");
  });

  test("to trim poisons nothing", () => {
    const log = failing("remove", 0);
    log.create(1, segmentBytes);
    const writer = writerOf(log, sizes);
    appendSync(writer, payloadOf(1, 100));
    expect(codeOf(() => runSync(writer.trim(writer.position)))).toBe("disk_full");
    appendSync(writer, payloadOf(2, 100));
    expect(writer.isPoisoned).toBe(false);
  });
});

describe("a call that makes no sense writes nothing", () => {
  test.each([
    ["a seq that is not the next", { firstSeq: 2, lastSeq: 2 }],
    ["a last seq before the first", { lastSeq: 0 }],
    ["a durable seq that is not before the group", { durableSeq: 1 }],
    ["a time that is not an integer", { time: 0.5 }],
    ["a negative time", { time: -1 }],
    ["a seq beyond 2^53", { lastSeq: 2 ** 53 }],
  ])("%s", (_, change) => {
    const log = new MapLog();
    const writer = writerOf(log);
    const info = { firstSeq: 1, lastSeq: 1, durableSeq: 0, time: 1, ...change };
    expect(codeOf(() => runSync(writer.append(payloadOf(1, 9), info)))).toBe("invariant_broken");
    expect(log.operations).toEqual([]);
    appendSync(writer, payloadOf(1, 9));
  });

  test("two appends at a time", async () => {
    const writer = writerOf(new MapLog({ isAsync: true }));
    const first = runAsync(writer.append(payloadOf(1, 9), infoOf(writer)));
    const second = runAsync(writer.append(payloadOf(1, 9), infoOf(writer)));
    await expect(second).rejects.toMatchObject({ code: "invariant_broken" });
    await first;
    expect(writer.isPoisoned).toBe(false);
  });

  test("a staging area that is too small for a header", () => {
    const writer = writerOf(new MapLog(), { staging: new Uint8Array(80) });
    expect(codeOf(() => appendSync(writer, payloadOf(1, 9)))).toBe("invariant_broken");
  });
});

describe("closing", () => {
  test("syncs, marks twice, syncs, and removes the segment made ahead", async () => {
    const log = new MapLog();
    const writer = writerOf(log, sizes);
    for (let i = 0; i < 2; i++) appendSync(writer, payloadOf(i, 100));
    await writer.settled();
    log.operations.length = 0;
    const { position } = writer;
    runSync(writer.close({ time: 1 }));
    expect(log.operations).toEqual(["sync 1", "append 1", "sync 1", "remove 2"]);
    expect(writer.position).toEqual(position);
    expect(readAll(log).tail).toMatchObject({ kind: "clean", end: position, copiesLost: 0 });
    expect(codeOf(() => appendSync(writer, payloadOf(3, 9)))).toBe("closed");
    runSync(writer.close({ time: 1 }));
  });

  test("marks nothing when nothing was written", () => {
    const log = new MapLog();
    runSync(writerOf(log).close({ time: 1 }));
    expect(log.operations).toEqual([]);
  });

  test("in the middle of a background sync keeps that sync good", async () => {
    const log = new MapLog();
    const writer = writerOf(log);
    appendSync(writer, payloadOf(1, 100));
    const sync = writer.sync();
    runSync(writer.close({ time: 1 }));
    await sync;
    expect(writer.isPoisoned).toBe(false);
  });
});

test("header and frame have the bytes that docs/format.md says", () => {
  const log = new MapLog();
  const writer = writerOf(log, {
    salt: 0xdeadbeef,
    generation: 3,
    recovered: { end: { ...logStart, seq: 0x1_0000_0004 }, segments: [] },
  });
  const time = 0x18b_cfe5_6801;
  const info = { firstSeq: 0x1_0000_0005, lastSeq: 0x1_0000_0006, durableSeq: 4, time };
  runSync(writer.append(Uint8Array.of(1, 2, 3), info));
  const bytes = log.segments.get(1) as Uint8Array;
  const hex = (from: number, to: number): string =>
    Buffer.from(bytes.subarray(from, to)).toString("hex");
  expect(Buffer.from(bytes.subarray(0, 4)).toString()).toBe("CSEG");
  expect(hex(8, 16)).toBe("01000000efbeadde");
  expect(hex(16, 32)).toBe("0714212e3b4855626f7c8996a3b0bdca");
  expect(hex(32, 64)).toBe(
    "0300000000000000" + "0100000000000000" + "0000040000000000" + "0400000001000000",
  );
  expect(hex(64, 92)).toBe(`${"00".repeat(16)}040000000100000000000000`);
  expect(hex(92, 512)).toBe("00".repeat(420));
  expect(hex(512, 4096)).toBe("00".repeat(3584));
  expect(hex(4096, 4608)).toBe(hex(0, 512));
  const view = new DataView(bytes.buffer);
  const seed = view.getUint32(4, true);
  expect(seed).toBe(tableChecksum(bytes.subarray(8, 512), 0));

  const frame = bytes.subarray(4608);
  expect(Buffer.from(frame.subarray(0, 4)).toString()).toBe("CFRM");
  expect(hex(4608 + 12, 4608 + 28)).toBe("01000100" + "03000000" + "00000000" + "01000000");
  expect(view.getUint32(4608 + 28, true)).toBe(seed);
  expect(hex(4608 + 32, 4608 + 64)).toBe(
    "0300000000000000" + "0500000001000000" + "0600000001000000" + "0400000001000000",
  );
  expect(hex(4608 + 64, 4608 + 80)).toBe("0168e5cf8b010000" + "0300000000000000");
  expect(hex(4608 + 80, 4608 + 88)).toBe("0102030000000000");
  const header = tableChecksum(frame.subarray(12, 80), (seed ^ 4608) >>> 0);
  expect(view.getUint32(4608 + 4, true)).toBe(header);
  expect(view.getUint32(4608 + 8, true)).toBe(tableChecksum(frame.subarray(80, 88), header));
});
