/** What every adapter of the storage port must do, as tests. */
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CairnError, type ErrorCode } from "../../src/errors.ts";
import { type Claim, rootBytes, type Storage } from "../../src/storage/port.ts";

/** A place for one database, empty at first. */
export interface Place {
  /** A new storage on this place, not acquired. */
  open(): Storage;
  dispose(): void;
}

/** Calls `work` and answers the CairnError it ends with, in whatever way. */
export async function failure(work: () => unknown): Promise<CairnError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof CairnError) return error;
    throw error;
  }
  throw new Error("expected a CairnError, but nothing failed");
}

export async function expectCode(code: ErrorCode, work: () => unknown): Promise<CairnError> {
  const error = await failure(work);
  expect(error.code, error.message).toBe(code);
  return error;
}

function bytesOf(length: number, start = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (start + i * 7) & 0xff);
}

async function readAll(
  size: number | Promise<number>,
  read: (into: Uint8Array) => number | Promise<number>,
): Promise<Uint8Array> {
  const into = new Uint8Array(await size);
  expect(await read(into)).toBe(into.byteLength);
  return into;
}

export function conformance(name: string, makePlace: () => Place): void {
  describe(`${name} keeps the storage port`, () => {
    let place: Place;
    let storage: Storage;
    let claim: Claim;

    beforeEach(async () => {
      place = makePlace();
      storage = place.open();
      claim = await storage.acquire("exclusive", { create: true });
    });

    afterEach(async () => {
      await storage.close();
      await claim.release();
      place.dispose();
    });

    async function reopen(): Promise<void> {
      await storage.close();
      await claim.release();
      storage = place.open();
      claim = await storage.acquire("exclusive", { create: false });
    }

    async function createRoot(): Promise<void> {
      await storage.root.create(bytesOf(rootBytes));
    }

    async function seal(blob: string, bytes: Uint8Array): Promise<void> {
      const staged = await storage.blobs.stage(blob);
      await staged.write(0, bytes);
      await staged.seal();
    }

    describe("log", () => {
      test("creates segments of zeros and lists them in ascending order", async () => {
        await storage.log.create(10, 4096);
        await storage.log.createAhead(2, 3 * 1024 * 1024 + 5);
        await storage.log.create(11, 1);
        expect(await storage.log.list()).toEqual([2, 10, 11]);
        expect(await storage.log.size(2)).toBe(3 * 1024 * 1024 + 5);
        const read = await readAll(storage.log.size(2), (into) => storage.log.read(2, 0, into));
        expect(read.every((byte) => byte === 0)).toBe(true);
      });

      test("refuses a number that exists, however it was created", async () => {
        await storage.log.create(1, 64);
        await storage.log.append(1, 0, bytesOf(64));
        for (const create of ["create", "createAhead"] as const) {
          const error = await expectCode("storage_failed", () => storage.log[create](1, 128));
          expect(error.details.errno).toBe("EEXIST");
        }
        expect(await storage.log.size(1)).toBe(64);
        const read = await readAll(64, (into) => storage.log.read(1, 0, into));
        expect(read).toEqual(bytesOf(64));
      });

      test("reads what was appended, fewer bytes only at the end", async () => {
        await storage.log.create(1, 300);
        await storage.log.append(1, 0, bytesOf(100));
        await storage.log.append(1, 100, bytesOf(200, 9));
        const into = new Uint8Array(250);
        expect(await storage.log.read(1, 50, into)).toBe(250);
        expect(into.subarray(0, 50)).toEqual(bytesOf(100).subarray(50));
        expect(into.subarray(50)).toEqual(bytesOf(200, 9));
        expect(await storage.log.read(1, 290, into)).toBe(10);
        expect(into.subarray(0, 10)).toEqual(bytesOf(200, 9).subarray(190));
        expect(await storage.log.read(1, 300, into)).toBe(0);
        expect(await storage.log.read(1, 1000, into)).toBe(0);
      });

      test("accepts nothing to write and nothing to read", async () => {
        await storage.log.create(1, 8);
        await storage.log.append(1, 8, new Uint8Array(0));
        expect(await storage.log.read(1, 0, new Uint8Array(0))).toBe(0);
      });

      test("refuses to append past the end", async () => {
        await storage.log.create(1, 100);
        await expectCode("invariant_broken", () => storage.log.append(1, 50, bytesOf(51)));
        expect(await storage.log.size(1)).toBe(100);
      });

      test("says ENOENT for a segment that is not there", async () => {
        const calls = [
          () => storage.log.size(7),
          () => storage.log.read(7, 0, new Uint8Array(1)),
          () => storage.log.append(7, 0, bytesOf(1)),
          () => storage.log.sync(7),
        ];
        for (const call of calls) {
          const error = await expectCode("storage_failed", call);
          expect(error.details.errno).toBe("ENOENT");
        }
      });

      test("syncs asynchronously, and in one turn exactly where it says so", async () => {
        await storage.log.create(1, 100);
        await storage.log.append(1, 0, bytesOf(10));
        await storage.log.sync(1);
        if (storage.capabilities.sync) storage.log.syncSync(1);
        else await expectCode("synchronous_unavailable", () => storage.log.syncSync(1));
      });

      test("removes segments, also those that are not there", async () => {
        for (const segment of [1, 2, 3]) await storage.log.create(segment, 10);
        await storage.log.append(2, 0, bytesOf(10));
        await storage.log.remove([2, 9, 1]);
        expect(await storage.log.list()).toEqual([3]);
        for (const call of [
          () => storage.log.append(2, 0, bytesOf(1)),
          () => storage.log.size(1),
        ]) {
          const error = await expectCode("storage_failed", call);
          expect(error.details.errno).toBe("ENOENT");
        }
      });

      test("may be closed while segments are created ahead and synced", async () => {
        await storage.log.create(1, 64);
        const running = [storage.log.createAhead(2, 4 * 1024 * 1024), storage.log.sync(1)];
        const closed = storage.close();
        const [created] = await Promise.allSettled(running);
        await closed;
        await claim.release();
        storage = place.open();
        claim = await storage.acquire("exclusive", { create: true });
        // Made before the close took effect, or given up without a trace.
        if (created?.status === "rejected") expect(created.reason.code).toBe("closed");
        expect(await storage.log.list()).toEqual(created?.status === "fulfilled" ? [1, 2] : [1]);
        await storage.log.createAhead(3, 64);
      });
    });

    describe("blobs", () => {
      test("shows a blob when it is sealed, not before", async () => {
        const staged = await storage.blobs.stage("c-1-ff");
        await staged.write(0, bytesOf(100));
        await staged.sync();
        expect(await storage.blobs.list()).toEqual([]);
        await expectCode("storage_failed", () => storage.blobs.size("c-1-ff"));
        await staged.seal();
        expect(await storage.blobs.list()).toEqual(["c-1-ff"]);
        expect(await storage.blobs.size("c-1-ff")).toBe(100);
        const read = await readAll(100, (into) => storage.blobs.read("c-1-ff", 0, into));
        expect(read).toEqual(bytesOf(100));
      });

      test("seals off the caller's turn as well", async () => {
        const staged = await storage.blobs.stage("a");
        await staged.write(0, bytesOf(70_000));
        await staged.sealAsync();
        const read = await readAll(70_000, (into) => storage.blobs.read("a", 0, into));
        expect(Buffer.compare(read, bytesOf(70_000))).toBe(0);
      });

      test("reads through what staged it while and after it is sealed, not aborted", async () => {
        const staged = await storage.blobs.stage("a");
        await staged.write(0, bytesOf(100));
        const sealing = staged.sealAsync();
        expect(await readAll(100, (into) => staged.read(0, into))).toEqual(bytesOf(100));
        await sealing;
        expect(await readAll(100, (into) => staged.read(0, into))).toEqual(bytesOf(100));
        const aborted = await storage.blobs.stage("b");
        await aborted.abort();
        await expectCode("invariant_broken", () => aborted.read(0, new Uint8Array(1)));
      });

      test("writes in any order, with zeros between", async () => {
        const staged = await storage.blobs.stage("a");
        await staged.write(200_000, bytesOf(10));
        await staged.write(0, bytesOf(20, 5));
        await staged.write(5, bytesOf(3));
        const expected = new Uint8Array(200_010);
        expected.set(bytesOf(20, 5));
        expected.set(bytesOf(3), 5);
        expected.set(bytesOf(10), 200_000);
        const open = await readAll(200_010, (into) => staged.read(0, into));
        expect(Buffer.compare(open, expected)).toBe(0);
        await staged.seal();
        const read = await readAll(200_010, (into) => storage.blobs.read("a", 0, into));
        expect(Buffer.compare(read, expected)).toBe(0);
      });

      test("reads fewer bytes only at the end, staged and sealed", async () => {
        const staged = await storage.blobs.stage("a");
        await staged.write(0, bytesOf(100));
        const into = new Uint8Array(60);
        expect(await staged.read(70, into)).toBe(30);
        expect(into.subarray(0, 30)).toEqual(bytesOf(100).subarray(70));
        await staged.seal();
        expect(await storage.blobs.read("a", 90, into)).toBe(10);
        expect(await storage.blobs.read("a", 100, into)).toBe(0);
        expect(await storage.blobs.read("a", 101, into)).toBe(0);
      });

      test("forgets what was aborted", async () => {
        const staged = await storage.blobs.stage("a");
        await staged.write(0, bytesOf(10));
        await staged.abort();
        await staged.abort();
        expect(await storage.blobs.list()).toEqual([]);
        await expectCode("invariant_broken", () => staged.write(0, bytesOf(1)));
        await seal("a", bytesOf(5));
        expect(await storage.blobs.size("a")).toBe(5);
      });

      test("lets nobody change a sealed blob", async () => {
        const staged = await storage.blobs.stage("a");
        await staged.write(0, bytesOf(10));
        await staged.seal();
        await staged.abort();
        await expectCode("invariant_broken", () => staged.write(0, bytesOf(1, 99)));
        await expectCode("invariant_broken", () => staged.seal());
        await expectCode("invariant_broken", () => staged.sealAsync());
        const read = await readAll(storage.blobs.size("a"), (i) => storage.blobs.read("a", 0, i));
        expect(read).toEqual(bytesOf(10));
      });

      test("refuses a name that is taken, staged or sealed", async () => {
        const staged = await storage.blobs.stage("a");
        for (let round = 0; round < 2; round++) {
          const error = await expectCode("storage_failed", () => storage.blobs.stage("a"));
          expect(error.details.errno).toBe("EEXIST");
          if (round === 0) await staged.seal();
        }
      });

      test("refuses names that could mean another place", async () => {
        for (const bad of ["", "../root", "a/b", "A", "a.blob", "ü", "a\0"]) {
          await expectCode("invariant_broken", () => storage.blobs.stage(bad));
          await expectCode("invariant_broken", () => storage.blobs.size(bad));
          await expectCode("invariant_broken", () => storage.blobs.remove([bad]));
        }
      });

      test("removes blobs, also those that are not there", async () => {
        for (const blob of ["a", "b", "c"]) await seal(blob, bytesOf(10));
        await storage.blobs.read("b", 0, new Uint8Array(4));
        await storage.blobs.remove(["b", "nothing", "a"]);
        expect(await storage.blobs.list()).toEqual(["c"]);
        const error = await expectCode("storage_failed", () =>
          storage.blobs.read("b", 0, new Uint8Array(4)),
        );
        expect(error.details.errno).toBe("ENOENT");
      });

      test("keeps many blobs apart", async () => {
        const names = Array.from({ length: 300 }, (_, i) => `blob-${i}`);
        for (const [i, blob] of names.entries()) await seal(blob, bytesOf(16, i));
        for (const round of [0, 1]) {
          for (const [i, blob] of names.entries()) {
            const into = new Uint8Array(16);
            await storage.blobs.read(blob, 0, into);
            expect(into, `${blob}, round ${round}`).toEqual(bytesOf(16, i));
          }
        }
        expect((await storage.blobs.list()).sort()).toEqual([...names].sort());
      });

      test("gives up what is staged when it is closed", async () => {
        await createRoot();
        const staged = await storage.blobs.stage("a");
        await staged.write(0, bytesOf(10));
        await reopen();
        expect(await storage.blobs.list()).toEqual([]);
        await failure(() => staged.seal());
        await seal("a", bytesOf(3));
        expect(await storage.blobs.size("a")).toBe(3);
      });
    });

    describe("root", () => {
      test("is undefined until it is created, then both slots are the same", async () => {
        expect(await storage.root.read()).toBeUndefined();
        await createRoot();
        const root = await storage.root.read();
        expect(root?.[0]).toEqual(bytesOf(rootBytes));
        expect(root?.[1]).toEqual(bytesOf(rootBytes));
      });

      test("is created once", async () => {
        await createRoot();
        await expectCode("database_exists", () => storage.root.create(bytesOf(rootBytes, 99)));
        expect((await storage.root.read())?.[0]).toEqual(bytesOf(rootBytes));
      });

      test("replaces the slots in turn", async () => {
        await createRoot();
        const written = [bytesOf(rootBytes), bytesOf(rootBytes)];
        for (let expected = 0; expected < 6; expected++) {
          const bytes = bytesOf(rootBytes, expected + 50);
          const write = expected % 3 === 0 ? "compareAndSetAsync" : "compareAndSet";
          expect(await storage.root[write](expected, bytes)).toBe("ok");
          written[(expected + 1) % 2] = bytes;
          expect(await storage.root.read()).toEqual(written);
        }
        await reopen();
        expect(await storage.root.read()).toEqual(written);
      });

      test("takes only whole slots", async () => {
        await expectCode("invariant_broken", () => storage.root.create(bytesOf(rootBytes - 1)));
        await createRoot();
        for (const write of ["compareAndSet", "compareAndSetAsync"] as const) {
          const short = bytesOf(rootBytes + 1);
          await expectCode("invariant_broken", () => storage.root[write](0, short));
        }
        expect((await storage.root.read())?.[1]).toEqual(bytesOf(rootBytes));
      });

      test("cannot be replaced before it exists", async () => {
        const write = (): unknown => storage.root.compareAndSet(0, bytesOf(rootBytes));
        await expectCode("invariant_broken", write);
      });

      test("hands out bytes of which the caller may do anything", async () => {
        await createRoot();
        (await storage.root.read())?.[0].fill(0);
        expect((await storage.root.read())?.[0]).toEqual(bytesOf(rootBytes));
      });
    });

    describe("arguments and answers", () => {
      test("uses the bytes of a call only until it returns", async () => {
        const bytes = bytesOf(rootBytes);
        const during = async (work: () => unknown): Promise<void> => {
          const answer = work();
          bytes.fill(0xee);
          await answer;
          bytes.set(bytesOf(rootBytes));
        };
        await during(() => storage.root.create(bytes));
        await during(() => storage.root.compareAndSet(0, bytes));
        await during(() => storage.root.compareAndSetAsync(1, bytes));
        await storage.log.create(1, rootBytes);
        await during(() => storage.log.append(1, 0, bytes));
        const staged = await storage.blobs.stage("a");
        await during(() => staged.write(0, bytes));
        await staged.seal();
        expect(await storage.root.read()).toEqual([bytes, bytes]);
        const into = new Uint8Array(rootBytes);
        await storage.log.read(1, 0, into);
        expect(into).toEqual(bytes);
        await storage.blobs.read("a", 0, into);
        expect(into).toEqual(bytes);
      });

      test("reads into and writes from the middle of a Wasm memory", async () => {
        const memory = new WebAssembly.Memory({ initial: 1 });
        const source = new Uint8Array(memory.buffer, 100, 50);
        source.set(bytesOf(50));
        await storage.log.create(1, 64);
        await storage.log.append(1, 3, source);
        const staged = await storage.blobs.stage("a");
        await staged.write(0, source);
        await staged.seal();
        await storage.log.read(1, 3, new Uint8Array(memory.buffer, 1000, 50));
        await storage.blobs.read("a", 10, new Uint8Array(memory.buffer, 2000, 20));
        expect(new Uint8Array(memory.buffer, 1000, 50)).toEqual(bytesOf(50));
        expect(new Uint8Array(memory.buffer, 2000, 20)).toEqual(bytesOf(50).subarray(10, 30));
        expect(new Uint8Array(memory.buffer, 1050, 950).every((byte) => byte === 0)).toBe(true);
      });

      test("answers at once exactly where it says so", async () => {
        await createRoot();
        await storage.log.create(1, 64);
        const staged = await storage.blobs.stage("a");
        const calls = [
          () => storage.log.append(1, 0, bytesOf(10)),
          () => storage.log.read(1, 0, new Uint8Array(4)),
          () => storage.log.list(),
          () => storage.log.size(1),
          () => storage.log.create(2, 10),
          () => storage.log.remove([2]),
          () => staged.write(0, bytesOf(10)),
          () => staged.read(0, new Uint8Array(4)),
          () => staged.seal(),
          () => storage.blobs.list(),
          () => storage.blobs.remove(["x"]),
          () => storage.root.read(),
          () => storage.root.compareAndSet(0, bytesOf(rootBytes)),
          () => storage.usedBytes(),
          () => claim.check(),
        ];
        for (const call of calls) {
          const answer = call();
          expect(answer instanceof Promise, String(call)).toBe(!storage.capabilities.sync);
          await answer;
        }
      });

      test("counts the bytes in use", async () => {
        await createRoot();
        const empty = await storage.usedBytes();
        expect(empty).toBeGreaterThanOrEqual(2 * rootBytes);
        await storage.log.create(1, 10_000);
        await seal("a", bytesOf(5_000));
        expect(await storage.usedBytes()).toBe(empty + 15_000);
        await storage.blobs.remove(["a"]);
        await storage.log.remove([1]);
        expect(await storage.usedBytes()).toBe(empty);
      });
    });

    describe("claims", () => {
      test("lets one open it for writing, and says who did", async () => {
        const second = place.open();
        const error = await expectCode("lock_held", () =>
          second.acquire("exclusive", { create: true }),
        );
        const holder = await second.holder();
        expect(holder?.generation).toBe(claim.generation);
        expect(error.details).toMatchObject({ pid: holder?.pid, runtime: holder?.runtime });
        await claim.check();
      });

      test("raises the generation with each exclusive claim", async () => {
        await createRoot();
        const first = claim.generation;
        expect(first).toBeGreaterThan(0);
        await reopen();
        expect(claim.generation).toBe(first + 1);
        await reopen();
        expect(claim.generation).toBe(first + 2);
      });

      test("has no holder after release, and releasing twice is harmless", async () => {
        await createRoot();
        await storage.close();
        await claim.release();
        await claim.release();
        const next = place.open();
        expect(await next.holder()).toBeUndefined();
        await expectCode("generation_lost", () => claim.check());
        const nextClaim = await next.acquire("exclusive", { create: false });
        await claim.release();
        await nextClaim.check();
        await next.close();
        await nextClaim.release();
      });

      test("lets readers in beside the writer, and lets them change nothing", async () => {
        await createRoot();
        await storage.log.create(1, 64);
        await seal("a", bytesOf(10));
        const reader = place.open();
        const readClaim = await reader.acquire("read-only", { create: false });
        expect(readClaim).toMatchObject({ mode: "read-only", generation: 0 });
        await readClaim.check();
        expect(await reader.log.list()).toEqual([1]);
        expect(await reader.blobs.size("a")).toBe(10);
        expect((await reader.root.read())?.[0]).toEqual(bytesOf(rootBytes));
        const changes = [
          () => reader.log.create(2, 10),
          () => reader.log.createAhead(2, 10),
          () => reader.log.append(1, 0, bytesOf(1)),
          () => reader.log.remove([1]),
          () => reader.blobs.stage("b"),
          () => reader.blobs.remove(["a"]),
          () => reader.root.create(bytesOf(rootBytes)),
          () => reader.root.compareAndSet(0, bytesOf(rootBytes)),
          () => reader.root.compareAndSetAsync(0, bytesOf(rootBytes)),
        ];
        for (const change of changes) await expectCode("read_only", change);
        await reader.close();
        await readClaim.release();
        expect(await storage.log.list()).toEqual([1]);
      });

      test("does nothing before it is acquired and after it is closed", async () => {
        await createRoot();
        await storage.log.create(1, 64);
        await storage.log.append(1, 0, bytesOf(1));
        await seal("a", bytesOf(10));
        await storage.blobs.read("a", 0, new Uint8Array(1));
        await storage.close();
        for (const closed of [storage, place.open()]) {
          const calls = [
            () => closed.log.list(),
            () => closed.log.append(1, 0, bytesOf(1)),
            () => closed.log.read(1, 0, new Uint8Array(1)),
            () => closed.log.sync(1),
            () => closed.log.create(2, 10),
            () => closed.blobs.stage("b"),
            () => closed.blobs.read("a", 0, new Uint8Array(1)),
            () => closed.blobs.list(),
            () => closed.root.read(),
            () => closed.root.compareAndSet(0, bytesOf(rootBytes)),
            () => closed.usedBytes(),
          ];
          for (const call of calls) await expectCode("closed", call);
        }
        await storage.close();
      });

      test("can be acquired again when it was closed and released", async () => {
        await createRoot();
        await storage.log.create(1, 64);
        await storage.close();
        await claim.release();
        claim = await storage.acquire("exclusive", { create: false });
        await storage.log.append(1, 0, bytesOf(10));
        expect(await storage.log.list()).toEqual([1]);
        await expectCode("invariant_broken", () => storage.acquire("read-only", { create: false }));
      });
    });

    test("keeps what any sequence of operations wrote, also after reopening", async () => {
      await createRoot();
      await fc.assert(
        fc.asyncProperty(fc.array(operation, { maxLength: 40 }), async (operations) => {
          const model = {
            segments: new Map<number, Uint8Array>(),
            blobs: new Map<string, string>(),
          };
          for (const step of operations) await apply(step, model);
          expect(await storage.log.list()).toEqual(
            [...model.segments.keys()].sort((a, b) => a - b),
          );
          for (const [segment, bytes] of model.segments) {
            const read = (into: Uint8Array): number | Promise<number> =>
              storage.log.read(segment, 0, into);
            expect(await readAll(storage.log.size(segment), read)).toEqual(bytes);
          }
          expect((await storage.blobs.list()).sort()).toEqual([...model.blobs.keys()].sort());
          for (const [blob, hex] of model.blobs) {
            const read = (into: Uint8Array): number | Promise<number> =>
              storage.blobs.read(blob, 0, into);
            const bytes = await readAll(storage.blobs.size(blob), read);
            expect(Buffer.from(bytes).toString("hex")).toBe(hex);
          }
          await storage.log.remove([...model.segments.keys()]);
          await storage.blobs.remove([...model.blobs.keys()]);
        }),
        { numRuns: 60 },
      );
    });

    type Model = { segments: Map<number, Uint8Array>; blobs: Map<string, string> };
    type Operation = { kind: string; number: number; at: number; bytes: Uint8Array };
    const operation: fc.Arbitrary<Operation> = fc.record({
      kind: fc.constantFrom("create", "append", "append", "append", "remove", "seal", "reopen"),
      number: fc.nat(4),
      at: fc.nat(600),
      bytes: fc.uint8Array({ maxLength: 300 }),
    });

    async function apply(step: Operation, model: Model): Promise<void> {
      const { kind, number, at, bytes } = step;
      const known = model.segments.get(number);
      const blob = `blob-${number}`;
      if (kind === "create" && known === undefined) {
        await storage.log.create(number, 500);
        model.segments.set(number, new Uint8Array(500));
      } else if (kind === "append" && known !== undefined && at + bytes.byteLength <= 500) {
        await storage.log.append(number, at, bytes);
        known.set(bytes, at);
      } else if (kind === "remove") {
        await storage.log.remove([number]);
        await storage.blobs.remove([blob]);
        model.segments.delete(number);
        model.blobs.delete(blob);
      } else if (kind === "seal" && !model.blobs.has(blob)) {
        await seal(blob, bytes);
        model.blobs.set(blob, Buffer.from(bytes).toString("hex"));
      } else if (kind === "reopen") {
        await reopen();
      }
    }
  });
}
