import { describe, expect, test } from "vitest";
import { MemoryStorage, open } from "../../src/index.ts";
import { fails } from "./fails.ts";
import { memoryPlace, places, slowPlace, withDatabase } from "./places.ts";

const encoder = new TextEncoder();

for (const kind of places) {
  describe(`records, over ${kind.name}`, () => {
    test("put answers a receipt, get the value, and a missing key undefined", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace("a");
        const first = await kv.put("k", { a: [1] });
        const second = await kv.put("k", "again");
        expect(second.seq).toBe(first.seq + 1n);
        expect(second.time).toBeGreaterThanOrEqual(first.time);
        expect(await kv.get("k")).toBe("again");
        expect(await kv.get("nothing")).toBeUndefined();
        expect(await kv.has("k")).toBe(true);
        expect(await kv.has("nothing")).toBe(false);
        expect(await kv.getMany(["nothing", "k", "k"])).toEqual([undefined, "again", "again"]);
        expect(await kv.getMany([])).toEqual([]);
      }));

    test("delete tells whether the record was there", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace("a");
        await kv.put("k", 1);
        const { seq } = db.stats();
        expect(await kv.delete("nothing")).toBe(false);
        expect(db.stats().seq).toBe(seq);
        expect(await kv.delete("k")).toBe(true);
        expect(await kv.delete("k")).toBe(false);
        expect(await kv.get("k")).toBeUndefined();
      }));

    test("empty keys and empty values are records like others", () =>
      withDatabase(kind, async (db) => {
        const text = await db.keyspace("text", { value: "utf8" });
        await text.put("", "");
        expect(await text.get("")).toBe("");
        expect(await text.entries().toArray()).toEqual([{ key: "", value: "" }]);
        const bytes = await db.keyspace("bytes", { kind: "hashed", key: "bytes", value: "bytes" });
        await bytes.put(new Uint8Array(0), new Uint8Array(0));
        expect(await bytes.get(new Uint8Array(0))).toEqual(new Uint8Array(0));
      }));

    test("keys of 1,024 bytes work with an expiry too, longer ones are key_too_large", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace("a");
        const key = "é".repeat(512);
        await kv.put(key, 1, { ttl: 1_000_000 });
        expect(await kv.get(key)).toBe(1);
        for (const long of [`${key}a`, "x".repeat(1_025), "x".repeat(100_000)]) {
          await fails("key_too_large", () => kv.put(long, 1));
          await fails("key_too_large", () => kv.get(long));
          await fails("key_too_large", () => kv.delete(long));
          await fails("key_too_large", () => kv.has(long));
          await fails("key_too_large", () => kv.getMany([long]));
          await fails("key_too_large", () => kv.batch([{ type: "put", key: long, value: 1 }]));
          await fails("key_too_large", () => db.transaction((tx) => tx.keyspace(kv).put(long, 1)));
        }
        expect(await kv.count()).toBe(1);
      }));

    test("keys of the wrong type and lone surrogates are key_invalid", () =>
      withDatabase(kind, async (db) => {
        const text = await db.keyspace("text");
        const bytes = await db.keyspace("bytes", { key: "bytes" });
        for (const key of [1, null, undefined, {}, encoder.encode("k")] as unknown as string[]) {
          await fails("key_invalid", () => text.get(key));
          await fails("key_invalid", () => text.put(key, 1));
          await fails("key_invalid", () => text.delete(key));
        }
        await fails("key_invalid", () => bytes.put("k" as unknown as Uint8Array, 1));
        for (const key of ["\ud800", `${"a".repeat(100)}\udc00`]) {
          await fails("key_invalid", () => text.put(key, 1));
          await fails("key_invalid", () => text.get(key));
          await fails("key_invalid", () => text.delete(key));
          await fails("key_invalid", () => text.entries({ gte: key }).toArray());
          await fails("key_invalid", () => text.entries({ prefix: key }).toArray());
        }
        expect(await text.count()).toBe(0);
      }));

    test("a refused value leaves nothing of its batch behind", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace("a");
        await fails("value_invalid", () => kv.put("k", undefined));
        await fails("value_invalid", () =>
          kv.batch([
            { type: "put", key: "a", value: 1 },
            { type: "put", key: "b", value: () => 1 },
          ]),
        );
        await kv.put("c", 3);
        expect(await kv.keys().toArray()).toEqual(["c"]);
      }));

    test("values of many sizes come back after reopening", () =>
      withDatabase(kind, async (db, place) => {
        const kv = await db.keyspace("a", { value: "bytes" });
        const sizes = [0, 1, 63, 64, 65, 192, 193, 1_000, 1_024, 1_025, 4_096, 4_097, 300_000];
        const valueOfSize = (size: number) =>
          Uint8Array.from({ length: size }, (_none, index) => (index * 31 + size) % 256);
        for (const size of sizes) await kv.put(String(size), valueOfSize(size));
        const isSame = (found: Uint8Array | undefined, size: number) =>
          found !== undefined && Buffer.compare(found, valueOfSize(size)) === 0;
        for (const size of sizes) expect(isSame(await kv.get(String(size)), size)).toBe(true);
        await db.close();
        const again = await place.open();
        const found = await again.keyspace("a", { value: "bytes" });
        for (const size of sizes) expect(isSame(await found.get(String(size)), size)).toBe(true);
        const all = new Map(
          (await found.entries().toArray()).map(({ key, value }) => [key, value]),
        );
        for (const size of sizes) expect(isSame(all.get(String(size)), size)).toBe(true);
        await again.close();
      }));

    test("Buffers are taken as bytes, and may be changed after the call", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace("a", { key: "bytes", value: "bytes" });
        const key = Buffer.from("key");
        const value = Buffer.from("value");
        const put = kv.put(key, value);
        key.fill(0);
        value.fill(0);
        await put;
        expect(await kv.get(encoder.encode("key"))).toEqual(encoder.encode("value"));
        const doomed = Buffer.from("key");
        const deletion = kv.delete(doomed);
        doomed.fill(0);
        expect(await deletion).toBe(true);
        const staged = Buffer.from("staged");
        await db.transaction(async (tx) => {
          const inside = tx.keyspace(kv);
          inside.put(staged, staged);
          staged.fill(0);
          expect(await inside.get(encoder.encode("staged"))).toEqual(encoder.encode("staged"));
        });
        expect(await kv.get(encoder.encode("staged"))).toEqual(encoder.encode("staged"));
        const prefix = Buffer.from("st");
        expect(await kv.keys({ prefix }).toArray()).toEqual([encoder.encode("staged")]);
        expect(prefix.toString()).toBe("st");
      }));

    test("what get answers can be changed without changing the database", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace("a", { value: "bytes" });
        for (const size of [10, 100, 5_000]) {
          await kv.put("k", new Uint8Array(size).fill(1));
          (await kv.get("k"))?.fill(2);
          expect((await kv.get("k"))?.every((byte) => byte === 1)).toBe(true);
        }
      }));

    test("view lends the bytes while the function runs", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace("a", { value: "bytes" });
        await kv.put("small", Uint8Array.of(1, 2, 3));
        await kv.put("large", new Uint8Array(50_000).fill(4));
        const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => total + byte, 0);
        expect(await kv.view("small", sum)).toBe(6);
        expect(await kv.view("large", sum)).toBe(200_000);
        expect(await kv.view("nothing", sum)).toBeUndefined();
        const reason = new Error("mine");
        const failure = kv.view("small", () => {
          throw reason;
        });
        await expect(failure).rejects.toBe(reason);
      }));

    test("clear deletes all records, now and after reopening", () =>
      withDatabase(kind, async (db, place) => {
        const kv = await db.keyspace("a");
        await kv.put("k", 1);
        await kv.clear();
        expect(await kv.count()).toBe(0);
        await kv.put("l", 2);
        await db.close();
        const again = await place.open();
        expect(await (await again.keyspace("a")).keys().toArray()).toEqual(["l"]);
        await again.close();
      }));

    test("unknown options are option_unknown, everywhere", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace("a");
        // Misspelt on purpose.
        const bad = { limitt: 1 } as object;
        await fails("option_unknown", () => kv.put("k", 1, bad));
        await fails("option_unknown", () => kv.get("k", bad));
        await fails("option_unknown", () => kv.delete("k", bad));
        await fails("option_unknown", () => kv.batch([], bad));
        await fails("option_unknown", () => kv.entries(bad).toArray());
        await fails("option_unknown", () => kv.count(bad));
        await fails("option_unknown", () => kv.clear(bad));
        await fails("option_unknown", () => kv.deleteGroup("g", bad));
        await fails("option_unknown", () => kv.writable(bad));
        await fails("option_unknown", () => db.keyspace("b", bad));
        await fails("option_unknown", () => db.transaction(() => 1, bad));
        await fails("option_unknown", () => db.snapshot(bad));
        await fails("option_unknown", () => db.sweep(bad));
        await fails("option_unknown", () => db.batch(() => undefined, bad));
        await fails("option_unknown", () => db.checkpoint(bad));
      }));

    test("a closed database says closed, and closing twice does nothing", async () => {
      const place = kind.make();
      const db = await place.open();
      const kv = await db.keyspace("a");
      const rows = kv.entries();
      const snapshot = db.snapshot();
      await db.close();
      await db.close();
      await db[Symbol.asyncDispose]();
      await fails("closed", () => kv.get("k"));
      await fails("closed", () => kv.put("k", 1));
      await fails("closed", () => kv.delete("k"));
      await fails("closed", () => kv.getMany(["k"]));
      await fails("closed", () => kv.entries().toArray());
      await fails("closed", () => rows.next());
      await fails("closed", () => kv.count());
      await fails("closed", () => kv.batch([{ type: "delete", key: "k" }]));
      await fails("closed", () => kv.clear());
      await fails("closed", () => db.keyspace("a"));
      await fails("closed", () => db.keyspaces());
      await fails("closed", () => db.drop("a"));
      await fails("closed", () => db.transaction(() => 1));
      await fails("closed", () => db.transactionSync(() => 1));
      await fails("closed", () => db.batch(() => undefined));
      await fails("closed", () => db.snapshot());
      await fails("closed", () => db.sweep());
      await fails("closed", () => db.flush());
      await fails("closed", () => db.stats());
      snapshot.release();
      place.remove();
    });

    test("a signal that is aborted ends a write before it begins", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace("a");
        const reason = new Error("enough");
        const signal = AbortSignal.abort(reason);
        const error = await fails("aborted", () => kv.put("k", 1, { signal }));
        expect(error.cause).toBe(reason);
        await fails("aborted", () => kv.delete("k", { signal }));
        await fails("aborted", () => kv.entries({ signal }).toArray());
        await fails("aborted", () => db.sweep({ signal }));
        await fails("aborted", () => db.transaction(() => 1, { signal }));
        expect(await kv.count()).toBe(0);
      }));

    test("writes to a read-only database are read_only", async () => {
      const place = kind.make();
      const writer = await place.open();
      await (await writer.keyspace("a")).put("k", 1);
      await writer.close();
      const db = await place.open({ readOnly: true });
      const kv = await db.keyspace("a");
      expect(await kv.get("k")).toBe(1);
      expect(await kv.entries().toArray()).toEqual([{ key: "k", value: 1 }]);
      expect(await db.transaction((tx) => tx.keyspace(kv).get("k"))).toBe(1);
      await fails("read_only", () => kv.put("k", 2));
      await fails("read_only", () => kv.delete("k"));
      await fails("read_only", () => kv.clear());
      await fails("read_only", () => db.drop("a"));
      await fails("read_only", () =>
        db.transaction((tx) => {
          tx.keyspace(kv).put("k", 2);
        }),
      );
      await fails("keyspace_not_found", () => db.keyspace("b"));
      await db.close();
      place.remove();
    });
  });
}

describe("synchronous twins", () => {
  test("say the same as the awaited ones", () =>
    withDatabase(memoryPlace, async (db) => {
      const kv = await db.keyspace("a", { value: "json" });
      expect(kv.putSync("k", [1]).seq).toBe(db.stats().seq);
      kv.batchSync([
        { type: "put", key: "l", value: 2 },
        { type: "put", key: "m", value: 3 },
      ]);
      expect(kv.getSync("k")).toEqual([1]);
      expect(kv.getManySync(["l", "x"])).toEqual([2, undefined]);
      expect(kv.hasSync("m")).toBe(true);
      expect(kv.countSync()).toBe(3);
      expect(kv.viewSync("l", (bytes) => bytes.length)).toBe(1);
      expect(kv.keysSync().toArray()).toEqual(["k", "l", "m"]);
      expect([...kv.valuesSync({ reverse: true })]).toEqual([3, 2, [1]]);
      expect(kv.expiresAtSync("k")).toBeNull();
      expect(kv.ttlSync("k")).toBeNull();
      expect(kv.persistSync("k")).toBe(false);
      expect(kv.deleteSync("k")).toBe(true);
      db.batchSync((batch) => batch.delete(kv, "l"));
      expect(kv.keysSync().toArray()).toEqual(["m"]);
    }));

  test("are synchronous_unavailable where the storage cannot answer, and change nothing", () =>
    withDatabase(slowPlace, async (db, place) => {
      const kv = await db.keyspace("a");
      await kv.put("k", 1);
      await fails("synchronous_unavailable", () => kv.putSync("l", 2));
      await fails("synchronous_unavailable", () => kv.deleteSync("k"));
      await fails("synchronous_unavailable", () =>
        kv.batchSync([{ type: "put", key: "l", value: 2 }]),
      );
      await fails("synchronous_unavailable", () =>
        db.transactionSync((tx) => tx.keyspace(kv).put("l", 2)),
      );
      await kv.put("m", 3);
      expect(await kv.keys().toArray()).toEqual(["k", "m"]);
      await db.close();
      const again = await place.open();
      const cold = await again.keyspace("a");
      await fails("synchronous_unavailable", () => cold.getSync("k"));
      await fails("synchronous_unavailable", () => cold.entriesSync().toArray());
      expect(await cold.keys().toArray()).toEqual(["k", "m"]);
      // What is in memory by now can be answered.
      expect(cold.getSync("k")).toBe(1);
      await again.close();
    }));

  test("a batch that writes through the database while it is built is refused", () =>
    withDatabase(memoryPlace, async (db) => {
      const kv = await db.keyspace("a");
      await fails("argument_invalid", () =>
        db.batch((batch) => {
          batch.put(kv, "a", 1);
          kv.putSync("b", 2);
        }),
      );
      const writing = {
        toJSON: () => {
          kv.putSync("c", 3);
          return 1;
        },
      };
      await fails("value_invalid", () => kv.batch([{ type: "put", key: "d", value: writing }]));
      // A single put encodes its value first: the write in there is a commit of its own.
      await kv.put("e", writing);
      expect(await kv.keys().toArray()).toEqual(["c", "e"]);
    }));
});

test("a keyspace of another database is refused", () =>
  withDatabase(memoryPlace, async (db) => {
    const other = await open(new MemoryStorage());
    const foreign = await other.keyspace("a");
    await fails("argument_invalid", () => db.batch((batch) => batch.put(foreign, "k", 1)));
    await fails("argument_invalid", () => db.transaction((tx) => tx.keyspace(foreign).get("k")));
    await fails("argument_invalid", () => db.batch((batch) => batch.put({} as never, "k", 1)));
    await other.close();
  }));
