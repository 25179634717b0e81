import { describe, expect, test } from "vitest";
import type { Isolation, Keyspace } from "../../src/index.ts";
import { fails } from "../kv/fails.ts";
import { filePlace, memoryPlace, places, TestClock, withDatabase } from "../kv/places.ts";

/** Lets two transactions run to a common point before either goes on. */
class Meeting {
  readonly #expected: number;
  readonly #waiting: (() => void)[] = [];
  constructor(expected: number) {
    this.#expected = expected;
  }
  async arrive(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length >= this.#expected) for (const go of this.#waiting) go();
    });
  }
}

for (const kind of places) {
  describe(`transactions, over ${kind.name}`, () => {
    test("several keyspaces change together, or none does", () =>
      withDatabase(kind, async (db) => {
        const accounts = await db.keyspace<number>("accounts");
        const log = await db.keyspace("log", { kind: "hashed", value: "utf8" });
        await accounts.put("ada", 100);
        const answer = await db.transaction(async (tx) => {
          const inside = tx.keyspace(accounts);
          inside.put("ada", ((await inside.get("ada")) ?? 0) - 30);
          inside.put("bob", ((await inside.get("bob")) ?? 0) + 30);
          tx.keyspace(log).put("1", "ada to bob");
          return "done";
        });
        expect(answer).toBe("done");
        expect(await accounts.getMany(["ada", "bob"])).toEqual([70, 30]);
        expect(await log.get("1")).toBe("ada to bob");
        const reason = new Error("not enough");
        const { seq } = db.stats();
        const failed = db.transaction(async (tx) => {
          tx.keyspace(accounts).put("ada", -1);
          await tx.keyspace(log).delete("1");
          throw reason;
        });
        await expect(failed).rejects.toBe(reason);
        expect(db.stats().seq).toBe(seq);
        expect(await accounts.getMany(["ada", "bob"])).toEqual([70, 30]);
        expect(await log.has("1")).toBe(true);
      }));

    test("reads and iterators see the transaction's own writes, nobody else does", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace<number>("a");
        const hashed = await db.keyspace<number>("h", { kind: "hashed" });
        for (const records of [kv, hashed]) {
          await records.batch(
            ["a", "c", "e", "g"].map((key, value) => ({ type: "put", key, value })),
          );
        }
        await db.transaction(async (tx) => {
          for (const records of [kv, hashed]) {
            const inside = tx.keyspace(records);
            inside.put("b", 10);
            inside.put("c", 11);
            inside.put("z", 12);
            expect(await inside.delete("e")).toBe(true);
            expect(await inside.delete("nothing")).toBe(false);
            expect(await inside.get("b")).toBe(10);
            expect(await inside.has("e")).toBe(false);
            expect(await inside.getMany(["a", "c", "e"])).toEqual([0, 11, undefined]);
            expect(await records.get("b")).toBeUndefined();
            expect((await inside.entries().toArray()).sort(byKey)).toEqual([
              { key: "a", value: 0 },
              { key: "b", value: 10 },
              { key: "c", value: 11 },
              { key: "g", value: 3 },
              { key: "z", value: 12 },
            ]);
          }
          const inside = tx.keyspace(kv);
          expect(await inside.keys({ gt: "a", lte: "g", reverse: true }).toArray()).toEqual([
            "g",
            "c",
            "b",
          ]);
          expect(await inside.values({ prefix: "b" }).toArray()).toEqual([10]);
          expect(await inside.keys({ limit: 2 }).toArray()).toEqual(["a", "b"]);
          const first = inside.keys({ limit: 2 });
          await first.toArray();
          expect(await inside.keys({ cursor: first.cursor }).toArray()).toEqual(["c", "g", "z"]);
          // An iterator sees what was written before it was made.
          const rows = inside.keys();
          inside.put("d", 1);
          await inside.delete("a");
          expect(await rows.toArray()).toEqual(["a", "b", "c", "g", "z"]);
        });
        expect(await kv.keys().toArray()).toEqual(["b", "c", "d", "g", "z"]);
      }));

    test("many rows merge with many writes, in both directions", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace<number>("a");
        const expected = new Map<string, number>();
        const keyOf = (index: number): string => `k${String(index).padStart(5, "0")}`;
        for (let index = 0; index < 3_000; index += 2) expected.set(keyOf(index), index);
        await kv.batch(Array.from(expected, ([key, value]) => ({ type: "put", key, value })));
        await db.transaction(async (tx) => {
          const inside = tx.keyspace(kv);
          for (let index = 0; index < 3_000; index += 3) {
            if (index % 4 === 0) {
              await inside.delete(keyOf(index));
              expected.delete(keyOf(index));
            } else {
              inside.put(keyOf(index), -index);
              expected.set(keyOf(index), -index);
            }
          }
          const sorted = Array.from(expected, ([key, value]) => ({ key, value })).sort(byKey);
          expect(await inside.entries().toArray()).toEqual(sorted);
          expect(await inside.entries({ reverse: true }).toArray()).toEqual(sorted.toReversed());
        });
        expect(await kv.count()).toBe(expected.size);
      }));

    test("it sees one state, whatever is committed meanwhile", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace<number>("a");
        await kv.put("x", 1);
        await db.transaction(async (tx) => {
          const inside = tx.keyspace(kv);
          expect(await inside.get("x")).toBe(1);
          await kv.put("x", 2);
          await kv.put("y", 2);
          expect(await inside.get("x")).toBe(1);
          expect(await inside.keys().toArray()).toEqual(["x"]);
        });
        expect(await kv.get("x")).toBe(2);
      }));

    test("a put and a delete of the same new key leave nothing, and no commit", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace("a");
        const { seq } = db.stats();
        await db.transaction(async (tx) => {
          tx.keyspace(kv).put("k", 1);
          expect(await tx.keyspace(kv).delete("k")).toBe(true);
        });
        await db.transaction(async (tx) => await tx.keyspace(kv).get("k"));
        expect(db.stats().seq).toBe(seq);
        expect(await kv.count()).toBe(0);
      }));

    test("no update is lost: the second to commit runs again", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace<number>("a");
        await kv.put("n", 0);
        const meeting = new Meeting(2);
        let runs = 0;
        const increment = () =>
          db.transaction(async (tx) => {
            runs++;
            const inside = tx.keyspace(kv);
            const found = (await inside.get("n")) ?? 0;
            if (runs <= 2) await meeting.arrive();
            inside.put("n", found + 1);
          });
        await Promise.all([increment(), increment()]);
        expect(await kv.get("n")).toBe(2);
        expect(runs).toBe(3);
      }));

    test("without retries the loser gets a conflict, and nothing of it is applied", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace<number>("a");
        const other = await db.keyspace<number>("b");
        for (const change of ["put", "delete", "create", "clear"]) {
          await kv.put("n", 0);
          await kv.delete("new");
          const error = await fails("conflict", () =>
            db.transaction(
              async (tx) => {
                await tx.keyspace(kv).get("n");
                if (change === "put") await kv.put("n", 5);
                if (change === "delete") await kv.delete("n");
                if (change === "create") await kv.put("new", 5);
                if (change === "clear") await kv.clear();
                tx.keyspace(kv).put(change === "create" ? "new" : "n", 1);
                tx.keyspace(other).put("k", 1);
              },
              { retries: 0 },
            ),
          );
          expect(error.retryable).toBe(true);
          expect(await other.count()).toBe(0);
        }
      }));

    test("a record that was deleted and put again counts as changed", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace<number>("a");
        await kv.put("n", 0);
        await fails("conflict", () =>
          db.transaction(
            async (tx) => {
              await kv.delete("n");
              await kv.put("n", 0);
              tx.keyspace(kv).put("n", 1);
            },
            { retries: 0 },
          ),
        );
      }));

    test("writes to different records do not meet", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace<number>("a");
        const meeting = new Meeting(2);
        const write = (key: string) =>
          db.transaction(
            async (tx) => {
              await meeting.arrive();
              tx.keyspace(kv).put(key, 1);
            },
            { retries: 0 },
          );
        await Promise.all([write("a"), write("b")]);
        expect(await kv.count()).toBe(2);
      }));

    test("32 concurrent increments all count, with the default retries", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace<number>("a");
        let runs = 0;
        const counts = await Promise.all(
          Array.from({ length: 32 }, () =>
            db.transaction(async (tx) => {
              runs++;
              const inside = tx.keyspace(kv);
              const next = ((await inside.get("n")) ?? 0) + 1;
              inside.put("n", next);
              return next;
            }),
          ),
        );
        expect(await kv.get("n")).toBe(32);
        expect(counts.sort((left, right) => left - right)).toEqual(
          Array.from({ length: 32 }, (_none, index) => index + 1),
        );
        // Those that met a conflict went on one after the other, not all at once again.
        expect(runs).toBeLessThan(32 * 4);
      }));

    for (const isolation of ["snapshot", "serializable"] as Isolation[]) {
      const skews = isolation === "snapshot";
      const skewTest = (
        name: string,
        body: (
          kv: Keyspace<string, number>,
          run: (read: "a" | "b", write: "a" | "b") => Promise<void>,
        ) => Promise<void>,
        reading: "point" | "range" | "hashed",
      ) =>
        test(name, () =>
          withDatabase(kind, async (db) => {
            const kv = await db.keyspace<number>("k", {
              kind: reading === "hashed" ? "hashed" : "ordered",
            });
            const meeting = new Meeting(2);
            let runs = 0;
            await body(kv, (read, write) =>
              db.transaction(
                async (tx) => {
                  runs++;
                  const inside = tx.keyspace(kv);
                  const isFree =
                    reading === "point"
                      ? (await inside.get(read)) === undefined
                      : reading === "range"
                        ? (await inside.keys({ prefix: read }).toArray()).length === 0
                        : (await inside.keys().toArray()).length === 0;
                  if (runs <= 2) await meeting.arrive();
                  if (isFree) inside.put(write, 1);
                },
                { isolation },
              ),
            );
            // Each looked whether the other's record was there: one after the other, one is put.
            expect(await kv.count()).toBe(skews ? 2 : 1);
            expect(runs).toBe(skews ? 2 : 3);
          }),
        );
      const both = async (
        _kv: Keyspace<string, number>,
        run: (read: "a" | "b", write: "a" | "b") => Promise<void>,
      ): Promise<void> => {
        await Promise.all([run("b", "a"), run("a", "b")]);
      };
      const verb = skews ? "allows" : "prevents";
      skewTest(`${isolation} ${verb} write skew over point reads`, both, "point");
      skewTest(`${isolation} ${verb} write skew over ranges`, both, "range");
      skewTest(`${isolation} ${verb} write skew over hashed scans`, both, "hashed");
    }

    test("serializable minds only what was read", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace<number>("a");
        const keyOf = (index: number): string => `k${String(index).padStart(4, "0")}`;
        await kv.batch(
          Array.from({ length: 2_000 }, (_none, value) => ({
            type: "put",
            key: keyOf(value),
            value,
          })),
        );
        const attempt = (
          options: { gte?: string; limit: number; reverse?: boolean },
          change: () => Promise<unknown>,
        ) =>
          db.transaction(
            async (tx) => {
              const inside = tx.keyspace(kv);
              await inside.entries(options).toArray();
              await change();
              inside.put("result", 1);
            },
            { isolation: "serializable", retries: 0 },
          );
        const front = { gte: keyOf(100), limit: 10 };
        await attempt(front, () => kv.put(keyOf(110), 1));
        await attempt(front, () => kv.put(keyOf(99), 1));
        await attempt(front, () => kv.delete(keyOf(500)));
        await fails("conflict", () => attempt(front, () => kv.put(keyOf(109), 1)));
        await fails("conflict", () => attempt(front, () => kv.delete(keyOf(100))));
        await fails("conflict", () => attempt(front, () => kv.put(`${keyOf(100)}x`, 1)));
        const back = { limit: 10, reverse: true };
        await attempt(back, () => kv.put(keyOf(5), 1));
        await fails("conflict", () => attempt(back, () => kv.put(keyOf(1_995), 1)));
        await fails("conflict", () => attempt({ limit: 5_000 }, () => kv.put("zz", 1)));
        await attempt({ limit: 0 }, () => kv.put(keyOf(0), 1));
      }));

    test("serializable minds what expires before it commits", async () => {
      const clock = new TestClock();
      await withDatabase(
        kind,
        async (db) => {
          const kv = await db.keyspace<number>("a");
          await kv.put("lease", 1, { ttl: 1_000 });
          let runs = 0;
          await db.transaction(
            async (tx) => {
              runs++;
              const inside = tx.keyspace(kv);
              const isHeld = await inside.has("lease");
              if (runs === 1) clock.advance(5_000);
              inside.put("seen", isHeld ? 1 : 0);
            },
            { isolation: "serializable" },
          );
          expect(await kv.get("seen")).toBe(0);
          expect(runs).toBe(2);
        },
        { clock: clock.now },
      );
    });

    test("expiries work in it, and count from the commit", async () => {
      const clock = new TestClock();
      await withDatabase(
        kind,
        async (db) => {
          const kv = await db.keyspace<number>("a", { ttl: 9_000 });
          await kv.put("old", 1, { ttl: 50 });
          await db.transaction(async (tx) => {
            const inside = tx.keyspace(kv);
            inside.put("brief", 1, { ttl: 100 });
            inside.put("default", 1);
            inside.put("gone", 1, { ttl: 0 });
            inside.put("ever", 1, { ttl: null });
            expect(await inside.get("gone")).toBeUndefined();
            expect(await inside.ttl("brief")).toBe(100);
            expect(await inside.expiresAt("ever")).toBeNull();
            expect(await inside.keys().toArray()).toEqual(["brief", "default", "ever", "old"]);
            clock.advance(1_000);
            expect(await inside.has("brief")).toBe(true);
            expect(await inside.has("old")).toBe(true);
          });
          expect(await kv.ttl("brief")).toBe(100);
          expect(await kv.ttl("default")).toBe(9_000);
          expect(await kv.keys().toArray()).toEqual(["brief", "default", "ever"]);
          clock.advance(20_000);
          expect(await db.sweep()).toBe(4);
        },
        { clock: clock.now },
      );
    });

    test("use after the end is transaction_closed", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace<number>("a");
        await kv.put("k", 1);
        const kept = await db.transaction((tx) => {
          const inside = tx.keyspace(kv);
          return { tx, inside, rows: inside.keys() };
        });
        await fails("transaction_closed", () => kept.inside.get("k"));
        await fails("transaction_closed", () => kept.inside.put("k", 2));
        await fails("transaction_closed", () => kept.inside.delete("k"));
        await fails("transaction_closed", () => kept.inside.entries());
        await fails("transaction_closed", () => kept.rows.next());
        await fails("transaction_closed", () => kept.tx.keyspace(kv));
        expect(db.stats().snapshots).toBe(0);
      }));

    test("a delete that nobody waits for counts", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace<number>("a");
        await kv.put("k", 1);
        await db.transaction((tx) => {
          tx.keyspace(kv)
            .delete("k")
            .catch(() => undefined);
        });
        expect(await kv.has("k")).toBe(false);
      }));

    test("a signal ends it before the commit, and finality is passed on", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace<number>("a");
        const controller = new AbortController();
        await fails("aborted", () =>
          db.transaction(
            (tx) => {
              tx.keyspace(kv).put("k", 1);
              controller.abort();
            },
            { signal: controller.signal },
          ),
        );
        expect(await kv.count()).toBe(0);
        await db.transaction((tx) => tx.keyspace(kv).put("k", 1), { finality: "visible" });
        expect(await kv.count()).toBe(1);
        await fails("argument_invalid", () => db.transaction(() => 1, { retries: -1 }));
        await fails("argument_invalid", () =>
          db.transaction(() => 1, { isolation: "chaos" as Isolation }),
        );
      }));

    test("a conflict that the callback throws itself is not tried again", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace<number>("a");
        let runs = 0;
        await fails("conflict", () =>
          db.transaction(async () => {
            runs++;
            await db.transaction(
              async (tx) => {
                await kv.put("n", runs);
                tx.keyspace(kv).put("n", 1);
              },
              { retries: 0 },
            );
          }),
        );
        expect(runs).toBe(1);
      }));

    test("writing to a keyspace that is dropped meanwhile is keyspace_dropped", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace<number>("a");
        const other = await db.keyspace<number>("b");
        await fails("keyspace_dropped", () =>
          db.transaction(async (tx) => {
            tx.keyspace(other).put("k", 1);
            tx.keyspace(kv).put("k", 1);
            await db.drop("a");
          }),
        );
        expect(await other.count()).toBe(0);
      }));
  });
}

const byKey = (left: { key: string }, right: { key: string }): number =>
  left.key < right.key ? -1 : 1;

for (const kind of [memoryPlace, filePlace]) {
  describe(`transactions in one turn, over ${kind.name}`, () => {
    test("apply all or nothing", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace<number>("a");
        const answer = db.transactionSync((tx) => {
          const inside = tx.keyspace(kv);
          inside.put("a", 1);
          inside.put("b", (inside.getSync("a") ?? 0) + 1);
          expect(inside.deleteSync("a")).toBe(true);
          expect(inside.keysSync().toArray()).toEqual(["b"]);
          return inside.getManySync(["a", "b"]);
        });
        expect(answer).toEqual([undefined, 2]);
        const reason = new Error("mine");
        const { seq } = db.stats();
        expect(() =>
          db.transactionSync((tx) => {
            tx.keyspace(kv).put("c", 1);
            throw reason;
          }),
        ).toThrow(reason);
        expect(db.stats().seq).toBe(seq);
        expect(kv.keysSync().toArray()).toEqual(["b"]);
      }));

    test("an asynchronous callback is asynchronous_callback, and nothing is applied", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace<number>("a");
        const callback = async (tx: {
          keyspace(of: unknown): { put(k: string, v: number): void };
        }) => {
          tx.keyspace(kv).put("k", 1);
          await Promise.resolve();
          throw new Error("nobody hears this");
        };
        await fails("asynchronous_callback", () => db.transactionSync(callback as never));
        // biome-ignore lint/suspicious/noThenProperty: a promise by another name
        const thenable = { then: (done: () => void) => done() };
        await fails("asynchronous_callback", () => db.transactionSync((() => thenable) as never));
        expect(kv.countSync()).toBe(0);
        await kv.put("l", 1);
        expect(kv.countSync()).toBe(1);
      }));

    test("sees commits that are still under way, so there are no conflicts", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace<number>("a");
        const increment = () =>
          db.transactionSync((tx) => {
            const inside = tx.keyspace(kv);
            inside.put("n", (inside.getSync("n") ?? 0) + 1);
          });
        const puts = [kv.put("n", 10), kv.put("m", 1)];
        increment();
        increment();
        await Promise.all(puts);
        expect(kv.getSync("n")).toBe(12);
      }));

    test("a nested write is refused and the rest goes on", () =>
      withDatabase(kind, async (db) => {
        const kv = await db.keyspace<number>("a");
        db.transactionSync((tx) => {
          tx.keyspace(kv).put("a", 1);
          expect(() => kv.putSync("b", 1)).toThrow();
          expect(() => db.transactionSync(() => 1)).toThrow();
        });
        expect(kv.keysSync().toArray()).toEqual(["a"]);
      }));
  });
}

test("a retry that waits for one behind it in the queue is overtaken, not stuck", () =>
  withDatabase(memoryPlace, async (db) => {
    const kv = await db.keyspace<number>("a");
    let outerRuns = 0;
    let innerRuns = 0;
    await db.transaction(async (tx) => {
      outerRuns++;
      if (outerRuns === 1) await kv.put("n", 1);
      else {
        await db.transaction(async (inner) => {
          innerRuns++;
          if (innerRuns === 1) await kv.put("m", 1);
          inner.keyspace(kv).put("m", 2);
        });
      }
      tx.keyspace(kv).put("n", 2);
    });
    expect([outerRuns, innerRuns]).toEqual([2, 2]);
    expect(kv.getManySync(["n", "m"])).toEqual([2, 2]);
  }));
