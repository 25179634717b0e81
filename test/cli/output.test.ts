/** Exit codes, error messages, progress and colours. */
import { readFileSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import { CliError } from "../../src/cli/cli-error.ts";
import { exitCode, exitCodeOf } from "../../src/cli/exit-code.ts";
import { byteCount, counted, duration } from "../../src/cli/format.ts";
import { ProgressLine, renderProgress } from "../../src/cli/progress.ts";
import type { Sink } from "../../src/cli/surroundings.ts";
import { CairnError, errorCodes } from "../../src/errors.ts";
import { open } from "../../src/index.ts";
import { cairn, newDatabase, newPath, printed } from "./cairn.ts";

const manual = readFileSync(new URL("../../docs/cli.md", import.meta.url), "utf8");
const escapeCharacter = "\u001b";

test("the manual's table has every exit code, and no other", () => {
  const table = manual.slice(manual.indexOf("## Exit codes"), manual.indexOf("## Errors"));
  const documented = Array.from(table.matchAll(/^\| (\d+) \|/gm), ([, code]) => Number(code));
  expect(documented).toEqual(Object.values(exitCode));
});

test("every error code has an exit code, and none of them means success or findings", () => {
  const known: readonly number[] = Object.values(exitCode);
  for (const code of errorCodes) {
    const found = exitCodeOf(new CairnError(code, "x"));
    expect(known, code).toContain(found);
    expect(found, code).toBeGreaterThan(exitCode.problems);
  }
});

test.each([
  ["lock_held", 3],
  ["log_corrupt", 4],
  ["page_corrupt", 4],
  ["database_not_found", 5],
  ["target_exists", 6],
  ["disk_full", 7],
  ["format_newer", 7],
  ["conflict", 8],
  ["root_superseded", 8],
  ["key_too_large", 2],
  ["invariant_broken", 70],
  ["aborted", 130],
] as const)("%s ends with %i", (code, expected) => {
  expect(exitCodeOf(new CairnError(code, "x"))).toBe(expected);
});

test("an error that nobody foresaw is a fault of ours", () => {
  expect(exitCodeOf(new TypeError("x"))).toBe(70);
  expect(exitCodeOf(new CliError("key_not_found", 5, "x"))).toBe(5);
});

test("an error is one line on standard error: who, what, and its code", async () => {
  const { code, stdout, stderr } = await cairn(["get", newPath(), "secret"]);
  expect([code, stdout]).toEqual([5, ""]);
  expect(stderr).toMatch(/^cairn: [^\n]+ \(database_not_found\)\n$/);
  expect(stderr).not.toContain("secret");
});

test("with --json an error is JSON with its class and details", async () => {
  const path = newPath();
  const { stdout, stderr } = await cairn(["get", path, "k", "--json"]);
  expect(stdout).toBe("");
  const { error } = JSON.parse(stderr);
  expect(error).toMatchObject({ code: "database_not_found", class: "unavailable" });
  expect(error).toMatchObject({ retryable: false, details: { path } });
  expect(stderr.endsWith("}\n")).toBe(true);
});

async function manyRecords(): Promise<string> {
  const path = await newDatabase();
  const db = await open(path);
  const records = await db.keyspace();
  const operations = Array.from({ length: 20_000 }, (_none, index) => {
    return { type: "put", key: `key ${index}`, value: "v".repeat(100) } as const;
  });
  await records.batch(operations);
  await db.close();
  return path;
}

test("progress is drawn on a terminal, fits on its line, and is gone at the end", async () => {
  const path = await manyRecords();
  const { code, stdout, stderr } = await cairn(["verify", path], { columns: 70 });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ok: /);
  const drawn = stderr.split(`\r${escapeCharacter}[K`);
  expect(drawn.length).toBeGreaterThan(2);
  expect(drawn[0]).toBe("");
  expect(drawn.at(-1)).toBe("");
  expect(stderr).toContain("verify");
});

test.each([
  ["a pipe", {}],
  ["a build", { columns: 70, env: { CI: "true" } }],
  ["a terminal that cannot erase", { columns: 70, env: { TERM: "dumb" } }],
])("no progress on %s", async (_name, settings) => {
  const path = await manyRecords();
  expect((await cairn(["verify", path], settings)).stderr).toBe("");
});

test("no progress with --json", async () => {
  const path = await manyRecords();
  expect((await cairn(["verify", path, "--json"], { columns: 70 })).stderr).toBe("");
});

test("colours on a terminal, unless NO_COLOR is set", async () => {
  const red = `${escapeCharacter}[31m`;
  const args = ["get", newPath(), "k"];
  expect((await cairn(args, { columns: 70 })).stderr).toContain(red);
  expect((await cairn(args, { columns: 70, env: { NO_COLOR: "yes" } })).stderr).not.toContain(red);
  expect((await cairn(args)).stderr).not.toContain(red);
  expect((await cairn(["--help"])).stdout).not.toContain(escapeCharacter);
});

test("a progress line is never wider than the terminal", () => {
  const progress = { phase: "backup", done: 3_000_000, total: 9_000_000, unit: "bytes" } as const;
  for (let columns = 1; columns < 200; columns++) {
    expect(stripVTControlCharacters(renderProgress(progress, 1_000, columns)).length).toBeLessThan(
      Math.max(2, columns),
    );
  }
  const line = stripVTControlCharacters(renderProgress(progress, 1_000, 120));
  expect(line).toContain(" 33 %");
  expect(line).toContain("2.86 MiB of 8.58 MiB");
  expect(line).toContain("2 s left");
});

test("progress is drawn at most ten times a second, however often it is reported", async () => {
  let time = 0;
  let drawn = 0;
  const sink = (write: () => void): Sink => ({
    isTerminal: true,
    columns: 80,
    write: async () => write(),
  });
  const line = new ProgressLine(
    {
      stdin: { isTerminal: true, read: async () => new Uint8Array(0) },
      stdout: sink(() => undefined),
      stderr: sink(() => {
        drawn++;
      }),
      env: {},
      signal: new AbortController().signal,
      now: () => time,
    },
    false,
  );
  // A second of reports every millisecond, then one more of them at the end.
  for (; time < 2_000; time++) {
    line.show({ phase: "verify", done: Math.min(time, 1_000), total: 1_000, unit: "pages" });
  }
  expect(drawn).toBeGreaterThanOrEqual(20);
  expect(drawn).toBeLessThanOrEqual(22);
});

test("progress of nothing is no division by zero", () => {
  const nothing = { phase: "verify", done: 0, total: 0, unit: "pages" } as const;
  expect(renderProgress(nothing, 0, 100)).toContain("0 %");
  expect(renderProgress(nothing, 0, 100)).not.toMatch(/NaN|Infinity/);
});

test("numbers are as people read them", () => {
  expect([0, 1_023, 1_024, 15_000, 2 ** 20, 5 * 2 ** 40].map(byteCount)).toEqual([
    "0 B",
    "1023 B",
    "1.00 KiB",
    "14.6 KiB",
    "1.00 MiB",
    "5.00 TiB",
  ]);
  expect([counted(1, "page"), counted(2_000, "page")]).toEqual(["1 page", "2,000 pages"]);
  expect([duration(12), duration(1_234), duration(123_456)]).toEqual(["12 ms", "1.2 s", "123 s"]);
});

test("an abort during a backup is an interruption: no database is left behind", async () => {
  const path = await manyRecords();
  const target = newPath();
  const controller = new AbortController();
  const { code, stdout, stderr } = await cairn(["backup", path, target], {
    columns: 100,
    signal: controller.signal,
    onError: (text) => {
      if (text.includes("backup")) controller.abort("interrupted");
    },
  });
  expect(code).toBe(130);
  expect(stdout).toBe("");
  expect(stderr).toContain("(interrupted)");
  expect((await cairn(["info", target])).code).toBe(5);
  expect(await printed("lock", path)).toBe("not locked\n");
  expect((await cairn(["verify", path])).code).toBe(0);
  await printed("backup", path, target);
  expect(await printed("scan", target)).toBe(await printed("scan", path));
});

test("when nobody reads the output any more, the command ends as if it were done", async () => {
  const path = await manyRecords();
  const controller = new AbortController();
  controller.abort("output_closed");
  const outcome = await cairn(["scan", path], { signal: controller.signal });
  expect(outcome).toEqual({ code: 0, stdout: "", stderr: "" });
});
