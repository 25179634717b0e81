/**
 * Until a durable commit is synced nobody may see it: a loss of power could take it back. Random
 * clients found who did: a synchronous call that decides at its turn looks at the newest state of
 * all, and when it writes nothing there was nothing that made it wait. Somebody who asked later was
 * told the state before.
 */
import { expect, test } from "vitest";
import { type Database, type Keyspace, open } from "../../src/index.ts";

type Look = (db: Database, kv: Keyspace<string, number>) => unknown;

const looks: readonly [name: string, look: Look, later: Look][] = [
  [
    "a transaction that only reads",
    (db, kv) => db.transactionSync((tx) => tx.keyspace(kv).getSync("new")),
    (_db, kv) => kv.getSync("new"),
  ],
  ["a delete of what is gone", (_db, kv) => kv.deleteSync("old"), (_db, kv) => kv.hasSync("old")],
  [
    "a group that is empty",
    (_db, kv) => kv.deleteGroupSync("group"),
    (_db, kv) => kv.groupSync("group").toArray().length,
  ],
  [
    "a put that is only to be visible",
    (_db, kv) => {
      kv.putSync("other", 1, { finality: "visible" });
      return kv.getSync("new");
    },
    (db, kv) => (db.stats().durableSeq < db.stats().seq - 1n ? "not durable" : kv.getSync("new")),
  ],
];

test.each(looks)("%s shows nothing that is not durable", async (_name, look, later) => {
  let seen = 0;
  for (let hops = 0; hops < 12; hops++) {
    const db = await open("memory:");
    const kv = await db.keyspace<number>("a");
    kv.batchSync([
      { type: "put", key: "old", value: 1 },
      { type: "put", key: "group.a", value: 1 },
    ]);
    const commit = kv.batch([
      { type: "put", key: "new", value: 1 },
      { type: "delete", key: "old" },
      { type: "delete", key: "group.a" },
    ]);
    for (let left = hops; left > 0; left--) await undefined;
    const before = kv.getSync("new") === 1;
    const told = look(db, kv);
    const after = later(db, kv);
    // What was told already is so for everybody who asks from then on.
    expect({ hops, told, after }).toEqual({ hops, told, after: told });
    if (!before && kv.getSync("new") === 1) seen++;
    await commit;
    await db.close();
  }
  expect(seen).toBeGreaterThan(0);
});
