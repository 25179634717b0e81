import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WASI } from "node:wasi";
import { beforeAll, describe, expect, test } from "vitest";

const root = new URL("../../", import.meta.url).pathname;

describe("the self-test of the core", () => {
  let module: WebAssembly.Module;

  beforeAll(() => {
    mkdirSync(`${root}build/out`, { recursive: true });
    const compiler = "node_modules/assemblyscript/bin/asc.js";
    execFileSync(process.execPath, [compiler, "--config", "asconfig.self-test.json"], {
      cwd: root,
    });
    module = new WebAssembly.Module(readFileSync(`${root}build/out/self-test.wasm`));
  });

  /** Runs it as a WASI program with its output in a file. */
  async function run(...options: string[]): Promise<{ exitCode: number; lines: string[] }> {
    const folder = mkdtempSync(join(tmpdir(), "cairn-self-test-"));
    const path = join(folder, "stdout");
    const stdout = openSync(path, "w");
    try {
      const wasi = new WASI({
        version: "preview1",
        args: ["self-test", ...options],
        returnOnExit: true,
        stdout,
      });
      const imports = wasi.getImportObject() as WebAssembly.Imports;
      const exitCode = wasi.start(await WebAssembly.instantiate(module, imports)) as number;
      return { exitCode, lines: readFileSync(path, "utf8").trimEnd().split("\n") };
    } finally {
      closeSync(stdout);
      rmSync(folder, { recursive: true });
    }
  }

  test.each(["1", "20261121", "18446744073709551615"])(
    "passes every check with seed %s",
    async (seed) => {
      const { exitCode, lines } = await run(seed);
      expect(lines.filter((line) => line.startsWith("FAILED"))).toEqual([]);
      expect(lines.at(-1)).toBe("self-test passed");
      expect(lines.filter((line) => line.startsWith("ok "))).toHaveLength(lines.length - 1);
      expect(lines.length).toBeGreaterThan(15);
      expect(exitCode).toBe(0);
    },
  );
});
