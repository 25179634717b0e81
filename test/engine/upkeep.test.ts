import { afterEach, describe, expect, test } from "vitest";
import type { Engine, EngineOptions } from "../../src/engine/index.ts";
import { Random } from "../storage/random.ts";
import {
  bytes,
  findBytes,
  hashed,
  open,
  openWithTrees,
  ordered,
  type Place,
  places,
  put,
  records,
  text,
  utf8,
} from "./places.ts";

const tiny: EngineOptions = {
  memoryBudget: 4 << 20,
  segmentBytes: { first: 65_536, max: 1 << 20 },
};

function key(number: number): string {
  return `key ${String(number).padStart(6, "0")}`;
}

describe.each(places)("on %s", (_name, make) => {
  let place: Place;
  let engine: Engine;

  async function start(options: EngineOptions = {}): Promise<void> {
    place = make();
    engine = await openWithTrees(place.storage(), options);
  }
  async function fill(count: number, value: (number: number) => string): Promise<void> {
    for (let from = 0; from < count; from += 500) {
      const length = Math.min(500, count - from);
      const part = Array.from({ length }, (_, i): [string, string] => [
        key(from + i),
        value(from + i),
      ]);
      await put(engine, part);
    }
  }
  afterEach(async () => {
    await engine.close();
    place.remove();
  });

  test("bytes of deleted and replaced values are nowhere on the medium after compact", async () => {
    await start();
    const secret = "This was a secret that nobody may find again";
    await fill(300, (number) => `public ${number}`);
    const effects = engine.beginCommit();
    for (const tree of [ordered, hashed]) {
      effects.put(tree, "short", utf8(secret));
      effects.put(tree, "long", utf8(`${"x".repeat(9000)}${secret}`));
      effects.put(tree, `${secret} as a key`, utf8("v"));
    }
    await engine.submit();
    expect(findBytes(place, utf8(secret))).toBeDefined();
    await engine.checkpoint();
    const deleting = engine.beginCommit();
    for (const tree of [ordered, hashed]) {
      deleting.put(tree, "short", utf8("replaced"));
      deleting.delete(tree, "long");
      deleting.delete(tree, `${secret} as a key`);
    }
    await engine.submit();
    // The key stands in the log once more, in its own deletion.
    await engine.compact();
    expect(findBytes(place, utf8(secret))).toBeUndefined();
    await put(engine, [["more", "1"]]);
    await engine.close();
    engine = await open(place.storage());
    expect(await engine.read(hashed, "short", undefined, 0, text)).toBe("replaced");
    expect(engine.records(ordered)).toBe(302);
    expect(findBytes(place, utf8(secret))).toBeUndefined();
  });

  test("compact gives space back", async () => {
    await start(tiny);
    await fill(20_000, (number) => `${number} ${"v".repeat(200)}`);
    await engine.checkpoint();
    const before = engine.stats().storage;
    for (let from = 0; from < 20_000; from += 2000) {
      const effects = engine.beginCommit();
      for (let number = from; number < from + 2000; number++) {
        if (number % 10 === 0) continue;
        for (const tree of [ordered, hashed]) effects.delete(tree, key(number));
      }
      await engine.submit();
    }
    const phases = new Set<string>();
    await engine.compact({ onProgress: ({ phase }) => phases.add(phase) });
    expect([...phases]).toEqual(["compact"]);
    const { liveBytes, blobs } = engine.stats().storage;
    expect(liveBytes).toBeLessThan(before.liveBytes / 6);
    const onMedium = [...place.files()]
      .filter(([name]) => name.startsWith("blobs/"))
      .reduce((sum, [, file]) => sum + file.length, 0);
    expect(onMedium).toBeLessThan(liveBytes * 1.5 + 65_536);
    expect(blobs).toBeLessThan(5);
    expect((await engine.verify()).findings).toEqual([]);
    expect(engine.records(hashed)).toBe(2000);
  });

  test("memory stays within its budget with ten times the data, and all is there", async () => {
    await start(tiny);
    const value = (number: number): string => `${number} ${"v".repeat(1000)}`;
    await fill(20_000, value);
    expect(engine.stats().memory.frameBytes).toBeLessThanOrEqual(4 << 20);
    expect(engine.stats().storage.liveBytes).toBeGreaterThan(40 << 20);
    const random = new Random(5);
    for (let reads = 0; reads < 2000; reads++) {
      const number = random.integer(20_000);
      const tree = random.pick([ordered, hashed]);
      expect(await engine.read(tree, key(number), undefined, 0, text)).toBe(value(number));
    }
    expect((await records(engine, ordered)).length).toBe(20_000);
    await engine.close();
    engine = await open(place.storage(), tiny);
    expect(await engine.read(hashed, key(19_999), undefined, 0, text)).toBe(value(19_999));
    expect((await engine.verify()).findings).toEqual([]);
    expect(engine.stats().memory.frameBytes).toBeLessThanOrEqual(4 << 20);
  });

  test("a reader holds a log that changes more than its memory budget, and says so", async () => {
    await start({ memoryBudget: 64 << 20, checkpointLogBytes: 1 << 30 });
    await fill(9000, (number) => `${number} ${"v".repeat(1000)}`);
    await engine.checkpoint();
    await fill(6000, (number) => `${number} ${"w".repeat(1000)}`);
    // Nothing but the claim is given back: what a crash leaves.
    await engine.storage.close();
    await engine.claim.release();
    const before = [...place.files()].map(([name, file]) => `${name} ${file.length}`);
    engine = await open(place.storage(), { ...tiny, readOnly: true });
    const { memoryBudget, outcome } = engine.recovery;
    const { budgetBytes, frameBytes, dirtyBytes } = engine.stats().memory;
    expect({ outcome, budgetBytes }).toEqual({ outcome: "recovered", budgetBytes: memoryBudget });
    // The log has changed 12 MB of records; at most half of the memory is taken by their pages.
    expect(memoryBudget).toBe(64 << 20);
    expect(dirtyBytes).toBeGreaterThan(12 << 20);
    expect(dirtyBytes).toBeLessThanOrEqual(memoryBudget / 2);
    expect(frameBytes).toBeLessThanOrEqual(memoryBudget);
    const found = await records(engine, ordered);
    expect(found.map(([, value]) => value.slice(0, -999))).toEqual(
      Array.from({ length: 9000 }, (_, number) => `${number} ${number < 6000 ? "w" : "v"}`),
    );
    expect((await engine.verify()).findings).toEqual([]);
    expect([...place.files()].map(([name, file]) => `${name} ${file.length}`)).toEqual(before);
    await engine.close();
    // A reader that has room enough takes what it was told to take.
    engine = await open(place.storage(), { memoryBudget: 80 << 20, readOnly: true });
    expect(engine.recovery.memoryBudget).toBe(80 << 20);
  });

  test("overwriting without end keeps a bounded size on the medium", async () => {
    await start({ ...tiny, checkpointLogBytes: 1 << 20 });
    await fill(4000, (number) => `${number} ${"v".repeat(500)}`);
    const random = new Random(6);
    const live = engine.stats().storage.liveBytes;
    let most = 0;
    for (let round = 0; round < 400; round++) {
      const changes = Array.from({ length: 100 }, (): [string, string] => [
        key(random.integer(4000)),
        `${round} ${"w".repeat(500)}`,
      ]);
      await put(engine, changes);
      // On a storage in memory nothing in the background would ever have its turn, and on a busy
      // machine too few: the bound is that of checkpoints which keep up.
      do await new Promise((resolve) => setImmediate(resolve));
      while (engine.stats().storage.logBytes > 3 << 20);
      const { usedBytes } = engine.stats().storage;
      most = Math.max(most, usedBytes);
    }
    // Checkpoints wrote over 100 MiB. Four times the live bytes, 16 MiB, and a log of two segments.
    expect(most).toBeLessThan(4 * live + (32 << 20));
    expect((await engine.verify()).findings).toEqual([]);
  });

  test("verify finds a flipped byte, names it, and everything else can be read", async () => {
    await start(tiny);
    await fill(2000, (number) => `${number} ${"v".repeat(300)}`);
    await engine.close();
    const [name, file] = [...place.files()]
      .filter(([path]) => path.includes("pages-"))
      .sort(([, a], [, b]) => b.length - a.length)[0] as [string, Uint8Array];
    // A leaf in the middle: a record's value stands in it.
    const at = Buffer.from(file.buffer, file.byteOffset, file.length).indexOf("vvvv", 60 * 4096);
    const damaged = Uint8Array.from(file);
    damaged[at] ^= 1;
    place.replace(name, damaged);
    engine = await open(place.storage(), tiny);
    const blob = name.replace(/^blobs\//, "").replace(/\.blob$/, "");
    const slot = Math.floor(at / 4096);
    const { ok, findings } = await engine.verify();
    expect(ok).toBe(false);
    expect(findings).toContainEqual({ what: "page", where: blob, slot, reason: "checksum" });
    expect(findings).toContainEqual(expect.objectContaining({ what: "tree", slot }));
    const outcomes = { read: 0, corrupt: 0 };
    for (const tree of [ordered, hashed]) {
      for (let number = 0; number < 2000; number++) {
        try {
          const found = await engine.read(tree, key(number), undefined, 0, text);
          expect(found).toBe(`${number} ${"v".repeat(300)}`);
          outcomes.read++;
        } catch (error) {
          expect(error).toMatchObject({ code: "page_corrupt", details: { blob, slot } });
          outcomes.corrupt++;
        }
      }
    }
    expect(outcomes.corrupt).toBeGreaterThan(0);
    expect(outcomes.corrupt).toBeLessThan(20);
    // What is damaged stays damaged; the rest can be written and closed.
    await put(engine, [["another", "v"]]);
  });

  test("a backup is a database with the state of one commit, whatever goes on", async () => {
    await start(tiny);
    await fill(3000, (number) => `${number} ${"v".repeat(300)}`);
    const target = make();
    let isRunning = true;
    let last = 0;
    const commits = (async () => {
      for (let round = 0; isRunning; round++) {
        await put(engine, [
          ["round", `${round}`],
          [key(round % 3000), "changed"],
        ]);
        last = round;
        if (round % 7 === 0) await engine.checkpoint();
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const progress: number[] = [];
    await engine.backup(target.storage(), { onProgress: ({ done }) => progress.push(done) });
    isRunning = false;
    await commits;
    expect(progress.length).toBeGreaterThan(1);
    const copy = await open(target.storage());
    expect((await copy.verify()).findings).toEqual([]);
    const round = Number((await copy.read(ordered, "round", undefined, 0, text)) ?? -1);
    expect(round).toBeLessThanOrEqual(last);
    for (const tree of [ordered, hashed]) {
      for (let number = 0; number < 3000; number += 7) {
        const expected = number <= round ? "changed" : `${number} ${"v".repeat(300)}`;
        expect(await copy.read(tree, key(number), undefined, 0, text)).toBe(expected);
      }
    }
    await put(copy, [["round", "of its own"]]);
    await copy.close();
    const again = await open(target.storage());
    expect(await again.read(hashed, "round", undefined, 0, text)).toBe("of its own");
    await again.close();
    await expect(engine.backup(target.storage())).rejects.toMatchObject({ code: "target_exists" });
    target.remove();
  });

  test("a long operation ends by its signal, and the database goes on", async () => {
    await start(tiny);
    await fill(3000, (number) => `${number} ${"v".repeat(300)}`);
    const abort = (): { signal: AbortSignal; onProgress: () => void } => {
      const controller = new AbortController();
      return { signal: controller.signal, onProgress: () => controller.abort() };
    };
    const target = make();
    const aborted = { code: "aborted" };
    await expect(engine.compact(abort())).rejects.toMatchObject(aborted);
    await expect(engine.verify(abort())).rejects.toMatchObject(aborted);
    await expect(engine.backup(target.storage(), abort())).rejects.toMatchObject(aborted);
    // What was copied by then is no database.
    await expect(open(target.storage(), { create: false })).rejects.toMatchObject({
      code: "database_not_found",
    });
    await put(engine, [["k", "v"]]);
    expect((await engine.verify()).findings).toEqual([]);
    target.remove();
  });

  test("pages that a snapshot holds cannot fill the memory: the oldest lease lapses", async () => {
    await start(tiny);
    await fill(2000, (number) => `${number}`);
    const snapshots: ReturnType<Engine["snapshot"]>[] = [];
    for (let round = 0; round < 20; round++) {
      snapshots.push(engine.snapshot());
      await fill(2000, (number) => `${round} ${number} ${"v".repeat(400)}`);
    }
    const newest = snapshots[snapshots.length - 1] as ReturnType<Engine["snapshot"]>;
    const rows = newest.expired ? [] : await records(engine, ordered, newest);
    if (!newest.expired) expect(rows[1]?.[1]).toMatch(/^18 1 v/);
    expect(await engine.read(ordered, key(1), undefined, 0, bytes)).toBeDefined();
    for (const snapshot of snapshots) snapshot.release();
    expect(engine.stats().snapshots).toBe(0);
  });
});
