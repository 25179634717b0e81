// CairnDB through its public interface, from the built package.
import { open } from "../../../dist/index.node.js";

export const name = "cairn";
export const Bytes = Uint8Array;
export const settings = {
  version: "this tree",
  memory: "memoryBudget 256 MiB",
  load: "durability none, batch of 1,000 puts; then flush()",
  durable: "durability full",
  read: "getSync/get, getManySync/getMany, entriesSync/entries(...).toArray()",
};

export async function openEngine(folder, durability, { kind }) {
  const db = await open(folder, {
    durability: durability === "none" ? "none" : "full",
    memoryBudget: 256 * 2 ** 20,
  });
  const records = await db.keyspace("records", { kind, value: "bytes" });
  function put(batch, keys, values) {
    for (let at = 0; at < keys.length; at++) batch.put(records, keys[at], values[at]);
    return undefined;
  }
  const isOrdered = kind === "ordered";
  const one = (keys, values) => records.put(keys[0], values[0]);
  const oneSync = (keys, values) => records.putSync(keys[0], values[0]);
  const many = (keys, values) => db.batch((batch) => put(batch, keys, values));
  const manySync = (keys, values) => db.batchSync((batch) => put(batch, keys, values));
  return {
    db,
    records,
    writeSync: manySync,
    write: many,
    flush: () => db.flush(),
    getSync: (key) => records.getSync(key),
    get: (key) => records.get(key),
    getManySync: (keys) => records.getManySync(keys),
    getMany: (keys) => records.getMany(keys),
    ...(isOrdered
      ? {
          scanSync: (low) => records.entriesSync({ gte: low, limit: 100 }).toArray(),
          scan: (low) => records.entries({ gte: low, limit: 100 }).toArray(),
        }
      : {}),
    commitDurableSync: (keys, values) =>
      keys.length === 1 ? oneSync(keys, values) : manySync(keys, values),
    commitDurable: (keys, values) => (keys.length === 1 ? one(keys, values) : many(keys, values)),
    count: () => records.count(),
    compact: () => db.compact(),
    memory() {
      const { memory } = db.stats();
      return {
        residentMiB: memory.residentBytes / 2 ** 20,
        wasmMiB: memory.wasmBytes / 2 ** 20,
      };
    },
    close: () => db.close(),
  };
}
