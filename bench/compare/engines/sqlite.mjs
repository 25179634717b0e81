// What better-sqlite3 and node:sqlite share: one table without rowids, WAL, prepared statements.
export const tableSettings = {
  memory: "cache_size 256 MiB",
  load: "WAL, synchronous OFF, transaction of 1,000 upserts; then wal_checkpoint(TRUNCATE) in FULL",
  durable: "WAL, synchronous FULL",
  read: "prepared SELECT by primary key; scan: k >= ? ORDER BY k LIMIT 100",
};

export const rowShape = { keyOf: ([key]) => key, bytesOf: ([, value]) => value };

export function setUp(db, durability) {
  db.exec("PRAGMA journal_mode = WAL");
  db.exec(`PRAGMA synchronous = ${durability === "none" ? "OFF" : "FULL"}`);
  db.exec("PRAGMA cache_size = -262144");
  db.exec("CREATE TABLE IF NOT EXISTS kv (k TEXT PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID");
}

export const statements = {
  put: "INSERT INTO kv (k, v) VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v",
  get: "SELECT v FROM kv WHERE k = ?",
  scan: "SELECT k, v FROM kv WHERE k >= ? ORDER BY k LIMIT 100",
  count: "SELECT count(*) AS count FROM kv",
};

/** A synchronous sync of everything, after a load with synchronous OFF. */
export function makeDurable(db) {
  db.exec("PRAGMA synchronous = FULL");
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
}
