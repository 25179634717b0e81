/**
 * A checkpoint in the background freezes the trees in one turn of the pipeline and hears of it some
 * microtasks later. Random operations on a database found a synchronous commit in between, whose
 * own checkpoint sealed the same blobs: the one in the background then wrote them a second time,
 * and the database refused every commit from there on.
 */
import { expect, test } from "vitest";
import { openEngine } from "../../src/engine/index.ts";
import { MemoryMedium, MemoryStorage } from "../../src/storage/memory/index.ts";
import { surroundings, tiny } from "../crash/explore.ts";
import { utf8 } from "../crash/model.ts";

const small = utf8("v".repeat(3_000));
/** So much log that the checkpoint after it cannot wait for the event loop. */
const large = utf8("v".repeat(60_000));

test.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])(
  "a synchronous commit %i microtasks into a checkpoint in the background",
  async (hops) => {
    const medium = new MemoryMedium();
    const options = { ...tiny, checkpointLogBytes: 10_000 };
    const engine = await openEngine(new MemoryStorage(medium), options, surroundings(hops));
    engine.beginCommit().createTree(1, utf8('{"kind":"ordered"}'));
    engine.submitSync();
    const put = (key: string, value: Uint8Array): void => {
      engine.beginCommit().put(1, key, value);
      engine.submitSync();
    };
    put("before", small);
    const checkpoint = engine.checkpoint();
    for (let left = hops; left > 0; left--) await undefined;
    put("meanwhile", large);
    await checkpoint;
    put("after", small);
    await engine.close();
    const again = await openEngine(new MemoryStorage(medium), options, surroundings(99));
    expect(again.records(1)).toBe(3);
    expect((await again.verify()).ok).toBe(true);
    await again.close();
  },
);
