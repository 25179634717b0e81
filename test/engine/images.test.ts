/** Images: what is derived from trees, beside the checkpoints that name it. */
import { expect, test } from "vitest";
import type { ImageKeeper } from "../../src/engine/index.ts";
import { open, openWithTrees, ordered, places, put, utf8 } from "./places.ts";

test.each(places)("an image is named by the next checkpoint, over %s", async (_name, make) => {
  const place = make();
  try {
    let engine = await openWithTrees(place.storage());
    const write = (text: string) => engine.images.write(ordered, { text }, [utf8(text), utf8("!")]);
    await put(engine, [["a", "1"]]);
    await write("one");
    await engine.checkpoint();
    await write("two");
    await write("three");
    await engine.close();
    const files = (): string[] => [...place.files().keys()].filter((name) => /image-/.test(name));
    // Those of both roots, and nothing that no root has ever named.
    expect(files()).toHaveLength(2);
    engine = await open(place.storage());
    const image = engine.images.get(ordered);
    expect(image?.note).toEqual({ text: "three" });
    const bytes: number[] = [];
    await engine.images.read(image as never, (_at, piece) => bytes.push(...piece) as never);
    expect(Buffer.from(bytes).toString()).toBe("three!");
    expect((await engine.verify()).ok).toBe(true);
    await engine.compact();
    expect(files()).toHaveLength(1);
    const effects = engine.beginCommit();
    effects.dropTree(ordered);
    await engine.submit();
    await engine.compact();
    expect(files()).toEqual([]);
    await engine.close();
  } finally {
    place.remove();
  }
});

test("no checkpoint begins by itself while the last one is prepared", async () => {
  const [, make] = places[2];
  // Whatever the other one would be doing when the last one begins.
  for (let turns = 0; turns < 12; turns++) {
    const place = make();
    const due: (() => void)[] = [];
    const timers = {
      after: (_ms: number, run: () => void) => {
        due.push(run);
        return () => undefined;
      },
    };
    const engine = await openWithTrees(place.storage(), { timers, checkpointIdleMs: 1_000 });
    await put(engine, [["large", new Uint8Array(8 << 20)]]);
    expect(due).toHaveLength(1);
    const keeper: ImageKeeper = {
      async prepare() {
        const waits = due.length > 0 ? turns : 0;
        for (const run of due.splice(0)) run();
        for (let turn = 0; turn < waits; turn++) {
          await new Promise((resolve) => setImmediate(resolve));
        }
      },
    };
    engine.keepers.add(keeper);
    await engine.close();
    const again = await open(place.storage());
    expect(again.recovery.outcome).toBe("clean");
    await again.close();
  }
});
