// Tables beside better-sqlite3, in one process and one run, with the same rows and durability:
//
//     node bench/compare/tables.mjs [rows] [index.js]
//
// Both take turns, round by round; the figure is the median of the rounds, the ratio that of the
// medians. What is read is checked to be the same.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import Database from "better-sqlite3";
import { machine } from "../harness/machine.mjs";

const rows = Number(process.argv[2] ?? 1_000_000);
const { open, t } = await import(process.argv[3] ?? "../../dist/index.js");
const perBatch = 1_000;
const perOwner = 100;
const rounds = 7;
const folder = mkdtempSync(join(process.env.CAIRN_BENCH_DIR ?? tmpdir(), "cairn-tables-"));

let seed = 12_345;
function random() {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return seed / 2 ** 32;
}

const ids = Array.from({ length: rows }, (_, index) => index);
for (let index = rows - 1; index > 0; index--) {
  const other = Math.floor(random() * (index + 1));
  [ids[index], ids[other]] = [ids[other], ids[index]];
}
const owners = rows / perOwner;
const rowOf = (id) => ({
  id,
  owner: `owner-${id % owners}`,
  amount: (id * 7_919) % 10_007,
  ratio: id / 3,
  note: `note number ${id}`,
});

const sqlite = new Database(join(folder, "tables.sqlite"));
sqlite.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144");
sqlite.exec(
  "CREATE TABLE items (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, amount INTEGER, ratio REAL, " +
    "note TEXT); CREATE INDEX items_owner ON items (owner)",
);
const insert = sqlite.prepare("INSERT INTO items VALUES (@id, @owner, @amount, @ratio, @note)");
const insertAll = sqlite.transaction((batch) => {
  for (const row of batch) insert.run(row);
});
const select = sqlite.prepare("SELECT * FROM items WHERE id = ?");
const selectOwner = sqlite.prepare("SELECT * FROM items WHERE owner = ?");
const sum = sqlite.prepare("SELECT sum(amount) AS total FROM items WHERE ratio > 100");

const db = await open(join(folder, "cairn"), { durability: "none" });
const items = await db.table("items", {
  columns: {
    id: t.integer().primaryKey(),
    owner: t.text().notNull(),
    amount: t.integer(),
    ratio: t.float(),
    note: t.text(),
  },
  indexes: [{ columns: ["owner"] }],
});

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** Nanoseconds each, and what the last round answered. */
function timed(run, from, count) {
  const begin = performance.now();
  const answer = run(from, count);
  return { each: ((performance.now() - begin) * 1e6) / count, answer };
}

function compare(name, count, ours, theirs, times = rounds) {
  const found = [];
  for (let round = 0; round < times; round++) {
    const from = round * count;
    const left = timed(ours, from, count);
    const right = timed(theirs, from, count);
    if (left.answer !== right.answer) {
      throw new Error(`${name}: ${left.answer} here, ${right.answer} there`);
    }
    found.push([left.each, right.each]);
  }
  const cairn = median(found.map(([each]) => each));
  const other = median(found.map(([, each]) => each));
  const figures = [cairn, other].map((each) => each.toFixed(0).padStart(10));
  console.log(`${name.padEnd(34)}${figures.join("")}   ${(other / cairn).toFixed(2)}x`);
}

console.log(machine());
console.log(`${"nanoseconds each".padEnd(34)}     cairn    sqlite   ratio`);
const perRound = Math.floor(rows / rounds / perBatch) * perBatch;
const batches = (write) => (from, count) => {
  for (let at = from; at < from + count; at += perBatch) {
    write(ids.slice(at, at + perBatch).map(rowOf));
  }
  return count;
};
compare(
  "insert, batches of 1,000",
  perRound,
  batches((all) => items.insertManySync(all)),
  batches(insertAll),
);
const stored = perRound * rounds;
const lookUp = (get) => (from, count) => {
  let total = 0;
  for (let index = 0; index < count; index++)
    total += get(ids[(from + index * 31) % stored]).amount;
  return total;
};
compare(
  "get by primary key",
  100_000,
  lookUp((id) => items.getSync(id)),
  lookUp((id) => select.get(id)),
);
if (typeof db.from === "function") {
  const equal = (all) => (from, count) => {
    let total = 0;
    for (let index = 0; index < count; index++)
      total += all(`owner-${(from + index * 31) % owners}`).length;
    return total;
  };
  const byOwner = (owner) => db.from(items).where({ owner }).allSync();
  compare(
    "100 rows by index",
    500,
    equal(byOwner),
    equal((owner) => selectOwner.all(owner)),
  );
}
const bySum = () => {
  let total = 0;
  for (const row of items.rowsSync()) if (row.ratio > 100) total += row.amount;
  return total;
};
compare("rows visited, filtered and summed", stored, bySum, () => sum.get().total, 3);
await db.close();
sqlite.close();
rmSync(folder, { recursive: true, force: true });
