/** What the README shows is run, and what it links to is there. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as esbuild from "esbuild";
import { afterAll, expect, test } from "vitest";
import { read, root } from "./tidy/repository.ts";

const readme = read("README.md");
const folder = mkdtempSync(join(tmpdir(), "cairn-readme-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the example runs, and prints what its comments and data say", async () => {
  const [, example] = readme.match(/```ts\n(.*?)```/s) ?? [];
  const source = join(folder, "example.ts");
  const path = JSON.stringify(join(folder, "shop.cairn"));
  writeFileSync(source, (example ?? "").replace('"./shop.cairn"', path));
  const outfile = join(folder, "example.mjs");
  await esbuild.build({
    entryPoints: [source],
    outfile,
    bundle: true,
    format: "esm",
    target: "es2022",
    platform: "neutral",
    external: ["node:*"],
    alias: { cairndb: join(root, "src/index.ts") },
    define: { "console.log": "globalThis.printed.push" },
    logLevel: "error",
  });
  const printed: unknown[] = [];
  Object.assign(globalThis, { printed });
  await import(/* @vite-ignore */ outfile);
  expect(readFileSync(outfile, "utf8")).not.toContain("console.log");
  expect(printed).toEqual([{ user: 7 }, "tea.black", 30, "tea.green", 12, "king", 187, 7, 0]);
});

test("every link leads to a file", () => {
  for (const name of ["README.md", "docs/cli.md"]) {
    const links = Array.from(read(name).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g), ([, to]) => to);
    expect(links.length, name).toBeGreaterThan(0);
    const missing = links.filter((to) => !existsSync(join(root, name, "..", to)));
    expect(missing, name).toEqual([]);
  }
});
