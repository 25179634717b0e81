import { afterEach, describe, expect, test } from "vitest";
import type { Engine } from "../../src/engine/index.ts";
import { Random } from "../storage/random.ts";
import {
  bytes,
  hashed,
  open,
  openWithTrees,
  ordered,
  type Place,
  places,
  put,
  records,
  steps,
  text,
  utf8,
} from "./places.ts";

const tiny = { memoryBudget: 4 << 20, segmentBytes: { first: 65_536, max: 1 << 20 } };

describe.each(places)("on %s", (_name, make) => {
  let place: Place;
  let engine: Engine;

  async function start(options = {}): Promise<void> {
    place = make();
    engine = await openWithTrees(place.storage(), options);
  }
  async function reopen(options = {}): Promise<void> {
    await engine.close();
    engine = await open(place.storage(), options);
  }
  afterEach(async () => {
    await engine.close();
    place.remove();
  });

  test("a commit is read back, in both kinds of tree, also after closing", async () => {
    await start();
    await put(engine, [
      ["a", "1"],
      ["b", "2"],
    ]);
    for (let round = 0; round < 2; round++) {
      for (const tree of [ordered, hashed]) {
        expect(await engine.read(tree, "a", undefined, 0, text)).toBe("1");
        expect(await engine.read(tree, utf8("b"), undefined, 0, text)).toBe("2");
        expect(await engine.read(tree, "c", undefined, 0, text)).toBeUndefined();
        expect(engine.records(tree)).toBe(2);
      }
      expect(await records(engine, ordered)).toEqual([
        ["a", "1"],
        ["b", "2"],
      ]);
      await reopen();
      expect(engine.recovery).toMatchObject({ outcome: "clean", seq: 2n, commitsReplayed: 0 });
    }
  });

  test("random changes agree with a map, through checkpoints and reopening", async () => {
    await start(tiny);
    const random = new Random(7);
    const model = new Map<string, string>();
    for (let step = 0; step < 60; step++) {
      const effects = engine.beginCommit();
      for (let left = 40; left > 0; left--) {
        const key = `key ${random.integer(1500)}`;
        if (random.chance(0.75)) {
          const value = `${step} ${"v".repeat(random.integer(random.chance(0.05) ? 30_000 : 300))}`;
          for (const tree of [ordered, hashed]) effects.put(tree, key, utf8(value));
          model.set(key, value);
        } else {
          for (const tree of [ordered, hashed]) effects.delete(tree, key);
          model.delete(key);
        }
      }
      await engine.submit();
      if (step % 20 === 10) await engine.checkpoint();
      if (step % 25 === 24) await reopen(tiny);
    }
    const sorted = [...model].sort(([a], [b]) => (a < b ? -1 : 1));
    expect(await records(engine, ordered)).toEqual(sorted);
    expect(new Map(await records(engine, hashed))).toEqual(model);
    const keys = [...model.keys(), "not there"];
    const many = await steps(engine.readManySteps(hashed, keys, undefined, 0, text));
    expect(many).toEqual([...model.values(), undefined]);
    const from = "key 3";
    const inside = sorted.filter(([key]) => key >= from && key < "key 7").length;
    expect(await steps(engine.countRangeSteps(ordered, from, "key 7", undefined))).toBe(inside);
    const columns = { keys: true, values: false, meta: false };
    const range = { low: from, high: "key 7", reverse: true };
    const rows = await steps(engine.scanSteps(ordered, range, undefined, 0, 10, columns));
    const last = sorted.filter(([key]) => key >= from && key < "key 7").slice(-10);
    expect(last.reverse().map(([key]) => key)).toEqual(
      Array.from({ length: rows.count }, (_, row) => rows.keyText(row)),
    );
    expect((await engine.verify()).findings).toEqual([]);
  });

  test("values of every length around the page size come back", async () => {
    await start(tiny);
    const lengths = [0, 1, 200, 1000, 1023, 1024, 1025, 4047, 4048, 4096, 8096, 65_536, 3 << 20];
    const value = (length: number): Uint8Array => new Random(length).bytes(length);
    for (const length of lengths) await put(engine, [[`${length}`, value(length)]]);
    for (let round = 0; round < 2; round++) {
      for (const length of lengths) {
        for (const tree of [ordered, hashed]) {
          const found = await engine.read(tree, `${length}`, undefined, 0, bytes);
          expect(Buffer.compare(found as Uint8Array, value(length))).toBe(0);
          const lent = await engine.view(tree, `${length}`, undefined, 0, (view) => view.slice());
          expect(Buffer.compare(lent as Uint8Array, value(length))).toBe(0);
        }
      }
      await reopen(tiny);
    }
  });

  test("a value of 64 MiB comes back in a memory budget of 4 MiB", async () => {
    await start(tiny);
    const value = new Uint8Array(64 << 20);
    for (let at = 0; at < value.length; at += 4) new DataView(value.buffer).setUint32(at, at * 7);
    await put(engine, [["large", value]], [hashed]);
    await reopen(tiny);
    const found = await engine.read(hashed, "large", undefined, 0, bytes);
    expect(Buffer.compare(found as Uint8Array, value)).toBe(0);
    expect(engine.stats().memory.frameBytes).toBeLessThanOrEqual(4 << 20);
  });

  test("records are gone at their expiry, and not before", async () => {
    await start();
    const effects = engine.beginCommit();
    for (const tree of [ordered, hashed]) {
      effects.put(tree, "brief", utf8("x"), 1000);
      effects.put(tree, "long", utf8("y"), 5000);
    }
    await engine.submit();
    await reopen();
    for (const tree of [ordered, hashed]) {
      expect(await engine.read(tree, "brief", undefined, 999, text)).toBe("x");
      expect(await engine.read(tree, "brief", undefined, 1000, text)).toBeUndefined();
      expect(await records(engine, tree, undefined, 1000)).toEqual([["long", "y"]]);
    }
  });

  test("a snapshot sees its state through changes, checkpoints and compaction", async () => {
    await start(tiny);
    await put(engine, [["k", "before"]]);
    const snapshot = engine.snapshot();
    const before = await records(engine, ordered);
    for (let round = 0; round < 5; round++) {
      await put(engine, [
        ["k", `after ${round}`],
        [`extra ${round}`, "v".repeat(9000)],
      ]);
      await engine.checkpoint();
    }
    await engine.compact();
    expect(await engine.read(hashed, "k", snapshot, 0, text)).toBe("before");
    expect(await records(engine, ordered, snapshot)).toEqual(before);
    expect(engine.records(ordered, snapshot)).toBe(1);
    const again = engine.snapshot({ at: snapshot.seq });
    snapshot.release();
    expect(await engine.read(ordered, "k", again, 0, text)).toBe("before");
    again[Symbol.dispose]();
    expect(() => engine.records(ordered, again)).toThrow(/released/);
    expect(() => engine.snapshot({ at: 2n })).toThrow(/nobody holds/);
    expect(await engine.read(ordered, "k", undefined, 0, text)).toBe("after 4");
  });

  test("a lease that is not used lapses at a checkpoint, and says so", async () => {
    let now = 1_000_000;
    await start({ clock: () => now });
    await put(engine, [["k", "v"]]);
    const idle = engine.snapshot({ leaseMs: 1000 });
    const used = engine.snapshot({ leaseMs: 1000 });
    now += 900;
    expect(await engine.read(ordered, "k", used, 0, text)).toBe("v");
    now += 900;
    await put(engine, [["k", "w"]]);
    await engine.checkpoint();
    expect(idle.expired).toBe(true);
    expect(used.expired).toBe(false);
    expect(() => engine.read(ordered, "k", idle, 0, text)).toThrow(
      expect.objectContaining({ code: "snapshot_expired" }),
    );
  });

  test("clear, deleteRange and drop take effect at once and give their pages back", async () => {
    await start(tiny);
    const many = Array.from({ length: 3000 }, (_, i): [string, string] => [
      `key ${String(i).padStart(5, "0")}`,
      "v".repeat(i % 500 === 0 ? 20_000 : 300),
    ]);
    await put(engine, many);
    await engine.checkpoint();
    const full = engine.stats().storage.liveBytes;
    const effects = engine.beginCommit();
    effects.deleteRange(ordered, "key 01000", "key 02000");
    effects.clear(hashed);
    effects.put(hashed, "after", utf8("clear"));
    await engine.submit();
    expect(engine.records(ordered)).toBe(2000);
    expect(await records(engine, hashed)).toEqual([["after", "clear"]]);
    engine.beginCommit().dropTree(ordered);
    await engine.submit();
    expect(engine.tree(ordered)).toBeUndefined();
    expect(() => engine.readSync(ordered, "key 00001", undefined, 0, text)).toThrow(
      expect.objectContaining({ code: "keyspace_dropped" }),
    );
    await engine.compact();
    expect(engine.stats().storage.liveBytes).toBeLessThan(full / 20);
    expect((await engine.verify()).findings).toEqual([]);
    await reopen();
    expect([...engine.trees()].map(({ id }) => id)).toEqual([hashed]);
    expect(await records(engine, hashed)).toEqual([["after", "clear"]]);
  });

  test("a commit that decides sees all before it; one that throws does nothing", async () => {
    await start();
    const increment = engine.commit.bind(engine, function* (effects) {
      const found = yield* engine.readSteps(ordered, "n", "newest", 0, text);
      effects.put(ordered, "n", utf8(String(Number(found ?? 0) + 1)));
    });
    // biome-ignore lint/correctness/useYield: it needs nothing
    const failing = engine.commit(function* (effects) {
      effects.put(ordered, "n", utf8("lost"));
      throw new Error("decided against it");
    });
    failing.catch(() => undefined);
    await Promise.all(Array.from({ length: 50 }, () => increment()));
    await expect(failing).rejects.toThrow("decided against it");
    expect(await engine.read(ordered, "n", undefined, 0, text)).toBe("50");
    // biome-ignore lint/correctness/useYield: it needs nothing
    const nothing = await engine.commit(function* () {
      return 7;
    });
    expect(nothing).toMatchObject({ receipt: undefined, result: 7 });
  });

  test("the synchronous forms work where the storage answers at once, else refuse", async () => {
    await start();
    engine.beginCommit().put(ordered, "k", utf8("sync"));
    if (place.isSync) {
      expect(engine.submitSync()).toMatchObject({ durable: true, seq: 2n });
      expect(engine.readSync(ordered, "k", undefined, 0, text)).toBe("sync");
      expect(engine.viewSync(ordered, "k", undefined, 0, (view) => view.length)).toBe(4);
    } else {
      const unavailable = expect.objectContaining({ code: "synchronous_unavailable" });
      expect(() => engine.submitSync()).toThrow(unavailable);
      expect(() =>
        // biome-ignore lint/correctness/useYield: it needs nothing
        engine.commitSync(function* (effects) {
          effects.put(ordered, "k", utf8("sync"));
        }),
      ).toThrow(unavailable);
      // Nothing has happened: the handle is as good as before.
      await put(engine, [["k", "later"]]);
      expect(await engine.read(ordered, "k", undefined, 0, text)).toBe("later");
    }
  });

  test("reads and commits go on while checkpoints, verification and compaction run", async () => {
    await start(tiny);
    const model = new Map<string, string>();
    const random = new Random(3);
    let isRunning = true;
    const commits = (async () => {
      for (let i = 0; isRunning || i < 50; i++) {
        const changes: [string, string][] = [];
        for (let left = 20; left > 0; left--) {
          const change: [string, string] = [`k${random.integer(2000)}`, `${i} ${"v".repeat(200)}`];
          changes.push(change);
          model.set(...change);
        }
        await put(engine, changes);
        if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    for (let round = 0; round < 3; round++) {
      await engine.checkpoint();
      expect((await engine.verify()).findings).toEqual([]);
      await engine.compact();
    }
    isRunning = false;
    await commits;
    expect(new Map(await records(engine, hashed))).toEqual(model);
    expect(new Map(await records(engine, ordered))).toEqual(model);
    await reopen(tiny);
    expect(new Map(await records(engine, ordered))).toEqual(model);
  });
});
