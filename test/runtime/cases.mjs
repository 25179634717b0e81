/**
 * What every runtime must do alike. Plain ECMAScript and the public API, nothing of a platform.
 *
 * A case is `{ name, run({ cairn, folder }) }`: `cairn` is the package, `folder` an empty folder
 * (file cases only). The oracle of the larger cases is a Map or a sorted array.
 */
import { assert, equal, failsWith } from "./runner.mjs";

async function withDatabase({ cairn }, action) {
  const db = await cairn.open("memory:");
  try {
    await action(db, cairn);
  } finally {
    await db.close();
  }
}

async function collect(rows) {
  const found = [];
  for await (const row of rows) found.push(row);
  return found;
}

const keysOf = async (rows) => (await collect(rows)).map((row) => row.key);

/** A fixed sequence of 32-bit numbers (xorshift), so that all runtimes do the same work. */
function numbers(seed) {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

function bytesOf(length, seed) {
  const next = numbers(seed);
  return Uint8Array.from({ length }, () => next() & 255);
}

/** Cases for every platform, over the memory storage. */
export const portableCases = [
  {
    name: "envelopes: transfers by many at once, refused and repeated",
    run: (context) =>
      withDatabase(context, async (db, { t, CairnError }) => {
        const accounts = await db.table("accounts", {
          columns: { id: t.integer().primaryKey(), balance: t.i256().notNull() },
        });
        const made = await db.keyspace("made", { value: "u64" });
        await accounts.insertMany([0, 1, 2].map((id) => ({ id, balance: 100n })));
        const next = numbers(9);
        const balances = [100n, 100n, 100n];
        const transfer = async (number) => {
          const [from, amount] = [next() % 3, BigInt(next() % 60)];
          const to = (from + 1) % 3;
          const envelope = {
            mutations: [
              accounts.mutations.decrement(from, "balance", amount),
              accounts.mutations.increment(to, "balance", amount),
              made.mutations.add(`transfer ${number}`, 1n),
            ],
            after: [accounts.row(from).column("balance").gte(0n)],
            idempotencyKey: `transfer ${number}`,
          };
          const tries = await Promise.allSettled([db.commit(envelope), db.commit(envelope)]);
          for (const { status, reason } of tries) {
            if (status === "rejected") equal(reason.code, "assertion_failed");
          }
          if (!made.hasSync(`transfer ${number}`)) return;
          equal(made.getSync(`transfer ${number}`), 1n);
          balances[from] -= amount;
          balances[to] += amount;
        };
        await Promise.all(Array.from({ length: 64 }, (_none, number) => transfer(number)));
        const found = accounts
          .rowsSync()
          .toArray()
          .map(({ balance }) => balance);
        equal(String(found), String(balances));
        assert(
          found.every((balance) => balance >= 0n),
          "nobody owes anything",
        );
        const once = { mutations: [made.mutations.add("once", 1n)], idempotencyKey: "once" };
        equal((await db.commit(once)).outcome, "applied");
        equal((await db.commit(once)).outcome, "duplicate");
        const other = { ...once, mutations: [made.mutations.add("once", 2n)] };
        await failsWith(CairnError, "idempotency_key_reused", () => db.commit(other));
        const readSet = db.read();
        await readSet.table(accounts).get(0);
        await accounts.delete(0);
        const mutations = [made.mutations.delete("nothing")];
        await failsWith(CairnError, "conflict", () => db.commit({ mutations, readSet }));
        readSet.release();
      }),
  },
  {
    name: "vectors: nearest, filtered, in a snapshot, in a transaction",
    run: (context) =>
      withDatabase(context, async (db) => {
        const next = numbers(5);
        const vectorOf = () => Float32Array.from({ length: 16 }, () => next() / 2 ** 31 - 1);
        const index = await db.vectors("vectors", { dimensions: 16, metric: "l2", fields: ["n"] });
        const known = new Map();
        const entries = Array.from({ length: 1_500 }, (_none, n) => {
          const vector = vectorOf();
          known.set(`${n}`, vector);
          return { id: `${n}`, vector, metadata: { n } };
        });
        await index.putMany(entries);
        assert((await index.check()).ok, "the graph is sound");
        const squares = (left, right) =>
          left.reduce((sum, value, at) => sum + (value - right[at]) ** 2, 0);
        const nearest = (query, isIn = () => true) =>
          [...known]
            .filter(([id]) => isIn(Number(id)))
            .sort(([, left], [, right]) => squares(query, left) - squares(query, right))
            .slice(0, 5)
            .map(([id]) => id);
        const idsOf = (results) => results.map(({ id }) => id);
        const query = vectorOf();
        equal(idsOf(index.searchSync(query, { k: 5, exact: true })), nearest(query));
        equal(idsOf(await index.search(query, { k: 5, ef: 500 })), nearest(query));
        const filter = { n: { lt: 300 } };
        const filtered = nearest(query, (n) => n < 300);
        equal(idsOf(await index.search(query, { k: 5, filter })), filtered);
        const snapshot = db.snapshot();
        const before = nearest(query);
        await db.transaction((tx) => {
          for (const id of before) tx.vectors(index).delete(id);
        });
        for (const id of before) known.delete(id);
        equal(idsOf(await index.search(query, { k: 5, ef: 500 })), nearest(query));
        equal(idsOf(await index.search(query, { k: 5, ef: 500, snapshot })), before);
        snapshot.release();
      }),
  },
  {
    name: "values come back: utf8, json and bytes",
    run: (context) =>
      withDatabase(context, async (db) => {
        const text = await db.keyspace("text", { kind: "hashed", value: "utf8" });
        const json = await db.keyspace("json", { kind: "hashed", value: "json" });
        const bytes = await db.keyspace("bytes", { kind: "hashed", value: "bytes" });
        await text.put("k", "grüße 👋");
        await json.put("k", { a: [1, null, "x"], b: { c: true } });
        await bytes.put("k", bytesOf(300, 1));
        equal(text.getSync("k"), "grüße 👋");
        equal(json.getSync("k"), { a: [1, null, "x"], b: { c: true } });
        equal(bytes.getSync("k"), bytesOf(300, 1));
        equal(await text.get("k"), "grüße 👋");
      }),
  },
  {
    name: "a missing key is undefined, a deleted one too",
    run: (context) =>
      withDatabase(context, async (db) => {
        const keyspace = await db.keyspace("a", { kind: "ordered", value: "utf8" });
        equal(await keyspace.get("k"), undefined);
        await keyspace.put("k", "v");
        await keyspace.delete("k");
        equal(await keyspace.get("k"), undefined);
        equal(keyspace.getSync("k"), undefined);
      }),
  },
  {
    name: "entries come in the order of the keys' bytes, within bounds, both ways",
    run: (context) =>
      withDatabase(context, async (db) => {
        const keyspace = await db.keyspace("a", { kind: "ordered", value: "utf8" });
        // By UTF-16 units the last two would change places.
        const sorted = ["", "Z", "a", "aa", "b", "é", "\uffee", "😀"];
        for (const key of sorted.toReversed()) await keyspace.put(key, `value of ${key}`);
        equal(await keysOf(keyspace.entries()), sorted);
        equal(await keysOf(keyspace.entries({ gte: "a", lt: "é" })), ["a", "aa", "b"]);
        equal(await keysOf(keyspace.entries({ reverse: true, limit: 3 })), ["😀", "\uffee", "é"]);
        equal(
          [...keyspace.entriesSync({ gte: "aa", limit: 1 })],
          [{ key: "aa", value: "value of aa" }],
        );
      }),
  },
  {
    name: "keys of bytes keep every byte",
    run: (context) =>
      withDatabase(context, async (db) => {
        const options = { kind: "ordered", key: "bytes", value: "bytes" };
        const keyspace = await db.keyspace("a", options);
        const keys = [[], [0], [0, 0], [0, 255], [127], [128], [255, 0]];
        for (const key of keys) await keyspace.put(Uint8Array.from(key), Uint8Array.of(1));
        const found = await keysOf(keyspace.entries());
        equal(
          found.map((key) => Array.from(key)),
          keys,
        );
      }),
  },
  ...["ordered", "hashed"].map((kind) => ({
    name: `20,000 puts and deletes match a Map (${kind})`,
    run: (context) =>
      withDatabase(context, async (db) => {
        const keyspace = await db.keyspace("a", { kind, value: "utf8" });
        const oracle = new Map();
        const next = numbers(20_261_121);
        for (let round = 0; round < 20; round++) {
          const operations = [];
          for (let index = 0; index < 1_000; index++) {
            const key = `key ${next() % 5_000}`;
            const value = String(next());
            const isDelete = next() % 4 === 0;
            operations.push(isDelete ? { type: "delete", key } : { type: "put", key, value });
            if (isDelete) oracle.delete(key);
            else oracle.set(key, value);
          }
          await keyspace.batch(operations);
        }
        await db.checkpoint();
        for (let id = 0; id < 5_000; id++) {
          equal(keyspace.getSync(`key ${id}`), oracle.get(`key ${id}`), `key ${id}`);
        }
        if (kind === "ordered") {
          equal(await keysOf(keyspace.entries()), [...oracle.keys()].toSorted());
        }
      }),
  })),
  {
    name: "a value of 1 MiB comes back, after a checkpoint too",
    run: (context) =>
      withDatabase(context, async (db) => {
        const keyspace = await db.keyspace("a", { kind: "ordered", value: "bytes" });
        const value = bytesOf(2 ** 20, 7);
        await keyspace.put("large", value);
        await db.checkpoint();
        const found = await keyspace.get("large");
        assert(found.length === value.length, `found ${found.length} bytes`);
        assert(
          found.every((byte, index) => byte === value[index]),
          "the bytes differ",
        );
      }),
  },
  {
    name: "a transaction commits as one, or leaves nothing behind",
    run: (context) =>
      withDatabase(context, async (db) => {
        const keyspace = await db.keyspace("a", { kind: "ordered", value: "json" });
        await keyspace.put("x", 1);
        await db.transaction(async (tx) => {
          const inside = tx.keyspace(keyspace);
          await inside.put("x", (await inside.get("x")) + 1);
          await inside.put("y", 1);
        });
        const reason = new Error("on purpose");
        const failure = await db
          .transaction(async (tx) => {
            await tx.keyspace(keyspace).put("x", 99);
            throw reason;
          })
          .catch((error) => error);
        assert(failure === reason, "the callback's own error is not what came back");
        equal([keyspace.getSync("x"), keyspace.getSync("y")], [2, 1]);
      }),
  },
  {
    name: "a record expires by the clock that was given",
    async run({ cairn }) {
      let now = 1_800_000_000_000;
      const db = await cairn.open("memory:", { clock: () => now });
      const keyspace = await db.keyspace("a", { kind: "hashed", value: "utf8", ttl: 60_000 });
      await keyspace.put("short", "v", { ttl: 1_000 });
      await keyspace.put("as the keyspace says", "v");
      await keyspace.put("never", "v", { ttl: null });
      const found = () =>
        ["short", "as the keyspace says", "never"].filter((key) => keyspace.hasSync(key));
      equal(found().length, 3);
      now += 2_000;
      equal(found(), ["as the keyspace says", "never"]);
      now += 60_000;
      equal(found(), ["never"]);
      await db.close();
    },
  },
  {
    name: "a snapshot goes on showing what was there",
    run: (context) =>
      withDatabase(context, async (db) => {
        const keyspace = await db.keyspace("a", { kind: "ordered", value: "json" });
        await keyspace.put("x", 1);
        const snapshot = db.snapshot();
        await keyspace.put("x", 2);
        await keyspace.put("y", 2);
        equal(await keyspace.get("x", { snapshot }), 1);
        equal(await keysOf(keyspace.entries({ snapshot })), ["x"]);
        equal(await keyspace.get("x"), 2);
        snapshot.release();
      }),
  },
  {
    name: "errors carry their code: lone surrogates, long keys, ranges over hashes",
    run: (context) =>
      withDatabase(context, async (db, { CairnError }) => {
        const ordered = await db.keyspace("a", { kind: "ordered", value: "utf8" });
        const hashed = await db.keyspace("b", { kind: "hashed", value: "utf8" });
        await failsWith(CairnError, "key_invalid", () => ordered.put("\ud800", "v"));
        await failsWith(CairnError, "key_too_large", () => ordered.put("k".repeat(1_025), "v"));
        await failsWith(CairnError, "unordered_keyspace", () =>
          collect(hashed.entries({ gte: "a" })),
        );
      }),
  },
  {
    name: "a closed database says so, and closes with Symbol.asyncDispose",
    async run({ cairn }) {
      const db = await cairn.open("memory:");
      const keyspace = await db.keyspace("a", { kind: "ordered", value: "utf8" });
      await db[Symbol.asyncDispose]();
      await failsWith(cairn.CairnError, "closed", () => keyspace.get("k"));
    },
  },
];

/** Cases for platforms with files. */
export const fileCases = [
  {
    name: "a folder keeps commits, before and after a checkpoint",
    async run({ cairn, folder }) {
      const path = `${folder}/kept`;
      const first = await cairn.open(path);
      const before = await first.keyspace("a", { kind: "ordered", value: "json" });
      await before.put("x", 1);
      await first.checkpoint();
      await before.put("y", { deep: ["z"] });
      await first.close();
      const second = await cairn.open(path);
      const after = await second.keyspace("a", { kind: "ordered", value: "json" });
      equal(await collect(after.entries()), [
        { key: "x", value: 1 },
        { key: "y", value: { deep: ["z"] } },
      ]);
      await second.close();
    },
  },
  {
    name: "a database that is open cannot be opened again",
    async run({ cairn, folder }) {
      const path = `${folder}/locked`;
      const db = await cairn.open(path);
      await failsWith(cairn.CairnError, "lock_held", () => cairn.open(path));
      await db.close();
      await (await cairn.open(path)).close();
    },
  },
];

/** Cases for platforms without. */
export const noFileCases = [
  {
    name: "a path is refused",
    async run({ cairn }) {
      await failsWith(cairn.CairnError, "argument_invalid", () => cairn.open("./database"));
    },
  },
];
