// The ordered tree, raw: no log, no storage, no API. 1 M records, 16-byte keys, 100-byte values.
//   node bench/micro/btree.mjs [records] [path of core.wasm]
import { readFileSync } from "node:fs";

const total = Number(process.argv[2] ?? 1_000_000);
const path = process.argv[3] ?? new URL("../../build/out/core.wasm", import.meta.url).pathname;
const module = new WebAssembly.Module(readFileSync(path));

const TREE = 1;
const KEY_BYTES = 16;
const VALUE_BYTES = 100;
const EFFECT_BYTES = 16 + KEY_BYTES + VALUE_BYTES;
/** Effects in one call of `apply`. */
const CALL = 1000;
const SCAN_KEYS_VALUES = 8 + 16;

/**
 * A store whose commits publish as the engine's do: the new epoch is pinned, the old one let go.
 */
class Store {
  constructor() {
    this.core = new WebAssembly.Instance(module, {}).exports;
    this.core.initialize();
    const frames = Math.ceil(total / 8) + 40_000;
    this.core.configure(frames, 1, 2, 3, 1);
    while (this.core.addFrames(4096) > 0);
    this.bytes = new Uint8Array(this.core.memory.buffer);
    this.view = new DataView(this.core.memory.buffer);
    this.input = this.core.inputAddress();
    this.seq = 0;
    this.core.createTree(TREE, 1);
    this.epoch = this.core.beginEpoch();
    this.core.commitEpoch();
    this.core.pinEpoch(this.epoch);
  }

  /** Puts `count` records from `keys` at `from`, in commits of `perCommit`. */
  put(keys, from, count, perCommit) {
    for (let at = from; at < from + count; at += perCommit) {
      const epoch = this.core.beginEpoch();
      for (let next = at; next < at + perCommit; next += CALL) {
        const effects = Math.min(CALL, at + perCommit - next);
        writeEffects(this, keys, next, effects);
        const result = this.core.apply(effects * EFFECT_BYTES, ++this.seq);
        if (result !== 0) throw new Error(`apply answered ${result}`);
      }
      this.core.commitEpoch();
      this.core.pinEpoch(epoch);
      this.core.unpinEpoch(this.epoch);
      this.epoch = epoch;
    }
  }
}

/** Effects for keys[from, from + count): the log's bytes, as recovery would hand them over. */
function writeEffects({ bytes, view, input }, keys, from, count) {
  for (let index = 0; index < count; index++) {
    const at = input + index * EFFECT_BYTES;
    view.setUint32(at, 1 | (KEY_BYTES << 16), true);
    view.setUint32(at + 4, TREE, true);
    view.setUint32(at + 8, VALUE_BYTES, true);
    view.setUint32(at + 12, 0, true);
    copyKey(keys, from + index, bytes, at + 16);
    view.setUint32(at + 16 + KEY_BYTES, from + index, true);
  }
}

function copyKey(keys, n, bytes, at) {
  const start = n * KEY_BYTES;
  for (let index = 0; index < KEY_BYTES; index++) bytes[at + index] = keys[start + index];
}

let state = 12_345;
function random(below) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}

/** `total` different keys of 16 hexadecimal digits, in random order or ascending. */
function makeKeys(isRandom) {
  const keys = Buffer.alloc(total * KEY_BYTES);
  for (let n = 0; n < total; n++) {
    let x = Math.imul(n ^ (n >>> 16), 0x45d9f3b);
    x = Math.imul(x ^ (x >>> 16), 0x45d9f3b);
    const high = isRandom ? (x ^ (x >>> 16)) >>> 0 : 0;
    keys.write((BigInt(high) * 0x1_0000_0000n + BigInt(n)).toString(16).padStart(16, "0"), n * 16);
  }
  return keys;
}

function report(name, samples, note = "") {
  samples.sort((left, right) => left - right);
  const median = samples[samples.length >> 1];
  const line = `${name.padEnd(46)}${median.toFixed(1).padStart(9)} ns`;
  console.log(`${line}   fastest ${samples[0].toFixed(1)}${note}`);
}

/** Nanoseconds per operation of `rounds` runs of `work(round)`, which does `operations`. */
function time(rounds, operations, work) {
  return Array.from({ length: rounds }, (_, round) => {
    const start = process.hrtime.bigint();
    work(round);
    return Number(process.hrtime.bigint() - start) / operations;
  });
}

const randomKeys = makeKeys(true);
const orderedKeys = makeKeys(false);

function puts() {
  const part = total / 20;
  const store = new Store();
  // Grows from nothing: the last five parts are the tree at its full size.
  const growing = time(20, part, (round) => store.put(randomKeys, round * part, part, 1000));
  report("put random, commit per 1,000 (last quarter)", growing.slice(15));
  const replacing = time(9, 20_000, () => {
    const from = random(total / 1000 - 20) * 1000;
    store.put(randomKeys, from, 20_000, 1000);
  });
  report("replace random, commit per 1,000", replacing);
  const single = time(9, 5000, () => store.put(randomKeys, random(total - 5000), 5000, 1));
  report("replace random, commit per 1", single);
  const ordered = new Store();
  const growingOrdered = time(20, part, (round) =>
    ordered.put(orderedKeys, round * part, part, 1000),
  );
  report("put ascending, commit per 1,000", growingOrdered);
  const few = new Store();
  const singles = time(9, 5000, (round) => few.put(orderedKeys, round * 5000, 5000, 1));
  report("put ascending, commit per 1", singles);
  return store;
}

function gets({ core, bytes, input, view }) {
  const order = Uint32Array.from({ length: 100_000 }, () => random(total));
  let found = 0;
  const single = time(15, order.length, () => {
    for (let index = 0; index < order.length; index++) {
      copyKey(randomKeys, order[index], bytes, input);
      if (core.get(TREE, 0, KEY_BYTES, 0) >= 0) found++;
    }
  });
  report("get random, key copied in", single);
  const many = time(15, order.length, () => {
    for (let from = 0; from < order.length; from += CALL) {
      let at = input;
      for (let index = from; index < from + CALL; index++) {
        bytes[at] = KEY_BYTES;
        bytes[at + 1] = 0;
        copyKey(randomKeys, order[index], bytes, at + 2);
        at += 2 + KEY_BYTES;
      }
      found += core.getMany(TREE, 0, CALL, 0, 16);
    }
  });
  report("getMany of 1,000, keys copied in", many);
  const keysIn = time(15, order.length, () => {
    for (let index = 0; index < order.length; index++) {
      copyKey(randomKeys, order[index], bytes, input);
      found += view.getUint8(input);
    }
  });
  report("  of it: copying the keys in", keysIn);
  const misses = time(9, order.length, () => {
    for (let index = 0; index < order.length; index++) {
      copyKey(randomKeys, order[index], bytes, input);
      bytes[input + 15] = 0x7a;
      if (core.get(TREE, 0, KEY_BYTES, 0) < 0) found++;
    }
  });
  report("get of an absent key", misses);
  if (found === 0) throw new Error("Nothing was found");
}

function scans({ core, bytes, view, input }) {
  const output = core.outputAddress();
  const status = core.statusAddress();
  const hundred = time(15, 1000, () => {
    for (let index = 0; index < 1000; index++) {
      copyKey(randomKeys, random(total), bytes, input);
      core.scan(TREE, 0, SCAN_KEYS_VALUES, KEY_BYTES, -1, 0, 100);
    }
  });
  report("scan of 100 rows, each", hundred);
  const full = (columns, reverse) => () => {
    let length = -1;
    for (let rows = 0; ; ) {
      const flags = columns + (reverse ? 1 : 2);
      rows = core.scan(TREE, 0, flags, reverse ? -1 : length, reverse ? length : -1, 0, 4096);
      if (view.getUint32(status + 48, true) === 0) return;
      const from = view.getUint32(output + (rows - 2) * 4, true);
      length = view.getUint32(output + (rows - 1) * 4, true) - from;
      const key = output + 131_072 + from;
      bytes.copyWithin(input, key, key + length);
    }
  };
  report("full scan, keys and values, per row", time(7, total, full(SCAN_KEYS_VALUES, false)));
  report("full scan backwards, per row", time(7, total, full(SCAN_KEYS_VALUES, true)));
  report("full scan, keys only, per row", time(7, total, full(8, false)));
  const counts = time(9, 1000, () => {
    for (let index = 0; index < 1000; index++) {
      copyKey(randomKeys, random(total), bytes, input);
      copyKey(randomKeys, random(total), bytes, input + KEY_BYTES);
      core.countRange(TREE, 0, KEY_BYTES, KEY_BYTES);
    }
  });
  report("countRange, each", counts);
}

/** What a reader that holds an old epoch costs the writer. */
function pinned(store) {
  const held = store.epoch;
  store.core.pinEpoch(held);
  const samples = time(9, 10_000, () => {
    store.put(randomKeys, random(total / 1000 - 10) * 1000, 10_000, 1000);
  });
  report("replace random, commit per 1,000, one old pin", samples);
  store.core.unpinEpoch(held);
  const epochs = [];
  for (let index = 0; index < 1000; index++) {
    store.put(randomKeys, random(total), 1, 1);
    store.core.pinEpoch(store.epoch);
    epochs.push(store.epoch);
  }
  const many = time(9, 1000, () => store.put(randomKeys, random(total - 1000), 1000, 1));
  report("replace random, commit per 1, 1,000 old pins", many);
  const unpins = time(1, epochs.length, () => {
    for (const epoch of epochs) store.core.unpinEpoch(epoch);
  });
  report("unpin the oldest of 1,000", unpins);
}

const store = puts();
gets(store);
scans(store);
pinned(store);
const pages = store.core.residentPages();
const { node, v8 } = process.versions;
console.log(`${total} records in ${pages} pages; node ${node} (V8 ${v8}), ${process.arch}`);
