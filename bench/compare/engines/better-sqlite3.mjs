import { readFileSync } from "node:fs";
import Database from "better-sqlite3";
import { makeDurable, setUp, statements, tableSettings } from "./sqlite.mjs";

const { version } = JSON.parse(
  readFileSync(new URL("../node_modules/better-sqlite3/package.json", import.meta.url), "utf8"),
);

export const name = "better-sqlite3";
export { rowShape } from "./sqlite.mjs";
export const Bytes = Buffer;
export const settings = { version, ...tableSettings };

export async function openEngine(folder, durability) {
  const db = new Database(`${folder}/kv.sqlite`);
  setUp(db, durability);
  const put = db.prepare(statements.put);
  const get = db.prepare(statements.get).pluck();
  const scan = db.prepare(statements.scan).raw();
  const count = db.prepare(statements.count).pluck();
  const writeSync = db.transaction((keys, values) => {
    for (let at = 0; at < keys.length; at++) put.run(keys[at], values[at]);
  });
  return {
    writeSync,
    flush: async () => makeDurable(db),
    getSync: (key) => get.get(key),
    getManySync(keys) {
      const found = new Array(keys.length);
      for (let at = 0; at < keys.length; at++) found[at] = get.get(keys[at]);
      return found;
    },
    scanSync: (low) => scan.all(low),
    // A statement alone is a transaction, and quicker than one with BEGIN and COMMIT.
    commitDurableSync: (keys, values) =>
      keys.length === 1 ? put.run(keys[0], values[0]) : writeSync(keys, values),
    count: () => count.get(),
    close: async () => void db.close(),
  };
}
