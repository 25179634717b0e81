/**
 * States by their seq: random histories, of which the whole contents after each commit are kept in
 * a Map. Every seq that `retain`, a lease or the last checkpoint keeps must answer exactly that,
 * and every other one must be refused.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Engine, EngineOptions, Snapshot } from "../../src/engine/index.ts";
import { isCairnError } from "../../src/errors.ts";
import { open as openDatabase } from "../../src/index.ts";
import { seed } from "../seed.ts";
import { Random } from "../storage/random.ts";
import {
  hashed,
  openWithTrees,
  ordered,
  type Place,
  places,
  put,
  records,
  utf8,
} from "./places.ts";

type Contents = ReadonlyMap<string, string>;

const commitsKept = 5;
const small: EngineOptions = {
  memoryBudget: 4 << 20,
  segmentBytes: { first: 65_536, max: 1 << 20 },
  retain: { commits: commitsKept },
};

class Histories {
  readonly #random: Random;
  readonly #place: Place;
  readonly #options: EngineOptions;
  /** What there was after each commit. */
  readonly #after: Map<number, Contents> = new Map();
  /** Commits of this open, the state it began with included. */
  #first = 0;
  #held: Snapshot[] = [];
  engine!: Engine;

  constructor(random: Random, place: Place, options: EngineOptions) {
    this.#random = random;
    this.#place = place;
    this.#options = options;
  }

  get #seq(): number {
    return this.engine.published.seq;
  }

  async open(): Promise<void> {
    this.engine = await openWithTrees(this.#place.storage(), this.#options);
    if (!this.#after.has(this.#seq)) this.#after.set(this.#seq, new Map());
    // Creating the trees was a commit of this open.
    this.#first = Number(this.engine.recovery.seq);
    if (this.#first === 0) this.#after.set(0, new Map());
    this.#held = [];
  }

  async reopen(): Promise<void> {
    await this.engine.close();
    await this.open();
    expect(this.engine.stats().checkpointSeq).toBe(BigInt(this.#seq));
  }

  /** Several commits at once, which go to the log as one group. */
  async commit(): Promise<void> {
    const waiting: Promise<unknown>[] = [];
    let seq = this.#seq;
    for (let count = this.#random.whole(1, 4); count > 0; count--) {
      const contents = new Map(this.#after.get(seq));
      this.#fill(contents);
      waiting.push(this.engine.submit());
      this.#after.set(++seq, contents);
    }
    await Promise.all(waiting);
    expect(this.#seq).toBe(seq);
  }

  #fill(contents: Map<string, string>): void {
    const random = this.#random;
    const effects = this.engine.beginCommit();
    if (random.chance(0.05)) {
      for (const tree of [ordered, hashed]) effects.clear(tree);
      contents.clear();
    }
    for (let count = random.whole(1, 40); count > 0; count--) {
      const key = `key ${random.integer(400)}`;
      const isDeletion = random.chance(0.3);
      const bytes = random.chance(0.05) ? 20_000 : random.integer(300);
      const value = `${random.integer(1e9)}`.padEnd(bytes, "v");
      for (const tree of [ordered, hashed]) {
        if (isDeletion) effects.delete(tree, key);
        else effects.put(tree, key, utf8(value));
      }
      if (isDeletion) contents.delete(key);
      else contents.set(key, value);
    }
  }

  hold(): void {
    const kept = this.#kept();
    this.#held.push(this.engine.snapshot({ at: BigInt(this.#random.pick([...kept])) }));
  }

  release(): void {
    const [released] = this.#held.splice(this.#random.integer(this.#held.length), 1);
    released?.release();
  }

  #kept(): Set<number> {
    const kept = new Set([this.#seq, Number(this.engine.stats().checkpointSeq)]);
    const { retain } = this.#options;
    const oldest = retain === undefined ? this.#seq : this.#seq - commitsKept;
    for (let seq = Math.max(this.#first, oldest); seq < this.#seq; seq++) kept.add(seq);
    for (const { seq } of this.#held) kept.add(Number(seq));
    return kept;
  }

  async check(): Promise<void> {
    for (let seq = Math.max(0, this.#seq - 30); seq <= this.#seq + 1; seq++) {
      // A checkpoint in the background may end at any time.
      if (this.#kept().has(seq)) await this.#same({ at: BigInt(seq) }, seq);
      else this.#refused(seq);
    }
    await this.#same({ at: "checkpoint" }, Number(this.engine.stats().checkpointSeq));
    for (const snapshot of this.#held) await this.#sameIn(snapshot, Number(snapshot.seq));
  }

  #refused(seq: number): void {
    try {
      this.engine.snapshot({ at: BigInt(seq) }).release();
    } catch (error) {
      if (isCairnError(error, "seq_garbage_collected")) return;
      throw error;
    }
    throw new Error(`Seq ${seq} was answered, the newest is ${this.#seq}.`);
  }

  async #same(options: { at: bigint | "checkpoint" }, seq: number): Promise<void> {
    const snapshot = this.engine.snapshot(options);
    expect(snapshot.seq).toBe(BigInt(seq));
    await this.#sameIn(snapshot, seq);
    snapshot.release();
  }

  async #sameIn(snapshot: Snapshot, seq: number): Promise<void> {
    const wanted = [...(this.#after.get(seq) as Contents)].sort();
    for (const tree of [ordered, hashed]) {
      expect(this.engine.records(tree, snapshot)).toBe(wanted.length);
      expect((await records(this.engine, tree, snapshot)).sort()).toEqual(wanted);
    }
  }
}

describe.each(places)("on %s", (_name, make) => {
  test.each([
    ["which are kept", small],
    ["of which only the checkpoint is kept", { ...small, retain: undefined }],
    ["with checkpoints in the background", { ...small, checkpointLogBytes: 100_000 }],
  ])("every state answers what there was, %s", async (_kept, options) => {
    const { retain, ...rest } = options;
    const given = retain === undefined ? rest : { ...rest, retain };
    const random = new Random(seed);
    const place = make();
    const history = new Histories(random, place, given);
    try {
      await history.open();
      for (let step = 0; step < 60; step++) {
        await history.commit();
        if (random.chance(0.1)) await history.engine.checkpoint();
        if (random.chance(0.05)) await history.engine.compact();
        if (random.chance(0.05)) await history.reopen();
        if (random.chance(0.2)) history.hold();
        if (random.chance(0.2)) history.release();
        if (random.chance(0.3)) await history.check();
      }
      await history.check();
      const { findings } = await history.engine.verify();
      expect(findings).toEqual([]);
    } catch (error) {
      throw new Error(`Failed with SEED=${seed}`, { cause: error });
    } finally {
      await history.engine.close();
      place.remove();
    }
  });
});

describe("what is kept", () => {
  const [, make] = places[1];
  let engine: Engine;
  let now: number;
  const clock = (): number => now;
  const isKept = (seq: number): boolean => {
    try {
      engine.snapshot({ at: BigInt(seq) }).release();
      return true;
    } catch (error) {
      if (isCairnError(error, "seq_garbage_collected")) return false;
      throw error;
    }
  };
  const kept = (): number[] =>
    Array.from({ length: engine.published.seq + 1 }, (_none, seq) => seq).filter(isKept);
  const commitAt = async (time: number): Promise<void> => {
    now = time;
    await put(engine, [["key", String(time)]]);
  };
  beforeEach(() => {
    now = 1_000;
  });
  afterEach(async () => await engine.close());

  test("a state is kept for so long after it was no longer the newest", async () => {
    engine = await openWithTrees(make().storage(), { clock, retain: { ms: 100 } });
    for (const time of [2_000, 2_050, 2_100]) await commitAt(time);
    // Seq 0 is the checkpoint; seq 1 was the newest until 2,000.
    expect(kept()).toEqual([0, 1, 2, 3, 4]);
    now = 2_101;
    expect(kept()).toEqual([0, 2, 3, 4]);
    now = 2_150;
    expect(kept()).toEqual([0, 2, 3, 4]);
    now = 2_151;
    expect(kept()).toEqual([0, 3, 4]);
    now = 9_000;
    expect(kept()).toEqual([0, 4]);
  });

  test("with both, what both allow is kept", async () => {
    engine = await openWithTrees(make().storage(), { clock, retain: { commits: 2, ms: 100 } });
    for (const time of [2_000, 2_010, 2_020, 2_030]) await commitAt(time);
    expect(kept()).toEqual([0, 3, 4, 5]);
    now = 2_125;
    expect(kept()).toEqual([0, 4, 5]);
  });

  test("states that are only kept go before leases when memory is short", async () => {
    const { retain: _retain, ...rest } = small;
    engine = await openWithTrees(make().storage(), { ...rest, retain: { commits: 1_000 } });
    const leased = engine.snapshot();
    const value = "v".repeat(900);
    for (let round = 0; round < 40; round++) {
      const keys = Array.from({ length: 100 }, (_none, i) => [`key ${i}`, value + round] as const);
      await put(
        engine,
        keys.map(([key, text]) => [key, text]),
      );
    }
    expect(leased.expired).toBe(false);
    expect(engine.snapshots.history?.count).toBeGreaterThan(0);
    while (engine.pager.onPressure()) {
      if (engine.snapshots.history?.count === 0) break;
      expect(leased.expired).toBe(false);
    }
    expect(isKept(20)).toBe(false);
    expect(leased.expired).toBe(false);
    engine.pager.onPressure();
    expect(leased.expired).toBe(true);
  });

  test("nothing is kept in the core once everything has ended", async () => {
    engine = await openWithTrees(make().storage(), { retain: { commits: 10 } });
    for (let round = 0; round < 200; round++) await put(engine, [["key", String(round)]]);
    expect(engine.snapshots.history?.count).toBe(10);
    expect(kept()).toEqual([0, ...Array.from({ length: 11 }, (_none, i) => 191 + i)]);
    engine.snapshots.releaseAll();
    expect(kept()).toEqual([0, 201]);
    expect(engine.core.exports.oldestPin()).toBe(engine.published.epoch);
  });
});

describe("the option retain of open", () => {
  test.each([
    [{}, "argument_invalid"],
    [{ commits: 0 }, "argument_invalid"],
    [{ commits: 1.5 }, "argument_invalid"],
    [{ commits: 32_769 }, "argument_invalid"],
    [{ ms: 0 }, "argument_invalid"],
    [{ seconds: 1 }, "option_unknown"],
    [7, "argument_invalid"],
  ])("refuses %j", async (retain, code) => {
    await expect(openDatabase("memory:", { retain } as never)).rejects.toMatchObject({ code });
  });

  test("snapshots take a seq or the checkpoint, and nothing else", async () => {
    await using db = await openDatabase("memory:", { retain: { commits: 2 } });
    const keyspace = await db.keyspace("k");
    for (let n = 1; n <= 4; n++) await keyspace.put("n", n);
    const seq = db.stats().seq;
    const at = (which: bigint | "checkpoint"): unknown => {
      using snapshot = db.snapshot({ at: which });
      return keyspace.getSync("n", { snapshot });
    };
    expect([at(seq), at(seq - 1n), at(seq - 2n), at("checkpoint")]).toEqual([4, 3, 2, undefined]);
    await db.checkpoint();
    await keyspace.put("n", 5);
    expect([at("checkpoint"), at(seq + 1n)]).toEqual([4, 5]);
    for (const odd of [seq - 3n, seq + 2n, -1n, 2n ** 70n]) {
      expect(() => db.snapshot({ at: odd })).toThrow(/Cannot read at seq/);
    }
    for (const odd of [3, "newest", null, {}]) {
      expect(() => db.snapshot({ at: odd } as never)).toThrow(/the option at/);
    }
    expect(db.stats().snapshots).toBe(0);
  });
});
