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

const examples = Array.from(readme.matchAll(/```ts\n(.*?)```/gs), ([, text]) => text);

/** Bundles an example; what it prints goes to `globalThis.printed`. */
async function bundle(example: string, name: string): Promise<string> {
  const source = join(folder, `${name}.ts`);
  const path = JSON.stringify(join(folder, "shop.cairn"));
  writeFileSync(source, example.replace('"./shop.cairn"', path));
  const outfile = join(folder, `${name}.mjs`);
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
  expect(readFileSync(outfile, "utf8")).not.toContain("console.log");
  return outfile;
}

test("the example runs, and prints what its comments say", async () => {
  const outfile = await bundle(examples[0], "example");
  const printed: unknown[] = [];
  Object.assign(globalThis, { printed });
  await import(/* @vite-ignore */ outfile);
  const bob = { owner: "bob", balance: 30n };
  const then = { ...bob, balance: 0n };
  const query = [{ owner: "ada" }];
  expect(printed).toEqual([{ user: 7 }, "king", 187, bob, then, query, "duplicate", 60n]);
});

test("the worker answers", async () => {
  const { default: worker } = await import(/* @vite-ignore */ await bundle(examples[1], "worker"));
  const response = await worker.fetch(new Request("https://edge.example/?near=0.8,0.2,0.3"));
  expect(await response.json()).toMatchObject([{ id: "king" }]);
});

test("every link leads to a file", () => {
  for (const name of ["README.md", "docs/cli.md"]) {
    const links = Array.from(read(name).matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g), ([, to]) => to);
    expect(links.length, name).toBeGreaterThan(0);
    const missing = links.filter((to) => !existsSync(join(root, name, "..", to)));
    expect(missing, name).toEqual([]);
  }
});
