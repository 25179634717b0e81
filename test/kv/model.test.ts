/**
 * Goal: whatever is done in whatever order, a database says what a Map says.
 * Method: fast-check draws commands for two keyspaces (ordered with a default TTL, hashed), a clock
 * that only moves when told, snapshots, transactions, checkpoints and reopenings.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Database, Keyspace, Snapshot } from "../../src/index.ts";
import { Oracle, type OracleRange } from "./oracle.ts";
import { type Place, places, TestClock } from "./places.ts";

const defaultTtl = 5_000;
const long = "k".repeat(1_000);
const names = ["o", "h"] as const;
type Name = (typeof names)[number];

interface Model {
  readonly clock: TestClock;
  oracles: Record<Name, Oracle>;
  snapshots: { time: number; oracles: Record<Name, Oracle> }[];
}

interface Real {
  readonly place: Place;
  readonly clock: TestClock;
  db: Database;
  keyspaces: Record<Name, Keyspace<string, unknown>>;
  snapshots: Snapshot[];
}

type Command = fc.AsyncCommand<Model, Real>;
type Lifetime = { ttl: number | null } | { expiresAt: number | null } | undefined;

const keyArbitrary = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom("", "a", "a.", "a.b", "a.c.d", "ab", "a/", "b", "é") },
  {
    weight: 2,
    arbitrary: fc.constantFrom("\uffee", "😀", "\ufeffx", `${long}a`, `${long}b`, "a\0"),
  },
  { weight: 4, arbitrary: fc.nat(400).map((number) => `n${number}`) },
);
const valueArbitrary = fc.oneof(
  { weight: 6, arbitrary: fc.jsonValue({ maxDepth: 1 }) },
  { weight: 1, arbitrary: fc.nat(6_000).map((length) => "v".repeat(length)) },
  { weight: 1, arbitrary: fc.constant("w".repeat(70_000)) },
);
const lifetimeArbitrary: fc.Arbitrary<Lifetime> = fc.oneof(
  { weight: 4, arbitrary: fc.constant(undefined) },
  { weight: 3, arbitrary: fc.constantFrom(0, 1, 900, 3_000, 1e9, null).map((ttl) => ({ ttl })) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(0, 1_700_000_000_500, 1_700_000_009_000, null)
      .map((expiresAt) => ({ expiresAt })),
  },
);
const nameArbitrary = fc.constantFrom(...names);

/** JSON as it comes back. */
const stored = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

function expiryOf(name: Name, lifetime: Lifetime, now: number): number | null {
  if (lifetime === undefined) return name === "o" ? now + defaultTtl : null;
  if ("ttl" in lifetime) return lifetime.ttl === null ? null : now + lifetime.ttl;
  return lifetime.expiresAt;
}

class Step implements Command {
  readonly label: string;
  readonly body: (model: Model, real: Real) => Promise<void>;
  readonly when: (model: Model) => boolean;
  constructor(
    label: string,
    body: (model: Model, real: Real) => Promise<void>,
    when: (model: Model) => boolean = () => true,
  ) {
    this.label = label;
    this.body = body;
    this.when = when;
  }
  check = (model: Readonly<Model>): boolean => this.when(model);
  run = (model: Model, real: Real): Promise<void> => this.body(model, real);
  toString = (): string => this.label;
}

const show = (...parts: unknown[]): string =>
  parts
    .map((part) => JSON.stringify(part, (_key, value) => shorten(value)) ?? "undefined")
    .join(" ");
const shorten = (value: unknown): unknown =>
  typeof value === "string" && value.length > 40 ? `${value.length}*${value.slice(-3)}` : value;

const putStep = fc
  .tuple(nameArbitrary, keyArbitrary, valueArbitrary, lifetimeArbitrary, fc.boolean())
  .map(
    ([name, key, value, lifetime, isSync]) =>
      new Step(show("put", name, key, value, lifetime), async (model, real) => {
        const { time } = model.clock;
        const expiresAt = expiryOf(name, lifetime, time);
        model.oracles[name].records.set(key, { value: stored(value), expiresAt });
        const keyspace = real.keyspaces[name];
        if (isSync && real.place.isSync) keyspace.putSync(key, value, lifetime);
        else await keyspace.put(key, value, lifetime);
      }),
  );

const deleteStep = fc.tuple(nameArbitrary, keyArbitrary).map(
  ([name, key]) =>
    new Step(show("delete", name, key), async (model, real) => {
      const was = model.oracles[name].get(key, model.clock.time) !== undefined;
      // An expired record may stay where it is: nobody can see it.
      if (was) model.oracles[name].records.delete(key);
      expect(await real.keyspaces[name].delete(key)).toBe(was);
    }),
);

const operationsArbitrary = fc.array(
  fc.tuple(keyArbitrary, fc.option(valueArbitrary), lifetimeArbitrary),
  { maxLength: 30 },
);

const batchStep = fc.tuple(nameArbitrary, operationsArbitrary).map(
  ([name, operations]) =>
    new Step(show("batch", name, operations), async (model, real) => {
      const { time } = model.clock;
      const { records } = model.oracles[name];
      for (const [key, value, lifetime] of operations) {
        if (value === null) records.delete(key);
        else {
          const expiresAt = expiryOf(name, lifetime, time);
          records.set(key, { value: stored(value), expiresAt });
        }
      }
      await real.keyspaces[name].batch(
        operations.map(([key, value, lifetime]) =>
          value === null ? { type: "delete", key } : { type: "put", key, value, ...lifetime },
        ),
      );
    }),
);

const manyStep = fc.nat(100_000).map(
  (seed) =>
    new Step(show("put 500", seed), async (model, real) => {
      for (const name of names) {
        const operations = [];
        const expiresAt = expiryOf(name, undefined, model.clock.time);
        for (let index = 0; index < 500; index++) {
          const key = `n${(seed + index * 7) % 1_000}`;
          model.oracles[name].records.set(key, { value: index, expiresAt });
          operations.push({ type: "put" as const, key, value: index });
        }
        await real.keyspaces[name].batch(operations);
      }
    }),
);

const readStep = fc.tuple(nameArbitrary, fc.array(keyArbitrary, { maxLength: 6 })).map(
  ([name, keys]) =>
    new Step(show("read", name, keys), async (model, real) => {
      const oracle = model.oracles[name];
      const keyspace = real.keyspaces[name];
      const { time } = model.clock;
      const expected = keys.map((key) => oracle.get(key, time)?.value);
      expect(await keyspace.getMany(keys)).toEqual(expected);
      if (real.place.isSync) expect(keyspace.getManySync(keys)).toEqual(expected);
      for (const [index, key] of keys.entries()) {
        expect(await keyspace.get(key)).toEqual(expected[index]);
        const held = oracle.get(key, time);
        expect(await keyspace.has(key)).toBe(held !== undefined);
        expect(await keyspace.expiresAt(key)).toBe(held?.expiresAt);
        const left = typeof held?.expiresAt === "number" ? held.expiresAt - time : held?.expiresAt;
        expect(await keyspace.ttl(key)).toBe(left);
      }
    }),
);

const rangeArbitrary: fc.Arbitrary<OracleRange> = fc
  .record(
    {
      low: fc.tuple(fc.constantFrom("gt", "gte"), keyArbitrary),
      high: fc.tuple(fc.constantFrom("lt", "lte"), keyArbitrary),
      prefix: fc.constantFrom("", "a", "a.", "n1", "k", "é"),
      reverse: fc.boolean(),
      limit: fc.nat(20),
    },
    { requiredKeys: [] },
  )
  .map(({ low, high, ...rest }) => ({
    ...rest,
    ...(low && { [low[0]]: low[1] }),
    ...(high && { [high[0]]: high[1] }),
  }));

const scanStep = rangeArbitrary.map(
  (range) =>
    new Step(show("scan", range), async (model, real) => {
      const expected = model.oracles.o.entries(range, model.clock.time);
      const keyspace = real.keyspaces.o;
      expect(await keyspace.entries(range).toArray()).toEqual(expected);
      if (real.place.isSync) expect([...keyspace.entriesSync(range)]).toEqual(expected);
      expect(await keyspace.keys(range).toArray()).toEqual(expected.map(({ key }) => key));
      const { limit: _limit, reverse: _reverse, ...bounds } = range;
      const inside = model.oracles.o.keys(bounds, model.clock.time).length;
      expect(await keyspace.count({ ...bounds, exact: true })).toBe(inside);
    }),
);

const scanHashedStep = fc.constant(
  new Step("scan hashed", async (model, real) => {
    const rows = await real.keyspaces.h.entries().toArray();
    const byKey = rows.sort((left, right) =>
      Buffer.compare(Buffer.from(left.key), Buffer.from(right.key)),
    );
    expect(byKey).toEqual(model.oracles.h.entries({}, model.clock.time));
    expect(await real.keyspaces.h.count({ exact: true })).toBe(byKey.length);
  }),
);

/** Pages through a keyspace with cursors, and meets every record once. */
const pagesStep = fc.tuple(nameArbitrary, fc.integer({ min: 1, max: 9 }), fc.boolean()).map(
  ([name, limit, isReverse]) =>
    new Step(show("pages", name, limit, isReverse), async (model, real) => {
      const reverse = isReverse && name === "o";
      const expected = model.oracles[name].keys({ reverse }, model.clock.time).slice(0, 60);
      if (model.oracles[name].live(model.clock.time).length > 60) return;
      const found: string[] = [];
      let cursor: string | undefined;
      for (;;) {
        const rows = real.keyspaces[name].keys({ limit, reverse, cursor });
        const page = await rows.toArray();
        if (page.length === 0) break;
        found.push(...page);
        cursor = rows.cursor;
      }
      if (name === "h") expect(found.sort()).toEqual(expected.sort());
      else expect(found).toEqual(expected);
    }),
);

const transactionStep = fc
  .tuple(operationsArbitrary, rangeArbitrary, fc.constantFrom("commit", "throw", "sync"))
  .map(
    ([operations, range, end]) =>
      new Step(show("transaction", end, operations, range), async (model, real) => {
        const { time } = model.clock;
        const oracle = model.oracles.o.copy();
        const failure = new Error("on purpose");
        const apply = (key: string, value: unknown, lifetime: Lifetime): void => {
          if (value === null) oracle.records.delete(key);
          else {
            const expiresAt = expiryOf("o", lifetime, time);
            oracle.records.set(key, { value: stored(value), expiresAt });
          }
        };
        if (end === "sync" && real.place.isSync) {
          real.db.transactionSync((tx) => {
            const inside = tx.keyspace(real.keyspaces.o);
            for (const [key, value, lifetime] of operations) {
              if (value === null) {
                expect(inside.deleteSync(key)).toBe(oracle.get(key, time) !== undefined);
              } else inside.put(key, value, lifetime);
              apply(key, value, lifetime);
              expect(inside.getSync(key)).toEqual(oracle.get(key, time)?.value);
            }
            expect(inside.entriesSync(range).toArray()).toEqual(oracle.entries(range, time));
          });
        } else {
          const run = real.db.transaction(async (tx) => {
            const inside = tx.keyspace(real.keyspaces.o);
            for (const [key, value, lifetime] of operations) {
              if (value === null) {
                expect(await inside.delete(key)).toBe(oracle.get(key, time) !== undefined);
              } else inside.put(key, value, lifetime);
              apply(key, value, lifetime);
              expect(await inside.get(key)).toEqual(oracle.get(key, time)?.value);
            }
            expect(await inside.entries(range).toArray()).toEqual(oracle.entries(range, time));
            if (end === "throw") throw failure;
          });
          if (end === "throw") {
            await expect(run).rejects.toBe(failure);
            return;
          }
          await run;
        }
        model.oracles.o = oracle;
      }),
  );

const steps: fc.Arbitrary<Command>[] = [
  putStep,
  putStep,
  deleteStep,
  batchStep,
  readStep,
  scanStep,
  scanHashedStep,
  pagesStep,
  transactionStep,
  manyStep,
  fc.constantFrom(1, 900, 1_024, 4_000, 20_000).map(
    (milliseconds) =>
      new Step(`advance ${milliseconds}`, async (model) => {
        model.clock.advance(milliseconds);
      }),
  ),
  fc.tuple(nameArbitrary, keyArbitrary).map(
    ([name, key]) =>
      new Step(show("persist", name, key), async (model, real) => {
        const oracle = model.oracles[name];
        const held = oracle.get(key, model.clock.time);
        const persists = typeof held?.expiresAt === "number";
        if (persists) oracle.records.set(key, { value: held.value, expiresAt: null });
        expect(await real.keyspaces[name].persist(key)).toBe(persists);
      }),
  ),
  fc.constant(
    new Step("sweep", async (model, real) => {
      const expected = names.map((name) => model.oracles[name].sweep(model.clock.time));
      // Records deleted or replaced after they expired are gone already: at most those.
      const swept = await real.db.sweep();
      expect(swept).toBe(expected[0] + expected[1]);
      for (const name of names) {
        const { records } = real.db.keyspaces().find((info) => info.name === name) ?? {};
        expect(records).toBe(model.oracles[name].records.size);
      }
    }),
  ),
  fc.constantFrom("a", "a.c", "n1", "k").map(
    (prefix) =>
      new Step(show("deleteGroup", prefix), async (model, real) => {
        const oracle = model.oracles.o;
        const live = oracle.live(model.clock.time).filter((key) => key.startsWith(`${prefix}.`));
        for (const key of [...oracle.records.keys()]) {
          if (key.startsWith(`${prefix}.`)) oracle.records.delete(key);
        }
        expect(await real.keyspaces.o.deleteGroup(prefix)).toBe(live.length);
      }),
  ),
  nameArbitrary.map(
    (name) =>
      new Step(show("clear", name), async (model, real) => {
        model.oracles[name].records.clear();
        await real.keyspaces[name].clear();
      }),
  ),
  fc.constant(
    new Step(
      "snapshot",
      async (model, real) => {
        const { o, h } = model.oracles;
        const oracles = { o: o.copy(), h: h.copy() };
        model.snapshots.push({ time: model.clock.time, oracles });
        real.snapshots.push(real.db.snapshot({ leaseMs: 1e9 }));
      },
      (model) => model.snapshots.length < 3,
    ),
  ),
  fc.tuple(fc.nat(2), rangeArbitrary, fc.boolean()).map(
    ([which, range, isLast]) =>
      new Step(
        show("read snapshot", which, range, isLast),
        async (model, real) => {
          const { time, oracles } = model.snapshots[which];
          const snapshot = real.snapshots[which];
          const rows = real.keyspaces.o.entries({ ...range, snapshot });
          expect(await rows.toArray()).toEqual(oracles.o.entries(range, time));
          const keys = ["a", "a.b", "n5", "é"];
          const expected = keys.map((key) => oracles.h.get(key, time)?.value);
          expect(await real.keyspaces.h.getMany(keys, { snapshot })).toEqual(expected);
          if (!isLast) return;
          snapshot.release();
          model.snapshots.splice(which, 1);
          real.snapshots.splice(which, 1);
        },
        (model) => model.snapshots.length > which,
      ),
  ),
  fc.constant(new Step("checkpoint", (_model, real) => real.db.checkpoint())),
  fc.constant(new Step("compact", (_model, real) => real.db.compact())),
  fc.constant(
    new Step("reopen", async (model, real) => {
      await real.db.close();
      model.snapshots = [];
      real.snapshots = [];
      await openReal(real);
    }),
  ),
];

async function openReal(real: Real): Promise<void> {
  real.db = await real.place.open({ clock: real.clock.now, checkpointIdleMs: 0 });
  real.keyspaces = {
    o: await real.db.keyspace("o", { ttl: defaultTtl }),
    h: await real.db.keyspace("h", { kind: "hashed" }),
  };
}

for (const kind of places) {
  test(
    `a database says what a Map says, over ${kind.name}`,
    { timeout: 240_000 },
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.commands(steps, { maxCommands: 60, size: "max" }), async (commands) => {
          const clock = new TestClock();
          const place = kind.make();
          const real = { place, clock } as Real;
          real.snapshots = [];
          try {
            await openReal(real);
            const model: Model = {
              clock,
              oracles: { o: new Oracle(), h: new Oracle() },
              snapshots: [],
            };
            await fc.asyncModelRun(() => ({ model, real }), commands);
            expect((await real.db.verify()).ok).toBe(true);
          } finally {
            await real.db?.close();
            place.remove();
          }
        }),
        { numRuns: kind.name === "memory" ? 80 : 25 },
      );
    },
    300_000,
  );
}
