/**
 * Golden databases of another time: each kind of record, intact but of a format that comes later or
 * lies before the oldest one, and segments that were cut. Checksums are made anew, by the
 * definition in docs/format.md, so that nothing but the version can be what is refused.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CairnError, open } from "../../src/index.ts";
import { tableChecksum } from "../engine/log/reference-checksum.ts";
import { pack, readGolden, unpack } from "./golden.mjs";

type Files = Record<string, string>;
type Change = (bytes: Uint8Array, view: DataView) => void;

const folderOfGoldens = fileURLToPath(new URL("../golden/", import.meta.url));
const names = readdirSync(folderOfGoldens).filter((name) => name.endsWith(".json.gz"));
const newer = 9;
const older = 0;
const segmentHeaderBytes = 4608;

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cairn-version-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The database with some of its files changed. */
function changed(files: Files, isWanted: (name: string) => boolean, change: Change): Files {
  return Object.fromEntries(
    Object.entries(files).map(([name, base64]) => {
      if (!isWanted(name)) return [name, base64];
      const bytes = Uint8Array.from(Buffer.from(base64, "base64"));
      change(bytes, new DataView(bytes.buffer));
      return [name, Buffer.from(bytes).toString("base64")];
    }),
  );
}

/** What opening answers; whatever it is, every file is as it was. */
async function refusal(files: Files): Promise<Record<string, unknown>> {
  unpack(files, folder);
  const error = await open(folder).then(
    (db) => db.close().then(() => undefined),
    (failure: unknown) => failure,
  );
  expect(error).toBeInstanceOf(CairnError);
  expect(pack(folder)).toEqual(files);
  const { code, details } = error as CairnError;
  return { code, ...details };
}

/** Gives a record at `at` a version, and its checksum over what follows it up to `end`. */
function stamp(bytes: Uint8Array, view: DataView, at: number, end: number, version: number): void {
  view.setUint16(at + 8, version, true);
  view.setUint32(at + 4, tableChecksum(bytes.subarray(at + 8, end), 0), true);
}

const stampRoot =
  (version: number): Change =>
  (bytes, view) => {
    for (const at of [0, 4096]) stamp(bytes, view, at, at + 4096, version);
  };
const stampSegment =
  (version: number): Change =>
  (bytes, view) => {
    if (view.getUint32(0, true) === 0) return; // created ahead
    for (const at of [0, 4096]) stamp(bytes, view, at, at + 512, version);
  };

/** The catalogues of the database get a version, and the root their new checksums. */
function withCatalogues(files: Files, version: number): Files {
  const checksums = new Map<string, number>();
  const isCatalogue = (name: string): boolean => name.includes("/catalogue-");
  const stamped = changed(files, isCatalogue, (bytes, view) => {
    view.setUint16(8, version, true);
    checksums.set(String(view.getUint32(32, true)), tableChecksum(bytes, 0));
  });
  return changed(
    stamped,
    (name) => name === "root",
    (bytes, view) => {
      for (const at of [0, 4096]) {
        const checksum = checksums.get(String(view.getUint32(at + 120, true)));
        if (checksum !== undefined) view.setUint32(at + 160, checksum, true);
        stamp(bytes, view, at, at + 4096, 1);
      }
    },
  );
}

const isSegment = (name: string): boolean => name.startsWith("log/");
const isRoot = (name: string): boolean => name === "root";

describe.each(names.flatMap((name) => [`open ${name}`, `closed ${name}`]))("%s", (title) => {
  const [state, name] = title.split(" ");
  const files = (): Files => readGolden(join(folderOfGoldens, name as string))[state as string];

  test.each([
    ["newer", newer, "format_newer"],
    ["older", older, "format_older"],
  ] as const)("an intact record of a %s format is told, and nothing is changed", async (...row) => {
    const [, version, code] = row;
    const expected = { code, found: version, expected: 1 };
    expect(await refusal(changed(files(), isRoot, stampRoot(version)))).toMatchObject(expected);
    expect(await refusal(withCatalogues(files(), version))).toMatchObject(expected);
    const withSegments = changed(files(), isSegment, stampSegment(version));
    expect(await refusal(withSegments)).toMatchObject(expected);
  });

  test("with its own version and checksums made anew it opens", async () => {
    const same = changed(changed(files(), isRoot, stampRoot(1)), isSegment, stampSegment(1));
    unpack(withCatalogues(same, 1), folder);
    expect(pack(folder)).toEqual(files());
    await (await open(folder)).close();
  });

  test("a page blob of another format is found by verify, which names it", async () => {
    unpack(files(), folder);
    const db = await open(folder);
    expect((await db.verify()).findings).toEqual([]);
    await db.close();
    const isPages = (path: string): boolean => path.includes("/pages-");
    const written = changed(pack(folder) as Files, isPages, (bytes, view) => {
      const identity = tableChecksum(bytes.subarray(16, 32), 0);
      view.setUint16(8, newer, true);
      view.setUint32(4, tableChecksum(bytes.subarray(8, 4096), identity), true);
    });
    unpack(written, folder);
    const again = await open(folder);
    const { findings } = await again.verify();
    expect(findings).not.toEqual([]);
    for (const finding of findings) {
      expect(finding).toMatchObject({ what: "blob", slot: 0, reason: "header" });
    }
    await again.close();
  });

  test("a segment that was cut, anywhere, is refused: no commit is silently left out", async () => {
    const whole = files();
    for (const cut of Object.keys(whole).filter(isSegment)) {
      const bytes = Buffer.from(whole[cut] as string, "base64");
      if (bytes.readUInt32LE(0) === 0) continue;
      const used = bytes.findLastIndex((byte) => byte !== 0) + 1;
      const lengths = [
        0,
        1,
        511,
        4095,
        segmentHeaderBytes,
        segmentHeaderBytes + 80,
        used - 1,
        used,
      ];
      for (const length of [...lengths, bytes.length - 1]) {
        rmSync(folder, { recursive: true });
        const short = { ...whole, [cut]: bytes.subarray(0, length).toString("base64") };
        expect(await refusal(short), `${cut} cut to ${length} bytes`).toMatchObject({
          code: "log_corrupt",
        });
      }
      rmSync(folder, { recursive: true });
      const { [cut]: _, ...without } = whole;
      expect(await refusal(without), `${cut} removed`).toMatchObject({ code: "log_corrupt" });
    }
  });
});
