/**
 * Golden databases: what a version wrote, kept for ever. A file test/golden/NAME.json.gz holds two
 * copies of one small database, `open` as a crash would have left it, and `closed`, each as a map
 * from path to bytes in base64. Segments are mostly zeros, which is why it is compressed.
 *
 * The content is fixed, so that a later version can say what it has to find.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";

export const clock = 1_800_000_000_000;

/** Rows of the ordered and of the hashed keyspace, before the checkpoint and after it. */
export function rowsOf(part) {
  // Every eighth value may be too long for a leaf and go to pages of its own.
  const lengthOf = (id) => (id % 8 === 0 ? (id * 37) % 1_000 : id % 40);
  return Array.from({ length: 200 }, (_, id) => [
    `${part} ${String(id).padStart(3, "0")} é😀`,
    { part, id, text: "ß".repeat(lengthOf(id)) },
  ]);
}

/** 40,000 bytes: several pages in a row. */
export const largeValue = Uint8Array.from({ length: 40_000 }, (_, index) => (index * 31) % 251);

export const keyspaceOptions = {
  ordered: { kind: "ordered", value: "json" },
  hashed: { kind: "hashed", value: "json" },
  bytes: { kind: "ordered", key: "bytes", value: "bytes" },
  expiring: { kind: "hashed", value: "utf8", ttl: 1_000 },
};

/** Fills a new database; the last rows are in the log only. */
export async function fill(db) {
  const keyspaces = {};
  for (const [name, options] of Object.entries(keyspaceOptions)) {
    keyspaces[name] = await db.keyspace(name, options);
  }
  for (const part of ["checkpoint", "log"]) {
    const puts = rowsOf(part).map(([key, value]) => ({ type: "put", key, value }));
    await keyspaces.ordered.batch(puts);
    await keyspaces.hashed.batch(puts);
    if (part === "checkpoint") {
      await keyspaces.bytes.put(Uint8Array.of(0, 255), largeValue);
      await keyspaces.expiring.put("gone later", "v");
      await keyspaces.expiring.put("stays", "v", { ttl: null });
      await db.checkpoint();
    }
  }
  await keyspaces.ordered.delete(rowsOf("checkpoint")[0][0]);
}

/** The files of a database that is not locked by what they say: the lock stays behind. */
export function pack(folder) {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .map((name) => name.replaceAll(sep, "/"))
    .filter((name) => !name.startsWith("lock/"));
  const read = (name) => [name, readFileSync(join(folder, name)).toString("base64")];
  return Object.fromEntries(names.sort().map(read));
}

export function unpack(files, folder) {
  for (const [name, bytes] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, Buffer.from(bytes, "base64"));
  }
}

export const readGolden = (path) => JSON.parse(gunzipSync(readFileSync(path)).toString());

export function writeGolden(path, golden) {
  writeFileSync(path, gzipSync(JSON.stringify(golden), { level: 9 }), { flag: "wx" });
}
