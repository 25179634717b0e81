// node:sqlite, as Node 24 brings it.
import { DatabaseSync } from "node:sqlite";
import { makeDurable, setUp, statements, tableSettings } from "./sqlite.mjs";

export const name = "node:sqlite";
export { rowShape } from "./sqlite.mjs";
export const Bytes = Uint8Array;
export const settings = { version: process.version, ...tableSettings };

export async function openEngine(folder, durability) {
  const db = new DatabaseSync(`${folder}/kv.sqlite`);
  setUp(db, durability);
  const put = db.prepare(statements.put);
  const get = db.prepare(statements.get);
  const scan = db.prepare(statements.scan);
  const count = db.prepare(statements.count);
  scan.setReturnArrays?.(true);
  get.setReturnArrays?.(true);
  function writeSync(keys, values) {
    db.exec("BEGIN");
    for (let at = 0; at < keys.length; at++) put.run(keys[at], values[at]);
    db.exec("COMMIT");
  }
  return {
    writeSync,
    flush: async () => makeDurable(db),
    getSync: (key) => get.get(key)[0],
    getManySync(keys) {
      const found = new Array(keys.length);
      for (let at = 0; at < keys.length; at++) found[at] = get.get(keys[at])[0];
      return found;
    },
    scanSync: (low) => scan.all(low),
    commitDurableSync: (keys, values) =>
      keys.length === 1 ? put.run(keys[0], values[0]) : writeSync(keys, values),
    count: () => count.get().count,
    close: async () => void db.close(),
  };
}
