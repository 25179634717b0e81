// lmdb-js with binary values. Copies: getBinary and get hand out buffers of their own.
import { closeSync, fsyncSync, openSync, readFileSync } from "node:fs";
import { open } from "lmdb";

const { version } = JSON.parse(
  readFileSync(new URL("../node_modules/lmdb/package.json", import.meta.url), "utf8"),
);

export const name = "lmdb";
export const Bytes = Buffer;
export const settings = {
  version,
  memory: "the page cache; no budget of its own",
  load: "noSync, transactionSync of 1,000 puts; then fsync of the file",
  durable:
    "transactionSync, which syncs (batch); put in the write thread with overlappingSync, then " +
    "`flushed` (await)",
  read: "getBinary; getMany for batches (await); getRange for scans",
};

export async function openEngine(folder, durability) {
  const path = `${folder}/data.mdb`;
  const isLoad = durability === "none";
  const db = open({
    path,
    encoding: "binary",
    cache: false,
    mapSize: 4 * 2 ** 30,
    ...(isLoad ? { noSync: true, overlappingSync: false } : {}),
  });

  function writeSync(keys, values) {
    db.transactionSync(() => {
      for (let at = 0; at < keys.length; at++) db.put(keys[at], values[at]);
    });
  }
  function write(keys, values) {
    let last;
    for (let at = 0; at < keys.length; at++) last = db.put(keys[at], values[at]);
    return last;
  }
  return {
    writeSync,
    write,
    async flush() {
      await db.committed;
      const file = openSync(path, "r+");
      fsyncSync(file);
      closeSync(file);
    },
    getSync: (key) => db.getBinary(key),
    get: async (key) => db.getBinary(key),
    getManySync(keys) {
      const found = new Array(keys.length);
      for (let at = 0; at < keys.length; at++) found[at] = db.getBinary(keys[at]);
      return found;
    },
    getMany: (keys) => db.getMany(keys),
    scanSync(low) {
      const rows = [];
      for (const row of db.getRange({ start: low, limit: 100 })) rows.push(row);
      return rows;
    },
    async scan(low) {
      const rows = [];
      for (const row of db.getRange({ start: low, limit: 100 })) rows.push(row);
      return rows;
    },
    commitDurableSync: writeSync,
    async commitDurable(keys, values) {
      write(keys, values);
      await db.flushed;
    },
    count: () => db.getCount(),
    close: () => db.close(),
  };
}
