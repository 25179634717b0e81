import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Engine } from "../../src/engine/index.ts";
import { CairnError, type ErrorCode, errorCodes } from "../../src/errors.ts";
import { hashed, open, openWithTrees, ordered, type Place, places, put, text } from "./places.ts";

const segmentBytes = { first: 65_536, max: 1 << 20 };

describe.each(places)("on %s", (_name, make) => {
  let place: Place;
  const engines: Engine[] = [];

  async function start(from: Place = place): Promise<Engine> {
    const engine = await openWithTrees(from.storage(), { segmentBytes });
    engines.push(engine);
    return engine;
  }
  async function again(options = {}): Promise<Engine> {
    const engine = await open(place.storage(), { segmentBytes, ...options });
    engines.push(engine);
    return engine;
  }
  /** A closed database with checkpoints of several commits, and commits after them. */
  async function written(from: Place = place): Promise<void> {
    const engine = await start(from);
    for (let round = 0; round < 4; round++) {
      await put(engine, [
        ["round", `${round}`],
        [`large ${round}`, "v".repeat(20_000)],
      ]);
      await engine.checkpoint();
    }
    await engine.close();
  }
  function file(part: string, from: Place = place): [name: string, bytes: Uint8Array] {
    const found = [...from.files()].filter(([name]) => name.includes(part)).sort();
    return found[found.length - 1] as [string, Uint8Array];
  }
  function flip(name: string, bytes: Uint8Array, at: number): void {
    const damaged = Uint8Array.from(bytes);
    damaged[at] ^= 1;
    place.replace(name, damaged);
  }
  async function refuses(...codes: ErrorCode[]): Promise<void> {
    const error: unknown = await again().catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(CairnError);
    expect(codes).toContain((error as CairnError).code);
    expect(errorCodes).toContain((error as CairnError).code);
  }

  beforeEach(() => {
    place = make();
  });
  afterEach(async () => {
    for (const engine of engines.splice(0)) await engine.close();
    place.remove();
  });

  test("the report tells a new database, a closed one, and one that was not closed", async () => {
    const first = await start();
    expect(first.recovery).toMatchObject({ outcome: "created", seq: 0n, commitsReplayed: 0 });
    await first.close();
    expect((await again()).recovery).toMatchObject({ outcome: "clean", seq: 1n });
  });

  test("a second writer is refused while the first one lives", async () => {
    const first = await start();
    await refuses("lock_held");
    await put(first, [["k", "v"]]);
    await first.close();
    await start();
  });

  test("any number of readers see a committed checkpoint while the writer goes on", async () => {
    const writer = await start();
    await put(writer, [["round", "0"]]);
    await writer.checkpoint();
    const readers: [Engine, string][] = [];
    for (let round = 1; round < 6; round++) {
      readers.push([await again({ readOnly: true }), `${round - 1}`]);
      await put(writer, [["round", `${round}`]]);
      await writer.checkpoint();
    }
    for (const [reader, round] of readers) {
      // A folder keeps the files of its readers; elsewhere they are told to open it again.
      try {
        expect(await reader.read(ordered, "round", undefined, 0, text)).toBe(round);
      } catch (error) {
        expect(place.isFolder).toBe(false);
        expect(error).toMatchObject({ code: "root_superseded", retryable: true });
      }
      expect(() => reader.beginCommit()).toThrow(expect.objectContaining({ code: "read_only" }));
    }
    expect(await writer.read(hashed, "round", undefined, 0, text)).toBe("5");
  });

  test("a reader of a database whose writer is gone sees every commit", async () => {
    await written();
    const reader = await again({ readOnly: true });
    expect(await reader.read(hashed, "round", undefined, 0, text)).toBe("3");
    const before = [...place.files()].map(([name, bytes]) => `${name} ${bytes.length}`);
    expect((await reader.verify()).findings).toEqual([]);
    await reader.close();
    expect([...place.files()].map(([name, bytes]) => `${name} ${bytes.length}`)).toEqual(before);
  });

  test("without create, a place with nothing is no database", async () => {
    const missing = expect.objectContaining({ code: "database_not_found" });
    await expect(again({ create: false })).rejects.toEqual(missing);
    await expect(again({ readOnly: true })).rejects.toEqual(missing);
  });

  test("what is no root, or of another format, or torn on both sides, is refused", async () => {
    await written();
    const [name, root] = file("root");
    const cases: [bytes: Uint8Array, ...codes: ErrorCode[]][] = [
      [new Uint8Array(8192).fill(65), "not_a_database"],
      [root.map((byte, at) => (at % 4096 === 40 ? byte ^ 1 : byte)), "root_corrupt"],
      [root.map((byte, at) => (at % 4096 === 8 ? 9 : byte)), "root_corrupt"],
    ];
    for (const [bytes, ...codes] of cases) {
      place.replace(name, bytes);
      await refuses(...codes);
    }
    place.replace(name, undefined);
    await refuses("root_corrupt", "database_not_found");
    place.replace(name, root);
    expect(await (await again()).read(ordered, "round", undefined, 0, text)).toBe("3");
  });

  test("one damaged root slot is repaired from the other, with every commit", async () => {
    await written();
    for (const at of [40, 4096 + 40]) {
      const [name, root] = file("root");
      flip(name, root, at);
      const engine = await again();
      expect(engine.recovery.rootDamaged).toBe(true);
      expect(await engine.read(ordered, "round", undefined, 0, text)).toBe("3");
      expect((await engine.verify()).findings).toEqual([]);
      await put(engine, [["round", "3"]]);
      await engine.close();
      const repaired = await again();
      expect(repaired.recovery.rootDamaged).toBe(false);
      await repaired.close();
    }
  });

  test("without the newest catalogue the older root and the log have everything", async () => {
    for (const damage of ["flip", "remove", "truncate"]) {
      place.remove();
      place = make();
      await written();
      const catalogues = [...place.files()].filter(([name]) => name.includes("catalogue-"));
      const number = ([name]: [string, Uint8Array]): number =>
        Number(/catalogue-(\d+)/.exec(name)?.[1]);
      catalogues.sort((a, b) => number(b) - number(a));
      const [name, bytes] = catalogues[0] as [string, Uint8Array];
      if (damage === "flip") flip(name, bytes, 60);
      else place.replace(name, damage === "remove" ? undefined : bytes.slice(0, 50));
      const engine = await again();
      expect(engine.recovery.rootDamaged).toBe(true);
      expect(await engine.read(hashed, "round", undefined, 0, text)).toBe("3");
      expect((await engine.verify()).findings).toEqual([]);
      await engine.close();
    }
  });

  test("blobs that no root names are removed by the next writer", async () => {
    await written();
    const [name, bytes] = file("pages-");
    const orphan = name.replace(/pages-\d+/, "pages-999");
    place.replace(orphan, bytes);
    await (await again({ readOnly: true })).close();
    expect([...place.files().keys()]).toContain(orphan);
    await (await again()).close();
    expect([...place.files().keys()]).not.toContain(orphan);
  });

  test("a log segment that is gone, or of another database, is refused", async () => {
    await written();
    const other = make();
    await written(other);
    const [name] = file("log");
    const [, foreign] = file("log", other);
    place.replace(name, foreign);
    await refuses("log_corrupt");
    place.replace(name, undefined);
    await refuses("log_corrupt");
    other.remove();
  });

  test("a page blob of another database is found out, and nothing else is lost", async () => {
    await written();
    const other = make();
    await written(other);
    const [name] = file("pages-");
    const [, foreign] = file("pages-", other);
    place.replace(name, foreign);
    const engine = await again();
    const { ok, findings } = await engine.verify();
    expect(ok).toBe(false);
    const where = name.replace(/^blobs\//, "").replace(/\.blob$/, "");
    expect(findings).toContainEqual({ what: "blob", where, slot: 0, reason: "header" });
    await engine.close().catch(() => undefined);
    other.remove();
  });

  test("commits after close are refused, and closing twice is closing once", async () => {
    const engine = await start();
    const effects = engine.beginCommit();
    effects.clear(ordered);
    const closing = engine.close();
    expect(() => engine.beginCommit()).toThrow(expect.objectContaining({ code: "closed" }));
    await expect(engine.submit()).rejects.toMatchObject({ code: "closed" });
    expect(engine.close()).toBe(closing);
    await closing;
    await expect(engine.verify()).rejects.toMatchObject({ code: "closed" });
  });
});
