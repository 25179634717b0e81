/** What checkpoints and recovery do when something is missing that hardly ever is. */
import { expect, test } from "vitest";
import { MemoryMedium, MemoryStorage } from "../../src/storage/memory/index.ts";
import { hashed, open, openWithTrees, ordered, put, records, steps } from "./places.ts";

/** Two checkpoints and a commit after them. */
async function written(): Promise<MemoryMedium> {
  const medium = new MemoryMedium();
  const engine = await openWithTrees(new MemoryStorage(medium));
  for (const round of [0, 1, 2]) {
    await put(engine, [[`round ${round}`, "v"]]);
    if (round < 2) await engine.checkpoint();
  }
  medium.loseHolder();
  return medium;
}

test("a catalogue that comes short costs nothing: there is an older one", async () => {
  for (const failure of ["short", "failed"]) {
    const storage = new MemoryStorage(await written());
    const read = storage.blobs.read.bind(storage.blobs);
    let struck = "";
    storage.blobs.read = (name, at, into) => {
      if (!name.startsWith("catalogue") || (struck !== "" && struck !== name)) {
        return read(name, at, into);
      }
      struck = name;
      if (failure === "failed") throw new RangeError("the medium is gone");
      return read(name, at, into.subarray(0, into.length - 1));
    };
    const engine = await open(storage);
    expect([failure, struck === "", engine.recovery.rootDamaged]).toEqual([failure, false, true]);
    expect((await records(engine, ordered)).length).toBe(3);
    await engine.close();
  }
});

test("a checkpoint ends when a page that made room could not be written", async () => {
  const medium = new MemoryMedium();
  const engine = await openWithTrees(new MemoryStorage(medium));
  await put(engine, [["kept", "v"]]);
  const blob = engine.pager.unsealed(engine.core.exports.currentBlob());
  blob.failure = new Error("the write of a page has failed");
  await expect(engine.checkpoint()).rejects.toThrow("the write of a page has failed");
  await expect(put(engine, [["refused", "v"]])).rejects.toMatchObject({ code: "poisoned" });
  await engine.close().catch(() => undefined);
  const again = await open(new MemoryStorage(medium));
  expect(await records(again, ordered)).toEqual([["kept", "v"]]);
  await again.close();
});

test("what several clears have cut off is given back after a restart", async () => {
  const medium = new MemoryMedium();
  const engine = await openWithTrees(new MemoryStorage(medium));
  const many = Array.from({ length: 900 }, (_, i): [string, string] => [`${i}`, "v".repeat(300)]);
  await put(engine, many);
  await engine.checkpoint();
  const effects = engine.beginCommit();
  effects.clear(ordered);
  effects.clear(hashed);
  engine.submitSync();
  // In the same turn, before upkeep gives anything back.
  expect(engine.core.exports.reclaimQueue()).toBeGreaterThan(1);
  const { seq, epoch, time } = engine.pipeline;
  const frozen = engine.checkpointer.freeze({ seq, epoch, time });
  await steps(engine.checkpointer.write(frozen, false, () => undefined));
  medium.loseHolder();
  const again = await open(new MemoryStorage(medium));
  await again.maintenance.reclaim();
  expect((await again.verify()).findings).toEqual([]);
  expect(again.stats().storage.liveBytes).toBe(0);
  await again.close();
});
