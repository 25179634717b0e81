import { describe, expect, test } from "vitest";
import { type KeyspaceOptions, MemoryMedium, MemoryStorage, open } from "../../src/index.ts";
import { fails } from "./fails.ts";
import { places, withDatabase } from "./places.ts";

const info = {
  kind: "ordered",
  key: "utf8",
  value: "json",
  isBuiltIn: true,
  ttl: null,
  records: 0,
};

for (const kind of places) {
  describe(`keyspaces, over ${kind.name}`, () => {
    test("are created once, listed by name, and there after reopening", () =>
      withDatabase(kind, async (db, place) => {
        const codec = {
          name: "number",
          encode: (value: number) => new TextEncoder().encode(String(value)),
          decode: (bytes: Uint8Array) => Number(new TextDecoder().decode(bytes)),
        };
        await db.keyspace("z", { kind: "hashed", key: "bytes", value: "utf8", ttl: 5_000 });
        const numbers = await db.keyspace("numbers", { value: codec });
        await numbers.put("k", 7);
        const unnamed = await db.keyspace();
        await unnamed.put("k", 8);
        const expected = [
          { ...info, name: "", records: 1 },
          { ...info, name: "numbers", value: "number", isBuiltIn: false, records: 1 },
          { ...info, name: "z", kind: "hashed", key: "bytes", value: "utf8", ttl: 5_000 },
        ];
        expect(db.keyspaces()).toEqual(expected);
        await db.close();
        const again = await place.open();
        expect(again.keyspaces()).toEqual(expected);
        expect(await (await again.keyspace("numbers", { value: codec })).get("k")).toBe(7);
        expect(await (await again.keyspace("")).get("k")).toBe(8);
        await again.close();
      }));

    test("opening one many times at once creates it once", () =>
      withDatabase(kind, async (db) => {
        const { seq } = db.stats();
        const all = await Promise.all(Array.from({ length: 20 }, () => db.keyspace("a")));
        await all[3].put("k", 1);
        expect(await all[17].get("k")).toBe(1);
        expect(db.keyspaces()).toHaveLength(1);
        expect(db.stats().seq).toBe(seq + 2n);
      }));

    test("options that contradict what is stored are keyspace_exists, left out ones agree", () =>
      withDatabase(kind, async (db) => {
        await db.keyspace("a", { kind: "hashed", ttl: 1_000 });
        await db.keyspace("a");
        await db.keyspace("a", {});
        await db.keyspace("a", { kind: "hashed" });
        const contradicting: KeyspaceOptions[] = [
          { kind: "ordered" },
          { key: "bytes" },
          { value: "utf8" },
          { ttl: null },
          { ttl: 999 },
          { value: { name: "json", encode: () => new Uint8Array(0), decode: () => 1 } },
        ];
        for (const options of contradicting) {
          const error = await fails("keyspace_exists", () => db.keyspace("a", options));
          expect(error.details.option).toBe(Object.keys(options)[0]);
        }
        expect(db.keyspaces()).toHaveLength(1);
      }));

    test("options that make no sense are argument_invalid", () =>
      withDatabase(kind, async (db) => {
        const senseless = [
          { kind: "sorted" },
          { kind: "" },
          { key: "" },
          { key: "utf16" },
          { value: "" },
          { value: "xml" },
          { value: null },
          { value: {} },
          { value: { name: "", encode: () => 1, decode: () => 1 } },
          { ttl: -1 },
          { ttl: "1" },
        ];
        for (const options of senseless) {
          await fails("argument_invalid", () => db.keyspace("a", options as never));
        }
        for (const name of [1, null, {}, "n".repeat(256)]) {
          await fails("argument_invalid", () => db.keyspace(name as string));
        }
        await fails("argument_invalid", () => db.keyspace("a", 7 as never));
        expect(db.keyspaces()).toEqual([]);
      }));

    test("a dropped keyspace is gone for ever, and its handles say so", () =>
      withDatabase(kind, async (db, place) => {
        const kv = await db.keyspace("a", { ttl: 1_000 });
        const same = await db.keyspace("a");
        await kv.put("k", 1);
        const snapshot = db.snapshot();
        const before = kv.entries();
        expect(await db.drop("a")).toBe(true);
        expect(await db.drop("a")).toBe(false);
        expect(db.keyspaces()).toEqual([]);
        for (const handle of [kv, same]) {
          await fails("keyspace_dropped", () => handle.get("k"));
          await fails("keyspace_dropped", () => handle.put("k", 1));
          await fails("keyspace_dropped", () => handle.delete("k"));
          await fails("keyspace_dropped", () => handle.clear());
          await fails("keyspace_dropped", () => handle.entries().toArray());
          await fails("keyspace_dropped", () => handle.count());
          await fails("keyspace_dropped", () => handle.batch([{ type: "delete", key: "k" }]));
          await fails("keyspace_dropped", () => handle.getMany(["k"]));
        }
        // What was begun before goes on with the state it has.
        expect(await before.toArray()).toEqual([{ key: "k", value: 1 }]);
        snapshot.release();
        const fresh = await db.keyspace("a", { kind: "hashed" });
        expect(await fresh.get("k")).toBeUndefined();
        await fresh.put("l", 2);
        await db.close();
        const again = await place.open();
        const found = await again.keyspace("a", { kind: "hashed" });
        expect(await found.keys().toArray()).toEqual(["l"]);
        await again.close();
      }));

    test("a put behind a drop is refused, and no page of it is left over", () =>
      withDatabase(kind, async (db, place) => {
        const kv = await db.keyspace("a");
        await kv.put("k", 1);
        const snapshot = db.snapshot();
        // The drop waits a turn for other changes of the catalogue: the put comes behind it.
        const dropped = db.drop("a");
        const refused = fails("keyspace_dropped", () =>
          Promise.resolve().then(() => kv.put("l", 1)),
        );
        expect(await dropped).toBe(true);
        await refused;
        snapshot.release();
        await db.close();
        const again = await place.open();
        expect((await again.verify()).findings).toEqual([]);
        await again.close();
      }));

    test("clear works by name; the default keyspace cannot be dropped", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace("");
        await kv.put("k", 1);
        await fails("argument_invalid", () => db.drop(""));
        await db.clear("");
        expect(await kv.count()).toBe(0);
        await fails("keyspace_not_found", () => db.clear("nothing"));
      }));

    test("a batch over keyspaces is all or nothing", () =>
      withDatabase(kind, async (db) => {
        const users = await db.keyspace<{ name: string }>("users");
        const sessions = await db.keyspace("sessions", { kind: "hashed", value: "utf8" });
        const { seq } = await db.batch((batch) => {
          batch.put(users, "ada", { name: "Ada" }).put(sessions, "s1", "ada");
          batch.delete(users, "nobody");
        });
        expect(db.stats().seq).toBe(seq);
        expect(await users.get("ada")).toEqual({ name: "Ada" });
        expect(await sessions.get("s1")).toBe("ada");
        const reason = new Error("mine");
        const failed = db.batch((batch) => {
          batch.delete(users, "ada");
          throw reason;
        });
        await expect(failed).rejects.toBe(reason);
        await fails("value_invalid", () =>
          db.batch((batch) => {
            batch.delete(users, "ada").put(sessions, "s2", 7 as never);
          }),
        );
        await fails("asynchronous_callback", () => db.batch((async () => undefined) as never));
        let escaped: { delete(keyspace: unknown, key: string): unknown } | undefined;
        await db.batch((batch) => {
          escaped = batch as never;
        });
        await fails("transaction_closed", () => escaped?.delete(users, "ada"));
        expect(db.stats().seq).toBe(seq);
        expect(await users.has("ada")).toBe(true);
        await users.put("eve", { name: "Eve" });
        expect(await users.keys().toArray()).toEqual(["ada", "eve"]);
      }));

    test("an empty batch commits nothing and answers with the newest commit", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace("a");
        const { seq, time } = await kv.put("k", 1);
        expect(await kv.batch([])).toMatchObject({ seq, time });
        expect(await db.batch(() => undefined)).toMatchObject({ seq, time });
        expect(db.stats().seq).toBe(seq);
        await fails("argument_invalid", () => kv.batch([{ type: "add", key: "k" } as never]));
      }));

    test("the database's own default for values", () =>
      withDatabase(
        kind,
        async (db) => {
          expect((await db.keyspace("a")).kind).toBe("ordered");
          expect(db.keyspaces()[0].value).toBe("bytes");
        },
        { value: "bytes" } as never,
      ));
  });
}

test("the list is that of the newest commit that readers see, not of a later one", async () => {
  const storage = new MemoryStorage(new MemoryMedium(), { latency: () => Promise.resolve() });
  const append = storage.log.append.bind(storage.log);
  let beforeAppend = async (): Promise<void> => undefined;
  storage.log.append = async (...args) => {
    await beforeAppend();
    await append(...args);
  };
  const db = await open(storage);
  const names = (): string[] => db.keyspaces().map(({ name }) => name);
  await db.keyspace("a");
  /** What is listed while the commit that was begun is applied and its frame is being written. */
  async function listedWhile(change: () => Promise<unknown>): Promise<string[]> {
    let listed: string[] = [];
    beforeAppend = async () => {
      listed = names();
      expect(db.stats().trees).toBe(listed.length + 1);
    };
    await change();
    beforeAppend = async () => undefined;
    return listed;
  }
  expect(await listedWhile(() => db.keyspace("b"))).toEqual(["a"]);
  expect(names()).toEqual(["a", "b"]);
  expect(await listedWhile(() => db.drop("a"))).toEqual(["a", "b"]);
  expect(names()).toEqual(["b"]);
  await db.close();
});
