/**
 * Files of somebody who knows the checksums. Fuzzing found a root that made room for as many bytes
 * as it said, and catalogues and descriptors that ended in a TypeError far from where they were
 * read.
 */
import { expect, test } from "vitest";
import { decodeCatalogue } from "../../src/engine/catalogue.ts";
import { type Engine, openEngine, runSync } from "../../src/engine/index.ts";
import { type CatalogueReference, encodeRoot, readRoots } from "../../src/engine/root.ts";
import { open } from "../../src/index.ts";
import { MemoryMedium, MemoryStorage } from "../../src/storage/memory/index.ts";
import { surroundings, tiny } from "../crash/explore.ts";
import { utf8 } from "../crash/model.ts";

const corruption = expect.objectContaining({ code: "corruption" });

async function written(): Promise<MemoryMedium> {
  const medium = new MemoryMedium();
  const engine = await openAgain(medium, 1);
  engine.beginCommit().createTree(1, utf8('{"kind":"ordered"}'));
  engine.submitSync();
  engine.beginCommit().put(1, "key", utf8("value"));
  engine.submitSync();
  await engine.close();
  return medium;
}

function openAgain(medium: MemoryMedium, seed: number): Promise<Engine> {
  return openEngine(new MemoryStorage(medium), tiny, surroundings(seed));
}

test.each([2 ** 31, 2 ** 45, 2 ** 53 - 1])("a catalogue of %i bytes", async (bytes) => {
  const medium = await written();
  const slots = medium.root as [Uint8Array, Uint8Array];
  const engine = await openAgain(medium.copy(), 2);
  const { checksum } = engine.core;
  const { newest } = readRoots(slots, checksum);
  await engine.close();
  const catalogue = { ...(newest.catalogue as CatalogueReference), bytes };
  slots[newest.record % 2].set(encodeRoot({ ...newest, catalogue }, checksum));
  // The older root and the log after it hold everything.
  const again = await openAgain(medium, 3);
  expect(again.recovery.rootDamaged).toBe(true);
  expect(again.records(1)).toBe(1);
  await again.close();
});

const blob = { number: 1, generation: 1, random: "0123456789abcdef", slots: 3, live: 2 };
const tree = { id: 1, kind: "ordered", root: 0, records: 0, overflowPages: 0, descriptor: {} };
const sound = { nextTree: 2, nextBlob: 2, trees: [tree], blobs: [blob], reclaim: [] };

const bodies: readonly [name: string, body: unknown][] = [
  ["nothing", null],
  ["a list", []],
  ["no trees", { ...sound, trees: undefined }],
  ["a tree that is null", { ...sound, trees: [null] }],
  ["a tree of another kind", { ...sound, trees: [{ ...tree, kind: "constructor" }] }],
  ["a tree twice", { ...sound, trees: [tree, tree] }],
  ["a tree with the highest id", { ...sound, trees: [{ ...tree, id: 0xffff_ffff }] }],
  ["a root beyond all blobs", { ...sound, trees: [{ ...tree, root: 2 ** 48 }] }],
  ["a descriptor that is text", { ...sound, trees: [{ ...tree, descriptor: "ordered" }] }],
  ["a blob whose name is a path", { ...sound, blobs: [{ ...blob, random: "../../etc/passwd" }] }],
  ["half a blob", { ...sound, blobs: [{ ...blob, number: 1.5 }] }],
  ["more live pages than slots", { ...sound, blobs: [{ ...blob, live: 4 }] }],
  ["too many blobs", { ...sound, blobs: Array.from({ length: 16_001 }, () => blob) }],
  ["an image without a note", { ...sound, images: [{ tree: 1 }] }],
  ["a reclaim list of numbers", { ...sound, reclaim: [1] }],
];

function decode(body: unknown): unknown {
  const text = utf8(JSON.stringify(body));
  const bytes = new Uint8Array(40 + text.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x54414343, true);
  view.setUint16(8, 1, true);
  view.setUint32(12, text.length, true);
  view.setUint32(32, 7, true);
  bytes.set(text, 40);
  const reference = { number: 7, generation: 1, random: 1n, offset: 0, checksum: 5 };
  return decodeCatalogue(bytes, { ...reference, bytes: bytes.length }, new Uint8Array(16), () => 5);
}

test("a catalogue as it is written is read", () => {
  expect(decode(sound)).toEqual(sound);
});

test.each(bodies)("a catalogue with %s", (_name, body) => {
  expect(() => decode(body)).toThrow(corruption);
});

test.each(["", "{", "null", "5", '"text"'])(
  "a tree that is created from %j",
  async (descriptor) => {
    const engine = await openAgain(new MemoryMedium(), 1);
    engine.applier.begin();
    const effects = engine.beginCommit();
    effects.createTree(1, utf8(descriptor));
    const bytes = effects.bytes.slice();
    const refused = expect.objectContaining({ code: "log_corrupt" });
    expect(() => runSync(engine.applier.apply(bytes, 1))).toThrow(refused);
    engine.applier.rollback();
    await engine.close();
  },
);

test.each([1, 0xffff_ffff])("a tree that is created as number %i, which is there", async (id) => {
  const engine = await openAgain(new MemoryMedium(), 1);
  const effects = engine.beginCommit();
  effects.createTree(1, utf8('{"kind":"ordered"}'));
  effects.put(1, "key", utf8("value"));
  engine.submitSync();
  engine.applier.begin();
  const forged = engine.beginCommit();
  forged.createTree(id, utf8('{"kind":"ordered"}'));
  const bytes = forged.bytes.slice();
  const refused = expect.objectContaining({ code: "log_corrupt" });
  expect(() => runSync(engine.applier.apply(bytes, 2))).toThrow(refused);
  engine.applier.rollback();
  // It was not taken for the one that had just been created.
  expect(engine.records(1)).toBe(1);
  await engine.close();
});

test.each([
  { name: 5 },
  { key: "text" },
  { value: null },
  { value: "constructor" },
  { ttl: "1" },
  { kind: undefined },
])("a keyspace that is described with %j", async (change) => {
  const medium = new MemoryMedium();
  const engine = await openAgain(medium, 1);
  const described = { kind: "ordered", type: "keyspace", name: "a", key: "utf8", value: "json" };
  engine.beginCommit().createTree(1, utf8(JSON.stringify({ ...described, ...change })));
  engine.submitSync();
  await engine.close();
  const db = await open(new MemoryStorage(medium));
  expect(() => db.keyspaces()).toThrow(corruption);
  const opened = db.keyspace("a").then(() => "opened");
  await expect(opened).rejects.toEqual(corruption);
  await db.close();
});
