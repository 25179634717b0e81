import { describe, expect, test } from "vitest";
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
  importsOf,
  resolveImport,
} from "./rules.ts";
import { codeOf, functionsOf, type Source, show, type Violation } from "./source.ts";
import { checkDocumented, checkReached, exportsOf } from "./surface.ts";

const source = (text: string, path = "src/engine/planted.ts"): Source => ({ path, text });
const linesOf = (violations: Violation[]): number[] => violations.map(({ line }) => line);
const mapOf = (...sources: Source[]): Map<string, Source> =>
  new Map(sources.map((each) => [each.path, each]));

describe("code without comments and literals", () => {
  test.each([
    ["a // Date.now", "a            "],
    ["a /* b\n c */ d", "a     \n      d"],
    ["f(\"x{\", '}')", "f(    ,    )"],
    ["f(`a $'{b} c $'{`$'{d}`}` + e)", "f(     b         d     + e)"],
    ["f(`$'{{ a: 1 }.a}`)", "f(   { a: 1 }.a  )"],
    ["a / b / c", "a / b / c"],
    ["x = /[/{]\\/'/g.test(y)", "x =           .test(y)"],
    ["return /{/;", "return    ;"],
  ])("%j", (text, expected) => {
    // Written with a quote in between: the linter takes a placeholder in a string for a slip.
    expect(codeOf(text.replaceAll("$'{", "$\u007b"))).toBe(expected);
  });

  test("keeps every line and column in its place", () => {
    const text = 'const a = `\n$\u007bb}\n`; // c\nconst d = "é😀";\n';
    const code = codeOf(text);
    expect(code).toHaveLength(text.length);
    expect(code.split("\n")).toHaveLength(text.split("\n").length);
    expect(code.indexOf("const d")).toBe(text.indexOf("const d"));
  });
});

describe("lengths", () => {
  test("a line of 100 columns passes, one of 101 does not, counted in characters", () => {
    expect(checkLengths(source(`${"a".repeat(100)}\n${"😀".repeat(100)}\n`))).toEqual([]);
    expect(linesOf(checkLengths(source(`a\n${"a".repeat(101)}\n`)))).toEqual([2]);
  });

  test("a file of 800 lines passes, one of 801 does not", () => {
    expect(checkLengths(source("a\n".repeat(800)))).toEqual([]);
    expect(checkLengths(source("a\n".repeat(801)))).toHaveLength(1);
  });

  const body = (lines: number): string => `{\n${"  a();\n".repeat(lines - 2)}}`;
  test.each([
    ["a function", (block: string) => `export function name(a: number): void ${block}`],
    ["with a generic result", (block: string) => `function name(): Map<string, A> ${block}`],
    ["with an object as result", (block: string) => `function name(): { a: number } ${block}`],
    ["a generator", (block: string) => `function* name<T>(a: T): Steps<T> ${block}`],
    ["a method", (block: string) => `class A { static async #name(a = "{"): B ${block} }`],
    ["an arrow function", (block: string) => `const a = b((c): void => ${block});`],
  ])("%s of 70 lines passes, one of 71 does not", (_name, wrap) => {
    expect(checkFunctionLengths(source(wrap(body(70))))).toEqual([]);
    expect(checkFunctionLengths(source(wrap(body(71))))).toHaveLength(1);
  });

  test.each([
    ["a loop", (block: string) => `for (const a of b) ${block}`],
    ["a class", (block: string) => `class A extends B ${block}`],
    ["an object", (block: string) => `const a = b(c) ?? ${block}`],
  ])("%s may be longer than a function", (_name, wrap) => {
    expect(checkFunctionLengths(source(wrap(body(100))))).toEqual([]);
  });

  test("functions are found with their names and lines", () => {
    const text = "function a(): void {\n  if (b) {\n    c(() => {\n    });\n  }\n}\n";
    expect(functionsOf(codeOf(text))).toEqual([
      { name: "", firstLine: 3, lastLine: 4 },
      { name: "a", firstLine: 1, lastLine: 6 },
    ]);
  });
});

describe("banned calls", () => {
  test.each([
    "Date.now()",
    "new Date()",
    "performance.now()",
    "Math.random()",
    "crypto.getRandomValues(a)",
    "setTimeout(f, 1)",
    "setInterval(f, 1)",
    "console.log(1)",
    "Buffer.from(a)",
    "process.pid",
    "new WebAssembly.Instance(a)",
  ])("%s is found, and says what to use instead", (call) => {
    const [violation, ...rest] = checkBans(source(`\nconst a = ${call};`));
    expect(rest).toEqual([]);
    expect(violation.line).toBe(2);
    expect(violation.message).toMatch(/is only for .*\. [A-Z].*\.$/);
  });

  test.each([
    "// Date.now() would not do",
    'throw new Error("setTimeout")',
    "connection.setTimeout(1)",
    "new Date(time)",
    "new ArrayBuffer(8)",
    "(globalThis as { Buffer?: unknown }).Buffer?.from(8)",
    "options.process.name",
    "module: WebAssembly.Module",
  ])("%s is not", (text) => {
    expect(checkBans(source(text))).toEqual([]);
  });

  test("each is allowed in its home", () => {
    expect(checkBans(source("Date.now(); Math.random()", "src/surroundings.ts"))).toEqual([]);
    expect(checkBans(source("Buffer.from(a)", "src/storage/node-fs/a.ts"))).toEqual([]);
    expect(checkBans(source("console.log(1)", "src/cli/a.ts"))).toEqual([]);
    expect(checkBans(source("new WebAssembly.Instance(a)", "bindings/a.ts"))).toEqual([]);
  });
});

describe("imports", () => {
  test("static, dynamic and re-exported ones are found, those in comments are not", () => {
    const text = [
      'import { a } from "./a.ts";',
      'import type { b } from "./b.ts";',
      'import "./c.ts";',
      'export { d } from "./d.ts";',
      'const e = await import("./e.ts");',
      '// import "./f.ts";',
      "import {\n  g,\n} from './g.ts';",
    ].join("\n");
    expect(importsOf(text).map(({ specifier }) => specifier)).toEqual(
      ["a", "b", "c", "d", "e", "g"].map((name) => `./${name}.ts`),
    );
  });

  test("relative ones are resolved", () => {
    expect(resolveImport("src/kv/a.ts", "../engine/b.ts")).toBe("src/engine/b.ts");
    expect(resolveImport("src/index.ts", "./errors.ts")).toBe("src/errors.ts");
    expect(resolveImport("src/a/b.ts", "../../bindings/c.ts")).toBe("bindings/c.ts");
  });

  test.each([
    ["src/engine/a.ts", "../transaction/b.ts"],
    ["src/storage/a.ts", "../engine/b.ts"],
    ["bindings/a.ts", "../src/storage/b.ts"],
    ["bindings/a.ts", "../assembly/b.ts"],
    ["src/kv/a.ts", "../cli/b.ts"],
    ["src/kv/a.ts", "../open.ts"],
    ["src/kv/a.ts", "../unheard-of/b.ts"],
    ["src/unheard-of/a.ts", "../kv/b.ts"],
    ["src/errors.ts", "./kv/b.ts"],
    ["assembly/a.ts", "../src/errors.ts"],
    ["src/engine/a.ts", "node:fs"],
    ["src/index.ts", "node:fs"],
    ["src/kv/a.ts", "citty"],
  ])("%s may not import %s", (path, specifier) => {
    expect(checkLayers(source(`import { a } from "${specifier}";`, path))).toHaveLength(1);
    expect(checkLayers(source(`await import("${specifier}");`, path))).toHaveLength(1);
  });

  test.each([
    ["src/engine/a.ts", "../storage/port.ts"],
    ["src/engine/a.ts", "../../bindings/core.ts"],
    ["src/engine/log/a.ts", "../b.ts"],
    ["bindings/a.ts", "../src/errors.ts"],
    ["src/index.ts", "./kv/a.ts"],
    ["src/cli/a.ts", "../index.ts"],
    ["src/cli/a.ts", "citty"],
    ["src/cli/a.ts", "node:fs"],
    ["src/storage/node-fs/a.ts", "node:fs"],
    ["assembly/tree/a.ts", "../page/b"],
  ])("%s may import %s", (path, specifier) => {
    expect(checkLayers(source(`import { a } from "${specifier}";`, path))).toEqual([]);
  });

  test("a file that nothing reaches is found", () => {
    const sources = mapOf(
      source('export { a } from "./a.ts";', "src/index.ts"),
      source('await import("./b.ts");', "src/a.ts"),
      source("", "src/b.ts"),
      source('import "./a.ts";', "src/alone.ts"),
    );
    const paths = checkReached(sources, ["src/index.ts"]).map(({ path }) => path);
    expect(paths).toEqual(["src/alone.ts"]);
  });

  test("a binding that waits for its layer is none, if the core has it and a test uses it", () => {
    const sources = mapOf(source("", "src/index.ts"), source("", "bindings/u256.ts"));
    const part = source("", "assembly/u256/add.ts");
    const proof = source('import { a } from "../../bindings/u256.ts";', "test/u256/a.test.ts");
    const elsewhere = source(proof.text, "test/hash/a.test.ts");
    const found = (...others: Source[]): number =>
      checkReached(sources, ["src/index.ts"], others).length;
    expect(found(part, proof)).toBe(0);
    expect([found(), found(part), found(proof), found(part, elsewhere)]).toEqual([1, 1, 1, 1]);
  });
});

describe("the public surface", () => {
  const sources = mapOf(
    source(
      'export * from "./a.ts";\nexport { type B, c as d } from "./kv/index.ts";\n' +
        "export const e = 1;\n",
      "src/index.ts",
    ),
    source("/** Documented. */\nexport class A {}\nexport interface Undocumented {}\n", "src/a.ts"),
    source('export { type B, c } from "./b.ts";', "src/kv/index.ts"),
    source("/** One. */\nexport type B = 1;\nfunction c() {}\nexport { c };\n", "src/kv/b.ts"),
  );

  test("is followed through re-exports to where each name is declared", () => {
    expect(exportsOf(sources, "src/index.ts")).toEqual([
      { name: "A", path: "src/a.ts" },
      { name: "Undocumented", path: "src/a.ts" },
      { name: "B", path: "src/kv/b.ts" },
      { name: "c", path: "src/kv/b.ts" },
      { name: "e", path: "src/index.ts" },
    ]);
  });

  test("has no export without a docstring", () => {
    expect(checkDocumented(sources, "src/index.ts").map(show)).toEqual([
      "src/a.ts:3: Undocumented is public and has no docstring.",
      "src/kv/b.ts:3: c is public and has no docstring.",
      "src/index.ts:3: e is public and has no docstring.",
    ]);
  });

  test("has no export whose declaration is missing", () => {
    const lost = mapOf(source('export { a } from "./gone.ts";', "src/index.ts"));
    expect(checkDocumented(lost, "src/index.ts")).toHaveLength(1);
  });
});

describe("the small rules", () => {
  test("non-ASCII characters are found", () => {
    expect(linesOf(checkAscii(source("a\n// é\n// \t tab\n")))).toEqual([2, 3]);
    expect(checkAscii(source("// plain -> text\n"))).toEqual([]);
  });

  test.each([
    ["FIX", "ME"],
    ["TO", "DO"],
    ["X", "XX"],
  ])("%s%s is found", (...parts) => {
    expect(linesOf(checkUnfinished(source(`a\n// ${parts.join("")}: later`)))).toEqual([2]);
  });

  test("tests that do not run are found", () => {
    for (const call of ["test.only", "describe.skip", "it.todo", "test.concurrent.skip"]) {
      expect(checkTestsRun(source(`${call}("a", () => {});`))).toHaveLength(1);
    }
    expect(checkTestsRun(source('test("only", () => {}); // test.skip'))).toEqual([]);
  });

  test("default exports are found", () => {
    expect(linesOf(checkDefaultExports(source("a;\nexport default a;")))).toEqual([2]);
    expect(checkDefaultExports(source('export const a = "export default";'))).toEqual([]);
  });

  test.each(["src/utils.ts", "src/kv/helpers.ts", "test/common.ts", "src/CamelCase.ts"])(
    "%s is no name",
    (path) => {
      expect(checkNames(source("", path))).toHaveLength(1);
    },
  );

  test.each(["src/kv/read-set.ts", "test/u256/u256.test.ts", "bindings/load.workerd.ts"])(
    "%s is",
    (path) => {
      expect(checkNames(source("", path))).toEqual([]);
    },
  );

  test("links to files that are not there are found", () => {
    const text = "[a](../a.md)\n[b](b.md#part)\n[c](https://c.example/d)\n[e](#here)\n[f](f/)\n";
    const exists = (path: string): boolean => path === "a.md" || path === "docs/f";
    const violations = checkLinks(source(text, "docs/page.md"), (path) =>
      exists(path.replace(/\/$/, "")),
    );
    expect(violations.map(show)).toEqual(["docs/page.md:2: b.md is not there."]);
  });
});
