/** The house rules. Each is a function of one file, or of all of them, to its violations. */
import { codeOf, functionsOf, lineAt, type Source, type Violation } from "./source.ts";

export const columnsMax = 100;
export const functionLinesMax = 70;
export const fileLinesMax = 800;

export function checkLengths({ path, text }: Source): Violation[] {
  const violations: Violation[] = [];
  const lines = text.trimEnd().split("\n");
  for (const [index, content] of lines.entries()) {
    const columns = Array.from(content).length;
    if (columns <= columnsMax) continue;
    const message = `${columns} columns, at most ${columnsMax}. Break the line.`;
    violations.push({ path, line: index + 1, message });
  }
  if (lines.length > fileLinesMax) {
    const message = `${lines.length} lines, at most ${fileLinesMax}. Split the file by purpose.`;
    violations.push({ path, line: fileLinesMax + 1, message });
  }
  return violations;
}

export function checkFunctionLengths({ path, text }: Source): Violation[] {
  return functionsOf(codeOf(text)).flatMap(({ name, firstLine, lastLine }) => {
    const lines = lastLine - firstLine + 1;
    if (lines <= functionLinesMax) return [];
    const who = name || "a function";
    const message = `${who} has ${lines} lines, at most ${functionLinesMax}. Split it.`;
    return [{ path, line: firstLine, message }];
  });
}

export interface Ban {
  readonly pattern: RegExp;
  readonly instead: string;
  /** Paths, or folders that end in `/`, where it is allowed. */
  readonly homes: readonly string[];
}

const files = ["src/storage/node-fs/", "src/cli/"];

/** What library code may not reach for by itself. */
export const bans: readonly Ban[] = [
  {
    pattern: /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b/g,
    instead: "Take a clock as a parameter.",
    homes: ["src/surroundings.ts"],
  },
  {
    pattern: /\bMath\.random\b|\bcrypto\.(?:getRandomValues|randomUUID)\b/g,
    instead: "Take a source of random bytes as a parameter.",
    homes: ["src/surroundings.ts"],
  },
  {
    pattern: /(?<![.\w])(?:setTimeout|setInterval|setImmediate)\b/g,
    instead: "Take a timer as a parameter.",
    homes: ["src/surroundings.ts"],
  },
  {
    pattern: /\bconsole\./g,
    instead: "Throw, or answer with a report; only the command line talks.",
    homes: ["src/cli/"],
  },
  {
    pattern: /(?<![.\w])(?:Buffer\b(?!\s*\??:)|process\.)/g,
    instead: "Use Uint8Array and what every platform has.",
    homes: files,
  },
  {
    pattern: /\bWebAssembly\.(?:Instance|Memory|instantiate|compile)\b/g,
    instead: "Go through a class of bindings/: nothing else sees Wasm memory.",
    homes: ["bindings/"],
  },
];

function isAt(path: string, homes: readonly string[]): boolean {
  return homes.some((home) => (home.endsWith("/") ? path.startsWith(home) : path === home));
}

export function checkBans({ path, text }: Source): Violation[] {
  const code = codeOf(text);
  return bans.flatMap(({ pattern, instead, homes }) => {
    if (isAt(path, homes)) return [];
    return Array.from(code.matchAll(pattern), ({ 0: found, index }) => ({
      path,
      line: lineAt(text, index),
      message: `${found.trim()} is only for ${homes.join(" and ")}. ${instead}`,
    }));
  });
}

export interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** Static and dynamic imports, and re-exports. */
export function importsOf(text: string): Import[] {
  const code = codeOf(text);
  const found: Import[] = [];
  for (const match of text.matchAll(/\b(?:from|import)\s*\(?\s*["']([^"'\n]+)["']/g)) {
    // In a comment or a literal the keyword is blanked out.
    if (code[match.index] === " ") continue;
    found.push({ specifier: match[1], line: lineAt(text, match.index) });
  }
  return found;
}

/** From the bottom to the top: a layer imports only itself and what stands before it. */
export const layers: readonly string[] = [
  "assembly/",
  "bindings/",
  "src/storage/",
  "src/engine/",
  "src/transaction/",
  "src/kv/",
  "src/vector/",
  "src/tables/",
  "src/query/",
  "src/envelope/",
  "src/migration/",
  "src/counter/",
  "src/cli/",
];

/** Under every layer: files that import nothing. */
const ground = ["src/errors.ts"];

const isTop = (path: string): boolean => /^src\/[^/]+$/.test(path) && !ground.includes(path);

export function checkLayers({ path, text }: Source): Violation[] {
  const from = layers.findIndex((layer) => path.startsWith(layer));
  const violations: Violation[] = [];
  for (const { specifier, line } of importsOf(text)) {
    const report = (message: string): void => {
      violations.push({ path, line, message });
    };
    if (!specifier.startsWith(".")) {
      checkPackageImport(path, specifier, report);
      continue;
    }
    const target = resolveImport(path, specifier);
    if (ground.includes(path)) report(`${path} is under every layer and imports nothing.`);
    else if (path.startsWith("assembly/") && !target.startsWith("assembly/")) {
      report(`${target} is outside the core, which imports only itself.`);
    } else if (target.startsWith("assembly/") && !path.startsWith("assembly/")) {
      report(`${target} runs as Wasm only. Go through bindings/.`);
    } else if (ground.includes(target) || isTop(path)) {
      // Allowed.
    } else if (isTop(target)) {
      // The command line is a user of the package, so it may use its surface.
      if (!path.startsWith("src/cli/")) report(`${target} stands above every layer.`);
    } else {
      const to = layers.findIndex((layer) => target.startsWith(layer));
      if (from < 0 || to < 0) report(`${from < 0 ? path : target} is in no layer of ${rulesPath}.`);
      else if (to > from) report(`${layers[to]} stands above ${layers[from]} Turn it round.`);
    }
  }
  return violations;
}

const rulesPath = "test/tidy/rules.ts";

function checkPackageImport(
  path: string,
  specifier: string,
  report: (message: string) => void,
): void {
  if (specifier.startsWith("node:")) {
    if (!isAt(path, files)) report(`${specifier} is only for ${files.join(" and ")}`);
  } else if (!isAt(path, ["src/cli/"])) {
    report(`${specifier} would be a dependency at run time, and there are none.`);
  }
}

/** The path that a relative import of `path` names, from the root. */
export function resolveImport(path: string, specifier: string): string {
  const parts = path.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

export function checkAscii({ path, text }: Source): Violation[] {
  return Array.from(text.matchAll(/[^\n\x20-\x7e]/g), ({ 0: found, index }) => ({
    path,
    line: lineAt(text, index),
    message: `${JSON.stringify(found)} is not ASCII. The core's sources are.`,
  }));
}

/** Put together here so that this file does not contain them. */
const unfinished = new RegExp(`\\b(?:${["FIX", "TO"].join("ME|")}DO|X{3})\\b`, "g");

export function checkUnfinished({ path, text }: Source): Violation[] {
  return Array.from(text.matchAll(unfinished), ({ 0: found, index }) => ({
    path,
    line: lineAt(text, index),
    message: `${found}: do it now, or say in docs/ what is not there.`,
  }));
}

export function checkTestsRun({ path, text }: Source): Violation[] {
  const pattern = /\b(?:test|it|describe|suite|bench)(?:\.\w+)*\.(?:only|skip|todo|fails)\b/g;
  return Array.from(codeOf(text).matchAll(pattern), ({ 0: found, index }) => ({
    path,
    line: lineAt(text, index),
    message: `${found}: every test runs, always.`,
  }));
}

export function checkDefaultExports({ path, text }: Source): Violation[] {
  // A declaration file describes what somebody else exports.
  if (path.endsWith(".d.ts")) return [];
  return Array.from(codeOf(text).matchAll(/\bexport\s+default\b/g), ({ index }) => ({
    path,
    line: lineAt(text, index),
    message: "a default export has no name of its own. Export it by name.",
  }));
}

export function checkNames({ path }: Source): Violation[] {
  const name = path.split("/").at(-1) ?? "";
  const stem = name.split(".")[0];
  const violations: Violation[] = [];
  if (/^(?:utils?|helpers?|common|misc|shared|stuff)$/.test(stem)) {
    violations.push({ path, line: 1, message: `${name} names no purpose. Say what is in it.` });
  }
  if (!/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(stem)) {
    violations.push({ path, line: 1, message: `${name} is not in kebab-case.` });
  }
  return violations;
}

/** Links to files of the repository. `exists` answers whether a path from the root is there. */
export function checkLinks({ path, text }: Source, exists: (path: string) => boolean): Violation[] {
  return Array.from(text.matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)).flatMap((match) => {
    const target = match[1];
    if (/^[a-z]+:/.test(target) || exists(resolveImport(path, target))) return [];
    return [{ path, line: lineAt(text, match.index), message: `${target} is not there.` }];
  });
}
