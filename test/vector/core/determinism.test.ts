import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const plain = path("../../../build/out/vector.wasm");
const relaxed = path("../../../build/out/vector.relaxed.wasm");
const installed = path("../../runtime/install/node_modules/.bin/");

/**
 * What digest.mjs printed on Node 20, Node 24, Deno and Bun, for both builds. A change of how
 * graphs are built changes it, and must change it everywhere to the same.
 */
const digest = "41a3073b820506313cb5a1384c64b1dc445fe15df1d253e2c683123579eef3cb";

function digestOf(command: string, wasm: string): string {
  const flags = command.endsWith("deno") ? ["run", "--allow-read"] : [];
  return execFileSync(command, [...flags, path("digest.mjs"), wasm])
    .toString()
    .trim();
}

describe("the same calls give the same images and results", () => {
  test("here", () => {
    expect(digestOf(process.execPath, plain)).toBe(digest);
    // Node 20 has no relaxed SIMD.
    if (!WebAssembly.validate(readFileSync(relaxed))) return;
    expect(digestOf(process.execPath, relaxed)).toBe(digest);
  });

  // `npm test` installs them (test/runtime/install.mjs).
  for (const name of ["node", "deno", "bun"]) {
    const command = `${installed}${name}`;
    if (!existsSync(command)) continue;
    test.each([["plain", plain] as const, ["relaxed", relaxed] as const])(
      `on ${name}, %s`,
      (_build, wasm) => {
        expect(digestOf(command, wasm)).toBe(digest);
      },
    );
  }
});
