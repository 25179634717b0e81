/**
 * A commit that was answered is seen by whoever reads next, also when something else could not be
 * written meanwhile. Random operations found one that was not: a checkpoint in the background had
 * failed while the commit was being synced.
 */
import { expect, test } from "vitest";
import { openEngine } from "../../src/engine/index.ts";
import { isCairnError } from "../../src/errors.ts";
import { surroundings, tiny } from "../crash/explore.ts";
import { utf8 } from "../crash/model.ts";
import { FaultStorage } from "../storage/fault-storage.ts";

/** A commit, some microtasks into a checkpoint whose nth call fails; whether both happened. */
async function commitBeside(call: number, hops: number): Promise<boolean> {
  const storage = new FaultStorage();
  const engine = await openEngine(storage, tiny, surroundings(call));
  engine.beginCommit().createTree(1, utf8('{"kind":"ordered"}'));
  engine.submitSync();
  engine.beginCommit().put(1, "before", utf8("v"));
  engine.submitSync();
  storage.failAt(storage.trace.length + call, "storage_failed");
  const checkpoint = engine.checkpoint().then(
    () => false,
    () => true,
  );
  for (let left = hops; left > 0; left--) await undefined;
  let isAnswered = false;
  try {
    engine.beginCommit().put(1, "beside", utf8("v"));
    await engine.submit();
    isAnswered = true;
  } catch (error) {
    expect(isCairnError(error)).toBe(true);
  }
  const seen = engine.readSync(1, "beside", undefined, 0, () => true);
  if (isAnswered) expect({ call, hops, seen }).toEqual({ call, hops, seen: true });
  const hasFailed = await checkpoint;
  const isPoisoned = engine.pipeline.isPoisoned;
  await engine.close();
  return isAnswered && hasFailed && isPoisoned;
}

test("a commit beside a checkpoint that fails is seen once it is answered", async () => {
  let beside = 0;
  for (let call = 1; call <= 9; call++) {
    for (let hops = 0; hops < 30; hops++) if (await commitBeside(call, hops)) beside++;
  }
  expect(beside).toBeGreaterThan(0);
});
