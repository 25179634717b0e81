import { describe, expect, test } from "vitest";
import type { Database } from "../../src/index.ts";
import { fails } from "./fails.ts";
import { type Place, type PlaceKind, places, TestClock } from "./places.ts";

async function withClock(
  kind: PlaceKind,
  run: (db: Database, clock: TestClock, place: Place) => Promise<void>,
): Promise<void> {
  const place = kind.make();
  const clock = new TestClock();
  const db = await place.open({ clock: clock.now });
  try {
    await run(db, clock, place);
  } finally {
    await db.close();
    place.remove();
  }
}

for (const kind of places) {
  describe(`expiry, over ${kind.name}`, () => {
    test("an expired record is absent everywhere, from its moment on", () =>
      withClock(kind, async (db, clock) => {
        for (const options of [{}, { kind: "hashed" } as const]) {
          const kv = await db.keyspace(`of ${options.kind}`, options);
          await kv.put("brief", 1, { ttl: 1_000 });
          await kv.put("lasting", 2);
          const snapshot = db.snapshot();
          clock.advance(999);
          expect(await kv.get("brief")).toBe(1);
          expect(await kv.ttl("brief")).toBe(1);
          const rows = kv.keys();
          clock.advance(1);
          expect(await kv.get("brief")).toBeUndefined();
          expect(await kv.has("brief")).toBe(false);
          expect(await kv.getMany(["brief", "lasting"])).toEqual([undefined, 2]);
          expect(await kv.view("brief", () => 1)).toBeUndefined();
          expect(await kv.expiresAt("brief")).toBeUndefined();
          expect(await kv.ttl("brief")).toBeUndefined();
          expect(await kv.persist("brief")).toBe(false);
          expect(await kv.delete("brief")).toBe(false);
          expect(await kv.keys().toArray()).toEqual(["lasting"]);
          expect(await kv.count({ exact: true })).toBe(1);
          expect(await kv.count()).toBe(2);
          await db.transaction(async (tx) => {
            expect(await tx.keyspace(kv).get("brief")).toBeUndefined();
            expect(await tx.keyspace(kv).keys().toArray()).toEqual(["lasting"]);
            expect(await tx.keyspace(kv).delete("brief")).toBe(false);
          });
          // An iterator and a snapshot judge by the time at which they were made.
          expect((await rows.toArray()).sort()).toEqual(["brief", "lasting"]);
          expect(await kv.get("brief", { snapshot })).toBe(1);
          expect(await kv.count({ exact: true, snapshot })).toBe(2);
          snapshot.release();
        }
      }));

    test("ttl, expiresAt, null and the keyspace's own ttl", () =>
      withClock(kind, async (db, clock) => {
        const start = clock.time;
        const plain = await db.keyspace("plain");
        const brief = await db.keyspace("brief", { ttl: 1_000 });
        await plain.put("a", 1);
        expect(await plain.expiresAt("a")).toBeNull();
        expect(await plain.ttl("a")).toBeNull();
        expect(await plain.expiresAt("nothing")).toBeUndefined();
        await plain.put("b", 1, { expiresAt: start + 70 });
        expect(await plain.expiresAt("b")).toBe(start + 70);
        await brief.put("a", 1);
        expect(await brief.expiresAt("a")).toBe(start + 1_000);
        await brief.put("b", 1, { ttl: null });
        expect(await brief.expiresAt("b")).toBeNull();
        await brief.put("c", 1, { expiresAt: null });
        expect(await brief.ttl("c")).toBeNull();
        await brief.put("d", 1, { ttl: 5 });
        expect(await brief.ttl("d")).toBe(5);
        await brief.batch([
          { type: "put", key: "e", value: 1, ttl: 7 },
          { type: "put", key: "f", value: 1 },
        ]);
        expect(await brief.ttl("e")).toBe(7);
        expect(await brief.ttl("f")).toBe(1_000);
        await db.batch((batch) => batch.put(plain, "g", 1, { ttl: 9 }));
        expect(await plain.ttl("g")).toBe(9);
      }));

    test("ttl 0 and a moment that is past expire at once", () =>
      withClock(kind, async (db) => {
        const kv = await db.keyspace("a");
        await kv.put("a", 1, { ttl: 0 });
        await kv.put("b", 1, { expiresAt: 0 });
        await kv.put("c", 1, { expiresAt: 1 });
        expect(await kv.getMany(["a", "b", "c"])).toEqual([undefined, undefined, undefined]);
        expect(await kv.keys().toArray()).toEqual([]);
      }));

    test("putting a record again resets its expiry", () =>
      withClock(kind, async (db, clock) => {
        const plain = await db.keyspace("plain");
        const brief = await db.keyspace("brief", { ttl: 1_000 });
        await plain.put("a", 1, { ttl: 500 });
        await plain.put("a", 2);
        await brief.put("a", 1, { ttl: 1e9 });
        await brief.put("a", 2);
        expect(await plain.ttl("a")).toBeNull();
        expect(await brief.ttl("a")).toBe(1_000);
        clock.advance(1_500);
        expect(await plain.get("a")).toBe(2);
        expect(await brief.get("a")).toBeUndefined();
      }));

    test("persist keeps the value for ever", () =>
      withClock(kind, async (db, clock) => {
        const kv = await db.keyspace("a");
        await kv.put("k", { deep: [1] }, { ttl: 500 });
        expect(await kv.persist("k")).toBe(true);
        expect(await kv.persist("k")).toBe(false);
        expect(await kv.persist("nothing")).toBe(false);
        clock.advance(1e9);
        expect(await db.sweep()).toBe(0);
        expect(await kv.get("k")).toEqual({ deep: [1] });
      }));

    test("what does not fit into 48 bits of milliseconds is ttl_overflow", () =>
      withClock(kind, async (db) => {
        const kv = await db.keyspace("a");
        const max = 2 ** 48 - 1;
        for (const ttl of [max, Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY]) {
          await fails("ttl_overflow", () => kv.put("k", 1, { ttl }));
          await fails("ttl_overflow", () =>
            db.transaction((tx) => tx.keyspace(kv).put("k", 1, { ttl })),
          );
        }
        await fails("ttl_overflow", () => kv.put("k", 1, { expiresAt: max + 1 }));
        await fails("ttl_overflow", () => db.keyspace("b", { ttl: max + 1 }));
        for (const ttl of [-1, 1.5, Number.NaN, "1" as unknown as number]) {
          await fails("argument_invalid", () => kv.put("k", 1, { ttl }));
        }
        await fails("argument_invalid", () => kv.put("k", 1, { ttl: 1, expiresAt: 1 }));
        expect(await kv.count()).toBe(0);
        await kv.put("k", 1, { expiresAt: max });
        expect(await kv.expiresAt("k")).toBe(max);
      }));

    test("expiries survive reopening", () =>
      withClock(kind, async (db, clock, place) => {
        const kv = await db.keyspace("a");
        await kv.put("k", 1, { ttl: 1_000 });
        await kv.put("l", 1);
        await db.close();
        const again = await place.open({ clock: clock.now });
        const found = await again.keyspace("a");
        expect(await found.ttl("k")).toBe(1_000);
        clock.advance(1_000);
        expect(await found.keys().toArray()).toEqual(["l"]);
        await again.close();
      }));

    test("a clock that goes back brings nothing back", () =>
      withClock(kind, async (db, clock) => {
        const kv = await db.keyspace("a");
        await kv.put("k", 1, { ttl: 1_000 });
        clock.advance(2_000);
        await kv.put("l", 1);
        clock.advance(-1_500);
        expect(await kv.get("k")).toBeUndefined();
        expect(await kv.keys().toArray()).toEqual(["l"]);
        const snapshot = db.snapshot();
        expect(await kv.get("k", { snapshot })).toBeUndefined();
        snapshot.release();
        expect(await db.transaction((tx) => tx.keyspace(kv).get("k"))).toBeUndefined();
      }));
  });

  describe(`sweeping, over ${kind.name}`, () => {
    test("deletes what is due in all keyspaces, and nothing else", () =>
      withClock(kind, async (db, clock) => {
        const ordered = await db.keyspace("o");
        const hashed = await db.keyspace("h", { kind: "hashed", key: "bytes", value: "bytes" });
        const many = 1_500;
        for (let index = 0; index < many; index++) {
          const key = `k${index}`;
          await ordered.put(key, 1, { ttl: index % 2 === 0 ? 5_000 : 50_000, finality: "visible" });
        }
        await hashed.put(Uint8Array.of(1), Uint8Array.of(1), { ttl: 5_000 });
        await hashed.put(Uint8Array.of(2), Uint8Array.of(2));
        expect(await db.sweep()).toBe(0);
        clock.advance(7_000);
        const progress: number[] = [];
        const swept = await db.sweep({ onProgress: ({ done }) => progress.push(done) });
        expect(swept).toBe(many / 2 + 1);
        expect(progress.at(-1)).toBe(swept);
        expect(progress.length).toBeGreaterThan(1);
        expect(await ordered.count()).toBe(many / 2);
        expect(await hashed.count()).toBe(1);
        expect(await db.sweep()).toBe(0);
        clock.advance(50_000);
        expect(await db.sweep()).toBe(many / 2);
        expect(db.keyspaces().map(({ records }) => records)).toEqual([1, 0]);
        // Nothing has an expiry any more, and counting needs no visit.
        expect(await ordered.count({ exact: true })).toBe(0);
      }));

    test("looks at the record itself: later puts, deletes and drops win", () =>
      withClock(kind, async (db, clock) => {
        const kv = await db.keyspace("a");
        const doomed = await db.keyspace("doomed");
        await kv.put("again", 1, { ttl: 1_000 });
        await kv.put("again", 2, { ttl: 100_000 });
        await kv.put("for ever", 1, { ttl: 1_000 });
        await kv.put("for ever", 2);
        await kv.put("shorter", 1, { ttl: 100_000 });
        await kv.put("shorter", 2, { ttl: 1_000 });
        await kv.put("deleted", 1, { ttl: 1_000 });
        await kv.delete("deleted");
        await doomed.put("k", 1, { ttl: 1_000 });
        await db.drop("doomed");
        clock.advance(5_000);
        expect(await db.sweep()).toBe(1);
        expect(await kv.entries().toArray()).toEqual([
          { key: "again", value: 2 },
          { key: "for ever", value: 2 },
        ]);
        clock.advance(200_000);
        expect(await db.sweep()).toBe(1);
        expect(await kv.keys().toArray()).toEqual(["for ever"]);
        expect(await db.sweep()).toBe(0);
      }));

    test("keeps to its limit, and stops at a signal", () =>
      withClock(kind, async (db, clock) => {
        const kv = await db.keyspace("a");
        await kv.batch(
          Array.from({ length: 2_000 }, (_none, index) => ({
            type: "put" as const,
            key: `k${index}`,
            value: 1,
            ttl: 1_000,
          })),
        );
        clock.advance(3_000);
        expect(await db.sweep({ limit: 0 })).toBe(0);
        expect(await db.sweep({ limit: 10 })).toBe(10);
        expect(await kv.count()).toBe(1_990);
        const controller = new AbortController();
        await fails("aborted", () =>
          db.sweep({ signal: controller.signal, onProgress: () => controller.abort() }),
        );
        const left = await kv.count();
        expect(left).toBeGreaterThan(0);
        expect(left).toBeLessThan(1_990);
        expect(await db.sweep()).toBe(left);
      }));
  });
}
