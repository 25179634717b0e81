/** Effects of any bytes, applied by the engine to real trees and rolled back. */
import { type Engine, runSync } from "../../../src/engine/index.ts";
import { EffectBuffer } from "../../../src/engine/log/effect-buffer.ts";
import { MemoryMedium, MemoryStorage } from "../../../src/storage/memory/index.ts";
import type { Random } from "../../storage/random.ts";
import { type Guard, Violation } from "./guard.ts";
import { mutate, mutateData, resize } from "./mutate.ts";
import { openImage } from "./sample.ts";
import type { Target } from "./target.ts";

const records = 300;
/** So often it is looked whether everything is still there. */
const looksEvery = 512;

function drawEffects(random: Random): Uint8Array {
  const effects = new EffectBuffer({ keyBytesMax: 1_040 });
  for (let left = 1 + random.integer(6); left > 0; left--) {
    const key = `k${random.integer(records)}`;
    const tree = 1 + random.integer(3);
    switch (random.integer(9)) {
      case 0:
        effects.delete(tree, key);
        break;
      case 1:
        effects.deleteRange(1, key, `k${random.integer(records)}`);
        break;
      case 2:
        effects.clear(tree);
        break;
      case 3: {
        const descriptor = mutateData(random, { kind: "hashed", type: "keyspace", name: "n" });
        effects.createTree(10 + random.integer(3), Buffer.from(JSON.stringify(descriptor) ?? ""));
        break;
      }
      case 4:
        effects.dropTree(tree);
        break;
      default: {
        const large = random.chance(0.1) ? 9_000 : 60;
        effects.put(tree, key, random.bytes(random.integer(large)), random.pick([undefined, 9]));
      }
    }
  }
  return effects.bytes.slice();
}

async function openTrees(): Promise<Engine> {
  const { engine } = await openImage(new MemoryStorage(new MemoryMedium()));
  const effects = engine.beginCommit();
  effects.createTree(1, Buffer.from('{"kind":"ordered"}'));
  effects.createTree(2, Buffer.from('{"kind":"hashed"}'));
  for (let number = 0; number < records; number++) {
    for (const tree of [1, 2]) effects.put(tree, `k${number}`, Buffer.alloc(number % 90, number));
  }
  engine.submitSync();
  return engine;
}

export async function applyTarget(): Promise<Target> {
  let engine = await openTrees();
  let runs = 0;
  const run = async (random: Random, guard: Guard): Promise<void> => {
    let bytes = drawEffects(random);
    if (random.chance(0.8)) mutate(random, bytes, 1 + random.integer(3));
    if (random.chance(0.15)) bytes = resize(random, bytes);
    const { applier } = engine;
    try {
      guard.run(
        () => {
          applier.begin();
          try {
            return runSync(applier.apply(bytes, 1_000));
          } finally {
            applier.rollback();
          }
        },
        bytes.length,
        // A page for each piece of a long value, and its descriptor.
        32_768,
      );
      if (++runs % looksEvery === 0) requireWhole(engine);
    } catch (error) {
      // Whatever it was may have left the core half way.
      engine = await openTrees();
      throw error;
    }
  };
  return { name: "apply", weight: 70, run };
}

function requireWhole(engine: Engine): void {
  for (const tree of [1, 2]) {
    if (engine.records(tree) !== records) throw new Violation(`tree ${tree} has lost records`);
    for (let number = 0; number < records; number += 7) {
      const length = engine.readSync(
        tree,
        `k${number}`,
        undefined,
        0,
        (_memory, _at, bytes) => bytes,
      );
      if (length !== number % 90)
        throw new Violation(`record ${number} of tree ${tree} has changed`);
    }
  }
}
