/** Every database that an earlier version wrote opens, says what it said, and can be continued. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { open } from "../../src/index.ts";
import { clock, keyspaceOptions, largeValue, readGolden, rowsOf, unpack } from "./golden.mjs";

const folderOfGoldens = fileURLToPath(new URL("../golden/", import.meta.url));
const names = readdirSync(folderOfGoldens).filter((name) => name.endsWith(".json.gz"));

async function contentOf(folder: string, now: number): Promise<Record<string, unknown>> {
  const db = await open(folder, { clock: () => now });
  const found: Record<string, unknown> = {};
  for (const [name, options] of Object.entries(keyspaceOptions)) {
    const keyspace = await db.keyspace(name, options as never);
    const rows: [unknown, unknown][] = [];
    for await (const { key, value } of keyspace.entries()) rows.push([key, value]);
    found[name] = options.kind === "hashed" ? rows.sort() : rows;
  }
  await db.close();
  return found;
}

function expected(isLater: boolean): Record<string, unknown> {
  const rows = [...rowsOf("checkpoint"), ...rowsOf("log")];
  return {
    ordered: rows.slice(1),
    hashed: [...rows].sort(),
    bytes: [[Uint8Array.of(0, 255), largeValue]],
    expiring: isLater
      ? [["stays", "v"]]
      : [
          ["gone later", "v"],
          ["stays", "v"],
        ],
  };
}

describe.each(names)("%s", (name) => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "cairn-golden-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test.each(["open", "closed"])("opens as it was left: %s", async (state) => {
    unpack(readGolden(join(folderOfGoldens, name))[state], folder);
    expect(await contentOf(folder, clock)).toEqual(expected(false));
    expect(await contentOf(folder, clock + 10_000)).toEqual(expected(true));
  });

  test("goes on: what is added is there beside what was", async () => {
    unpack(readGolden(join(folderOfGoldens, name)).open, folder);
    const db = await open(folder, { clock: () => clock });
    const ordered = await db.keyspace("ordered", { kind: "ordered", value: "json" });
    await ordered.put("added", 1);
    await db.checkpoint();
    await ordered.put("added later", 2);
    await db.close();
    const rows = (await contentOf(folder, clock)).ordered;
    const before = expected(false).ordered as unknown[];
    expect(rows).toEqual([["added", 1], ["added later", 2], ...before]);
  });
});

test("there is a golden database", () => {
  expect(names).not.toEqual([]);
});
