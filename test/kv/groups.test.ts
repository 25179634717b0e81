import { describe, expect, test } from "vitest";
import { fails } from "./fails.ts";
import { places, TestClock, withDatabase } from "./places.ts";

const records = {
  product: "exact",
  "product.name": "box",
  "product.size": "l",
  "product.details.weight": "100g",
  "product.details.specs.ram": "8gb",
  "product/": "slash",
  "product-": "dash",
  "products.name": "other",
  ".hidden": "dot",
};

for (const kind of places) {
  describe(`groups, over ${kind.name}`, () => {
    const withRecords: typeof withDatabase = (place, run) =>
      withDatabase(place, async (db, where) => {
        const kv = await db.keyspace<string>("a");
        for (const [key, value] of Object.entries(records)) await kv.put(key, value);
        await run(db, where);
      });

    test("a group is what begins with its name and a dot, not the name itself", () =>
      withRecords(kind, async (db) => {
        const kv = await db.keyspace<string>("a");
        const keys = async (prefix: string) =>
          (await kv.group(prefix).toArray()).map(({ key }) => key);
        expect(await keys("product")).toEqual([
          "product.details.specs.ram",
          "product.details.weight",
          "product.name",
          "product.size",
        ]);
        expect(await keys("product.details.specs")).toEqual(["product.details.specs.ram"]);
        expect(await keys("")).toEqual([".hidden"]);
        expect(await keys("nothing")).toEqual([]);
      }));

    test("deleteGroup deletes just that, and tells how many", () =>
      withRecords(kind, async (db) => {
        const kv = await db.keyspace<string>("a");
        expect(await kv.deleteGroup("product.details")).toBe(2);
        expect(await kv.deleteGroup("product")).toBe(2);
        const { seq } = db.stats();
        expect(await kv.deleteGroup("product")).toBe(0);
        expect(db.stats().seq).toBe(seq);
        expect(await kv.keys().toArray()).toEqual([
          ".hidden",
          "product",
          "product-",
          "product/",
          "products.name",
        ]);
        await fails("argument_invalid", () => kv.deleteGroup(""));
        await fails("argument_invalid", () => kv.focus("").deleteAll());
        await fails("key_too_large", () => kv.deleteGroup("x".repeat(1_024)));
      }));

    test("a focus puts, gets and deletes under its prefix", () =>
      withRecords(kind, async (db) => {
        const kv = await db.keyspace<string>("a");
        const product = kv.focus("product");
        expect(await product.get("name")).toBe("box");
        await product.set("colour", "red");
        await product.put("name", "crate");
        expect(await kv.get("product.colour")).toBe("red");
        expect(await product.has("size")).toBe(true);
        expect(await product.delete("size")).toBe(true);
        expect(await product.has("size")).toBe(false);
        const specs = product.focus("details").focus("specs");
        expect(specs.prefix).toBe("product.details.specs");
        expect(await specs.get("ram")).toBe("8gb");
        expect(await specs.entries().toArray()).toEqual([
          { key: "product.details.specs.ram", value: "8gb" },
        ]);
        expect(await product.focus("details").deleteAll()).toBe(2);
        expect(await product.entries().toArray()).toHaveLength(2);
        const whole = kv.focus("");
        expect(await whole.get("product")).toBe("exact");
        expect(whole.focus("product").prefix).toBe("product");
        expect(await whole.entries().toArray()).toHaveLength(7);
      }));

    test("an expired record is in no group and is not counted", async () => {
      const clock = new TestClock();
      await withDatabase(
        kind,
        async (db) => {
          const kv = await db.keyspace("a");
          const session = kv.focus("session");
          await session.put("token", "abc", { ttl: 0 });
          expect(await session.get("token")).toBeUndefined();
          await session.put("a", 1, { ttl: 100 });
          await session.put("b", 1);
          clock.advance(100);
          expect(await session.entries().toArray()).toHaveLength(1);
          expect(await session.deleteAll()).toBe(1);
          expect(await kv.count()).toBe(0);
        },
        { clock: clock.now },
      );
    });

    test("keys of bytes have no groups", () =>
      withDatabase(kind, async (db) => {
        const kv = (await db.keyspace("a", { key: "bytes" })) as never as {
          focus(p: string): unknown;
        };
        await fails("argument_invalid", () => kv.focus("a"));
      }));
  });
}
