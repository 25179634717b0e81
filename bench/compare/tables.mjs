// Tables and queries beside better-sqlite3 and node:sqlite, with the same rows and durability:
//
//     node bench/compare/tables.mjs [rows] [index.js]
//
// Both sides take turns in one process, round by round, with prepared statements and prepared
// queries; the figure is the median of the rounds, the ratio that of the medians. What is read is
// checked to be the same. node:sqlite needs a newer Node than 20: where this one has none, the one
// that test/runtime/install.mjs installs runs the comparison again with it. On a machine that
// others use, too, CAIRN_BENCH_CLOCK=cpu counts the processor's time in place of the clock's.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { machine } from "../harness/machine.mjs";

const rows = Number(process.argv[2] ?? 1_000_000);
const library = process.argv[3] ?? "../../dist/index.node.js";
const peer = process.env.CAIRN_TABLES_PEER ?? "better-sqlite3";
const { column, count, open, parameter, sum, t } = await import(library);
const perBatch = 1_000;
const perOwner = 100;
const personCount = Math.min(10_000, rows / 10);
const owners = rows / perOwner;
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
const rowOf = (id) => ({
  id,
  owner: `owner-${id % owners}`,
  person: (Math.imul(id, 2_654_435_761) >>> 0) % personCount,
  amount: (id * 7_919) % 10_007,
  ratio: id / 3,
  note: `note number ${id}`,
});
const personOf = (id) => ({ id, name: `person ${id}`, region: `region ${id % 40}` });

// ---- both sides

async function openPeer(path) {
  if (peer === "node:sqlite") {
    const { DatabaseSync } = await import("node:sqlite");
    return new DatabaseSync(path);
  }
  const { default: Database } = await import("better-sqlite3");
  return new Database(path);
}

const sqlite = await openPeer(join(folder, "tables.sqlite"));
sqlite.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144");
sqlite.exec(
  "CREATE TABLE items (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, person INTEGER NOT NULL, " +
    "amount INTEGER, ratio REAL, note TEXT); CREATE INDEX items_owner ON items (owner); " +
    "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL, region TEXT)",
);
const begin = sqlite.prepare("BEGIN");
const commit = sqlite.prepare("COMMIT");
const batchOf = (statement) => (batch) => {
  begin.run();
  for (const row of batch) statement.run(row);
  commit.run();
};
const insertValues = "INSERT INTO items VALUES (@id, @owner, @person, @amount, @ratio, @note)";
const insert = batchOf(sqlite.prepare(insertValues));
const insertPeople = batchOf(sqlite.prepare("INSERT INTO people VALUES (@id, @name, @region)"));
const upsert = sqlite.prepare(
  `${insertValues} ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, ` +
    "person = excluded.person, amount = excluded.amount, ratio = excluded.ratio, " +
    "note = excluded.note",
);

const db = await open(join(folder, "cairn"), { durability: "none" });
const items = await db.table("items", {
  columns: {
    id: t.integer().primaryKey(),
    owner: t.text().notNull(),
    person: t.integer().notNull(),
    amount: t.integer(),
    ratio: t.float(),
    note: t.text(),
  },
  indexes: [{ columns: ["owner"] }],
});
const people = await db.table("people", {
  columns: { id: t.integer().primaryKey(), name: t.text().notNull(), region: t.text() },
});

// ---- the comparison

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

const isCpu = process.env.CAIRN_BENCH_CLOCK === "cpu";

/** Milliseconds: of all threads of the process where the processor's time is asked for. */
function now() {
  if (!isCpu) return performance.now();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Nanoseconds each, and what the last round answered. */
function timed(run, from, of) {
  const start = now();
  const answer = run(from, of);
  return { each: ((now() - start) * 1e6) / of, answer };
}

/** `bar`: the ratio to be reached; undefined where there is none. */
function compare(name, of, bar, ours, theirs, times = rounds) {
  const found = [];
  for (let round = 0; round < times; round++) {
    const from = round * of;
    const left = timed(ours, from, of);
    const right = timed(theirs, from, of);
    if (left.answer !== right.answer) {
      throw new Error(`${name}: ${left.answer} here, ${right.answer} there`);
    }
    found.push([left.each, right.each]);
  }
  const cairn = median(found.map(([each]) => each));
  const other = median(found.map(([, each]) => each));
  const ratios = found.map(([left, right]) => right / left).toSorted((a, b) => a - b);
  const figures = [cairn, other].map((each) => each.toFixed(0).padStart(10)).join("");
  const range = `${ratios[0].toFixed(2)} to ${ratios.at(-1).toFixed(2)}`.padStart(14);
  const wanted = bar === undefined ? "" : `${bar}x`;
  const ratio = (other / cairn).toFixed(2).padStart(6);
  console.log(`${name.padEnd(38)}${figures} ${ratio}x${range} ${wanted.padStart(6)}`);
  return { cairn, other };
}

console.log(machine());
const head = `nanoseconds${isCpu ? " of cpu" : ""} each, beside ${peer}`;
console.log(`${head.padEnd(38)}     cairn    sqlite   ratio  of all rounds    bar`);

const load = (from, to) => {
  for (let at = from; at < to; at += perBatch) {
    const batch = ids.slice(at, at + perBatch).map(rowOf);
    items.insertManySync(batch);
    insert(batch);
  }
};
const batches = (write) => (from, of) => {
  for (let at = loaded + from; at < loaded + from + of; at += perBatch) {
    write(ids.slice(at, at + perBatch).map(rowOf));
  }
  return of;
};
/** Rows that are there are written again, one statement each. */
const upserts = (size) => {
  const each = (write) => (from, of) => {
    for (let index = 0; index < of; index++) write(rowOf(ids[(from + index * 131) % size]));
    return of;
  };
  return compare(
    `upsert among ${size.toLocaleString("en")} rows`,
    5_000,
    undefined,
    each((row) => items.upsertSync(row)),
    each((row) => upsert.run(row)),
  );
};

const growing = [];
let loaded = 0;
for (const size of [10_000, 100_000].filter((one) => one <= rows / 5)) {
  load(loaded, size);
  loaded = size;
  growing.push(upserts(size));
}
const perRound = Math.floor((rows - loaded) / rounds / perBatch) * perBatch;
compare(
  "insert, batches of 1,000, one index",
  perRound,
  2,
  batches((all) => items.insertManySync(all)),
  batches(insert),
);
const stored = loaded + perRound * rounds;
growing.push(upserts(stored));
const [few, many] = [growing[0], growing.at(-1)];
const costs = [many.cairn / few.cairn, many.other / few.other].map((cost) => {
  return `${cost.toFixed(2)}x`.padStart(10);
});
const among = `an upsert among ${stored.toLocaleString("en")} rows costs`.padEnd(38);
console.log(`${among}${costs.join("")}  of one among the fewest`);

const lookUp = (get) => (from, of) => {
  let total = 0;
  for (let index = 0; index < of; index++) total += get(ids[(from + index * 31) % stored]).amount;
  return total;
};
const select = sqlite.prepare("SELECT * FROM items WHERE id = ?");
const byId = db
  .from(items)
  .where({ id: parameter("id") })
  .prepare();
const theirGet = lookUp((id) => select.get(id));
compare(
  "get by key",
  100_000,
  3,
  lookUp((id) => items.getSync(id)),
  theirGet,
);
compare(
  "prepared query by key",
  100_000,
  3,
  lookUp((id) => byId.firstSync({ id })),
  theirGet,
);

const equal = (all) => (from, of) => {
  let total = 0;
  for (let index = 0; index < of; index++) {
    total += all(`owner-${(from + index * 31) % owners}`).length;
  }
  return total;
};
const byOwner = db
  .from(items)
  .where({ owner: parameter("owner") })
  .prepare();
const selectOwner = sqlite.prepare("SELECT * FROM items WHERE owner = ?");
compare(
  "100 rows through an index",
  500,
  2,
  equal((owner) => byOwner.allSync({ owner })),
  equal((owner) => selectOwner.all(owner)),
);

const total = db
  .from(items)
  .where({ ratio: { gt: 100 } })
  .select({ total: sum("amount") })
  .prepare();
const selectTotal = sqlite.prepare("SELECT sum(amount) AS total FROM items WHERE ratio > 100");
compare(
  "filter and sum of all rows, each",
  stored,
  1.5,
  () => total.firstSync({}).total,
  () => selectTotal.get().total,
);

for (let at = 0; at < personCount; at += perBatch) {
  const batch = Array.from({ length: perBatch }, (_, index) => personOf(at + index));
  people.insertManySync(batch);
  insertPeople(batch);
}
const joined = db.from(items, "i").join(people, "p", { "i.person": column("p.id") });
const from = "FROM items i JOIN people p ON i.person = p.id";
const text = (run) => () => JSON.stringify(run());
const grouped = joined
  .groupBy("p.region")
  .select({ region: "p.region", items: count(), total: sum("i.amount") })
  .orderBy("region")
  .prepare();
const selectGrouped = sqlite.prepare(
  `SELECT p.region AS region, count(*) AS items, sum(i.amount) AS total ${from} ` +
    "GROUP BY p.region ORDER BY region",
);
const people10k = personCount.toLocaleString("en");
compare(
  `join with ${people10k} rows, grouped, a row`,
  stored,
  1,
  text(() => grouped.allSync({})),
  text(() => selectGrouped.all()),
);
const summed = joined
  .where({ "p.region": { gte: "region 2" } })
  .select({ total: sum("i.amount") })
  .prepare();
const selectSummed = sqlite.prepare(
  `SELECT sum(i.amount) AS total ${from} WHERE p.region >= 'region 2'`,
);
compare(
  `join with ${people10k} rows, summed, a row`,
  stored,
  1,
  () => summed.firstSync({}).total,
  () => selectSummed.get().total,
);
const turned = db
  .from(people, "p")
  .join(items, "i", { "i.person": column("p.id") })
  .groupBy("p.id")
  .select({ id: "p.id", total: sum("i.amount") })
  .orderBy("id")
  .prepare();
const selectTurned = sqlite.prepare(
  "SELECT p.id AS id, sum(i.amount) AS total FROM people p JOIN items i ON i.person = p.id " +
    "GROUP BY p.id ORDER BY id",
);
compare(
  "the same from the other side, a row",
  stored,
  1,
  text(() => turned.allSync({})),
  text(() => selectTurned.all()),
  3,
);
const whole = joined.select("i.id", "p.name", "i.amount").prepare();
const selectWhole = sqlite.prepare(`SELECT i.id AS id, p.name AS name, i.amount AS amount ${from}`);
compare(
  "join handed out whole, a row",
  stored,
  1,
  () => whole.allSync({}).reduce((all, { name, amount }) => all + name.length * amount, 0),
  () => selectWhole.all().reduce((all, { name, amount }) => all + name.length * amount, 0),
  3,
);

await db.close();
sqlite.close();
rmSync(folder, { recursive: true, force: true });

if (peer !== "node:sqlite") {
  const root = fileURLToPath(new URL("../../test/runtime/install/node_modules/", import.meta.url));
  const newer = join(root, ".bin", "node");
  if (existsSync(newer)) {
    const script = fileURLToPath(import.meta.url);
    const path = library.startsWith(".")
      ? fileURLToPath(new URL(library, import.meta.url))
      : library;
    spawnSync(newer, [script, String(rows), path], {
      stdio: "inherit",
      env: { ...process.env, CAIRN_TABLES_PEER: "node:sqlite" },
    });
  } else console.log("node:sqlite is left out: run node test/runtime/install.mjs first");
}
