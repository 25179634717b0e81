import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const Database = require("better-sqlite3");
const sqliteVec = require("sqlite-vec");

export async function create({ dimensions, count }) {
  const db = new Database(":memory:");
  sqliteVec.load(db);
  db.exec(`create virtual table v using vec0(e float[${dimensions}])`);
  const nearest = db.prepare("select rowid from v where e match ? and k = ? order by distance");
  return {
    settings: { note: "an exact scan" },
    efs: [0],
    queriesMax: 100,
    build(base) {
      const insert = db.prepare("insert into v(rowid, e) values (?, ?)");
      db.transaction(() => {
        for (let label = 0; label < count; label++) {
          const vector = base.subarray(label * dimensions, (label + 1) * dimensions);
          insert.run(BigInt(label), bytesOf(vector));
        }
      })();
    },
    search: (query, k) => nearest.all(bytesOf(query), k).map(({ rowid }) => rowid),
  };
}

function bytesOf(vector) {
  return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
}
