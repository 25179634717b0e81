// One measurement of CairnDB in a process of its own; see ../run.mjs.
import { mkdirSync, rmSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { setImmediate as turn } from "node:timers/promises";
import { open } from "../../dist/index.node.js";
import { job, report } from "../harness/child.mjs";
import { Data } from "../harness/data.mjs";
import { median, percentile } from "../harness/statistics.mjs";

const { what, records, folder, kind = "ordered" } = job();
const mebibyte = 2 ** 20;
const data = new Data(records);

async function openAt(options) {
  const db = await open(folder, options);
  const store = await db.keyspace("records", { kind, value: "bytes" });
  return { db, store };
}

/** A new database with all records. */
async function loaded(options) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const opened = await openAt({ durability: "none", ...options });
  const all = Int32Array.from({ length: records }, (_, index) => index);
  for (let from = 0; from < records; from += 100_000) {
    for (const { keys, values } of data.batches(all.subarray(from, from + 100_000), 1000)) {
      opened.db.batchSync((batch) => fill(batch, opened.store, keys, values));
      // Upkeep has its turn, as it would in a program.
      await turn();
    }
  }
  await opened.db.flush();
  return opened;
}

function fill(batch, store, keys, values) {
  for (let at = 0; at < keys.length; at++) batch.put(store, keys[at], values[at]);
  return undefined;
}

async function memory() {
  const { db } = await loaded({ memoryBudget: 1024 * mebibyte });
  report({ [`memory.${kind}`]: db.stats().memory.residentBytes / records });
  await db.close();
}

/** Commits with and without a snapshot, in turns; the time for each is the median of the turns. */
async function snapshot() {
  const { db, store } = await loaded({ memoryBudget: 1024 * mebibyte });
  await db.checkpoint();
  for (const size of [1, 100]) {
    const commits = size === 1 ? 5000 : 200;
    const times = { without: [], with: [] };
    for (let round = 0; round < 8; round++) {
      for (const mode of ["without", "with"]) {
        const { indexes } = data.take(commits * size);
        const batches = data.batches(indexes, size, true);
        const held = mode === "with" ? db.snapshot() : undefined;
        globalThis.gc?.();
        const start = performance.now();
        for (const { keys, values } of batches) {
          if (size === 1) store.putSync(keys[0], values[0]);
          else db.batchSync((batch) => fill(batch, store, keys, values));
        }
        // The first round of each warms up.
        if (round > 0) times[mode].push((performance.now() - start) / commits);
        data.wrote(indexes);
        held?.release();
        await turn();
      }
    }
    report({
      [`snapshot.${kind}.${size}`]: median(times.with) / median(times.without),
      [`snapshot.us.${kind}.${size}`]: median(times.without) * 1000,
    });
  }
  await db.close();
}

async function reopen() {
  const { db } = await loaded({});
  await db.close();
  const times = [];
  for (let round = 0; round < 7; round++) {
    const { indexes, keys } = data.take(1);
    globalThis.gc?.();
    const start = performance.now();
    const opened = await openAt({});
    const value = opened.store.getSync(keys[0]);
    times.push(performance.now() - start);
    data.check(indexes[0], value, "open");
    await opened.db.close();
  }
  const name = records >= 1e6 ? `${records / 1e6}m` : `${records / 1000}k`;
  report({ [`open.${name}`]: median(times) });
}

/** Fills a log that no checkpoint shortens, and dies. */
async function crash() {
  const { db } = await loaded({
    memoryBudget: 2048 * mebibyte,
    checkpointLogBytes: 4096 * mebibyte,
    checkpointIdleMs: 0,
  });
  await db.flush();
  process.kill(process.pid, "SIGKILL");
}

async function recover() {
  const { db, store } = await openAt({ memoryBudget: 2048 * mebibyte });
  const { bytesReplayed, milliseconds, outcome } = db.recovery;
  if (outcome !== "recovered") throw new Error(`recovery: the outcome is ${outcome}`);
  if ((await store.count()) !== records) throw new Error("recovery: records are missing");
  const { indexes, keys } = data.take(1000);
  for (const [at, key] of keys.entries()) data.check(indexes[at], store.getSync(key), "recovery");
  report({
    "recovery.rate": bytesReplayed / 1e6 / (milliseconds / 1000),
    "recovery.megabytes": bytesReplayed / 1e6,
  });
  await db.close();
}

/**
 * Durable commits one after the other, beside a checkpoint of all records. A chain of immediates
 * sees how long the event loop does not come round.
 */
async function checkpoint() {
  const { db, store } = await loaded({
    memoryBudget: 2048 * mebibyte,
    checkpointLogBytes: 4096 * mebibyte,
    checkpointIdleMs: 0,
  });
  const before = new Load(store);
  await before.runWhile(new Promise((resolve) => setTimeout(resolve, 1000)));
  const during = new Load(store);
  const start = performance.now();
  await during.runWhile(db.checkpoint());
  const seconds = (performance.now() - start) / 1000;
  report({
    "checkpoint.pause": during.longest,
    "checkpoint.pause.before": before.longest,
    "checkpoint.seconds": seconds,
    "checkpoint.p50": median(during.commits),
    "checkpoint.p99": percentile(during.commits, 0.99),
    "checkpoint.p99.before": percentile(before.commits, 0.99),
  });
  await db.close();
}

class Load {
  commits = [];
  /** Longest time between two rounds of the event loop, in milliseconds. */
  longest = 0;
  #isOver = false;

  constructor(store) {
    this.store = store;
  }

  async runWhile(work) {
    const end = () => {
      this.#isOver = true;
    };
    globalThis.gc?.();
    await Promise.all([work.finally(end), this.#watch(), this.#commit()]);
  }

  async #watch() {
    let before = performance.now();
    while (!this.#isOver) {
      await turn();
      const now = performance.now();
      this.longest = Math.max(this.longest, now - before);
      before = now;
    }
  }

  async #commit() {
    while (!this.#isOver) {
      const { indexes } = data.take(1);
      const [{ keys, values }] = data.batches(indexes, 1, true);
      const start = performance.now();
      await this.store.put(keys[0], values[0], { finality: "durable" });
      this.commits.push(performance.now() - start);
      data.wrote(indexes);
    }
  }
}

const measurements = { memory, snapshot, reopen, crash, recover, checkpoint };
await measurements[what]();
