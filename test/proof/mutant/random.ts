/** Mutants drawn at random from the sources of the log, of recovery and of checkpoints. */
import { readdirSync, readFileSync } from "node:fs";
import { Random } from "../../storage/random.ts";
import type { Edit, Mutant } from "./mutant.ts";

const folder = "src/engine/log";
const files = [
  ...readdirNames(folder).map((name) => `${folder}/${name}`),
  "src/engine/checkpoint.ts",
  "src/engine/recovery.ts",
  "src/engine/root.ts",
];

/** Made for messages alone: a change of them harms nobody. */
const harmless = /^\s*(\*|\/|import|export (type|interface)|throw|const (found|place|message)|`)/;

interface Operator {
  readonly name: string;
  readonly apply: (line: string) => string | undefined;
}

const operators: readonly Operator[] = [
  { name: "negate", apply: (line) => swap(line, /\bif \((.*)\)( .*|)$/, "if (!($1))$2") },
  { name: "equal", apply: (line) => swap(line, / === /, " !== ") },
  { name: "unequal", apply: (line) => swap(line, / !== /, " === ") },
  { name: "less", apply: (line) => swap(line, / < /, " <= ") },
  { name: "at most", apply: (line) => swap(line, / <= /, " < ") },
  { name: "more", apply: (line) => swap(line, / > /, " >= ") },
  { name: "at least", apply: (line) => swap(line, / >= /, " > ") },
  { name: "plus one", apply: (line) => swap(line, / \+ 1\b/, "") },
  { name: "minus one", apply: (line) => swap(line, / - 1\b/, "") },
  { name: "and", apply: (line) => swap(line, / && /, " || ") },
  { name: "or", apply: (line) => swap(line, / \|\| /, " && ") },
  { name: "plus", apply: (line) => swap(line, / \+= /, " -= ") },
  { name: "extreme", apply: (line) => swap(line, /Math\.max\(/, "Math.min(") },
  { name: "drop", apply: (line) => (isStatement(line) ? "" : undefined) },
];

function readdirNames(path: string): string[] {
  return readdirSync(path)
    .filter((name) => name.endsWith(".ts") && name !== "corrupt.ts" && name !== "database-id.ts")
    .sort();
}

function swap(line: string, from: RegExp, to: string): string | undefined {
  const changed = line.replace(from, to);
  return changed === line ? undefined : changed;
}

/** A call or an assignment on a line of its own. */
function isStatement(line: string): boolean {
  return /^ {4,}(yield\* |await |this\.|[a-z]+\.|[a-z]\w* [+-]?= |[a-z]\w*\().*;$/i.test(line);
}

/** All there are, in an order that the seed decides; the first `most`. */
export function randomMutants(seed: number, most: number): Mutant[] {
  const all = files.flatMap((file) => mutantsOf(file));
  const random = new Random(seed);
  for (let last = all.length - 1; last > 0; last--) {
    const other = random.integer(last + 1);
    [all[last], all[other]] = [all[other] as Mutant, all[last] as Mutant];
  }
  return all.slice(0, most);
}

function mutantsOf(file: string): Mutant[] {
  const text = readFileSync(file, "utf8");
  const lines = text.split("\n");
  return lines.flatMap((line, index) => {
    if (harmless.test(line)) return [];
    return operators.flatMap(({ name, apply }): Mutant[] => {
      const changed = apply(line);
      if (changed === undefined) return [];
      const edit = editOf(file, lines, index, changed);
      const story = `${file}:${index + 1} ${name}: ${line.trim()}`;
      return [{ id: `${file}:${index + 1}:${name}`, story, edits: [edit], checks: [] }];
    });
  });
}

/** The line with as many before it as make it stand there once. */
function editOf(file: string, lines: readonly string[], index: number, changed: string): Edit {
  const text = lines.join("\n");
  for (let first = index; ; first--) {
    const before = lines.slice(first, index).map((line) => `${line}\n`);
    const from = `${before.join("")}${lines[index]}\n`;
    if (text.split(from).length === 2) return { file, from, to: `${before.join("")}${changed}\n` };
  }
}
