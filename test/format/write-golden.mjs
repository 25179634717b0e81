// Adds a golden database of the version that is built: node test/format/write-golden.mjs NAME
// An existing one is never replaced.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { open } from "cairndb";
import { clock, fill, pack, writeGolden } from "./golden.mjs";

const [name] = process.argv.slice(2);
if (!/^[a-z0-9.-]+$/.test(name ?? "")) {
  console.error("usage: node test/format/write-golden.mjs NAME, such as 0.2.0-encryption");
  process.exit(2);
}
const root = fileURLToPath(new URL("../../", import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const folder = mkdtempSync(join(tmpdir(), "cairn-golden-"));
try {
  const db = await open(folder, { clock: () => clock });
  await fill(db);
  const files = { open: pack(folder) };
  await db.close();
  files.closed = pack(folder);
  mkdirSync(join(root, "test/golden"), { recursive: true });
  const path = join(root, `test/golden/${name}.json.gz`);
  writeGolden(path, { version, ...files });
  console.log(`${path}: ${readFileSync(path).length} bytes`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
