/** Compiled, never run: what the types of envelopes accept, answer and refuse. */
import {
  type Assertion,
  add,
  type CommitResult,
  column,
  type Database,
  type Envelope,
  type Mutation,
  t,
} from "../../../src/index.ts";

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_proof: Same<A, B>): void {}

export async function envelopes(db: Database): Promise<void> {
  const accounts = await db.table("accounts", {
    columns: {
      id: t.integer().primaryKey(),
      owner: t.text().notNull(),
      balance: t.u256().notNull().default(0n),
      note: t.text(),
    },
  });
  interface Session {
    user: number;
  }
  const sessions = await db.keyspace<Session>("sessions");
  const numbers = await db.keyspace("numbers", { value: "u256" });
  const raw = await db.keyspace("raw", { key: "bytes", value: "bytes" });
  const places = await db.vectors<{ rank: number }>("places", { dimensions: 2, id: "number" });

  const mutations: Mutation[] = [
    accounts.mutations.insert({ id: 1, owner: "ada" }),
    accounts.mutations.upsertMany([{ id: 1, owner: "ada", balance: 5n, note: null }]),
    accounts.mutations.insert({ id: 1, owner: "ada" }, { onConflict: { update: { note: "x" } } }),
    accounts.mutations.update(1, { balance: add(column("balance"), 1n), note: null }),
    accounts.mutations.updateWhere({ owner: "ada" }, { note: "n" }, { limit: 1, returning: true }),
    accounts.mutations.increment(1, "balance", 5n),
    accounts.mutations.deleteWhere({ owner: "ada" }),
    sessions.mutations.put("s1", { user: 1 }, { ttl: 5 }),
    sessions.mutations.delete("s1"),
    numbers.mutations.add("n", 1n, { onOverflow: "saturate", max: 5n }),
    raw.mutations.put(new Uint8Array(1), new Uint8Array(2)),
    places.mutations.put(1, [1, 2], { rank: 1 }),
    places.mutations.delete(1),
  ];
  const before: Assertion[] = [
    accounts.row(1).column("balance").gte(0n),
    accounts.row(1).column("note").eq(null),
    accounts.row(1).version(5n),
    accounts.matching({ owner: "ada" }).count().lte(5),
    accounts.matching().sum("balance").eq(5n),
    sessions.record("s1").eq({ user: 1 }),
    numbers.record("n").lt(5n),
    { any: [accounts.row(1).exists(), { not: { all: [sessions.record("s").absent()] } }] },
  ];
  const envelope: Envelope = { mutations, before, idempotencyKey: "k", caller: "ada" };
  const done = await db.commit(envelope);
  same<typeof done, CommitResult>(true);
  same<(typeof done)["outcome"], "applied" | "duplicate">(true);
  same<(typeof done)["canonicalCommitSeq"], bigint>(true);

  using reads = db.read();
  const row = await reads.table(accounts).get(1);
  same<NonNullable<typeof row>["balance"], bigint>(true);
  const session = await reads.keyspace(sessions).get("s1");
  same<typeof session, Session | undefined>(true);
  const rows = await reads.query(db.from(accounts).select("id", "note")).all();
  same<(typeof rows)[number], { id: number; note: string | null }>(true);
  const place = await reads.vectors(places).get(1);
  same<NonNullable<typeof place>["id"], number>(true);

  const claimed = await db.claimOne(accounts, { where: {}, patch: { note: "mine" } });
  same<NonNullable<typeof claimed>["before"]["owner"], string>(true);
  await db.compareAndSwap(sessions, { key: "s1", version: 1n, value: { user: 2 } });
  await db.compareAndSwap(accounts, { row: { id: 1, owner: "x" }, version: 1n });
  await db.compareAndIncrement(accounts, { key: 1, column: "balance", amount: 1n, version: 1n });
  await db.compareAndAdd(numbers, { key: "n", amount: 1n, version: 0n, onUnderflow: "noOp" });
  const state = db.keyedState(accounts);
  const note = await state.readField(1, "note");
  same<typeof note, string | null | undefined>(true);
  await state.update(1, (found) => found && { ...found, note: "seen" });
  const version = await accounts.version(1);
  same<typeof version, bigint>(true);

  // @ts-expect-error a column that is not there
  accounts.row(1).column("nothing");
  // @ts-expect-error another type than the column's
  accounts.row(1).column("balance").gte(5);
  // @ts-expect-error not null
  accounts.row(1).column("balance").eq(null);
  // @ts-expect-error a row without what it must have
  accounts.mutations.insert({ id: 1 });
  // @ts-expect-error a column that is not there
  accounts.mutations.increment(1, "nothing", 1n);
  // @ts-expect-error another type than the column's
  accounts.mutations.update(1, { owner: 5 });
  // @ts-expect-error another type of value
  sessions.mutations.put("s1", { user: "ada" });
  // @ts-expect-error only numbers are added to
  sessions.mutations.add("s1", 1n);
  // @ts-expect-error another type of key
  raw.mutations.delete("k");
  // @ts-expect-error another type of id
  places.mutations.delete("p");
  // @ts-expect-error a read set writes nothing
  reads.table(accounts).insert({ id: 1, owner: "x" });
  // @ts-expect-error an action has a key
  await db.commitAction({ mutations });
  // @ts-expect-error only numbers
  await db.compareAndAdd(sessions, { key: "s1", amount: 1n, version: 0n });
}
