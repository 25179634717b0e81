/** What is told to the engine for the golden traces, and what it asks of its storage. */
import { type Engine, openEngine } from "../../src/engine/index.ts";
import type { MemoryMedium } from "../../src/storage/memory/index.ts";
import { surroundings } from "../crash/explore.ts";
import { descriptorOf, utf8 } from "../crash/model.ts";
import { FaultStorage } from "../storage/fault-storage.ts";

const segmentBytes = { first: 65_536, max: 1 << 20 };

async function openOn(storage: FaultStorage): Promise<Engine> {
  return await openEngine(storage, { segmentBytes }, surroundings(1));
}

async function put(engine: Engine, from: number, to: number): Promise<void> {
  const effects = engine.beginCommit();
  for (let i = from; i < to; i++) effects.put(1, `key ${i}`, utf8(`value ${i}`));
  await engine.submit();
}

type Story = (engine: Engine) => Promise<void>;

const stories: Record<string, Story> = {
  open: async () => undefined,
  "open-and-close": async (engine) => engine.close(),
  commit: async (engine) => {
    await put(engine, 300, 301);
    engine.beginCommit().put(1, "one", utf8("1"));
    const one = engine.submit();
    engine.beginCommit().put(1, "two", utf8("2"));
    await Promise.all([one, engine.submit()]);
    engine.beginCommit().put(1, "visible", utf8("3"));
    await engine.submit({ finality: "visible" });
    await engine.flush();
  },
  checkpoint: async (engine) => {
    await put(engine, 300, 310);
    await engine.checkpoint();
    await put(engine, 310, 320);
    await engine.checkpoint();
    // Nothing has changed: nothing is written.
    await engine.checkpoint();
  },
  compact: async (engine) => {
    const effects = engine.beginCommit();
    for (let i = 0; i < 250; i++) effects.delete(1, `key ${i}`);
    await engine.submit();
    await engine.compact();
  },
  close: async (engine) => {
    await put(engine, 300, 301);
    await engine.close();
  },
};

/** A database with a checkpoint of 300 records, left without a clean close. */
async function begun(): Promise<MemoryMedium> {
  const storage = new FaultStorage();
  const engine = await openOn(storage);
  engine.beginCommit().createTree(1, descriptorOf("ordered"));
  await engine.submit();
  await put(engine, 0, 290);
  await engine.checkpoint();
  await put(engine, 290, 300);
  storage.crash();
  return storage.survivors(1, "kill");
}

async function create(): Promise<readonly string[]> {
  const storage = new FaultStorage();
  const engine = await openOn(storage);
  engine.beginCommit().createTree(1, descriptorOf("ordered"));
  await engine.submit();
  const trace = [...storage.trace];
  await engine.close();
  return trace;
}

async function told(name: string, story: Story): Promise<readonly string[]> {
  const storage = new FaultStorage({ medium: await begun() });
  const engine = await openOn(storage);
  const before = name.startsWith("open") ? 0 : storage.trace.length;
  await story(engine);
  const trace = storage.trace.slice(before);
  await engine.close();
  return trace;
}

/** As the target sees it. */
async function backup(): Promise<readonly string[]> {
  const engine = await openOn(new FaultStorage({ medium: await begun() }));
  const target = new FaultStorage();
  await engine.backup(target);
  const trace = [...target.trace];
  await engine.close();
  return trace;
}

/** By the names of the files in `traces/`. */
export const traced: Readonly<Record<string, () => Promise<readonly string[]>>> = {
  create,
  ...Object.fromEntries(
    Object.entries(stories).map(([name, story]) => [name, () => told(name, story)]),
  ),
  backup,
};
