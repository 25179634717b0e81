/** The public surface: what src/index.ts exports, where that is declared, which files it needs. */
import { importsOf, resolveImport } from "./rules.ts";
import { codeOf, lineAt, type Source, type Violation } from "./source.ts";

type Sources = ReadonlyMap<string, Source>;

/** What stands between `export` and the name. */
const declarationStart =
  "(?:declare\\s+)?(?:async\\s+|abstract\\s+)*" +
  "(?:function\\*?|class|const|let|interface|type)\\s+";

/** Finds the exports of `entry` that have no docstring where they are declared. */
export function checkDocumented(sources: Sources, entry: string): Violation[] {
  return exportsOf(sources, entry).flatMap(({ name, path }) => {
    const text = sources.get(path)?.text ?? "";
    const declaration = findDeclaration(text, name);
    if (declaration < 0) {
      return [{ path, line: 1, message: `${name} is exported and its declaration is not found.` }];
    }
    if (/\*\/\s*$/.test(text.slice(0, declaration))) return [];
    const line = lineAt(text, declaration);
    return [{ path, line, message: `${name} is public and has no docstring.` }];
  });
}

interface Exported {
  readonly name: string;
  readonly path: string;
}

/** Every name that `entry` exports, with the file that declares it; follows re-exports. */
export function exportsOf(sources: Sources, entry: string): Exported[] {
  const text = sources.get(entry)?.text;
  if (text === undefined) return [];
  const code = codeOf(text);
  const found: Exported[] = [];
  const pattern = /\bexport\s+(?:type\s+)?(?:\*|\{([^}]*)\})\s*(?:from\s*["']([^"'\n]+)["'])?/g;
  for (const match of text.matchAll(pattern)) {
    if (code[match.index] === " ") continue;
    const target = match[2] === undefined ? entry : resolveImport(entry, match[2]);
    if (match[1] === undefined) {
      found.push(...exportsOf(sources, target));
      continue;
    }
    for (const name of namesIn(match[1])) found.push(declared(sources, target, name));
  }
  const declaration = new RegExp(`^export\\s+${declarationStart}(\\w+)`, "gm");
  for (const match of code.matchAll(declaration)) found.push({ name: match[1], path: entry });
  return found;
}

/** `a, type b, c as d` gives the names as they are declared: a, b, c. */
function namesIn(list: string): string[] {
  return list
    .split(",")
    .map((part) => part.trim().replace(/^type\s+/, ""))
    .map((part) => part.split(/\s+as\s+/)[0])
    .filter((name) => name !== "");
}

function declared(sources: Sources, path: string, name: string): Exported {
  const text = sources.get(path)?.text ?? "";
  if (findDeclaration(text, name) >= 0) return { name, path };
  return exportsOf(sources, path).find((other) => other.name === name) ?? { name, path };
}

function findDeclaration(text: string, name: string): number {
  return codeOf(text).search(new RegExp(`^(?:export\\s+)?${declarationStart}${name}\\b`, "m"));
}

/**
 * Finds the files that none of `roots` reaches by imports.
 *
 * A binding may be there before anything that ships uses it, where it mirrors a folder of the core
 * and a test of that folder imports it: `bindings/u256.ts` belongs to `assembly/u256/` and is
 * proven in `test/u256/`. A part of the core is made and proven together with its host side, and
 * the layer that uses both comes later (tables, for U256). `others` are the sources of the core and
 * of tests.
 */
export function checkReached(
  sources: Sources,
  roots: readonly string[],
  others: readonly Source[] = [],
): Violation[] {
  const missing = roots.filter((path) => !sources.has(path));
  if (missing.length > 0) return missing.map((path) => ({ path, line: 1, message: "is missing." }));
  const reached = new Set<string>();
  const waiting = [
    ...roots,
    ...Array.from(sources.keys()).filter((path) => isProven(path, others)),
  ];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const source = sources.get(path);
    if (source === undefined || reached.has(path)) continue;
    reached.add(path);
    for (const { specifier } of importsOf(source.text)) {
      if (specifier.startsWith(".")) waiting.push(resolveImport(path, specifier));
    }
  }
  return Array.from(sources.keys())
    .filter((path) => !reached.has(path))
    .map((path) => ({
      path,
      line: 1,
      message: "nothing that ships imports this file. Remove it.",
    }));
}

function isProven(path: string, others: readonly Source[]): boolean {
  const name = /^bindings\/([\w-]+)\.ts$/.exec(path)?.[1];
  if (name === undefined) return false;
  const inCore = others.some((other) => other.path.startsWith(`assembly/${name}/`));
  const proofs = others.filter((other) => other.path.startsWith(`test/${name}/`));
  const imports = (proof: Source): boolean =>
    importsOf(proof.text).some(({ specifier }) => resolveImport(proof.path, specifier) === path);
  return inCore && proofs.some((proof) => proof.path.endsWith(".test.ts") && imports(proof));
}
