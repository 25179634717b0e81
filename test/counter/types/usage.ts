/** Compiled, never run: what the types of counters accept, answer and refuse. */
import type { Counter, Database, Receipt } from "../../../src/index.ts";

export async function use(db: Database): Promise<Receipt> {
  const texts = await db.keyspace("a", { value: "u64" });
  const bytes = await db.keyspace("b", { key: "bytes", value: "u256" });
  const counter: Counter<string> = await db.counter(texts, "hits", { shards: 8 });
  const other: Counter<Uint8Array> = await db.counter(bytes, new Uint8Array(1));
  // @ts-expect-error: keys of this keyspace are strings
  await db.counter(texts, new Uint8Array(1));
  // @ts-expect-error: no such option
  await db.counter(texts, "hits", { parts: 8 });
  // @ts-expect-error: amounts are bigints
  await counter.add(1);
  await db.transaction(async (tx) => {
    await counter.within(tx).add(1n);
    const sum: bigint = await other.within(tx).read();
    return sum;
  });
  const sum: bigint = db.transactionSync((tx) => {
    counter.within(tx).addSync(1n);
    // @ts-expect-error: not in one turn
    counter.within(tx).add(1n);
    return counter.within(tx).readSync();
  });
  await db.commit({ mutations: [counter.mutations.add(sum)] });
  return await other.add(await counter.read(), { finality: "durable" });
}
