/** Room within the core: every place where it can be refused, and where numbers grow long. */
import { expect, test } from "vitest";
import { loadCore } from "../../../bindings/load.ts";
import { status } from "../../../bindings/status.ts";
import { type Engine, openEngine } from "../../../src/engine/index.ts";
import { MemoryMedium, MemoryStorage } from "../../../src/storage/memory/index.ts";
import { records, utf8 } from "../../engine/places.ts";
import { Random } from "../../storage/random.ts";
import { type Story, surroundingsOf } from "../crash/recording.ts";
import { stories } from "../crash/stories.ts";
import { FaultCounter, resourceFaults } from "../simulator/faults.ts";
import { Instances } from "../simulator/instances.ts";
import { tellFailing } from "./failing.ts";
import { callsOfCore, chosen, replacing } from "./replacing.ts";

const timeout = 600_000;
const seed = 1;
const memoryBudget = 8 << 20;
const nothing = { id: "M2", name: "nothing", fault: {} } as const;
const never = { call: 0, name: "read", path: "" } as const;
const faults = new FaultCounter();

function storyOf(name: string): Story {
  return stories.find((each) => each.name === name) as Story;
}

/** What has to take frames, or a place in a table, and answers when there is none. */
const asksForFrames = [
  "apply",
  "clear",
  "loadBegin",
  "overflowReserve",
  "overflowWrite",
  "putDescriptor",
  "reclaim",
  "relocatePage",
  "repack",
  "repackHashed",
];
const asksForPlaces = ["beginEpoch", "createTree", "pinEpoch"];

test("M2: frames that are not there are made, and the call goes on", { timeout }, async () => {
  const struck = new Set<string>();
  for (const name of [
    "a compaction",
    "closed and opened again",
    "trees come and go",
    "random work, longer",
    "large values, in groups of several parts",
  ]) {
    const story = storyOf(name);
    const calls = await callsOfCore(story, seed);
    for (const called of asksForFrames) {
      for (const at of chosen(calls.get(called) ?? 0)) {
        let seen = 0;
        const { module } = replacing((each, call, args) => {
          if (each !== called || ++seen !== at) return call(...args);
          // Nothing was done, and the status block says so: no effects of none were applied.
          if (called === "apply") call(0, args[1]);
          return status.needFrames;
        });
        const ended = await tellFailing(story, module, seed, nothing, never);
        expect([name, called, at, ended.end]).toEqual([name, called, at, "unnoticed"]);
        struck.add(called);
        faults.add("M2");
      }
    }
  }
  expect([...struck]).toEqual(
    expect.arrayContaining(["apply", "clear", "loadBegin", "overflowReserve", "repack"]),
  );
});

test("M2: a table that is full ends one commit, and nothing is lost", { timeout }, async () => {
  const { fresh } = new Instances();
  const story = storyOf("random work, longer");
  const calls = await callsOfCore(story, seed);
  for (const called of asksForPlaces) {
    for (const at of chosen(calls.get(called) ?? 0)) {
      let seen = 0;
      const { module } = replacing((each, call, args) =>
        each === called && ++seen === at ? status.tableFull : call(...args),
      );
      await tellFailing(story, module, seed, nothing, never, fresh);
      faults.add("M2");
    }
  }
});

/** Random work, checkpoints and compactions, beside a map; then the database opened again. */
async function worksOn(module: WebAssembly.Module, prepare: (engine: Engine) => void) {
  const medium = new MemoryMedium();
  const open = (from: WebAssembly.Module): Promise<Engine> =>
    openEngine(new MemoryStorage(medium), { memoryBudget }, surroundingsOf(from, 1));
  const random = new Random(seed);
  const expected = new Map<string, string>();
  let engine = await open(module);
  prepare(engine);
  const first = engine.beginCommit();
  first.createTree(1, utf8('{"kind":"ordered"}'));
  first.createTree(2, utf8('{"kind":"hashed"}'));
  await engine.submit();
  for (let round = 0; round < 60; round++) {
    const effects = engine.beginCommit();
    for (let index = 0; index < 60; index++) {
      const key = `k${random.integer(1500)}`;
      const value = "v".repeat(random.chance(0.05) ? 20_000 : random.integer(300));
      const isGone = random.chance(0.3);
      for (const tree of [1, 2]) {
        if (isGone) effects.delete(tree, key);
        else effects.put(tree, key, utf8(value));
      }
      if (isGone) expected.delete(key);
      else expected.set(key, value);
    }
    await engine.submit();
    if (round % 7 === 6) await engine.checkpoint();
    if (round % 25 === 24) await engine.compact();
  }
  const sorted = [...expected].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const isAgain of [false, true]) {
    if (isAgain) {
      await engine.close();
      engine = await open(loadCore());
    }
    expect((await engine.verify()).findings).toEqual([]);
    expect(await records(engine, 1)).toEqual(sorted);
    expect((await records(engine, 2)).sort(([a], [b]) => (a < b ? -1 : 1))).toEqual(sorted);
  }
  const numbers = [...engine.pager.numbers()];
  await engine.close();
  return numbers;
}

test("M4: pages whose numbers need more than 32 bits", { timeout }, async () => {
  // The first blob is the last one below page 2^32.
  const first = 2 ** 16 - 1;
  const { module } = replacing((name, call, args) =>
    name === "configure" ? call(...args.slice(0, 4), first) : call(...args),
  );
  const numbers = await worksOn(module, (engine) => {
    engine.pager.nextBlob = first;
  });
  expect(Math.min(...numbers)).toBeGreaterThanOrEqual(first);
  expect(Math.max(...numbers)).toBeGreaterThan(2 ** 16 + 5);
  faults.add("M4");
});

test("M4: pages that lie beyond 2 GiB of linear memory", { timeout }, async () => {
  const below = 2 ** 31 / 4096;
  const { module } = replacing((name, call, args) =>
    name === "configure" ? call(below + 8192, ...args.slice(1)) : call(...args),
  );
  let size = 0;
  await worksOn(module, ({ core }) => {
    // Nobody touches these frames, so the machine need not have the memory.
    expect(core.addFrames(below + 4096)).toBe(below + 4096);
    for (let taken = 0; taken < below; taken++) core.exports.loadBegin();
    size = core.bytes.length;
  });
  expect(size).toBeGreaterThan(2 ** 31);
  faults.add("M4");
});

test("each of them has struck", () => {
  expect(faults.missing({ M2: resourceFaults.M2, M4: resourceFaults.M4 })).toEqual([]);
});
