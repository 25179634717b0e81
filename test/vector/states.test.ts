/**
 * Searches at an older seq: of every state that is kept, and of the last checkpoint, though the
 * graph has been told of what died since and has given its place away. Beside a Map per commit.
 */
import { describe, expect, test } from "vitest";
import type { Database, Snapshot } from "../../src/index.ts";
import { seed } from "../seed.ts";
import { Random } from "../storage/random.ts";
import { faultOf, type Oracle, randomVector } from "./oracle.ts";
import { bruteForceGraphs, coreGraphs, places } from "./places.ts";

const dimensions = 4;
const commitsKept = 40;

async function same(db: Database, snapshot: Snapshot, oracle: Oracle<unknown>): Promise<void> {
  const random = new Random(Number(snapshot.seq));
  const index = await db.vectors("index");
  for (let round = 0; round < 3; round++) {
    const query = randomVector(random, dimensions);
    const found = await index.search(query, { k: 12, ef: 200, snapshot });
    const fault = faultOf(found, oracle, "l2", query, 12);
    if (fault !== undefined) throw new Error(`At seq ${snapshot.seq}: ${fault}.`);
  }
  expect(index.countSync({ snapshot })).toBe(oracle.size);
}

describe.each(places)("on %s", (_name, make) => {
  test.each([
    ["a graph that compares everything", bruteForceGraphs],
    ["the graph of the core", coreGraphs],
  ])("every state is searched as it was, with %s", async (_graph, graphs) => {
    const random = new Random(seed);
    const place = make();
    const options = { graphs, engine: { retain: { commits: commitsKept } } };
    let db = await place.open(options);
    try {
      let index = await db.vectors("index", { dimensions, metric: "l2" });
      const after = new Map<bigint, Oracle<unknown>>([[db.stats().seq, new Map()]]);
      let oracle: Oracle<unknown> = new Map();
      let first = db.stats().seq;
      for (let step = 0; step < 150; step++) {
        const id = `${random.integer(60)}`;
        oracle = new Map(oracle);
        if (random.chance(0.4)) {
          const receipt = await index.delete(id);
          expect(receipt).toBe(oracle.delete(id));
        } else {
          const vector = randomVector(random, dimensions);
          await index.put(id, vector, { step });
          oracle.set(id, { vector, metadata: { step } });
        }
        after.set(db.stats().seq, oracle);
        if (random.chance(0.03)) await db.checkpoint();
        if (random.chance(0.02)) await db.compact();
        if (random.chance(0.03)) {
          await db.close();
          db = await place.open(options);
          index = await db.vectors("index");
          first = db.stats().seq;
        }
        if (step % 10 !== 9) continue;
        const rooted = db.snapshot({ at: "checkpoint" });
        const then = after.get(rooted.seq);
        if (then !== undefined) await same(db, rooted, then);
        rooted.release();
        for (const [seq, contents] of after) {
          const newest = db.stats().seq;
          if (seq < first || seq < newest - BigInt(commitsKept)) continue;
          const snapshot = db.snapshot({ at: seq });
          await same(db, snapshot, contents);
          snapshot.release();
        }
      }
      expect(await index.check()).toMatchObject({ ok: true });
    } catch (error) {
      throw new Error(`Failed with SEED=${seed}`, { cause: error });
    } finally {
      await db.close();
      place.remove();
    }
  });
});
