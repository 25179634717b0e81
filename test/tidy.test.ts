/**
 * The house rules, held against the whole repository. The rules and their own tests are in tidy/.
 * Where a rule hurts, change the code or the rule: there is no list of exceptions.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { read, root, sourcesIn } from "./tidy/repository.ts";
import {
  checkAscii,
  checkBans,
  checkDefaultExports,
  checkFunctionLengths,
  checkLayers,
  checkLengths,
  checkLinks,
  checkNames,
  checkTestsRun,
  checkUnfinished,
} from "./tidy/rules.ts";
import { type Source, show, type Violation } from "./tidy/source.ts";
import { checkDocumented, checkReached } from "./tidy/surface.ts";

const script = /\.(?:ts|mjs)$/;
const library = sourcesIn(["src", "bindings"], script);
const core = sourcesIn(["assembly"], script);
const tests = sourcesIn(["test"], script);
const tools = sourcesIn(["bench", "build", "tour"], script);
const pages = [
  ...readdirSync(root)
    .filter((name) => name.endsWith(".md"))
    .map((path) => ({ path, text: read(path) })),
  ...sourcesIn(["docs", "bench", "test", "tour"], /\.md$/),
];
const everything = [...library, ...core, ...tests, ...tools];
const shipped = new Map(library.map((source) => [source.path, source]));

/** What the bundles start from, and what the build puts in another file's place. */
const roots = [
  "src/index.ts",
  "src/index.node.ts",
  "src/cli/main.ts",
  "src/storage/no-files.ts",
  "bindings/load.workerd.ts",
  "bindings/load-vector.workerd.ts",
  "bindings/core-wasm.d.ts",
];

const rules: readonly [name: string, sources: Source[], check: (source: Source) => Violation[]][] =
  [
    ["lines and files are short", everything, checkLengths],
    ["functions are short", [...library, ...core], checkFunctionLengths],
    ["clock, randomness, timers and platform stay in their homes", library, checkBans],
    ["imports point down the layers", [...library, ...core], checkLayers],
    ["the core's sources are ASCII", core, checkAscii],
    ["nothing is left for later", everything, checkUnfinished],
    ["no test is left out", tests, checkTestsRun],
    ["exports have names", library, checkDefaultExports],
    ["files have names", everything, checkNames],
  ];

describe("the house rules", () => {
  test.each(rules)("%s", (_name, sources, check) => {
    expect(sources.length, "no sources were found").toBeGreaterThan(0);
    expect(sources.flatMap(check).map(show)).toEqual([]);
  });

  test("links between pages lead somewhere", () => {
    const exists = (path: string): boolean => existsSync(join(root, path));
    expect(pages.flatMap((page) => checkLinks(page, exists)).map(show)).toEqual([]);
  });

  test("what is public has a docstring", () => {
    expect(checkDocumented(shipped, "src/index.ts").map(show)).toEqual([]);
  });

  test("every file of the library is part of it", () => {
    expect(checkReached(shipped, roots, [...core, ...tests]).map(show)).toEqual([]);
  });
});
