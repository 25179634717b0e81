// What is compared with what, and the bars of the design: [row, its unit, peers with their bars].
//
// `ours` names the row of CairnDB where the peer only has another form. Rates are better when high;
// where `isLess` is set, figures are better when low, and the ratio is theirs / ours all the same.

export const unitOf = (row) =>
  row.startsWith("open")
    ? "ms"
    : row.startsWith("disk")
      ? "bytes/record"
      : row.startsWith("scan")
        ? "scans/s"
        : row.startsWith("commit") || row.startsWith("raw")
          ? "commits/s"
          : "records/s";

const lmdb = "lmdb";
const level = "classic-level";
const sqlite = "better-sqlite3";
const nodeSqlite = "node:sqlite";

export const bars = [
  { title: "random get, sync", ours: "get.sync", peer: lmdb, least: 3, aim: 5 },
  { title: "random get, sync", ours: "get.sync", peer: level, least: 4, aim: 6 },
  { title: "random get, sync", ours: "get.sync", peer: sqlite, least: 7, aim: 12 },
  { title: "random get, sync", ours: "get.sync", peer: nodeSqlite },
  { title: "random get, await", ours: "get.await", peer: level },
  { title: "random get, await", ours: "get.await", peer: lmdb },
  { title: "gets in batches of 1,000, sync", ours: "getMany.sync", peer: lmdb, least: 6, aim: 12 },
  {
    title: "gets in batches of 1,000, sync",
    ours: "getMany.sync",
    peer: "JS Map",
    least: 3,
    aim: 6,
  },
  { title: "gets in batches of 1,000, sync", ours: "getMany.sync", peer: sqlite },
  { title: "gets in batches of 1,000, await", ours: "getMany.await", peer: lmdb },
  { title: "gets in batches of 1,000, await", ours: "getMany.await", peer: level },
  { title: "scan of 100 rows, sync", ours: "scan100.sync", peer: lmdb, least: 5, aim: 10 },
  { title: "scan of 100 rows, await", ours: "scan100.await", peer: level, least: 12, aim: 25 },
  { title: "scan of 100 rows, sync", ours: "scan100.sync", peer: sqlite, least: 8, aim: 15 },
  { title: "scan of 100 rows, sync", ours: "scan100.sync", peer: nodeSqlite },
  { title: "scan of 100 rows, await", ours: "scan100.await", peer: lmdb },
  { title: "bulk load, then durable, sync", ours: "load.sync", peer: lmdb, least: 4, aim: 8 },
  { title: "bulk load, then durable, await", ours: "load.await", peer: level, least: 6, aim: 10 },
  { title: "bulk load, then durable, sync", ours: "load.sync", peer: sqlite, least: 6, aim: 10 },
  { title: "bulk load, then durable, sync", ours: "load.sync", peer: nodeSqlite },
  { title: "bulk load, then durable, await", ours: "load.await", peer: lmdb },
  { title: "durable batches of 1,000, sync", ours: "batch.sync", peer: lmdb, least: 4, aim: 8 },
  { title: "durable batches of 1,000, await", ours: "batch.await", peer: level, least: 4, aim: 8 },
  { title: "durable batches of 1,000, sync", ours: "batch.sync", peer: sqlite, least: 10, aim: 20 },
  { title: "durable batches of 1,000, sync", ours: "batch.sync", peer: nodeSqlite },
  { title: "durable batches of 1,000, await", ours: "batch.await", peer: lmdb },
  {
    title: "single durable commit, await",
    ours: "commit.await",
    peer: "write + fdatasync",
    least: 0.85,
    aim: 0.92,
  },
  { title: "single durable commit, sync", ours: "commit.sync", peer: sqlite },
  { title: "single durable commit, await", ours: "commit.await", peer: level },
  {
    title: "64 concurrent durable committers",
    ours: "committers64.await",
    peer: sqlite,
    least: 15,
    aim: 30,
  },
  {
    title: "64 concurrent durable committers",
    ours: "committers64.await",
    peer: lmdb,
    least: 1.3,
    aim: 2.5,
  },
  { title: "64 concurrent durable committers", ours: "committers64.await", peer: level },
  {
    title: "open after a clean close, fresh process",
    ours: "open.fresh",
    peer: lmdb,
    isLess: true,
    least: 1,
    aim: 2,
  },
  { title: "open again in the same process", ours: "open", peer: lmdb, isLess: true },
  {
    title: "bytes on disk per record, after compact()",
    ours: "disk",
    peer: lmdb,
    theirs: "disk.loaded",
    isLess: true,
    // At most 0.9 times theirs, 0.75 as the aim.
    least: 1 / 0.9,
    aim: 1 / 0.75,
  },
];
