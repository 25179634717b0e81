// Durable transfers between accounts, 64 clients at once, beside better-sqlite3 and node:sqlite:
//
//     node bench/compare/transfers.mjs [transfers of a round] [index.js]
//
// A transfer takes from one of 10,000 accounts and gives to another, in one durable transaction,
// and no balance may become less than 0. SQLite runs in WAL mode with synchronous = FULL and
// prepared statements, and a CHECK says the same as our assertion. Its calls are synchronous, so
// that its clients come one after the other. All take turns, round by round; figures are medians of
// rounds, and all of them end with the same balances. node:sqlite needs a newer Node than 20: where
// this one has none, the one that test/runtime/install.mjs installs runs it.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { machine } from "../harness/machine.mjs";

const accountCount = 10_000;
const clients = 64;
const rounds = 5;
const firstBalance = 1_000;
const perRound = Number(process.argv[2] ?? 20_000);
const only = process.env.CAIRN_TRANSFERS_ONLY;
const folder = mkdtempSync(join(process.env.CAIRN_BENCH_DIR ?? tmpdir(), "cairn-transfers-"));

let seed = 4_711;
function below(limit) {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((seed / 2 ** 32) * limit);
}

const transfers = Array.from({ length: perRound * rounds }, () => {
  const from = below(accountCount);
  const to = (from + 1 + below(accountCount - 1)) % accountCount;
  return { from, to, amount: 1 + below(5) };
});

// ---- the engines

async function cairn() {
  const { open, t } = await import(process.argv[3] ?? "../../dist/index.node.js");
  const db = await open(join(folder, "cairn"));
  const accounts = await db.table("accounts", {
    columns: { id: t.integer().primaryKey(), balance: t.i64().notNull() },
  });
  const all = Array.from({ length: accountCount }, (_, id) => ({ id, balance: 1_000n }));
  await accounts.insertMany(all);
  const { mutations } = accounts;
  const transfer = ({ from, to, amount }) =>
    db.commit({
      mutations: [
        mutations.decrement(from, "balance", BigInt(amount)),
        mutations.increment(to, "balance", BigInt(amount)),
      ],
      after: [accounts.row(from).column("balance").gte(0n)],
    });
  return {
    name: "cairn",
    async run(list) {
      let next = 0;
      const client = async () => {
        while (next < list.length) await transfer(list[next++]);
      };
      await Promise.all(Array.from({ length: clients }, client));
    },
    balances: () => Array.from(accounts.rowsSync(), ({ balance }) => Number(balance)),
    close: () => db.close(),
  };
}

/** Both SQLite packages have the same calls. */
function sqlite(name, db) {
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  db.exec(
    "CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0))",
  );
  const insert = db.prepare("INSERT INTO accounts VALUES (?, ?)");
  const begin = db.prepare("BEGIN IMMEDIATE");
  const commit = db.prepare("COMMIT");
  begin.run();
  for (let id = 0; id < accountCount; id++) insert.run(id, firstBalance);
  commit.run();
  const take = db.prepare("UPDATE accounts SET balance = balance - ? WHERE id = ?");
  const give = db.prepare("UPDATE accounts SET balance = balance + ? WHERE id = ?");
  const select = db.prepare("SELECT balance FROM accounts ORDER BY id");
  return {
    name,
    run(list) {
      for (const { from, to, amount } of list) {
        begin.run();
        take.run(amount, from);
        give.run(amount, to);
        commit.run();
      }
    },
    balances: () => select.all().map(({ balance }) => balance),
    close: () => db.close(),
  };
}

async function betterSqlite() {
  const { default: Database } = await import("better-sqlite3");
  return sqlite("better-sqlite3", new Database(join(folder, "better.sqlite")));
}

async function nodeSqlite() {
  const { DatabaseSync } = await import("node:sqlite");
  return sqlite("node:sqlite", new DatabaseSync(join(folder, "node.sqlite")));
}

// ---- the run

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

async function measure(engines) {
  const found = new Map(engines.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const list = transfers.slice(round * perRound, (round + 1) * perRound);
    for (const engine of engines) {
      const begin = performance.now();
      await engine.run(list);
      found.get(engine.name).push((list.length * 1_000) / (performance.now() - begin));
    }
  }
  const [expected, ...others] = engines.map((engine) => JSON.stringify(engine.balances()));
  if (others.some((balances) => balances !== expected)) throw new Error("balances differ");
  const total = engines[0].balances().reduce((sum, balance) => sum + balance, 0);
  if (total !== accountCount * firstBalance) throw new Error(`${total} in all`);
  for (const engine of engines) await engine.close();
  return [...found].map(([name, values]) => ({ name, perSecond: median(values) }));
}

/** node:sqlite in a newer Node, by itself. */
function inNewerNode() {
  const root = fileURLToPath(new URL("../../test/runtime/install/node_modules/", import.meta.url));
  const node = [join(root, "node", "bin", "node"), join(root, ".bin", "node")].find(existsSync);
  if (node === undefined) return undefined;
  const script = fileURLToPath(import.meta.url);
  const { stdout, status, stderr } = spawnSync(node, [script, String(perRound)], {
    env: { ...process.env, CAIRN_TRANSFERS_ONLY: "node:sqlite" },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout.trim().split("\n").at(-1));
}

async function main() {
  if (only !== undefined) {
    const [result] = await measure([await nodeSqlite()]);
    console.log(JSON.stringify(result));
    return;
  }
  const hasSqlite = process.getBuiltinModule?.("node:sqlite") !== undefined;
  const engines = [await cairn()];
  if (hasSqlite) engines.push(await nodeSqlite());
  // Built for the Node that has installed it.
  const better = await betterSqlite().catch(() => undefined);
  if (better !== undefined) engines.push(better);
  const results = await measure(engines);
  const newer = hasSqlite ? undefined : inNewerNode();
  if (newer !== undefined) results.push({ ...newer, name: "node:sqlite (newer Node)" });
  console.log(machine());
  const [ours] = results;
  for (const { name, perSecond } of results) {
    const ratio = name === ours.name ? "" : `   ${(ours.perSecond / perSecond).toFixed(2)}x`;
    console.log(`${name.padEnd(26)}${perSecond.toFixed(0).padStart(9)} transfers/s${ratio}`);
  }
}

try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
