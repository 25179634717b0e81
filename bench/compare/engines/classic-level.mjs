// classic-level (LevelDB) with UTF-8 keys and values as they are. Its batches and iterators are
// asynchronous only.
import { readFileSync } from "node:fs";
import { ClassicLevel } from "classic-level";

const { version } = JSON.parse(
  readFileSync(new URL("../node_modules/classic-level/package.json", import.meta.url), "utf8"),
);

export const name = "classic-level";
export const Bytes = Buffer;
export const isLoadedSync = false;
export const rowShape = { keyOf: ([key]) => key, bytesOf: ([, value]) => value };
export const settings = {
  version,
  memory: "cacheSize 256 MiB, writeBufferSize 16 MiB",
  load: "batch of 1,000 puts without sync; then one put with sync",
  durable: "batch or put with sync",
  read: "getSync; getMany; iterator with limit and all()",
};

export async function openEngine(folder) {
  const db = new ClassicLevel(folder, {
    keyEncoding: "utf8",
    valueEncoding: "buffer",
    cacheSize: 256 * 2 ** 20,
    writeBufferSize: 16 * 2 ** 20,
  });
  await db.open();

  function write(keys, values, sync) {
    const operations = new Array(keys.length);
    for (let at = 0; at < keys.length; at++) {
      operations[at] = { type: "put", key: keys[at], value: values[at] };
    }
    return db.batch(operations, { sync });
  }
  return {
    write: (keys, values) => write(keys, values, false),
    async flush(key, value) {
      await db.put(key, value, { sync: true });
    },
    getSync: (key) => db.getSync(key),
    get: (key) => db.get(key),
    getManySync(keys) {
      const found = new Array(keys.length);
      for (let at = 0; at < keys.length; at++) found[at] = db.getSync(keys[at]);
      return found;
    },
    getMany: (keys) => db.getMany(keys),
    scan: (low) => db.iterator({ gte: low, limit: 100 }).all(),
    commitDurable: (keys, values) =>
      keys.length === 1 ? db.put(keys[0], values[0], { sync: true }) : write(keys, values, true),
    async count() {
      let count = 0;
      for await (const _ of db.keys()) count++;
      return count;
    },
    close: () => db.close(),
  };
}
