// What AEDB has published about itself, beside the same work here: 10,000 rows, one client.
//
//     npm run build && node bench/compare/aedb.mjs
//
// AEDB's figures are those of its repository (baselines.json of 2026-02-16, Darwin arm64; a note of
// 2026-05-07, a Linux machine that is not described). Other machines, other disks: read the order
// of magnitude. Ours are medians of seven rounds on the machine that is named first.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { machine } from "../harness/machine.mjs";

const library = process.argv[2] ?? "../../dist/index.node.js";
const { open, t } = await import(library);
const rows = 10_000;
const rounds = 7;
const folder = mkdtempSync(join(process.env.CAIRN_BENCH_DIR ?? tmpdir(), "cairn-aedb-"));

const db = await open(join(folder, "db"));
const table = await db.table("accounts", {
  columns: { id: t.integer().primaryKey(), owner: t.text().notNull(), balance: t.u256().notNull() },
  indexes: [{ columns: ["owner"] }],
});
const rowOf = (id) => ({ id, owner: `owner ${id % (rows / 10)}`, balance: BigInt(id) });
await table.insertMany(Array.from({ length: rows }, (_, id) => rowOf(id)));
const records = await db.keyspace("records", { value: "utf8" });
await records.batch(
  Array.from({ length: rows }, (_, id) => ({ type: "put", key: keyOf(id), value: "v".repeat(64) })),
);
const state = await open(join(folder, "relaxed"), { durability: "none" });
const loose = await state.keyspace("records", { value: "utf8" });

function keyOf(id) {
  return `key ${String(id).padStart(6, "0")}`;
}

/** Microseconds of one call, the median of the rounds. */
async function measure(calls, call) {
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    for (let at = 0; at < calls; at++) {
      const id = (at * 7_919 + round) % rows;
      const answer = call(id);
      if (answer instanceof Promise) await answer;
    }
    times.push(((performance.now() - start) * 1_000) / calls);
  }
  return times.sort((left, right) => left - right)[rounds >> 1];
}

const ofOwner = db.from(table).where({ owner: "owner 7" }).prepare();
const hundred = db.from(table).limit(100).prepare();
const batch = Array.from({ length: 64 }, (_, id) => rowOf(id));
const upsertDurably = (id) => table.upsert(rowOf(id));

const report = [
  ["row by primary key", "1.27 to 1.37 us", await measure(100_000, (id) => table.getSync(id))],
  ["rows by an index (10 here)", "40 to 44 us", await measure(5_000, () => ofOwner.allSync())],
  ["value by key", "0.59 to 0.68 us", await measure(100_000, (id) => records.getSync(keyOf(id)))],
  [
    "prefix of 10 keys",
    "1.62 us",
    await measure(20_000, (id) => [...records.entriesSync({ prefix: keyOf(id).slice(0, -1) })]),
  ],
  ["scan of a table, limit 100", "229 to 265 us", await measure(2_000, () => hundred.allSync())],
  ["upsert, durable, alone", "5,420 us (Linux), 8,100 (Darwin)", await measure(300, upsertDurably)],
  [
    "put, not durable, alone",
    "210 us (OsBuffered upsert)",
    await measure(2_000, (id) => loose.put(keyOf(id), "v")),
  ],
  [
    "64 rows in 64 durable commits at once",
    "354,000 us",
    await measure(100, () => Promise.all(batch.map((row) => table.upsert(row)))),
  ],
  ["64 rows in one durable commit", "5,690 us", await measure(100, () => table.upsertMany(batch))],
];

console.log(machine());
console.log(`${"microseconds".padEnd(40)}${"CairnDB".padStart(10)}  AEDB, published`);
for (const [name, published, ours] of report) {
  console.log(`${name.padEnd(40)}${ours.toFixed(2).padStart(10)}  ${published}`);
}
await db.close();
await state.close();
rmSync(folder, { recursive: true, force: true });
