import { describe, expect, test } from "vitest";
import type { Keyspace } from "../../src/index.ts";
import { fails } from "./fails.ts";
import { memoryPlace, places, withDatabase } from "./places.ts";

const count = 3_000;
const keyOf = (index: number): string => `k${String(index).padStart(5, "0")}`;
const allKeys = Array.from({ length: count }, (_none, index) => keyOf(index));

async function fill(kv: Keyspace<string, unknown>): Promise<void> {
  await kv.batch(allKeys.map((key, value) => ({ type: "put", key, value })));
}

for (const kind of places) {
  describe(`iterators, over ${kind.name}`, () => {
    test("every row comes once and in order, in any way of taking them", () =>
      withDatabase(kind, async (db, place) => {
        await fill(await db.keyspace("a"));
        await db.close();
        const again = await place.open();
        const kv = await again.keyspace("a");
        const taken: string[] = [];
        for await (const { key, value } of kv.entries()) {
          expect(value).toBe(taken.length);
          taken.push(key);
        }
        expect(taken).toEqual(allKeys);
        expect(await kv.keys().toArray()).toEqual(allKeys);
        expect(await kv.keys({ reverse: true }).toArray()).toEqual(allKeys.toReversed());
        const batches: number[] = [];
        for await (const rows of kv.values().batches(700)) batches.push(rows.length);
        expect(batches).toEqual([700, 700, 700, 700, 200]);
        await again.close();
      }));

    test("what they see is fixed when they are made", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace("a");
        await fill(kv);
        const entries = kv.entries();
        const reversed = kv.keys({ reverse: true });
        await kv.delete(keyOf(1));
        await kv.put(keyOf(2), "changed");
        await kv.put("new", 1);
        await kv.clear();
        await db.checkpoint();
        const seen = await entries.toArray();
        expect(seen.length).toBe(count);
        expect(seen[2]).toEqual({ key: keyOf(2), value: 2 });
        expect(await reversed.toArray()).toEqual(allKeys.toReversed());
        expect(await kv.keys().toArray()).toEqual([]);
      }));

    test("the snapshot is released at the end, at break, at an error and on disposal", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace("a");
        await fill(kv);
        const held = (): number => db.stats().snapshots;
        await kv.keys().toArray();
        expect(held()).toBe(0);
        for await (const _key of kv.keys()) {
          expect(held()).toBe(1);
          break;
        }
        expect(held()).toBe(0);
        for await (const _rows of kv.keys().batches(10)) break;
        expect(held()).toBe(0);
        const limited = kv.keys({ limit: 2 });
        await limited.next();
        await limited.next();
        expect(held()).toBe(0);
        const disposed = kv.keys();
        await disposed[Symbol.asyncDispose]();
        expect(held()).toBe(0);
        expect(await disposed.next()).toEqual({ done: true, value: undefined });
        const reason = new Error("mine");
        await expect(kv.keys().throw(reason)).rejects.toBe(reason);
        expect(held()).toBe(0);
        const empty = kv.keys({ gt: "b", lt: "a" });
        expect(held()).toBe(0);
        expect(await empty.toArray()).toEqual([]);
      }));

    test("calls of next that overlap are answered in order", () =>
      withDatabase(kind, async (db, place) => {
        await fill(await db.keyspace("a"));
        await db.close();
        const again = await place.open();
        const rows = (await again.keyspace("a")).keys();
        const found = await Promise.all(Array.from({ length: 300 }, () => rows.next()));
        expect(found.map(({ value }) => value)).toEqual(allKeys.slice(0, 300));
        await rows.return();
        await again.close();
      }));

    test("a released snapshot is snapshot_expired, and a lapsed one too", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace("a");
        await fill(kv);
        const snapshot = db.snapshot();
        expect(await kv.get(keyOf(1), { snapshot })).toBe(1);
        snapshot.release();
        await fails("snapshot_expired", () => kv.get(keyOf(1), { snapshot }));
        await fails("snapshot_expired", () => kv.entries({ snapshot }).toArray());
        await fails("snapshot_expired", () => kv.count({ snapshot }));
        await fails("snapshot_expired", () => kv.getMany([keyOf(1)], { snapshot }));
      }));

    test("a signal ends them between batches", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace("a");
        await fill(kv);
        const controller = new AbortController();
        let rows = 0;
        const error = await fails("aborted", async () => {
          for await (const _key of kv.keys({ signal: controller.signal })) {
            rows++;
            controller.abort("enough");
          }
        });
        expect(error.cause).toBe("enough");
        expect(rows).toBeLessThan(count);
        expect(db.stats().snapshots).toBe(0);
      }));

    test("a cursor resumes where it was read, in every direction and order", () =>
      withDatabase(kind, async (db) => {
        const ordered = await db.keyspace("o");
        const hashed = await db.keyspace("h", { kind: "hashed" });
        await fill(ordered);
        await fill(hashed);
        for (const options of [{}, { reverse: true }]) {
          const first = ordered.entries(options);
          const head: string[] = [];
          expect(first.cursor).toBeUndefined();
          for (let index = 0; index < 1_000; index++) {
            const { value } = await first.next();
            if (value !== undefined) head.push(value.key);
          }
          const { cursor } = first;
          await first.return();
          expect(first.cursor).toBe(cursor);
          const rest = await ordered.keys({ ...options, cursor }).toArray();
          const expected = options.reverse ? allKeys.toReversed() : allKeys;
          expect([...head, ...rest]).toEqual(expected);
        }
        const first = hashed.keys({ limit: 1_234 });
        const head = await first.toArray();
        const rest = await hashed.keys({ cursor: first.cursor }).toArray();
        expect([...head, ...rest].sort()).toEqual(allKeys);
        await fails("argument_invalid", () => ordered.keys({ cursor: "made up" }).toArray());
      }));

    test("from begins at a key, after behind it, also where there is none", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace("a");
        await kv.batch(["a", "c", "e"].map((key) => ({ type: "put", key, value: 1 })));
        const keys = (options: object) => kv.keys(options).toArray();
        expect(await keys({ from: "c" })).toEqual(["c", "e"]);
        expect(await keys({ after: "c" })).toEqual(["e"]);
        expect(await keys({ after: "b" })).toEqual(["c", "e"]);
        expect(await keys({ from: "c", reverse: true })).toEqual(["c", "a"]);
        expect(await keys({ after: "c", reverse: true })).toEqual(["a"]);
        expect(await keys({ after: "c", lte: "d" })).toEqual([]);
        expect(await keys({ gte: "b", gt: "a", lt: "e", lte: "d" })).toEqual(["c"]);
        expect(await keys({ gte: "c", gt: "c" })).toEqual(["e"]);
        expect(await keys({ prefix: "c", gt: "c" })).toEqual([]);
        expect(await keys({ limit: 0 })).toEqual([]);
        await fails("argument_invalid", () => keys({ limit: -1 }));
        await fails("argument_invalid", () => keys({ limit: 1.5 }));
      }));

    test("hashed keyspaces have no ranges", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace("h", { kind: "hashed" });
        await kv.put("a", 1);
        for (const name of ["gt", "gte", "lt", "lte", "prefix", "from", "after"]) {
          await fails("unordered_keyspace", () => kv.entries({ [name]: "a" }).toArray());
        }
        await fails("unordered_keyspace", () => kv.keys({ reverse: true }).toArray());
        await fails("unordered_keyspace", () => kv.count({ prefix: "a" }));
        await fails("unordered_keyspace", () => kv.readable({ gt: "a" }));
        await fails("unordered_keyspace", () => kv.focus("a"));
        await fails("unordered_keyspace", () => kv.group("a").toArray());
        await fails("unordered_keyspace", () => kv.deleteGroup("a"));
        expect(await kv.keys({ reverse: false }).toArray()).toEqual(["a"]);
      }));

    test("count counts ranges", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace("a");
        await fill(kv);
        expect(await kv.count()).toBe(count);
        expect(await kv.count({ gte: keyOf(10), lt: keyOf(20) })).toBe(10);
        expect(await kv.count({ gt: keyOf(10), lte: keyOf(20) })).toBe(10);
        expect(await kv.count({ prefix: "k0000" })).toBe(10);
        expect(await kv.count({ gt: "z" })).toBe(0);
        expect(await kv.count({ gt: "z", lt: "a" })).toBe(0);
        const snapshot = db.snapshot();
        await kv.clear();
        expect(await kv.count({ snapshot, prefix: "k0000" })).toBe(10);
        expect(await kv.count({ snapshot })).toBe(count);
        expect(await kv.count()).toBe(0);
        snapshot.release();
      }));
  });
}

test("a lapsed lease is snapshot_expired", async () => {
  let now = 1_000;
  await withDatabase(
    memoryPlace,
    async (db) => {
      const kv = await db.keyspace("a");
      await kv.put("k", 1);
      const snapshot = db.snapshot({ leaseMs: 100 });
      const rows = kv.keys();
      now += 50_000;
      await db.checkpoint();
      expect(snapshot.expired).toBe(true);
      await fails("snapshot_expired", () => kv.get("k", { snapshot }));
      // The iterator's own lease is the database's.
      now += 50_000;
      await db.checkpoint();
      await fails("snapshot_expired", () => rows.next());
    },
    { clock: () => now, leaseMs: 60_000 },
  );
});

describe("synchronous iterators", () => {
  test("see one state, end early and resume", () =>
    withDatabase(memoryPlace, async (db) => {
      const kv = await db.keyspace("a");
      await fill(kv);
      const rows = kv.keysSync();
      const head: string[] = [];
      for (const key of rows) {
        kv.deleteSync(key);
        head.push(key);
        if (head.length === 100) break;
      }
      expect(db.stats().snapshots).toBe(0);
      const rest = kv.keysSync({ cursor: rows.cursor }).toArray();
      expect([...head, ...rest]).toEqual(allKeys);
      expect(kv.countSync()).toBe(count - 100);
      kv.keysSync()[Symbol.dispose]();
      expect(db.stats().snapshots).toBe(0);
    }));
});
