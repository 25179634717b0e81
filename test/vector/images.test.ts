/** The image of the graph: written, rooted, loaded, copied, damaged, missing, and cleaned. */
import { describe, expect, test } from "vitest";
import type { Database, Vectors } from "../../src/index.ts";
import { MemoryMedium, MemoryStorage } from "../../src/storage/memory/index.ts";
import { Random } from "../storage/random.ts";
import { faultOf, type Oracle, randomVector } from "./oracle.ts";
import { coreGraphs, memoryPlace, openOn, type Place, places, withDatabase } from "./places.ts";

const dimensions = 8;
const metric = "l2";
const total = 200;

interface Filled {
  readonly db: Database;
  readonly index: Vectors<{ n: number }>;
  readonly oracle: Oracle<{ n: number }>;
}

const graphs = coreGraphs;

async function reopen(place: Place): Promise<Pick<Filled, "db" | "index">> {
  const db = await place.open({ graphs });
  return { db, index: await db.vectors("index", { dimensions, metric, fields: ["n"] }) };
}

async function fill(place: Place): Promise<Filled> {
  const { db, index } = await reopen(place);
  const random = new Random(9);
  const oracle: Filled["oracle"] = new Map();
  const entries = Array.from({ length: total }, (_none, n) => {
    const known = { vector: randomVector(random, dimensions), metadata: { n } };
    oracle.set(`${n}`, known);
    return { id: `${n}`, ...known };
  });
  await index.putMany(entries);
  expect((await index.check()).ok).toBe(true);
  return { db, index, oracle };
}

async function expectRight({ index, oracle }: Omit<Filled, "db">): Promise<void> {
  const random = new Random(4);
  for (let round = 0; round < 5; round++) {
    const query = randomVector(random, dimensions);
    const found = await index.search(query);
    expect(faultOf(found, oracle, metric, query, 10)).toBeUndefined();
  }
}

function imagesOf(place: Place): string[] {
  return [...place.files().keys()]
    .filter((name) => name.startsWith("blobs/image-"))
    .map((name) => name.slice("blobs/".length));
}

describe.each(places)("the image of a graph over %s", (_name, make) => {
  test("is written when the database closes, and loaded when it opens", async () => {
    const place = make();
    const filled = await fill(place);
    await filled.db.close();
    expect(imagesOf(place)).toHaveLength(1);
    const { db, index } = await reopen(place);
    await expectRight({ index, oracle: filled.oracle });
    await index.check();
    const stats = await index.stats();
    expect(stats).toMatchObject({ graph: "ready", count: total, linked: total, toLink: total });
    expect(stats.imageBytes).toBeGreaterThan(0);
    expect(stats.failure).toBeUndefined();
    // Nothing has changed: it is not written again.
    const before = imagesOf(place);
    await db.close();
    expect(imagesOf(place)).toEqual(before);
    place.remove();
  });

  test.each(["missing", "damaged", "shorter"])("that is %s is made again", async (how) => {
    const place = make();
    const filled = await fill(place);
    await filled.db.close();
    for (const name of imagesOf(place)) {
      const bytes = place.files().get(`blobs/${name}`) as Uint8Array;
      const changed = new Uint8Array(bytes);
      changed[bytes.length >> 1] ^= 4;
      const pieces = { missing: undefined, damaged: changed, shorter: bytes.slice(0, 1_000) };
      place.replaceBlob(name, pieces[how as keyof typeof pieces]);
    }
    const { db, index } = await reopen(place);
    const { findings } = await db.verify();
    expect(findings.map(({ what }) => what)).toEqual(["image"]);
    await expectRight({ index, oracle: filled.oracle });
    expect((await index.check()).ok).toBe(true);
    await expectRight({ index, oracle: filled.oracle });
    const stats = await index.stats();
    expect(stats.failure).toMatch(/image/);
    expect(stats.graph).toBe("ready");
    await db.checkpoint();
    await db.checkpoint();
    await db.compact();
    expect((await db.verify()).findings).toEqual([]);
    await db.close();
    place.remove();
  });

  test("is part of a backup", async () => {
    const place = make();
    const { db, oracle } = await fill(place);
    const medium = new MemoryMedium();
    // Written by the checkpoint of a close, or when much has changed.
    await db.compact();
    await db.backup(new MemoryStorage(medium));
    await db.close();
    expect([...medium.blobs.keys()].filter((name) => name.startsWith("image-"))).toHaveLength(1);
    const copy = await openOn(new MemoryStorage(medium), { graphs });
    const index = await copy.vectors<{ n: number }>("index");
    await expectRight({ index, oracle });
    await index.check();
    expect((await index.stats()).failure).toBeUndefined();
    expect((await copy.verify()).findings).toEqual([]);
    await copy.close();
    place.remove();
  });

  test("of an index that was dropped goes away", async () => {
    const place = make();
    const { db } = await fill(place);
    await db.compact();
    expect(imagesOf(place)).toHaveLength(1);
    await db.dropVectors("index");
    await db.compact();
    expect(imagesOf(place)).toEqual([]);
    await db.close();
    place.remove();
  });
});

test("what was deleted is gone from the medium after compact", async () => {
  await withDatabase(
    memoryPlace,
    async (db, place) => {
      const index = await db.vectors<{ secret: string }>("index", {
        dimensions: 24,
        metric,
        fields: ["secret"],
      });
      const random = new Random(2);
      const vectors = Array.from({ length: 300 }, () => randomVector(random, 24));
      for (const [n, vector] of vectors.entries()) {
        await index.put(`person ${n}`, vector, { secret: `hidden ${n}!` });
      }
      await index.check();
      await db.compact();
      const bytesOf = (n: number): Buffer[] => [
        Buffer.from(vectors[n].buffer),
        Buffer.from(`person ${n}`),
        Buffer.from(`hidden ${n}!`),
      ];
      const places = (wanted: Buffer): string[] =>
        [...place.files()]
          .filter(([, bytes]) => Buffer.from(bytes).includes(wanted))
          .map(([name]) => name);
      for (const wanted of bytesOf(123)) expect(places(wanted)).not.toEqual([]);
      // The codes of the vector stand in the image, too: the same vector has them again.
      await index.delete("person 123");
      await index.put("person 124", vectors[200], { secret: "another" });
      expect((await index.search(vectors[123], { k: 300 })).map(({ id }) => id)).not.toContain(
        "person 123",
      );
      await db.compact();
      for (const wanted of bytesOf(123)) expect(places(wanted)).toEqual([]);
      expect(places(Buffer.from("hidden 124!"))).toEqual([]);
      expect(places(Buffer.from(vectors[124].buffer))).toEqual([]);
      for (const wanted of bytesOf(125)) expect(places(wanted)).not.toEqual([]);
      expect(await index.check()).toMatchObject({ ok: true, vectors: 299 });
    },
    { graphs },
  );
});

test("it is gone, too, when nobody has opened the index since", async () => {
  const place = memoryPlace();
  const { db, index, oracle } = await fill(place);
  await db.close();
  const again = await reopen(place);
  const { vector } = oracle.get("7") as { vector: Float32Array };
  const gone = Buffer.from(vector.buffer);
  const isThere = (): boolean =>
    [...place.files().values()].some((bytes) => Buffer.from(bytes).includes(gone));
  await again.index.delete("7");
  expect(index.name).toBe("index");
  // Too little has changed for another image.
  await again.db.close();
  expect(isThere()).toBe(true);
  const other = await place.open({ graphs });
  await other.compact();
  expect(isThere()).toBe(false);
  await other.close();
  const last = await reopen(place);
  expect(await last.index.check()).toMatchObject({ ok: true, vectors: total - 1 });
  expect((await last.index.stats()).failure).toBeUndefined();
  await last.db.close();
});

test("everything deleted, and put again, is found", async () => {
  await withDatabase(
    memoryPlace,
    async (db) => {
      const { index, oracle } = await (async () => {
        const opened = await db.vectors<{ n: number }>("index", { dimensions, metric });
        const random = new Random(1);
        const all: Filled["oracle"] = new Map();
        for (let round = 0; round < 3; round++) {
          const ids = [...all.keys()];
          await opened.deleteMany(ids);
          expect(await opened.search(randomVector(random, dimensions))).toEqual([]);
          all.clear();
          for (let n = 0; n < 50; n++) {
            const known = { vector: randomVector(random, dimensions), metadata: { n } };
            all.set(`${round} ${n}`, known);
            await opened.put(`${round} ${n}`, known.vector, known.metadata);
          }
          await opened.check();
        }
        return { index: opened, oracle: all };
      })();
      await expectRight({ index, oracle });
      expect((await index.check()).ok).toBe(true);
    },
    { graphs },
  );
});

test("a rebuild tells of its progress, can be given up, and takes over at its end", async () => {
  await withDatabase(
    memoryPlace,
    async (db) => {
      const index = await db.vectors<{ n: number }>("index", { dimensions, metric });
      const random = new Random(1);
      const oracle: Filled["oracle"] = new Map();
      for (let n = 0; n < 400; n++) {
        const known = { vector: randomVector(random, dimensions), metadata: { n } };
        oracle.set(`${n}`, known);
        await index.put(`${n}`, known.vector, known.metadata);
      }
      const seen: number[] = [];
      await index.rebuild({ onProgress: ({ done }) => seen.push(done) });
      expect(seen.at(-1)).toBe(400);
      expect(seen.length).toBeGreaterThan(2);
      const controller = new AbortController();
      const given = index.rebuild({
        signal: controller.signal,
        onProgress: () => controller.abort(),
      });
      await expect(given).rejects.toMatchObject({ code: "aborted" });
      await expectRight({ index, oracle });
      expect((await index.check()).ok).toBe(true);
    },
    { graphs },
  );
});

test("the older root finds its image, and what it must be told", async () => {
  for (const damaged of [false, true]) {
    const medium = new MemoryMedium();
    const random = new Random(8);
    const oracle: Filled["oracle"] = new Map();
    const begin = async (): Promise<Pick<Filled, "db" | "index">> => {
      const db = await openOn(new MemoryStorage(medium), { graphs });
      const index = await db.vectors<{ n: number }>("index", { dimensions, metric });
      return { db, index };
    };
    const change = async (index: Filled["index"], count: number): Promise<void> => {
      for (let n = 0; n < count; n++) {
        const id = `${random.integer(300)}`;
        if (random.chance(0.4)) {
          await index.delete(id);
          oracle.delete(id);
        } else {
          const known = { vector: randomVector(random, dimensions), metadata: { n } };
          await index.put(id, known.vector, known.metadata);
          oracle.set(id, known);
        }
      }
      await index.check();
    };
    for (let round = 0; round < 3; round++) {
      const { db, index } = await begin();
      await change(index, 300);
      await db.close();
    }
    // Deaths that both images know are removed by a later write, which no checkpoint follows.
    const last = await begin();
    await last.index.check();
    await change(last.index, 20);
    const left = medium.copy();
    await last.db.close();
    left.loseHolder();
    if (damaged) {
      const [zero, one] = left.root as [Uint8Array, Uint8Array];
      const newest = new DataView(zero.buffer, zero.byteOffset).getBigUint64(32, true);
      const other = new DataView(one.buffer, one.byteOffset).getBigUint64(32, true);
      (newest > other ? zero : one)[100] ^= 1;
    }
    const db = await openOn(new MemoryStorage(left), { graphs });
    expect(db.recovery.rootDamaged).toBe(damaged);
    const index = await db.vectors<{ n: number }>("index");
    expect(await index.check()).toMatchObject({ ok: true, vectors: oracle.size, surplus: 0 });
    await expectRight({ index, oracle });
    expect((await index.stats()).failure).toBeUndefined();
    await db.close();
  }
});
