// Figures on disk: raw ones of every repetition, so that a row can be measured again alone.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export function readResults(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : { runs: {} };
}

export function writeResults(path, results) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, `${JSON.stringify(results, null, 1)}\n`);
  renameSync(`${path}.new`, path);
}

/** Command line: `--name value` and `--flag`. */
export function parseArguments(args, defaults) {
  const options = { ...defaults };
  for (let at = 0; at < args.length; at++) {
    const name = args[at].replace(/^--/, "");
    if (!(name in defaults)) {
      const known = Object.keys(defaults).map((key) => `--${key}`);
      throw new Error(`Unknown argument ${args[at]}. Known: ${known.join(", ")}`);
    }
    const fallback = defaults[name];
    if (typeof fallback === "boolean") options[name] = true;
    else if (typeof fallback === "number") options[name] = Number(args[++at]);
    else options[name] = args[++at];
  }
  return options;
}

/** `a,b` as a predicate; empty selects everything. `get` selects `get.sync` and `get.await` too. */
export function selection(list) {
  const names = list.split(",").filter((name) => name !== "");
  return (name) =>
    names.length === 0 || names.some((wanted) => name === wanted || name.startsWith(`${wanted}.`));
}
