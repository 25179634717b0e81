/** docs/key-value.md is one program: it is run, and answers what its comments say. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { afterAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "cairn-docs-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** `expression; // => answer` becomes a check. */
function checked(line: string): string {
  const [, expression, answer] = line.match(/^(.*); \/\/ => (.*)$/) ?? [];
  return expression === undefined ? line : `check(await (${withoutAwait(expression)}), ${answer});`;
}

const withoutAwait = (expression: string): string => expression.replace(/^await /, "");

test("the examples run, and answer what their comments say", async () => {
  const text = readFileSync(join(root, "docs/key-value.md"), "utf8");
  const blocks = Array.from(text.matchAll(/```ts\n(.*?)```/gs), ([, code]) => code);
  const program = blocks.join("\n").split("\n").map(checked).join("\n");
  const path = JSON.stringify(join(folder, "shop.cairn"));
  const source = join(folder, "program.ts");
  writeFileSync(
    source,
    `const { check } = globalThis as never;\n${program.replace('"./shop.cairn"', path)}`,
  );
  const outfile = join(folder, "program.mjs");
  await esbuild.build({
    entryPoints: [source],
    outfile,
    bundle: true,
    format: "esm",
    target: "es2022",
    platform: "neutral",
    external: ["node:*"],
    alias: { cairndb: join(root, "src/index.ts") },
    logLevel: "error",
  });
  let checks = 0;
  const check = (found: unknown, expected: unknown): void => {
    expect(found).toEqual(expected);
    checks++;
  };
  Object.assign(globalThis, { check });
  await import(/* @vite-ignore */ outfile);
  expect(checks).toBe(text.split("// =>").length - 2);
});
