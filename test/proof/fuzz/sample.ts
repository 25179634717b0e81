/** Whole databases to be damaged: one that was closed, and some that were killed. */
import { loadCore } from "../../../bindings/load.ts";
import { Database } from "../../../src/database.ts";
import { type Engine, type EngineOptions, openEngine } from "../../../src/engine/index.ts";
import { MemoryMedium, MemoryStorage } from "../../../src/storage/memory/index.ts";
import type { Storage } from "../../../src/storage/port.ts";
import { Random } from "../../storage/random.ts";

export interface ImageSample {
  readonly medium: MemoryMedium;
  readonly isClosed: boolean;
  /** The state after a commit, as {@link stateOf} tells it, by seq. */
  readonly states: ReadonlyMap<number, string>;
  readonly lastSeq: number;
  readonly databaseId: Uint8Array;
  readonly bytes: number;
}

export const engineOptions: EngineOptions = {
  memoryBudget: 4 << 20,
  checkpointIdleMs: 0,
  checkpointLogBytes: 1 << 24,
  segmentBytes: { first: 8_192, max: 32_768 },
};

export interface Opened {
  readonly engine: Engine;
  readonly db: Database;
}

export async function openImage(storage: Storage, options: EngineOptions = {}): Promise<Opened> {
  const random = new Random(5);
  const clock = (): number => 1_700_000_000_000;
  const fill = (bytes: Uint8Array): void => bytes.set(random.bytes(bytes.length));
  const engine = await openEngine(
    storage,
    { ...engineOptions, ...options, clock, random: fill },
    { module: loadCore(), clock, random: fill },
  );
  const db = new Database(engine, {
    timers: { after: () => () => undefined },
    valueDefault: "json",
    leaseMs: 1e12,
    openStorage: async () => new MemoryStorage(),
  });
  return { engine, db };
}

/** More rows than any sample has: a visit that goes on for longer never ends. */
const rowsMax = 20_000;

export class Endless extends Error {
  override readonly name = "Endless";
}

/** Everything that a database holds, as text. */
export async function stateOf({ db }: Opened): Promise<string> {
  const state: string[] = [];
  let rows = 0;
  for (const info of db.keyspaces()) {
    state.push(`${info.name} ${info.kind} ${info.key} ${info.value} ${info.ttl}`);
    if (!info.isBuiltIn) continue;
    const { key } = info;
    const keyspace = await db.keyspace(info.name, { key, value: info.value as "bytes" });
    const lines: string[] = [];
    for await (const entry of keyspace.entries()) {
      if (++rows > rowsMax) throw new Endless("a visit never ends");
      const expiresAt = await keyspace.expiresAt(entry.key as never);
      lines.push(`${textOf(entry.key)} ${textOf(entry.value)} ${expiresAt}`);
    }
    state.push(...lines.sort());
  }
  return state.join("\n");
}

function textOf(value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : JSON.stringify(value);
}

export async function drawImage(seed: number): Promise<ImageSample> {
  const random = new Random(seed);
  const medium = new MemoryMedium();
  const opened = await openImage(new MemoryStorage(medium));
  const { db, engine } = opened;
  const text = await db.keyspace("text", { value: "utf8" });
  const hash = await db.keyspace("hash", { kind: "hashed", ttl: 5_000 });
  const bytes = await db.keyspace("bytes", { key: "bytes", value: "bytes" });
  const states = new Map<number, string>();
  const write = async (step: number): Promise<void> => {
    const large = random.chance(0.1) ? 9_000 : random.integer(60);
    await text.put(`k${random.integer(200)}`, "v".repeat(large));
    if (step % 3 === 0) await hash.put(`h${random.integer(200)}`, { step });
    if (step % 5 === 0) await bytes.put(random.bytes(random.integer(20)), random.bytes(large));
    if (step % 7 === 0) await text.delete(`k${random.integer(200)}`);
  };
  for (let step = 0; step < 150; step++) await write(step);
  await db.checkpoint();
  for (let step = 0; step < 60; step++) await write(step);
  if (random.chance(0.5)) await db.drop("bytes");
  await db.checkpoint();
  const steps = random.integer(12);
  states.set(Number(db.stats().seq), await stateOf(opened));
  for (let step = 1; step <= steps; step++) {
    await text.put(`k${random.integer(200)}`, `after ${step} ${"w".repeat(random.integer(90))}`);
    states.set(Number(db.stats().seq), await stateOf(opened));
  }
  const lastSeq = Number(db.stats().seq);
  const isClosed = seed % 2 === 0;
  const { databaseId } = engine.checkpointer.newest.root;
  if (isClosed) await db.close();
  const left = medium.copy();
  if (!isClosed) await db.close();
  return {
    medium: left,
    isClosed,
    states,
    lastSeq,
    databaseId: databaseId.slice(),
    bytes: left.usedBytes(),
  };
}
