import { beforeAll, describe, expect, test } from "vitest";
import { expectSame } from "../btree/compare.ts";
import { Model } from "../btree/model.ts";
import { makeValue, scatter } from "../btree/shapes.ts";
import { type Effect, put, remove, removeRange, Store } from "../btree/store.ts";
import { type Build, builds } from "../core/arithmetic.ts";

const TREE = 7;
const OTHER = 8;
const DATABASE_SEED = 99;
const BODY = 4080;

/** A tree of three levels and its pages, with one page of every kind to damage. */
interface Specimen {
  readonly medium: Map<number, Uint8Array>;
  readonly model: Model;
  readonly root: number;
  readonly overflow: number;
  readonly targets: readonly (readonly [string, number])[];
}

/** Keys that differ late make branches narrow, so that few pages make three levels. */
const keyOf = (n: number): Buffer =>
  Buffer.from(`${"abcdefghi"[Math.floor(n / 70)]}${"x".repeat(500)}${String(n).padStart(6, "0")}`);

function specimen(): Specimen {
  const store = new Store({ databaseSeed: DATABASE_SEED });
  for (const tree of [TREE, OTHER]) store.core.createTree(tree, 1);
  const model = new Model();
  for (let from = 0; from < 560; from += 70) {
    const effects: Effect[] = [];
    for (let n = from; n < from + 70; n++) {
      const key = keyOf(n);
      const length = n % 150 === 90 ? 9000 : n % 3 === 0 ? 3 : 90;
      const expiresAt = n % 5 === 0 ? 1000 : 0;
      const value = makeValue(length, n);
      model.put({ key, value, seq: store.seq + 1, expiresAt });
      effects.push(put(TREE, key, value, expiresAt), put(OTHER, key, makeValue(5, n)));
    }
    store.commit(effects);
  }
  const blob = store.core.currentBlob();
  store.writeBlob(blob);
  const { medium } = store;
  const root = store.core.treeRoot(TREE, 0);
  const [branch, leaf] = [2, 1].map((level) => childOf(medium, root, level));
  const overflow = [...medium].filter(([, page]) => page[0] === 5).map(([id]) => id);
  const targets = [
    ["the root", root],
    ["a branch", branch],
    ["a leaf", leaf],
    ["the first page of a value", overflow[0]],
    ["the last page of a value", overflow[2]],
  ] as const;
  return { medium, model, root, overflow: store.core.treeOverflow(TREE), targets };
}

/** The middle child of the page that is `levels` above the leaves on the way down the middle. */
function childOf(medium: Map<number, Uint8Array>, root: number, above: number): number {
  let id = root;
  while ((medium.get(id) as Uint8Array)[1] >= above) {
    const page = Buffer.from(medium.get(id) as Uint8Array);
    const slot = 32 + 8 * (page.readUInt16LE(2) >> 1);
    id = page.readUIntLE(page.readUInt16LE(slot + 4) + page.readUInt16LE(slot + 6), 6);
  }
  return id;
}

/** An instance that reads the specimen's pages. */
function reader({ medium, root, model, overflow }: Specimen, build: Build): Store {
  const store = new Store({ build, frames: 1024, databaseSeed: DATABASE_SEED, firstBlob: 2 });
  for (const [id, bytes] of medium) store.medium.set(id, bytes.slice());
  const slots = Math.max(...medium.keys()) - 65_536 + 1;
  store.core.setBlob(1, medium.size, slots);
  store.core.createTree(TREE, 1);
  store.core.restoreTree(TREE, root, model.size, overflow);
  store.seq = 1000;
  store.commit([]);
  return store;
}

/** Gives a page the checksum that its bytes should have: then only its structure protects. */
function sign(store: Store, id: number, page: Uint8Array): void {
  const { core, view, bytes, input } = store;
  view.setBigUint64(input, BigInt(id), true);
  const seed = core.crc32c(input, 8, DATABASE_SEED);
  bytes.set(page, input);
  const crc = core.crc32c(input, BODY, seed) >>> 0;
  new DataView(page.buffer, page.byteOffset).setUint32(BODY, crc, true);
}

/** What a store may answer about damage. Everything else, traps above all, is a failure. */
const isTypedAnswer = (error: unknown): boolean =>
  error instanceof Error &&
  (/^The core answered -5/.test(error.message) || /was never written$/.test(error.message));

/** Runs `action`; what it answers, or the typed answer that it ended with. */
function attempt(action: () => unknown): void {
  try {
    action();
  } catch (error) {
    if (!isTypedAnswer(error)) throw error;
  }
}

const probes = [0, 1, 88, 90, 139, 210, 211, 240, 559, 560].map(keyOf);

/** Asks everything that a tree can be asked. Each answer may be wrong, none may be late. */
function read(store: Store): void {
  for (const key of probes) attempt(() => store.get(TREE, key, 0, 500));
  attempt(() => store.getMany(TREE, probes));
  for (const reverse of [false, true]) {
    attempt(() => scanBounded(store, reverse, 0));
    attempt(() => scanBounded(store, reverse, 2000));
  }
  attempt(() => store.countRange(TREE, probes[1], probes[6]));
  attempt(() => store.check(TREE));
}

/** A whole scan, which must come to an end. */
function scanBounded(store: Store, reverse: boolean, now: number): void {
  let rest: { low?: Buffer; high?: Buffer } = {};
  for (let batches = 0; batches < 1000; batches++) {
    const { more, last } = store.scanBatch(
      TREE,
      { ...rest, lowExclusive: true, reverse },
      50,
      0,
      now,
    );
    if (!more || last === undefined) return;
    rest = reverse ? { high: last } : { low: last };
  }
  throw new Error("The scan never ends");
}

/** Changes the tree in many ways; every epoch is rolled back. */
function write(store: Store): void {
  const near = [209, 210, 211, 212].map(keyOf);
  const changes: Effect[][] = [
    near.map((key) => put(TREE, Buffer.concat([key, Buffer.alloc(300)]), makeValue(500, 1))),
    probes.map((key) => remove(TREE, key)),
    Array.from({ length: 40 }, (_, index) => remove(TREE, keyOf(190 + index))),
    [removeRange(TREE, keyOf(200), keyOf(220))],
    [removeRange(TREE, keyOf(90), Buffer.alloc(0)), put(TREE, keyOf(5), makeValue(9, 9))],
  ];
  for (const effects of changes) inEpoch(store, () => store.apply(effects));
  inEpoch(store, () => {
    store.bytes.set(near[0], store.input);
    const result = store.retry(() => store.core.repack(TREE, near[0].length));
    if (result < 0) throw new Error(`The core answered ${result}`);
  });
}

function inEpoch(store: Store, action: () => void): void {
  store.core.beginEpoch();
  attempt(action);
  store.core.rollbackEpoch();
}

describe.each(builds)("damaged pages in the %s build", (build) => {
  let good: Specimen;
  beforeAll(() => {
    good = specimen();
  });

  test("are what the specimen was meant to be", () => {
    const kinds = good.targets.map(([, id]) =>
      Array.from((good.medium.get(id) as Uint8Array).slice(0, 2)),
    );
    expect(kinds).toEqual([
      [2, 2],
      [2, 1],
      [1, 0],
      [5, 0],
      [5, 0],
    ]);
    expectSame(reader(good, build), TREE, good.model);
  });

  test("are refused for their checksum, whichever byte was changed", () => {
    const store = reader(good, build);
    for (const [, id] of good.targets) {
      const page = (good.medium.get(id) as Uint8Array).slice();
      for (let at = 0; at < page.length; at++) {
        page[at] ^= 1 << (at % 8);
        const result = store.tryLoad(id, page);
        if (result !== -5 || store.reason !== 1) expect({ at, result }).toEqual({ at, result: -5 });
        page[at] ^= 1 << (at % 8);
      }
      expect(store.core.freeFrames() + store.core.residentPages()).toBe(store.core.frameCount());
    }
  });

  // The checked build traps where a contradiction between pages meets an assertion, so it only
  // reads.
  const writes = build === "release";
  const targets = [0, 1, 2, 3, 4] as const;
  test.each(targets)("with a good checksum do no harm: target %i", (target) => {
    const store = reader(good, build);
    const [, id] = good.targets[target];
    const original = good.medium.get(id) as Uint8Array;
    let accepted = 0;
    for (let at = 0; at < BODY; at += at < 120 || writes ? 1 : 3) {
      const masks = [1, 0x80, (scatter(at) & 0xff) | 2];
      for (const mask of at < 120 ? masks : masks.slice(2)) {
        const page = original.slice();
        page[at] ^= mask;
        sign(store, id, page);
        store.medium.set(id, page);
        const result = store.tryLoad(id, page);
        if (result < 0) {
          expect(result).toBe(-5);
          continue;
        }
        // Bytes of keys and values are much alike: one in a few stands for the others.
        if (at < 120 || accepted++ % (writes ? 16 : 32) === 0) {
          read(store);
          if (writes) write(store);
        } else for (const key of probes.slice(2, 5)) attempt(() => store.get(TREE, key));
        store.evictAll();
        expect(store.core.dirtyFrames()).toBe(0);
      }
      if (at % 512 === 0) {
        store.medium.set(id, original);
        expectSame(store, TREE, good.model);
        store.evictAll();
      }
    }
    // Keys, values and references can hardly be told from other ones.
    expect(accepted).toBeGreaterThan(0);
    store.medium.set(id, original);
    expectSame(store, TREE, good.model);
  });
});
