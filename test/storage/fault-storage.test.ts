import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MemoryMedium } from "../../src/storage/memory/index.ts";
import { rootBytes } from "../../src/storage/port.ts";
import { expectCode } from "./conformance.ts";
import { type Personality, personalities } from "./effects.ts";
import { CrashError, FaultStorage } from "./fault-storage.ts";
import { Random } from "./random.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A fixed piece of work that uses everything; `acked` says what it was told is durable. */
async function work(storage: FaultStorage, acked: string[]): Promise<void> {
  await storage.acquire("exclusive", { create: true });
  await storage.root.create(new Uint8Array(rootBytes).fill(1));
  acked.push("root 0");
  await storage.log.create(1, 256);
  acked.push("segment 1");
  await storage.log.append(1, 0, new Uint8Array(64).fill(11));
  await storage.log.append(1, 64, new Uint8Array(64).fill(12));
  await storage.log.sync(1);
  acked.push("synced 1");
  await storage.log.append(1, 128, new Uint8Array(64).fill(13));
  const staged = await storage.blobs.stage("a");
  await staged.write(0, new Uint8Array(5000).fill(21));
  await staged.sync();
  await staged.write(5000, new Uint8Array(5000).fill(22));
  await staged.sealAsync();
  acked.push("blob a");
  await storage.root.compareAndSet(0, new Uint8Array(rootBytes).fill(2));
  acked.push("root 1");
  await storage.log.createAhead(2, 128);
  acked.push("segment 2");
  await storage.log.remove([1]);
  await storage.blobs.remove(["a"]);
  const dropped = await storage.blobs.stage("c");
  await dropped.abort();
  const second = await storage.blobs.stage("b");
  await second.write(0, new Uint8Array(10).fill(31));
  await second.seal();
  acked.push("blob b");
}

const workTrace = [
  "acquire",
  "create root",
  "create segment 1 256 bytes",
  "append segment 1 at 0 64 bytes",
  "append segment 1 at 64 64 bytes",
  "sync segment 1",
  "append segment 1 at 128 64 bytes",
  "stage blob a",
  "write blob a at 0 5000 bytes",
  "sync blob a",
  "write blob a at 5000 5000 bytes",
  "seal blob a 10000 bytes",
  "root 1",
  "create ahead segment 2 128 bytes",
  "remove segments 1",
  "remove blobs a",
  "stage blob c",
  "abort blob c",
  "stage blob b",
  "write blob b at 0 10 bytes",
  "seal blob b 10 bytes",
];

async function crashed(
  call: number,
  bytesDone: number | undefined,
  latency?: () => Promise<void>,
): Promise<{ storage: FaultStorage; acked: string[] }> {
  const storage = new FaultStorage(latency === undefined ? {} : { latency });
  storage.crashAt(call, bytesDone);
  const acked: string[] = [];
  await work(storage, acked).catch((error) => {
    if (!(error instanceof CrashError)) throw error;
  });
  return { storage, acked };
}

function isAll(bytes: Uint8Array | undefined, value: number): boolean {
  return bytes?.every((byte) => byte === value) === true;
}

/** What was acknowledged as durable, and what no crash may show. */
function check(medium: MemoryMedium, acked: string[], personality: Personality): void {
  const has = (what: string): boolean => acked.includes(what);
  const first = medium.segments.get(1);
  const blob = medium.blobs.get("a");
  if (has("root 0")) expect(isAll(medium.root?.[0], 1)).toBe(true);
  if (has("root 1")) expect(isAll(medium.root?.[1], 2)).toBe(true);
  // Its slot is 1 or 2 in a prefix and the other in the rest, or has not been created.
  const slot = medium.root?.[1] ?? new Uint8Array(0);
  const written = slot.findIndex((byte) => byte !== 2);
  if (written >= 0) expect(isAll(slot.subarray(written), 1)).toBe(true);
  if (has("synced 1") && first !== undefined) {
    expect(isAll(first.subarray(0, 64), 11) && isAll(first.subarray(64, 128), 12)).toBe(true);
  }
  if (!has("segment 2") && has("segment 1")) expect(first?.byteLength).toBe(256);
  if (has("segment 2")) expect(medium.segments.get(2)?.byteLength).toBe(128);
  if (blob !== undefined) {
    expect(blob.byteLength).toBe(10_000);
    expect(isAll(blob.subarray(0, 5000), 21) && isAll(blob.subarray(5000), 22)).toBe(true);
  }
  if (has("blob a") && !has("segment 2")) expect(blob).toBeDefined();
  // Sealing b made the removal of a durable with it, in the same folder.
  if (has("blob b")) {
    expect(isAll(medium.blobs.get("b"), 31)).toBe(true);
    expect(blob).toBeUndefined();
  }
  expect(medium.blobs.has("c")).toBe(false);
  if (personality === "synced" && has("blob b")) expect(first).toBeDefined();
}

describe("a fault storage", () => {
  test("writes down each call that changes something", async () => {
    const storage = new FaultStorage();
    const acked: string[] = [];
    await work(storage, acked);
    await storage.log.list();
    await storage.root.read();
    expect(storage.trace).toEqual(workTrace);
    expect(acked).toHaveLength(7);
  });

  test.each([undefined, turn])("crashes at any call and refuses all after it", async (latency) => {
    for (let call = 2; call <= workTrace.length; call++) {
      const { storage } = await crashed(call, undefined, latency);
      expect(storage.trace).toEqual(workTrace.slice(0, call));
      expect(storage.crashed).toBe(true);
      const later = [
        () => storage.log.list(),
        () => storage.log.append(1, 0, new Uint8Array(1)),
        () => storage.log.sync(1),
        () => storage.blobs.stage("z"),
        () => storage.root.read(),
        () => storage.acquire("exclusive", { create: false }),
        () => storage.close(),
      ];
      for (const attempt of later) {
        await expect((async () => attempt())()).rejects.toBeInstanceOf(CrashError);
      }
      expect(storage.trace).toHaveLength(call);
    }
  });

  test.each([undefined, turn])(
    "keeps all that was synced, whatever else is lost",
    async (latency) => {
      for (let call = 2; call <= workTrace.length + 1; call++) {
        for (const bytesDone of [undefined, 0, 33, 10_000]) {
          const { storage, acked } = await crashed(call, bytesDone, latency);
          for (const personality of personalities) {
            for (let seed = 0; seed < 12; seed++) {
              check(storage.survivors(seed, personality), acked, personality);
            }
          }
        }
      }
    },
  );

  test("is deterministic: the same seed finds the same", async () => {
    const { storage } = await crashed(19, undefined);
    const seen = new Set<string>();
    for (let seed = 0; seed < 60; seed++) {
      const [one, two] = [0, 0].map(() => show(storage.survivors(seed, "adversary")));
      expect(one).toBe(two);
      seen.add(String(one));
    }
    // A write kept, lost or torn, where its segment was not removed, and a blob removed or not.
    expect(seen.size).toBeGreaterThan(8);
  });

  test("a killed process leaves what it wrote, also what was not synced", async () => {
    const { storage } = await crashed(8, undefined);
    const medium = storage.survivors(1, "kill");
    expect(isAll(medium.segments.get(1)?.subarray(128, 192), 13)).toBe(true);
    expect(isAll(storage.survivors(1, "synced").segments.get(1)?.subarray(128), 0)).toBe(true);
  });

  test("applies a prefix of the call it dies in", async () => {
    const { storage } = await crashed(7, 33);
    const segment = storage.survivors(1, "kill").segments.get(1);
    expect(isAll(segment?.subarray(128, 161), 13)).toBe(true);
    expect(isAll(segment?.subarray(161), 0)).toBe(true);
  });

  test("tears a write at any byte, and keeps or loses it", async () => {
    const { storage } = await crashed(8, undefined);
    const lengths = new Set<number>();
    for (let seed = 0; seed < 400; seed++) {
      const tail = storage.survivors(seed, "adversary").segments.get(1)?.subarray(128, 192);
      const kept = tail?.findIndex((byte) => byte !== 13);
      lengths.add(kept === -1 ? 64 : (kept ?? 0));
    }
    expect(lengths).toContain(0);
    expect(lengths).toContain(64);
    expect(lengths.size).toBeGreaterThan(30);
  });

  test("lets a call fail and goes on, with the effect that it was told", async () => {
    for (const code of ["disk_full", "storage_failed"] as const) {
      const storage = new FaultStorage();
      await storage.acquire("exclusive", { create: true });
      storage.log.create(1, 100);
      storage.failAt(3, code);
      storage.failAt(4, code, 5);
      await expectCode(code, () => storage.log.append(1, 0, new Uint8Array(10).fill(1)));
      await expectCode(code, () => storage.log.append(1, 50, new Uint8Array(10).fill(2)));
      storage.log.append(1, 70, new Uint8Array(10).fill(3));
      storage.log.syncSync(1);
      const segment = storage.survivors(0, "synced").segments.get(1);
      expect(isAll(segment?.subarray(0, 10), 0)).toBe(true);
      expect([...(segment?.subarray(49, 56) ?? [])]).toEqual([0, 2, 2, 2, 2, 2, 0]);
      expect(isAll(segment?.subarray(70, 80), 3)).toBe(true);
    }
  });

  test("a sync covers what was written before it began", async () => {
    const storage = new FaultStorage({ latency: turn });
    await storage.acquire("exclusive", { create: true });
    await storage.log.create(1, 100);
    await storage.log.append(1, 0, new Uint8Array(10).fill(1));
    const sync = storage.log.sync(1);
    await storage.log.append(1, 10, new Uint8Array(10).fill(2));
    await sync;
    storage.crash();
    const segment = storage.survivors(0, "synced").segments.get(1);
    expect([...(segment?.subarray(9, 12) ?? [])]).toEqual([1, 0, 0]);
  });

  test("survivors can be opened, at a higher generation", async () => {
    const { storage } = await crashed(13, undefined);
    const next = new FaultStorage({ medium: storage.survivors(3, "adversary") });
    const claim = await next.acquire("exclusive", { create: false });
    expect(claim.generation).toBe(2);
    expect(next.blobs.list()).toEqual(["a"]);
  });
});

test("the generator of these tests is even and repeats itself", () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const random = new Random(seed);
      const counts = Array(8).fill(0);
      for (let i = 0; i < 8000; i++) counts[random.integer(8)]++;
      for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(200);
      expect(new Random(seed).bytes(10)).toEqual(new Random(seed).bytes(10));
    }),
    { numRuns: 20 },
  );
});

function show(medium: MemoryMedium): string {
  const segments = [...medium.segments].map(([number, bytes]) => `${number}:${bytes.join()}`);
  return [...segments, ...medium.blobs.keys(), medium.root?.join()].join("|");
}
