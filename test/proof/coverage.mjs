// Branches of log, recovery, checkpoint and codecs that no test takes.
//
//   node test/proof/coverage.mjs [TEST ...]        (default: the suites below)
//
// Ends with `N of M branches`, and with 1 when one is left out that can be taken.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
process.chdir(root);

const measured = [
  "src/engine/log/**",
  "src/engine/{recovery,checkpoint,root,catalogue,blob,open,format-version}.ts",
  "src/kv/{codec,descriptor,text,bytes}.ts",
];
const suites = ["test/engine", "test/format", "test/crash", "test/golden", "test/kv"].concat([
  "test/proof/errors",
  "test/transaction",
]);

/** Ways that nothing can take, by file and line of source, and why they are there. */
const unreachable = [
  {
    path: "src/engine/checkpoint.ts",
    line: "if (number >= firstOpen) continue;",
    reason: "freezing closes every blob that has pages, in the same turn",
  },
  {
    path: "src/engine/checkpoint.ts",
    line: "if (blob === undefined) continue;",
    reason: "a condemned blob is forgotten here and nowhere else; the map's type asks for it",
  },
  {
    path: "src/engine/log/reader.ts",
    line: "const sure = this.#sure ?? end;",
    reason: "the end is only looked at after the log was opened, which sets it",
  },
  {
    path: "src/engine/log/remains.ts",
    line: "if (frame === undefined) return 0;",
    reason: "the caller has seen the magic; the type of readFrame asks for it",
  },
];

const folder = mkdtempSync(join(tmpdir(), "cairn-coverage-"));
const tests = process.argv.length > 2 ? process.argv.slice(2) : suites;
const include = measured.map((pattern) => `--coverage.include=${pattern}`);
const vitest = "node_modules/vitest/vitest.mjs";
const { status } = spawnSync(
  process.execPath,
  [vitest, "run", ...tests, "--maxWorkers=1", "--coverage", "--coverage.provider=v8"].concat(
    [
      "--coverage.reporter=json",
      "--coverage.reportOnFailure",
      `--coverage.reportsDirectory=${folder}`,
    ],
    include,
  ),
  { stdio: ["ignore", "ignore", "inherit"] },
);
if (status !== 0) console.log("a test has failed: the coverage is that of the others");
const files = JSON.parse(readFileSync(join(folder, "coverage-final.json"), "utf8"));
rmSync(folder, { recursive: true });

/**
 * Where a generator goes on after an `if` without `else`, the count of the way around it is worked
 * out below zero: what comes next tells.
 */
function countOf(count, { loc }, { statementMap, s }) {
  if (count >= 0) return count;
  const next = Object.entries(statementMap).find(([, { start }]) => start.line > loc.end.line);
  return next === undefined ? 0 : s[next[0]];
}

let all = 0;
let taken = 0;
let never = 0;
for (const file of Object.values(files)) {
  const { path, branchMap, b } = file;
  const name = relative(root, path);
  const source = readFileSync(path, "utf8").split("\n");
  for (const [id, branch] of Object.entries(branchMap)) {
    const { type, locations, loc } = branch;
    for (const [index, count] of b[id].entries()) {
      all++;
      if (countOf(count, branch, file) > 0) taken++;
      else {
        const where = locations[index]?.start?.line ?? loc.start.line;
        const line = source[where - 1].trim();
        if (unreachable.some((known) => known.path === name && known.line === line)) never++;
        else console.log(`${name}:${where} ${type}, way ${index + 1}`);
      }
    }
  }
}
console.log(`${taken} of ${all} branches, ${never} of the others cannot be taken`);
process.exitCode = taken + never === all && status === 0 ? 0 : 1;
