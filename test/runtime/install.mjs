/**
 * The runtimes of the smoke suite: `node test/runtime/install.mjs` puts them into install/ when
 * they are missing there, and `installedRuntimes()` says where they are.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("install/", import.meta.url));
const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));
const { dependencies: pinned } = readJson(join(folder, "package.json"));

/** Path and pinned version by name: `node`, `deno`, `bun`, `workerd`. */
export function installedRuntimes() {
  return Object.fromEntries(
    Object.entries(pinned).map(([name, version]) => [
      name,
      { version, command: join(folder, "node_modules/.bin", name) },
    ]),
  );
}

function isInstalled([name, version]) {
  const manifest = join(folder, "node_modules", name, "package.json");
  if (!existsSync(manifest) || readJson(manifest).version !== version) return false;
  // A package can be there without its binary, when an install script was cut off.
  const { status } = spawnSync(installedRuntimes()[name].command, ["--version"]);
  return status === 0;
}

export function installRuntimes() {
  if (Object.entries(pinned).every(isInstalled)) return;
  console.log("installing the runtimes (525 MB, once)");
  const options = { cwd: folder, stdio: ["ignore", "ignore", "inherit"] };
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
  const { status } = spawnSync(npm, args, options);
  if (status !== 0) throw new Error(`npm ci in ${folder} failed with ${status}`);
  const missing = Object.entries(pinned).filter((entry) => !isInstalled(entry));
  if (missing.length === 0) return;
  throw new Error(`npm ci in ${folder} left out: ${missing.map(([name]) => name).join(", ")}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) installRuntimes();
