/** Compiled, never run: what the types of the key-value API accept, answer and refuse. */
import {
  type AsyncRows,
  type Database,
  type Entry,
  type Keyspace,
  open,
  type Receipt,
  type ValueCodec,
} from "../../../src/index.ts";

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_proof: Same<A, B>): void {}

interface Session {
  readonly user: number;
}

const dates: ValueCodec<Date> = {
  name: "date",
  encode: (value) => new TextEncoder().encode(value.toISOString()),
  decode: (bytes) => new Date(new TextDecoder().decode(bytes)),
};

export async function keyspaces(db: Database): Promise<void> {
  const plain = await db.keyspace("plain");
  same<typeof plain, Keyspace<string, unknown>>(true);
  const typed = await db.keyspace<Session>("typed", { kind: "hashed", ttl: 1_000 });
  same<typeof typed, Keyspace<string, Session>>(true);
  const json = await db.keyspace<Session>("json", { value: "json" });
  same<typeof json, Keyspace<string, Session>>(true);
  const text = await db.keyspace("text", { value: "utf8" });
  same<typeof text, Keyspace<string, string>>(true);
  const bytes = await db.keyspace("bytes", { key: "bytes", value: "bytes" });
  same<typeof bytes, Keyspace<Uint8Array, Uint8Array>>(true);
  const byBytes = await db.keyspace<Session>("by bytes", { key: "bytes", value: "json" });
  same<typeof byBytes, Keyspace<Uint8Array, Session>>(true);
  const custom = await db.keyspace("custom", { value: dates });
  same<typeof custom, Keyspace<string, Date>>(true);

  same<ReturnType<typeof typed.getSync>, Session | undefined>(true);
  same<Awaited<ReturnType<typeof typed.getMany>>, (Session | undefined)[]>(true);
  same<ReturnType<typeof typed.entries>, AsyncRows<Entry<string, Session>>>(true);
  same<ReturnType<typeof typed.put>, Promise<Receipt>>(true);
  await typed.put("k", { user: 7 }, { ttl: null });
  await custom.put("k", new Date());

  // @ts-expect-error: the value has another type
  await typed.put("k", { user: "7" });
  // @ts-expect-error: the key has another type
  await typed.put(new Uint8Array(1), { user: 7 });
  // @ts-expect-error: keys of bytes have no dotted groups
  byBytes.focus("a");
  // @ts-expect-error: no such kind
  await db.keyspace("a", { kind: "sorted" });
  // @ts-expect-error: no such option
  await db.keyspace("a", { vlaue: "utf8" });
  // @ts-expect-error: bounds are keys
  typed.entries({ gte: 1 });
}

export async function defaults(): Promise<void> {
  const db = await open("memory:", { value: "bytes" });
  const bytes = await db.keyspace("a");
  same<typeof bytes, Keyspace<string, Uint8Array>>(true);
  const text = await db.keyspace("b", { value: "utf8" });
  same<typeof text, Keyspace<string, string>>(true);
}

export async function writing(db: Database, typed: Keyspace<string, Session>): Promise<void> {
  await db.batch((batch) => batch.put(typed, "k", { user: 1 }).delete(typed, "l"));
  await db.batch((batch) => {
    batch.put(typed, "k", { user: 1 });
  });
  // @ts-expect-error: the value has another type
  await db.batch((batch) => batch.put(typed, "k", { user: "1" }));
  // @ts-expect-error: a batch is built in one turn
  await db.batch(async (batch) => batch.put(typed, "k", { user: 1 }));

  const answer = await db.transaction(async (tx) => (await tx.keyspace(typed).get("k"))?.user);
  same<typeof answer, number | undefined>(true);
  const count = db.transactionSync((tx) => tx.keyspace(typed).keysSync().toArray().length);
  same<typeof count, number>(true);
  db.transactionSync((tx) => {
    tx.keyspace(typed).put("k", { user: 1 });
  });
  // @ts-expect-error: a transaction in one turn has no asynchronous callback
  db.transactionSync(async (tx) => tx.keyspace(typed).getSync("k"));
  // @ts-expect-error: nor asynchronous reads
  db.transactionSync((tx) => tx.keyspace(typed).get("k"));
}
