import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

test("counters follow their keyspaces, and refuse what cannot be", { timeout: 120_000 }, () => {
  const compiler = join(
    dirname(createRequire(import.meta.url).resolve("typescript/package.json")),
    "bin",
    "tsc",
  );
  const project = fileURLToPath(new URL("types", import.meta.url));
  const { stdout, status } = spawnSync(process.execPath, [compiler, "-p", project], {
    encoding: "utf8",
  });
  expect(stdout).toBe("");
  expect(status).toBe(0);
});
