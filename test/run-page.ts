/** Runs the examples of a page as one program: they must answer what its comments say. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { expect } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

/** `expression; // => answer` becomes a check. */
function checked(line: string): string {
  const [, expression, answer] = line.match(/^(.*); \/\/ => (.*)$/) ?? [];
  return expression === undefined ? line : `check(await (${withoutAwait(expression)}), ${answer});`;
}

const withoutAwait = (expression: string): string => expression.replace(/^await /, "");

/** `page` from the root of the repository; its database is placed elsewhere. */
export async function runPage(page: string, database: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "cairn-docs-"));
  try {
    const text = readFileSync(join(root, page), "utf8");
    const blocks = Array.from(text.matchAll(/```ts\n(.*?)```/gs), ([, code]) => code);
    const program = blocks.join("\n").split("\n").map(checked).join("\n");
    const path = JSON.stringify(join(folder, "database"));
    const source = join(folder, "program.ts");
    const placed = program.replace(JSON.stringify(database), path);
    writeFileSync(source, `const { check } = globalThis as never;\n${placed}`);
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
    // Once where the page says what the comments mean.
    expect(checks).toBe(text.split("// =>").length - 2);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
