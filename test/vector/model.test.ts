/**
 * Random histories of an index beside a Map: puts, replacements, deletions, transactions that end
 * or fail, snapshots, upkeep and reopens, with searches in between, filtered and not.
 */
import { describe, expect, test } from "vitest";
import type { Database, Filter, Snapshot, TransactionVectors, Vectors } from "../../src/index.ts";
import { Random } from "../storage/random.ts";
import { faultOf, type Known, type Oracle, randomVector } from "./oracle.ts";
import { coreGraphs, memoryPlace, type Place, type PlaceOptions, places } from "./places.ts";

interface Meta {
  readonly n: number;
  readonly tags?: string[];
}

const dimensions = 4;
const metric = "l2";
/** As many candidates as there may be vectors, dead ones too: then walks look at all of them. */
const ef = 400;
const { SEED } = process.env;
const seeds =
  SEED === undefined ? Array.from({ length: 6 }, (_none, index) => index + 1) : [Number(SEED)];
const steps = 120;

interface Held {
  readonly snapshot: Snapshot;
  readonly oracle: Oracle<Meta>;
}

class History {
  readonly #random: Random;
  readonly #place: Place;
  readonly #options: PlaceOptions;
  #oracle: Oracle<Meta> = new Map();
  #held: Held[] = [];
  #db!: Database;
  #index!: Vectors<Meta>;

  constructor(seed: number, place: Place, options: PlaceOptions = {}) {
    this.#random = new Random(seed);
    this.#place = place;
    this.#options = options;
  }

  async run(): Promise<void> {
    await this.#open();
    try {
      for (let step = 0; step < steps; step++) {
        await this.#step();
        await this.#search(undefined, this.#oracle);
        for (const { snapshot, oracle } of this.#held) await this.#search(snapshot, oracle);
      }
      await this.#check();
      expect((await this.#db.verify()).findings).toEqual([]);
    } finally {
      await this.#db.close();
    }
  }

  async #open(): Promise<void> {
    this.#db = await this.#place.open(this.#options);
    this.#index = await this.#db.vectors<Meta>("model", {
      dimensions,
      metric,
      fields: ["n"],
    });
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const action = random.integer(100);
    if (action < 35) await this.#putSome(random.chance(0.2) ? 40 : 1 + random.integer(3));
    else if (action < 55) await this.#deleteSome();
    else if (action < 68) await this.#transact();
    else if (action < 76) this.#hold();
    else if (action < 80) await this.#db.checkpoint();
    else if (action < 83) await this.#db.compact();
    else if (action < 85) await this.#index.rebuild();
    else if (action < 87) await this.#deleteAll();
    else if (action < 92) await this.#reopen();
    else if (action < 96) await this.#race();
    else await new Promise((resolve) => setImmediate(resolve));
  }

  /** Searches of one state in pieces, while others write. */
  async #race(): Promise<void> {
    const { query, k, filter, isIn } = this.#wanted();
    const oracle = new Map(this.#oracle);
    const snapshot = this.#db.snapshot();
    const options = { k, exact: true, snapshot, ...(filter && { filter }) };
    const searches = [this.#index.search(query, options), this.#index.search(query, options)];
    const checked = this.#index.check();
    await this.#putSome(3);
    await this.#deleteSome();
    await this.#putSome(40);
    for (const found of await Promise.all(searches)) {
      expect(faultOf(found, oracle, metric, query, k, isIn)).toBeUndefined();
    }
    snapshot.release();
    await checked;
  }

  #known(): Known<Meta> {
    const random = this.#random;
    // Equal vectors are no special case.
    const vector = random.chance(0.1)
      ? new Float32Array(dimensions).fill(0.5)
      : randomVector(random, dimensions);
    const n = random.integer(10);
    return { vector, metadata: random.chance(0.5) ? { n } : { n, tags: [`t${n % 3}`] } };
  }

  #id(): string {
    return `id ${this.#random.integer(80)}`;
  }

  async #putSome(count: number): Promise<void> {
    const entries = Array.from({ length: count }, () => ({ id: this.#id(), ...this.#known() }));
    await this.#index.putMany(entries);
    for (const { id, ...known } of entries) this.#oracle.set(id, known);
  }

  async #deleteSome(): Promise<void> {
    const ids = Array.from({ length: 1 + this.#random.integer(5) }, () => this.#id());
    const there = new Set(ids.filter((id) => this.#oracle.has(id)));
    expect(await this.#index.deleteMany(ids)).toBe(there.size);
    for (const id of ids) this.#oracle.delete(id);
  }

  async #deleteAll(): Promise<void> {
    await this.#index.deleteMany(this.#oracle.keys());
    this.#oracle.clear();
  }

  async #transact(): Promise<void> {
    const fails = this.#random.chance(0.4);
    const next: Oracle<Meta> = new Map(this.#oracle);
    const writes = Array.from({ length: 1 + this.#random.integer(6) }, () => ({
      id: this.#id(),
      known: this.#random.chance(0.3) ? undefined : this.#known(),
    }));
    const done = this.#db.transaction(async (tx) => {
      const inside = tx.vectors(this.#index);
      for (const { id, known } of writes) {
        if (known === undefined) {
          expect(await inside.delete(id)).toBe(next.has(id));
          next.delete(id);
        } else {
          inside.put(id, known.vector, known.metadata);
          next.set(id, known);
        }
        expect((await inside.get(id))?.metadata).toEqual(known?.metadata);
        if (this.#random.chance(0.5)) await this.#searchInside(inside, next);
      }
      if (fails) throw new Error("on purpose");
    });
    if (fails) await expect(done).rejects.toThrow("on purpose");
    else {
      await done;
      this.#oracle = next;
    }
  }

  #hold(): void {
    const old = this.#held.length > 1 ? this.#held.shift() : undefined;
    old?.snapshot.release();
    this.#held.push({ snapshot: this.#db.snapshot(), oracle: new Map(this.#oracle) });
  }

  async #reopen(): Promise<void> {
    this.#held = [];
    await this.#db.close();
    await this.#open();
    await this.#check();
  }

  async #check(): Promise<void> {
    const { ok, missing, surplus } = await this.#index.check();
    expect({ ok, missing, surplus }).toEqual({ ok: true, missing: 0, surplus: 0 });
    expect((await this.#index.stats()).failure).toBeUndefined();
  }

  /** What to search for, and the ids that may be found. */
  #wanted(): {
    query: Float32Array;
    k: number;
    filter: Filter<Meta> | undefined;
    isIn: (id: string, known: Known<Meta>) => boolean;
  } {
    const random = this.#random;
    const query = randomVector(random, dimensions);
    const k = random.pick([1, 3, 10, 200]);
    const low = random.integer(10);
    const filters: [Filter<Meta> | undefined, (id: string, known: Known<Meta>) => boolean][] = [
      [undefined, () => true],
      [{ n: low }, (_id, { metadata }) => metadata.n === low],
      [{ not: { n: { gte: low } } }, (_id, { metadata }) => metadata.n < low],
      [
        { n: { gt: low }, tags: "t1" },
        (_id, { metadata }) => metadata.n > low && metadata.tags?.includes("t1") === true,
      ],
    ];
    const [filter, isIn] = random.pick(filters);
    return { query, k, filter, isIn };
  }

  async #searchInside(inside: TransactionVectors<Meta>, oracle: Oracle<Meta>): Promise<void> {
    const { query, k, filter, isIn: passes } = this.#wanted();
    const some = Array.from({ length: 30 }, () => this.#id());
    const [allow, deny] = [this.#random.chance(0.2), this.#random.chance(0.2)];
    const isIn = (id: string, known: Known<Meta>): boolean =>
      passes(id, known) && (!allow || some.includes(id)) && (!deny || !some.includes(id));
    const found = await inside.search(query, {
      k,
      ef,
      ...(filter && { filter }),
      ...(allow && { allow: some }),
      ...(deny && { deny: some }),
    });
    expect(faultOf(found, oracle, metric, query, k, isIn)).toBeUndefined();
  }

  async #search(snapshot: Snapshot | undefined, oracle: Oracle<Meta>): Promise<void> {
    const { query, k, filter, isIn } = this.#wanted();
    const exact = this.#random.chance(0.2);
    const options = { k, ef, exact, ...(filter && { filter }), ...(snapshot && { snapshot }) };
    const found = await this.#index.search(query, options);
    const fault = faultOf(found, oracle, metric, query, k, isIn);
    expect(fault, JSON.stringify(await this.#index.explain(query, options))).toBeUndefined();
    expect(await this.#index.count(snapshot && { snapshot })).toBe(oracle.size);
  }
}

test.each(seeds)("a random history with the real graph, seed %i", { timeout: 60_000 }, (seed) =>
  new History(seed, memoryPlace(), { graphs: coreGraphs }).run(),
);

describe.each(places)("a random history over %s", (_name, make) => {
  test.each(seeds)("is that of a Map, seed %i", { timeout: 60_000 }, async (seed) => {
    const place = make();
    try {
      await new History(seed, place).run();
    } finally {
      place.remove();
    }
  });
});
