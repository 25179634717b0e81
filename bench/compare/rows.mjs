// The rows of the comparison. Each takes what it needs from the context and answers a figure.
//
// A row whose name ends in `.sync` uses the engine's synchronous form, `.await` awaits every call.
// An engine without the form has no figure in that row.
import {
  closeSync,
  existsSync,
  fdatasync,
  fsyncSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { runChild } from "../harness/child.mjs";
import { median, percentile } from "../harness/statistics.mjs";

const freshScript = fileURLToPath(new URL("open-child.mjs", import.meta.url));
const batchRecords = 1000;
const scanRows = 100;
const checked = 1000;
const measuredPasses = 3;
/** Rows that write end after this, whatever they have done. */
const writeMsMax = 1500;
const committers = 64;

/** The load: every record once, in random order, in batches; then durable. */
async function load(context, folder, isSync) {
  const { module, data, options } = context;
  const engine = await module.openEngine(folder, "none", options);
  const usable = isSync ? engine.writeSync : engine.write;
  if (usable === undefined) {
    await engine.close();
    return undefined;
  }
  const indexes = Int32Array.from({ length: data.count }, (_, index) => index);
  const batches = data.batches(indexes, batchRecords);
  collect();
  const start = performance.now();
  if (isSync) for (const { keys, values } of batches) engine.writeSync(keys, values);
  else for (const { keys, values } of batches) await engine.write(keys, values);
  await engine.flush(data.key(0), data.value(0));
  const ms = performance.now() - start;
  if ((await engine.count()) !== data.count) throw new Error("load: records are missing");
  await engine.close();
  return perSecond(data.count, ms);
}

function perSecond(count, ms) {
  return (count / ms) * 1000;
}
function collect() {
  globalThis.gc?.();
}

/**
 * Median rate of a few passes, each with fresh keys. All keys are there before a collection that
 * keeps them out of what is measured; the first pass is not measured, because after a collection
 * code is compiled again and memory comes back from the system page by page.
 */
async function passes(context, count, pass) {
  const taken = Array.from({ length: 1 + measuredPasses }, () => context.data.take(count));
  collect();
  const rates = [];
  for (const part of taken) rates.push(perSecond(count, await pass(part)));
  return median(rates.slice(1));
}

function checkGets(context, indexes, found, what) {
  for (const [at, value] of found.entries()) context.data.check(indexes[at], value, what);
}

const readRows = {
  "get.sync": ({ engine, data, ...context }) => {
    if (engine.getSync === undefined) return undefined;
    return passes({ data, ...context }, Math.min(data.count, 200_000), ({ indexes, keys }) => {
      const kept = new Array(checked);
      let bytes = 0;
      const start = performance.now();
      for (let at = 0; at < keys.length; at++) {
        const value = engine.getSync(keys[at]);
        bytes += value.length;
        if (at < checked) kept[at] = value;
      }
      const ms = performance.now() - start;
      if (bytes !== keys.length * 100) throw new Error("get.sync: bytes are missing");
      checkGets({ data }, indexes, kept, "get.sync");
      return ms;
    });
  },
  "get.await": ({ engine, data, ...context }) => {
    if (engine.get === undefined) return undefined;
    return passes({ data, ...context }, Math.min(data.count, 60_000), async ({ indexes, keys }) => {
      const kept = new Array(checked);
      let bytes = 0;
      const start = performance.now();
      for (let at = 0; at < keys.length; at++) {
        const value = await engine.get(keys[at]);
        bytes += value.length;
        if (at < checked) kept[at] = value;
      }
      const ms = performance.now() - start;
      if (bytes !== keys.length * 100) throw new Error("get.await: bytes are missing");
      checkGets({ data }, indexes, kept, "get.await");
      return ms;
    });
  },
  "getMany.sync": ({ engine, data, ...context }) => {
    if (engine.getManySync === undefined) return undefined;
    return passes({ data, ...context }, Math.min(data.count, 200_000), ({ indexes, keys }) => {
      const batches = slices(keys);
      const found = [];
      const start = performance.now();
      for (const batch of batches) {
        const values = engine.getManySync(batch);
        if (found.length < 2) found.push(values);
        if (values.length !== batch.length) throw new Error("getMany.sync: values are missing");
      }
      const ms = performance.now() - start;
      checkGets({ data }, indexes, found.flat(), "getMany.sync");
      return ms;
    });
  },
  "getMany.await": ({ engine, data, ...context }) => {
    if (engine.getMany === undefined) return undefined;
    return passes(
      { data, ...context },
      Math.min(data.count, 100_000),
      async ({ indexes, keys }) => {
        const batches = slices(keys);
        const found = [];
        const start = performance.now();
        for (const batch of batches) {
          const values = await engine.getMany(batch);
          if (found.length < 2) found.push(values);
          if (values.length !== batch.length) throw new Error("getMany.await: values are missing");
        }
        const ms = performance.now() - start;
        checkGets({ data }, indexes, found.flat(), "getMany.await");
        return ms;
      },
    );
  },
  "scan100.sync": (context) => scans(context, context.engine.scanSync, false),
  "scan100.await": (context) => scans(context, context.engine.scan, true),
};

function slices(keys) {
  const batches = [];
  for (let at = 0; at < keys.length; at += batchRecords) {
    batches.push(keys.slice(at, at + batchRecords));
  }
  return batches;
}

/** Rows as most engines hand them out; a module may say otherwise. None has to convert its own. */
const entryShape = { keyOf: (row) => row.key, bytesOf: (row) => row.value };

/** Scans from random keys. Near the end of the key space there are fewer rows: not from there. */
async function scans(context, scan, isAwaited) {
  if (scan === undefined) return undefined;
  const { data } = context;
  const scanAll = isAwaited ? scanAllAwaited : scanAllSync;
  return passes(context, Math.min(data.count, 4000), async ({ keys }) => {
    const starts = keys.map((key) => (key < "f" ? key : data.lowKey()));
    const kept = [];
    const start = performance.now();
    const { rows, bytes } = await scanAll(scan, starts, shapeOf(context), kept);
    const ms = performance.now() - start;
    if (rows !== starts.length * scanRows || bytes !== rows * 116) {
      throw new Error(`scan: ${rows} rows of ${bytes} bytes, not ${scanRows} for each scan`);
    }
    for (const [at, found] of kept.entries()) checkScan(context, starts[at], found);
    return ms;
  });
}

function shapeOf({ module }) {
  return module.rowShape ?? entryShape;
}

function scanAllSync(scan, starts, shape, kept) {
  const total = { rows: 0, bytes: 0 };
  for (let at = 0; at < starts.length; at++) {
    const found = scan(starts[at]);
    addRows(total, found, shape);
    if (at < 10) kept.push(found);
  }
  return total;
}

async function scanAllAwaited(scan, starts, shape, kept) {
  const total = { rows: 0, bytes: 0 };
  for (let at = 0; at < starts.length; at++) {
    const found = await scan(starts[at]);
    addRows(total, found, shape);
    if (at < 10) kept.push(found);
  }
  return total;
}

/** Looks at every key and value: engines that make them lazily make them here. */
function addRows(total, found, { keyOf, bytesOf }) {
  let bytes = 0;
  for (const row of found) bytes += keyOf(row).length + bytesOf(row).length;
  total.rows += found.length;
  total.bytes += bytes;
}

function checkScan(context, start, rows) {
  const { data, byKey } = context;
  let before = "";
  const { keyOf, bytesOf } = shapeOf(context);
  for (const [at, row] of rows.entries()) {
    const key = keyOf(row);
    const value = bytesOf(row);
    if (at === 0 ? key !== start : key <= before) throw new Error(`scan: ${key} is out of order`);
    data.check(byKey.get(key), value, "scan");
    before = key;
  }
}

/** Writes groups of records until there are enough or the time is up. */
async function writeFor(context, size, count, write) {
  const { data } = context;
  const { indexes } = data.take(Math.min(data.count, size * count));
  const batches = data.batches(indexes, size, true);
  collect();
  const times = [];
  const start = performance.now();
  let before = start;
  for (const { keys, values } of batches) {
    const done = write(keys, values);
    if (done !== undefined && typeof done.then === "function") await done;
    const now = performance.now();
    times.push(now - before);
    before = now;
    if (now - start > writeMsMax) break;
  }
  const ms = performance.now() - start;
  for (const { indexes } of batches.slice(0, times.length)) data.wrote(indexes);
  return {
    rate: perSecond(times.length * size, ms),
    p50: median(times),
    p99: percentile(times, 0.99),
  };
}

const writeRows = {
  "batch.sync": async (context) => {
    if (context.engine.commitDurableSync === undefined) return undefined;
    const { commitDurableSync } = context.engine;
    return (await writeFor(context, batchRecords, 60, commitDurableSync)).rate;
  },
  "batch.await": async (context) => {
    if (context.engine.commitDurable === undefined) return undefined;
    return (await writeFor(context, batchRecords, 60, context.engine.commitDurable)).rate;
  },
  "commit.sync": async (context) => {
    if (context.engine.commitDurableSync === undefined) return undefined;
    return (await writeFor(context, 1, 5000, context.engine.commitDurableSync)).rate;
  },
  "commit.await": commitBesideRaw,
  "committers64.await": concurrent,
};

/**
 * Single durable commits in turns with a bare loop of write and async fdatasync over a preallocated
 * file, so that both meet the same moods of the disk.
 */
async function commitBesideRaw(context) {
  const { engine, data, report, folder, frameBytes = 240 } = context;
  if (engine.commitDurable === undefined) return undefined;
  const turns = 20;
  const each = 250;
  const msMax = 2 * writeMsMax;
  const raw = new RawFile(join(folder, "..", "raw.bin"), turns * each * frameBytes);
  const own = [];
  const bare = [];
  try {
    const begun = performance.now();
    for (let turn = 0; turn < turns && performance.now() - begun < msMax; turn++) {
      const { indexes } = data.take(each);
      const batches = data.batches(indexes, 1, true);
      let start = performance.now();
      for (const { keys, values } of batches) await engine.commitDurable(keys, values);
      own.push(performance.now() - start);
      data.wrote(indexes);
      start = performance.now();
      for (let at = 0; at < each; at++) await raw.append(frameBytes);
      bare.push(performance.now() - start);
    }
  } finally {
    raw.close();
  }
  const rates = { own: perSecond(each, median(own)), bare: perSecond(each, median(bare)) };
  report({ "raw.await": rates.bare });
  return rates.own;
}

class RawFile {
  constructor(path, bytes) {
    this.path = path;
    this.file = openSync(path, "w+");
    const zeros = Buffer.alloc(1 << 20);
    for (let at = 0; at < bytes; at += zeros.length)
      writeSync(this.file, zeros, 0, zeros.length, at);
    fsyncSync(this.file);
    this.at = 0;
    this.bytes = Buffer.alloc(4096, 1);
  }
  append(bytes) {
    writeSync(this.file, this.bytes, 0, bytes, this.at);
    this.at += bytes;
    return new Promise((resolve, reject) => {
      fdatasync(this.file, (error) => (error ? reject(error) : resolve()));
    });
  }
  close() {
    closeSync(this.file);
    rmSync(this.path);
  }
}

/** Many loops, each of which awaits its durable commits one by one. */
async function concurrent(context) {
  const { engine, data } = context;
  const { indexes } = data.take(Math.min(data.count, 100_000));
  const batches = data.batches(indexes, 1, true);
  collect();
  const start = performance.now();
  let next = 0;
  if (engine.commitDurable === undefined) {
    // Only one transaction can be open, and it blocks the process: one after the other.
    while (next < batches.length && performance.now() - start < writeMsMax) {
      const { keys, values } = batches[next++];
      engine.commitDurableSync(keys, values);
    }
  } else {
    const loop = async () => {
      while (next < batches.length && performance.now() - start < writeMsMax) {
        const { keys, values } = batches[next++];
        await engine.commitDurable(keys, values);
      }
    };
    await Promise.all(Array.from({ length: committers }, loop));
  }
  const ms = performance.now() - start;
  data.wrote(indexes.slice(0, next));
  return perSecond(next, ms);
}

/** The same in fresh processes, where nothing is compiled yet; imports are not counted. */
async function openFresh({ folder, job }) {
  const times = [];
  for (let turn = 0; turn < 3; turn++) {
    const { openMs } = await runChild(freshScript, { ...job, folder }, { isUnpinned: true });
    times.push(openMs);
  }
  return median(times);
}

/** Milliseconds from the call to the first value read, median of five. */
async function open({ module, data, folder, options }) {
  const times = [];
  for (let turn = 0; turn < 5; turn++) {
    const { indexes, keys } = data.take(1);
    collect();
    const start = performance.now();
    const engine = await module.openEngine(folder, "durable", options);
    const value = engine.getSync(keys[0]);
    times.push(performance.now() - start);
    data.check(indexes[0], value, "open");
    await engine.close();
  }
  return median(times);
}

/** Bytes that the files of a folder take. */
export function folderBytes(folder) {
  let bytes = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    bytes += statSync(join(entry.parentPath ?? entry.path, entry.name)).size;
  }
  return bytes;
}

/**
 * Runs the chosen rows in the order: load, open, reads, writes, disk. `report` is called with each
 * figure as it comes.
 */
export async function runRows(context) {
  const { module, data, isWanted, report, folder } = context;
  const put = async (name, measure) => {
    if (!isWanted(name)) return;
    const figure = await measure();
    if (figure !== undefined) report({ [name]: figure });
  };
  if (isWanted("load.await") && module.name !== "JS Map") {
    const other = `${folder}-await`;
    rmSync(other, { recursive: true, force: true });
    const rate = await load({ ...context, folder: other }, context.makeFolder(other), false);
    if (rate !== undefined) report({ "load.await": rate });
    rmSync(other, { recursive: true, force: true });
  }
  const isSync = module.isLoadedSync ?? true;
  const rate = await load(context, context.makeFolder(folder), isSync);
  if (isSync && rate !== undefined && isWanted("load.sync")) report({ "load.sync": rate });
  if (existsSync(folder)) report({ "disk.loaded": folderBytes(folder) / data.count });
  if (module.name !== "JS Map") {
    await put("open.fresh", () => openFresh(context));
    await put("open", () => open(context));
  }
  const engine = await module.openEngine(folder, "durable", context.options);
  if (module.name === "JS Map") engine.writeSync(...everything(data));
  const inner = { ...context, engine };
  for (const [name, row] of Object.entries(readRows)) await put(name, () => row(inner));
  if (module.name !== "JS Map") {
    for (const [name, row] of Object.entries(writeRows)) await put(name, () => row(inner));
  }
  report({ rssMiB: process.memoryUsage().rss / 2 ** 20, ...(engine.memory?.() ?? {}) });
  await measureDisk(inner);
}

/** Bytes on disk in the end; with `compact`, also in the handle that has just written. */
async function measureDisk({ engine, module, data, folder, isWanted, report, options }) {
  if (!isWanted("disk") || engine.compact === undefined) {
    await engine.close();
    if (isWanted("disk") && module.name !== "JS Map")
      report({ disk: folderBytes(folder) / data.count });
    return;
  }
  await engine.compact();
  report({ "disk.busy": folderBytes(folder) / data.count });
  await engine.close();
  // A commit begins a small log segment, so that the large ones can go.
  const again = await module.openEngine(folder, "durable", options);
  const { indexes: written } = data.take(1);
  const [{ keys: key, values: value }] = data.batches(written, 1, true);
  await again.commitDurable(key, value);
  data.wrote(written);
  await again.compact();
  if ((await again.count()) !== data.count) throw new Error("compact: records are missing");
  const { indexes, keys } = data.take(checked);
  const found = keys.map((key) => again.getSync(key));
  checkGets({ data }, indexes, found, "compact");
  await again.close();
  report({ disk: folderBytes(folder) / data.count });
}

function everything(data) {
  const indexes = Int32Array.from({ length: data.count }, (_, index) => index);
  const [{ keys, values }] = data.batches(indexes, data.count);
  return [keys, values];
}
