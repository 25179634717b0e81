/** What has to be true after a few calls, told one story at a time, each against plain maps. */
import { type Engine, openEngine, runAsync } from "../../../../src/engine/index.ts";
import { CairnError, type Database, open } from "../../../../src/index.ts";
import { MemoryMedium, MemoryStorage } from "../../../../src/storage/memory/index.ts";
import { surroundings, tiny } from "../../../crash/explore.ts";
import { descriptorOf, difference, readState, utf8 } from "../../../crash/model.ts";
import { Random } from "../../../storage/random.ts";

class Wrong extends Error {}

function require(isTrue: boolean, what: string): void {
  if (!isTrue) throw new Wrong(what);
}

async function code(run: () => unknown): Promise<string> {
  try {
    await run();
    return "none";
  } catch (error) {
    return error instanceof CairnError ? error.code : String(error);
  }
}

/** Codes of the error and of what caused it. */
async function codes(run: () => unknown): Promise<string> {
  const found: string[] = [];
  try {
    await run();
  } catch (error) {
    for (let at: unknown = error; at instanceof CairnError; at = at.cause) found.push(at.code);
  }
  return found.join(" <- ");
}

async function engineOn(medium: MemoryMedium, clock?: () => number): Promise<Engine> {
  const around = surroundings(3);
  const storage = new MemoryStorage(medium);
  return await openEngine(storage, tiny, { ...around, clock: clock ?? around.clock });
}

async function withTrees(medium: MemoryMedium, clock?: () => number): Promise<Engine> {
  const engine = await engineOn(medium, clock);
  const effects = engine.beginCommit();
  effects.createTree(1, descriptorOf("ordered"));
  effects.createTree(2, descriptorOf("hashed"));
  await engine.submit();
  return engine;
}

async function requireSame(
  engine: Engine,
  expected: ReadonlyMap<string, string>,
  what: string,
): Promise<void> {
  const wrong = difference(await readState(engine), expected);
  require(wrong === undefined, `${what}: ${wrong}`);
  const { findings } = await engine.verify();
  require(findings.length === 0, `${what}: verify found ${JSON.stringify(findings.slice(0, 2))}`);
}

const trees: [string, string][] = [
  ["#1", "ordered"],
  ["#2", "hashed"],
];

/** Random puts and deletes with keys and values of all lengths, in commits of some effects. */
async function change(engine: Engine, random: Random, state: Map<string, string>): Promise<void> {
  const effects = engine.beginCommit();
  for (let left = 1 + random.integer(30); left > 0; left--) {
    const tree = 1 + random.integer(2);
    const number = random.integer(900);
    // Bytes below and above 0x80, in the head of a key and behind it.
    const key = number % 3 === 0 ? `\u{1f600}${number}` : `${number % 7} key ${number}`;
    if (random.chance(0.3)) {
      effects.delete(tree, key);
      state.delete(`${tree}/${key}`);
    } else {
      const bytes = random.integer(random.chance(0.02) ? 30_000 : 400);
      const value = `${left} ${"v".repeat(bytes)}`;
      effects.put(tree, key, utf8(value));
      state.set(`${tree}/${key}`, value);
    }
  }
  await engine.submit();
}

async function keepsEverything(seed: number): Promise<void> {
  const medium = new MemoryMedium();
  const random = new Random(seed);
  const state = new Map(trees);
  let engine = await withTrees(medium);
  for (let step = 0; step < 90; step++) {
    await change(engine, random, state);
    if (step % 15 === 7) await engine.checkpoint();
    if (step % 40 === 31) await engine.compact();
    if (step % 30 !== 29) continue;
    await requireSame(engine, state, `step ${step}`);
    await engine.close();
    engine = await engineOn(medium);
    require(engine.recovery.outcome === "clean", "a close is not reported");
    await requireSame(engine, state, `step ${step}, opened again`);
  }
  const keys = [...state.keys()].filter((key) => key.startsWith("1/"));
  const order: string[] = [];
  let from: Uint8Array | undefined;
  do {
    const range = from === undefined ? {} : { low: from, lowExclusive: true };
    const columns = { keys: true, values: false, meta: false };
    const rows = await runAsync(engine.scanSteps(1, range, undefined, 0, 500, columns));
    for (let row = 0; row < rows.count; row++) order.push(`1/${rows.keyText(row)}`);
    from = rows.resume;
  } while (from !== undefined);
  const sorted = keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  require(order.join() === sorted.join(), "rows come in another order than their bytes");
  await engine.close();
}

async function undoesFailedCommits(): Promise<void> {
  const engine = await withTrees(new MemoryMedium());
  engine.beginCommit().put(1, "k", utf8("before"));
  await engine.submit();
  const state = new Map([...trees, ["1/k", "before"] as const]);
  const effects = engine.beginCommit();
  effects.put(1, "k", utf8("after"));
  effects.put(1, "other", utf8("after".repeat(500)));
  effects.createTree(3, descriptorOf("ordered"));
  effects.dropTree(1);
  effects.deleteRange(2, "a", "b");
  require((await code(() => engine.submit())) === "unordered_keyspace", "it had to fail");
  await requireSame(engine, state, "after a commit that failed");
  const decided = engine.commit(function* (more) {
    more.put(1, "k", utf8("decided"));
    yield* [];
    throw new Wrong("no");
  });
  await decided.catch(() => undefined);
  engine.beginCommit().put(2, "h", utf8("goes on"));
  const { seq } = await engine.submit();
  require(seq === 3n, `the next commit is number ${seq}, not 3`);
  state.set("2/h", "goes on");
  await requireSame(engine, state, "after the commit behind it");
  await engine.close();
}

async function clearsAndDropsForEver(): Promise<void> {
  const medium = new MemoryMedium();
  let engine = await withTrees(medium);
  const random = new Random(5);
  const state = new Map(trees);
  for (let step = 0; step < 12; step++) await change(engine, random, state);
  await engine.checkpoint();
  engine.beginCommit().clear(2);
  await engine.submit();
  engine.beginCommit().dropTree(1);
  await engine.submit();
  const left = new Map([["#2", "hashed"]]);
  await requireSame(engine, left, "after clear and drop");
  medium.loseHolder();
  engine = await engineOn(medium);
  require(engine.recovery.outcome === "recovered", "a kill is not reported");
  require(engine.recovery.droppedBytes === 0, "bytes were dropped though all had been synced");
  await requireSame(engine, left, "after clear and drop, and a kill");
  await engine.checkpoint();
  await engine.close();
  engine = await engineOn(medium);
  await requireSame(engine, left, "after clear and drop, closed");
  await engine.close();
}

async function snapshotsStay(): Promise<void> {
  const engine = await withTrees(new MemoryMedium());
  const random = new Random(6);
  const state = new Map(trees);
  for (let step = 0; step < 20; step++) await change(engine, random, state);
  const seen = new Map(state);
  const snapshot = engine.snapshot();
  for (let step = 0; step < 40; step++) {
    await change(engine, random, state);
    if (step % 20 === 9) await engine.checkpoint();
  }
  await engine.compact();
  const then = difference(await readState(engine, snapshot), seen);
  require(then === undefined, `a snapshot has changed: ${then}`);
  snapshot.release();
  await requireSame(engine, state, "after the snapshot was released");
  await engine.close();
}

async function backupsHoldOneCommit(): Promise<void> {
  const engine = await withTrees(new MemoryMedium());
  const random = new Random(8);
  const state = new Map(trees);
  const history = [new Map(), new Map(state)];
  for (let step = 0; step < 10; step++) {
    await change(engine, random, state);
    history.push(new Map(state));
  }
  const target = new MemoryMedium();
  const latency = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const running = engine.backup(new MemoryStorage(target, { latency }));
  for (let step = 0; step < 30; step++) {
    await change(engine, random, state);
    history.push(new Map(state));
    if (step % 3 === 2) await engine.checkpoint();
    await latency();
  }
  await running;
  const copy = await engineOn(target);
  const seq = Number(copy.recovery.seq);
  require(seq >= 11, `the backup holds commit ${seq}, 11 were there when it began`);
  await requireSame(copy, history[seq] as Map<string, string>, "the backup");
  await copy.close();
  await engine.close();
}

/** Receipts belong to the commits that they answer, and readers see a durable commit after them. */
async function answersTheRightOnes(): Promise<void> {
  const storage = new MemoryStorage(new MemoryMedium(), { latency: () => Promise.resolve() });
  const engine = await openEngine(storage, tiny, surroundings(4));
  engine.beginCommit().createTree(1, descriptorOf("ordered"));
  await engine.submit();
  const sync = storage.log.sync.bind(storage.log);
  let inSync = (): void => undefined;
  storage.log.sync = async (segment) => {
    inSync();
    await sync(segment);
  };
  const seqs: Promise<bigint>[] = [];
  let early: number | undefined;
  inSync = () => {
    early = Math.max(early ?? 0, engine.records(1));
  };
  for (let index = 0; index < 5; index++) {
    const finality = index === 2 ? ({ finality: "visible" } as const) : undefined;
    engine.beginCommit().put(1, `key ${index}`, utf8("v"));
    seqs.push(engine.submit(finality).then((receipt) => receipt.seq));
  }
  require((await Promise.all(seqs)).join() === "2,3,4,5,6", "receipts were mixed up");
  require(early === 0, `readers saw ${early} records before they were durable`);
  inSync = () => undefined;
  engine.beginCommit().put(1, "visible", utf8("v"));
  const receipt = await engine.submit({ finality: "visible" });
  require(!receipt.durable, "a commit that was not synced is called durable");
  await engine.close();
}

async function timeNeverGoesBack(): Promise<void> {
  // Its lower 32 bits have the highest one set.
  let now = 1_000_000_000_000;
  const medium = new MemoryMedium();
  let engine = await withTrees(medium, () => now);
  const times: number[] = [];
  for (const step of [5, -1000, 3]) {
    now += step;
    engine.beginCommit().put(1, "k", utf8(`${now}`));
    times.push((await engine.submit()).time);
    if (step > 0) continue;
    medium.loseHolder();
    engine = await engineOn(medium, () => now);
  }
  require(times.every((time, index) => index === 0 || time >= (times[index - 1] ?? 0)), "time");
  await engine.close();
}

async function withDatabase(run: (db: Database, medium: MemoryMedium) => Promise<void>) {
  const medium = new MemoryMedium();
  const db = await open(new MemoryStorage(medium), { clock: () => 1e12, checkpointIdleMs: 0 });
  await run(db, medium);
  await db.close();
}

async function expiryOutlivesCompaction(): Promise<void> {
  let now = 1e12;
  const medium = new MemoryMedium();
  const clock = (): number => now;
  let db = await open(new MemoryStorage(medium), { clock });
  for (const kind of ["ordered", "hashed"] as const) {
    const kv = await db.keyspace(kind, { kind, value: "utf8", ttl: 5000 });
    for (let index = 0; index < 200; index++) await kv.put(`key ${index}`, "v".repeat(index));
    await kv.put("large", "w".repeat(20_000));
    await kv.put("stays", "w".repeat(9000), { ttl: null });
    await kv.put("other", "w".repeat(9000), { ttl: 9000 });
  }
  await db.compact();
  await db.close();
  db = await open(new MemoryStorage(medium), { clock });
  for (const kind of ["ordered", "hashed"] as const) {
    const kv = await db.keyspace(kind, { kind, value: "utf8" });
    require((await kv.ttl("large")) ===
      5000, `${kind}: a large record lives ${await kv.ttl("large")}`);
    require((await kv.ttl("key 7")) === 5000, `${kind}: a record lives ${await kv.ttl("key 7")}`);
    require((await kv.ttl("stays")) === null, `${kind}: a record without end got one`);
  }
  now += 6000;
  await db.sweep();
  for (const kind of ["ordered", "hashed"] as const) {
    const kv = await db.keyspace(kind, { kind, value: "utf8" });
    const names: string[] = [];
    for await (const key of kv.keys()) names.push(key);
    require(names.sort().join() === "other,stays", `${kind}: left are ${names.join()}`);
  }
  await db.close();
}

async function deletedBytesAreGone(): Promise<void> {
  await withDatabase(async (db, medium) => {
    const kv = await db.keyspace("a", { value: "utf8" });
    await kv.put("k", "secret ".repeat(20));
    await kv.put("large", "secret ".repeat(2000));
    await db.checkpoint();
    await kv.delete("k");
    await kv.delete("large");
    await db.compact();
    const all = [...medium.segments.values(), ...medium.blobs.values()];
    const isThere = all.some((bytes) => Buffer.from(bytes).includes("secret"));
    require(!isThere, "a deleted value is still on the medium");
  });
}

/** Whoever has lost the claim writes nothing more: neither a segment nor a root. */
async function stopsWithoutItsClaim(): Promise<void> {
  const medium = new MemoryMedium();
  const first = await withTrees(medium);
  await first.checkpoint();
  medium.loseHolder();
  const second = await engineOn(medium);
  second.beginCommit().put(1, "k", utf8("second"));
  await second.submit();
  const rootBefore = Buffer.from(medium.root?.[0] ?? []).toString("base64");
  const outcome = await codes(async () => {
    for (let index = 0; index < 40; index++) {
      first.beginCommit().put(1, `first ${index}`, utf8("v".repeat(2000)));
      await first.submit();
    }
    await first.checkpoint();
  });
  require(outcome.includes("generation_lost"), `an opener without its claim met ${outcome}`);
  require(rootBefore === Buffer.from(medium.root?.[0] ?? []).toString("base64"), "its root");
  await second.close();
}

async function writersAreAlone(): Promise<void> {
  const medium = new MemoryMedium();
  const engine = await withTrees(medium);
  require((await code(() => engineOn(medium))) === "lock_held", "two writers at once");
  await engine.close();
  await (await engineOn(medium)).close();
}

/** Commits that nobody has synced, a kill, an open that writes, then a loss of power. */
async function transactionsAreIsolated(): Promise<void> {
  await withDatabase(async (db) => {
    const kv = await db.keyspace<number>("a");
    await kv.put("n", 0);
    const add = (): Promise<void> =>
      db.transaction(
        async (transaction) => {
          const inside = transaction.keyspace(kv);
          const value = (await inside.get("n")) ?? 0;
          await Promise.resolve();
          await inside.put("n", value + 1);
        },
        { retries: 50 },
      );
    await Promise.all(Array.from({ length: 12 }, add));
    require((await kv.get("n")) === 12, `12 additions made ${await kv.get("n")}`);
    const failing = db.transaction(async (transaction) => {
      await transaction.keyspace(kv).put("n", 99);
      throw new Wrong("no");
    });
    await failing.catch(() => undefined);
    require((await kv.get("n")) === 12, "a transaction that failed has left something");
  });
}

const stories: readonly ((seed: number) => Promise<void>)[] = [
  undoesFailedCommits,
  answersTheRightOnes,
  timeNeverGoesBack,
  clearsAndDropsForEver,
  writersAreAlone,
  stopsWithoutItsClaim,
  transactionsAreIsolated,
  deletedBytesAreGone,
  backupsHoldOneCommit,
  snapshotsStay,
  expiryOutlivesCompaction,
  keepsEverything,
];

export async function checkStories(seed: number): Promise<void> {
  for (const story of stories) {
    try {
      await story(seed);
    } catch (cause) {
      throw new Error(`${story.name}: ${(cause as Error).message}`, { cause });
    }
  }
}
