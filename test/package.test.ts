/** What is published: built by `npm run build`, checked as a user gets it. */
import { execFileSync } from "node:child_process";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { read, root } from "./tidy/repository.ts";
import { importsOf, resolveImport } from "./tidy/rules.ts";

const wasmGzipBytesMax = 60 * 1024;
const manifest = JSON.parse(read("package.json"));
const bytesOf = (path: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(join(root, path)));

beforeAll(() => {
  if (!existsSync(join(root, "dist/index.js"))) {
    throw new Error("dist/ is missing. Run `npm run build` first.");
  }
});

/** The files that loading `path` loads: itself and its static imports. */
function loadedWith(path: string): { files: string[]; others: string[] } {
  const files = new Set<string>();
  const others = new Set<string>();
  const waiting = [path];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (files.has(next)) continue;
    files.add(next);
    const text = read(next);
    for (const { specifier } of importsOf(text.replace(/\bimport\(/g, "later("))) {
      if (specifier.endsWith(".js")) waiting.push(resolveImport(next, specifier));
      else others.add(specifier);
    }
  }
  return { files: [...files], others: [...others] };
}

describe("package.json", () => {
  test("needs nothing at run time and runs nothing when installed", () => {
    const kinds = [
      "dependencies",
      "peerDependencies",
      "optionalDependencies",
      "bundleDependencies",
    ];
    expect(kinds.filter((kind) => manifest[kind] !== undefined)).toEqual([]);
    const scripts = ["preinstall", "install", "postinstall", "prepare"];
    expect(scripts.filter((name) => manifest.scripts[name] !== undefined)).toEqual([]);
  });

  test("names the conditions in the order in which they are tried", () => {
    const conditions = Object.keys(manifest.exports["."]);
    expect(conditions).toEqual(["types", "workerd", "browser", "node", "default"]);
  });

  test("names only files that exist", () => {
    const { ".": entry, ...others } = manifest.exports;
    const paths = [
      ...Object.values(entry),
      ...Object.values(others),
      ...Object.values(manifest.bin),
    ];
    expect(paths.filter((path) => !existsSync(join(root, String(path))))).toEqual([]);
    const listed: string[] = manifest.files;
    expect(listed.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  test("has a command that can be executed", () => {
    for (const path of Object.values<string>(manifest.bin)) {
      expect(read(path).startsWith("#!/usr/bin/env node\n")).toBe(true);
      expect(() => accessSync(join(root, path), constants.X_OK)).not.toThrow();
    }
  });
});

describe("the core", () => {
  test("imports nothing", () => {
    const module = new WebAssembly.Module(bytesOf("dist/core.wasm"));
    expect(WebAssembly.Module.imports(module)).toEqual([]);
  });

  test("has at most 60 KiB when compressed", () => {
    const bytes = gzipSync(bytesOf("dist/core.wasm"), { level: 9 }).length;
    expect(bytes).toBeLessThanOrEqual(wasmGzipBytesMax);
  });
});

describe("the bundles", () => {
  test("the main entry loads without anything of Node; files come when a path is opened", () => {
    const { files, others } = loadedWith("dist/index.js");
    expect(others).toEqual([]);
    expect(files.filter((path) => read(path).includes('from "node:'))).toEqual([]);
  });

  test("the browser's is one file without imports", () => {
    expect(importsOf(read("dist/index.browser.js"))).toEqual([]);
  });

  test("workerd's imports the core and never compiles bytes", () => {
    const text = read("dist/index.workerd.js");
    const specifiers = importsOf(text).map(({ specifier }) => specifier);
    expect(specifiers.sort()).toEqual(["./core.wasm", "./vector.relaxed.wasm"]);
    expect(text).not.toMatch(/new WebAssembly\.Module\b|WebAssembly\.compile\b/);
  });

  test("all entries export the same names", async () => {
    const names = async (path: string): Promise<string[]> =>
      Object.keys(await import(join(root, path))).sort();
    const portable = await names("dist/index.js");
    expect(portable).toContain("open");
    expect(await names("dist/index.node.js")).toEqual(portable);
    expect(await names("dist/index.browser.js")).toEqual(portable);
    const workerd = /export \{([^}]*)\};?\s*$/.exec(read("dist/index.workerd.js"))?.[1] ?? "";
    const exported = workerd.split(",").map((part) => part.trim().split(" as ").at(-1) ?? "");
    expect(exported.sort()).toEqual(portable);
  });
});

describe("what npm packs", () => {
  test("is the build and four files beside it", () => {
    const output = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    // npm 12 answers with an object by package, earlier ones with a list.
    const [packed] = Object.values<{ files: { path: string }[] }>(JSON.parse(output));
    const outside = packed.files
      .map(({ path }) => path)
      .filter((path) => !path.startsWith("dist/"));
    expect(outside.sort()).toEqual(["CHANGELOG.md", "LICENSE", "README.md", "package.json"]);
    const kinds = new Set(packed.files.map(({ path }) => /(?:\.d)?\.[a-z]+$/.exec(path)?.[0]));
    expect([...kinds].sort()).toEqual([".d.ts", ".js", ".json", ".md", ".wasm", undefined]);
  });

  test("has types that a strict program can use without those of Node", () => {
    const folder = mkdtempSync(join(tmpdir(), "cairn-consumer-"));
    try {
      mkdirSync(join(folder, "node_modules"));
      symlinkSync(root, join(folder, "node_modules/cairndb"), "dir");
      writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
      writeFileSync(
        join(folder, "program.ts"),
        'import { CairnError, open } from "cairndb";\n' +
          'const db = await open("memory:");\n' +
          "await db.close();\n" +
          "// @ts-expect-error: the codes are a closed union\n" +
          'new CairnError("no such code", "");\n',
      );
      const compilerOptions = {
        target: "es2022",
        module: "nodenext",
        lib: ["es2023", "esnext.disposable", "dom"],
        types: [],
        strict: true,
        exactOptionalPropertyTypes: true,
        noUncheckedIndexedAccess: true,
        skipLibCheck: false,
        noEmit: true,
      };
      const files = ["program.ts"];
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
      const tsc = join(root, "node_modules/typescript/bin/tsc");
      let output = "";
      try {
        execFileSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" });
      } catch (error) {
        output = String((error as { stdout?: unknown }).stdout ?? error);
      }
      expect(output).toBe("");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
