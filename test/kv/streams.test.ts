import { describe, expect, test } from "vitest";
import { fails } from "./fails.ts";
import { places, TestClock, withDatabase } from "./places.ts";

const entries = Array.from({ length: 2_500 }, (_none, index) => ({
  key: `k${String(index).padStart(5, "0")}`,
  value: index,
}));

for (const kind of places) {
  describe(`streams, over ${kind.name}`, () => {
    test("piping one keyspace into another copies it", () =>
      withDatabase(kind, async (db) => {
        const source = await db.keyspace("source");
        const target = await db.keyspace("target");
        await source.batch(entries.map((entry) => ({ type: "put", ...entry })));
        const { seq } = db.stats();
        await source.readable().pipeTo(target.writable());
        expect(await target.entries().toArray()).toEqual(entries);
        // A commit for every 1,000 records, and one for the keyspace's rest.
        expect(db.stats().seq).toBe(seq + 3n);
        expect(db.stats().snapshots).toBe(0);
      }));

    test("a reader that stops taking stops the reading", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace("a");
        await kv.batch(entries.map((entry) => ({ type: "put", ...entry })));
        const reader = kv.readable({ reverse: true, limit: 2_000 }).getReader();
        expect((await reader.read()).value).toEqual(entries.at(-1));
        expect(db.stats().snapshots).toBe(1);
        await reader.cancel();
        expect(db.stats().snapshots).toBe(0);
      }));

    test("nothing is read ahead without bound", () =>
      withDatabase(kind, async (db) => {
        let decoded = 0;
        const counting = {
          name: "counting",
          encode: (value: number) => Uint8Array.of(value & 255),
          decode: (bytes: Uint8Array) => {
            decoded++;
            return bytes[0];
          },
        };
        const kv = await db.keyspace("a", { value: counting });
        await kv.batch(entries.map((entry) => ({ type: "put", ...entry })));
        const reader = kv.readable().getReader();
        await reader.read();
        await new Promise((resolve) => setImmediate(resolve));
        expect(decoded).toBeLessThanOrEqual(1_024);
        await reader.cancel();
      }));

    test("writing commits in batches, and the last one at close", () =>
      withDatabase(kind, async (db) => {
        const clock = new TestClock();
        const kv = await db.keyspace("a");
        const writer = kv.writable({ batchRows: 2, ttl: 60_000 }).getWriter();
        const { seq } = db.stats();
        await writer.write({ key: "a", value: 1 });
        expect(db.stats().seq).toBe(seq);
        await writer.write({ key: "b", value: 2 });
        expect(db.stats().seq).toBe(seq + 1n);
        await writer.write({ key: "c", value: 3 });
        await writer.close();
        expect(db.stats().seq).toBe(seq + 2n);
        expect(await kv.keys().toArray()).toEqual(["a", "b", "c"]);
        expect(await kv.expiresAt("c")).toBeGreaterThan(clock.time);
      }));

    test("aborting keeps the commits and drops the rest", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace("a");
        const writer = kv.writable({ batchRows: 2 }).getWriter();
        writer.closed.catch(() => undefined);
        for (const key of ["a", "b", "c"]) await writer.write({ key, value: 1 });
        await writer.abort("enough");
        expect(await kv.keys().toArray()).toEqual(["a", "b"]);
      }));

    test("a record that cannot be stored fails the stream with its code", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace("a");
        const writer = kv.writable({ batchRows: 1 }).getWriter();
        writer.closed.catch(() => undefined);
        await fails("value_invalid", () => writer.write({ key: "a", value: undefined }));
        await fails("argument_invalid", () => kv.writable({ batchRows: 0 }));
      }));
  });
}
