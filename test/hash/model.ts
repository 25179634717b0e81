import { expect } from "vitest";
import { type Row, type Store, text } from "./harness.ts";
import { walk } from "./walker.ts";

export interface Entry {
  readonly value: Uint8Array;
  readonly seq: number;
  readonly expiresAt: number;
}

/** One step of a run against the model. */
export type Step =
  | { readonly do: "put"; readonly key: number; readonly bytes: number; readonly expiresAt: number }
  | { readonly do: "remove" | "get"; readonly key: number }
  | { readonly do: "scan"; readonly limit: number; readonly now: number }
  | { readonly do: "commit"; readonly pin: boolean }
  | { readonly do: "rollback" | "unpin" | "evict" | "clear" | "walk" }
  | { readonly do: "repack"; readonly at: number };

const lengths = [0, 1, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 40, 100, 500, 1040];

/** The key with that number: all lengths, and neighbours that share all but one byte. */
export function keyOf(number: number): Uint8Array {
  const length = lengths[number % lengths.length];
  const key = new Uint8Array(length).fill(number & 1 ? 0xff : 0);
  const which = Math.floor(number / lengths.length);
  if (length > 0) key[length - 1] = which;
  if (length > 8) key[3] = which >> 4;
  return key;
}

/** The longest value that stays inline with a key. */
export function valueBytesMax(keyLength: number): number {
  return Math.max(32, 1040 - keyLength);
}

interface Snapshot {
  readonly epoch: number;
  readonly records: Map<string, Entry>;
}

/** A store beside a Map that should hold the same. */
export class Model {
  readonly store: Store;
  records: Map<string, Entry> = new Map();
  #committed: Map<string, Entry> = new Map();
  #snapshots: Snapshot[] = [];
  #epoch: number;
  #published = 0;
  #seq = 0;

  constructor(store: Store) {
    this.store = store;
    this.#epoch = store.core.beginEpoch();
  }

  put(key: Uint8Array, value: Uint8Array, expiresAt = 0): void {
    const seq = ++this.#seq;
    const had = this.records.has(text(key));
    expect(this.store.put(key, value, seq, expiresAt)).toBe(had ? 1 : 0);
    this.records.set(text(key), { value, seq, expiresAt });
  }

  remove(key: Uint8Array): void {
    expect(this.store.remove(key)).toBe(this.records.delete(text(key)) ? 1 : -1);
  }

  get(key: Uint8Array, now = 0): void {
    sameEntry(this.store.get(key, 0, now), this.records.get(text(key)), now);
  }

  /** Ends the epoch; with `pin` its state can be read from then on. */
  commit(pin: boolean): void {
    const { core } = this.store;
    // The published epoch is always pinned, as the engine does it.
    core.commitEpoch();
    core.pinEpoch(this.#epoch);
    if (this.#published !== 0) core.unpinEpoch(this.#published);
    this.#published = this.#epoch;
    this.#committed = new Map(this.records);
    if (pin) {
      core.pinEpoch(this.#epoch);
      this.#snapshots.push({ epoch: this.#epoch, records: this.#committed });
    }
    this.#epoch = core.beginEpoch();
  }

  rollback(): void {
    this.store.core.rollbackEpoch();
    this.records = new Map(this.#committed);
    this.#epoch = this.store.core.beginEpoch();
    this.check();
  }

  unpin(): void {
    const snapshot = this.#snapshots.shift();
    if (snapshot !== undefined) this.store.core.unpinEpoch(snapshot.epoch);
  }

  clear(): void {
    expect(this.store.retry(() => this.store.core.clear(this.store.tree))).toBe(0);
    this.records.clear();
  }

  /** A whole scan must give all live records, in the order of hash, then key. */
  scan(limit: number, now: number): void {
    this.#compareScan(this.store.scanAll(limit, 0, now), this.records, now);
  }

  #compareScan(rows: Row[], records: Map<string, Entry>, now: number): void {
    const live = [...records].filter(([, { expiresAt }]) => expiresAt === 0 || expiresAt > now);
    const order = live.map(([key]) => ({ key, hash: this.store.hash(Buffer.from(key, "latin1")) }));
    order.sort((a, b) => {
      if (a.hash !== b.hash) return a.hash < b.hash ? -1 : 1;
      return Buffer.compare(Buffer.from(a.key, "latin1"), Buffer.from(b.key, "latin1"));
    });
    expect(rows.map((row) => text(row.key))).toEqual(order.map(({ key }) => key));
    for (const row of rows) sameEntry(row, records.get(text(row.key)), now);
  }

  /** Both checks of the newest state, and every pinned epoch against its copy. */
  check(): void {
    const { store } = this;
    expect(store.check()).toBe(0);
    const found = walk(store);
    expect(new Set(found.records.keys())).toEqual(new Set(this.records.keys()));
    expect(store.core.treeRecords(store.tree, 0)).toBe(this.records.size);
    for (const { epoch, records } of this.#snapshots) {
      expect(store.core.treeRecords(store.tree, epoch)).toBe(records.size);
      this.#compareScan(store.scanAll(1000, epoch), records, 0);
      for (const [key, entry] of records) {
        sameEntry(store.get(Buffer.from(key, "latin1"), epoch), entry, 0);
      }
    }
  }

  /** When all is deleted, committed and unpinned, not one page may be left. */
  end(): void {
    this.check();
    for (const key of [...this.records.keys()]) this.remove(Buffer.from(key, "latin1"));
    expect(this.store.core.treeRoot(this.store.tree, 0)).toBe(0);
    for (let i = this.#snapshots.length; i > 0; i--) this.unpin();
    this.commit(false);
    while (this.store.retry(() => this.store.core.reclaim(100)) > 0);
    expect(this.store.core.livePages(1)).toBe(0);
    this.commit(false);
    this.commit(false);
    expect(this.store.core.residentPages()).toBe(0);
  }

  step(step: Step): void {
    switch (step.do) {
      case "put": {
        const key = keyOf(step.key);
        const bytes = Math.min(step.bytes, valueBytesMax(key.length));
        this.put(key, new Uint8Array(bytes).fill(this.#seq), step.expiresAt);
        break;
      }
      case "remove":
        this.remove(keyOf(step.key));
        break;
      case "get":
        this.get(keyOf(step.key));
        break;
      case "scan":
        this.scan(step.limit, step.now);
        break;
      case "commit":
        this.commit(step.pin);
        break;
      case "rollback":
        this.rollback();
        break;
      case "unpin":
        this.unpin();
        break;
      case "clear":
        this.clear();
        break;
      case "evict":
        this.store.evictAll();
        break;
      case "walk":
        this.check();
        break;
      case "repack":
        repackAll(this.store, step.at);
        this.check();
        break;
    }
  }
}

/** Repacks from the hash with those upper 32 bits to the end; how many buckets were written. */
export function repackAll(store: Store, high = 0): number {
  const { core } = store;
  let low = 0;
  let at = high;
  let total = 0;
  while (true) {
    const written = store.retry(() => core.repackHashed(store.tree, low, at));
    if (written < 0) throw new Error(`The core answered ${written}`);
    total += written;
    if (store.statusWord(48) === 0) return total;
    const view = new DataView(core.memory.buffer);
    const next = view.getBigUint64(core.outputAddress(), true);
    const before = (BigInt(at >>> 0) << 32n) + BigInt(low >>> 0);
    if (next <= before) throw new Error("Repacking got no further");
    low = Number(next & 0xffff_ffffn);
    at = Number(next >> 32n);
  }
}

function sameEntry(row: Row | undefined, entry: Entry | undefined, now: number): void {
  const expected = entry && entry.expiresAt > 0 && entry.expiresAt <= now ? undefined : entry;
  if (row === undefined || expected === undefined) {
    expect(row).toEqual(expected);
    return;
  }
  expect(Buffer.compare(row.value, expected.value)).toBe(0);
  expect(row.seq).toBe(expected.seq);
  expect(row.expiresAt).toBe(expected.expiresAt);
  expect(row.flags).toBe(expected.expiresAt > 0 ? 1 : 0);
}
