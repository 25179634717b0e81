// Branches of the core that no test takes, by counters: each way of each `if`, `?:`, `&&`, `||` and
// loop calls out of a build made for this, and who calls is counted.
//
//   node test/proof/core-coverage.mjs [TEST ...]        (default: the suites below)
//
// The sources are copied, so nothing else is disturbed. Ends with `N of M ways`, and 1 when one is
// left out.
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { NodeKind } from "assemblyscript";
import asc from "assemblyscript/asc";
import { Transform } from "assemblyscript/transform";

const root = fileURLToPath(new URL("../..", import.meta.url));
process.chdir(root);

const suites = ["btree", "hash", "page", "tree", "effect", "u256", "crc32c", "bindings", "engine"]
  .concat(["crash", "kv", "format"])
  .map((name) => `test/${name}/`);
const tests = process.argv.length > 2 ? process.argv.slice(2) : suites;
const entry = "assembly/index.ts";

/** Ways, in the order of their numbers: where, and which of them. */
const ways = [];
/** Text to put in, by file: [offset, text, order at the same offset]. */
const insertions = new Map();

function way(node, what) {
  const { source, start } = node.range;
  const line = source.text.slice(0, start).split("\n").length;
  ways.push(`${source.normalizedPath}:${line} ${what}`);
  return ways.length - 1;
}

function insert(node, at, text) {
  const path = node.range.source.normalizedPath;
  if (!insertions.has(path)) insertions.set(path, []);
  insertions.get(path).push([at, text, insertions.get(path).length]);
}

/** Where a statement ends, its semicolon included. */
function endOf({ range: { source, end } }) {
  return source.text[end] === ";" ? end + 1 : end;
}

/** A statement that is counted, in braces of its own. */
function countStatement(node, what) {
  insert(node, node.range.start, `{ hit(${way(node, what)}); `);
  walk(node);
  insert(node, endOf(node), " }");
}

function countExpression(node, what) {
  insert(node, node.range.start, `(hit(${way(node, what)}), `);
  walk(node);
  insert(node, node.range.end, ")");
}

function walkIf(node) {
  walk(node.condition);
  countStatement(node.ifTrue, "then");
  if (node.ifFalse) countStatement(node.ifFalse, "else");
  else insert(node, endOf(node), ` else { hit(${way(node, "no else")}); }`);
}

const isLogical = (node) => {
  if (node.kind !== NodeKind.Binary) return false;
  const { text } = node.range.source;
  return /^(&&|\|\|)/.test(text.slice(node.left.range.end).replace(/^[\s)]+/, ""));
};

function walk(node) {
  if (node.kind === NodeKind.If) return walkIf(node);
  if (node.kind === NodeKind.Ternary) {
    walk(node.condition);
    countExpression(node.ifThen, "?");
    countExpression(node.ifElse, ":");
    return;
  }
  if (isLogical(node)) {
    walk(node.left);
    countExpression(node.right, "right side");
    return;
  }
  if (node.kind === NodeKind.While || node.kind === NodeKind.For) {
    for (const part of [node.initializer, node.condition, node.incrementor]) if (part) walk(part);
    countStatement(node.body ?? node.statement, "loop");
    return;
  }
  for (const [name, value] of Object.entries(node)) {
    if (name === "range" || name === "source") continue;
    for (const child of Array.isArray(value) ? value : [value]) {
      if (child !== null && typeof child === "object" && "kind" in child && "range" in child) {
        walk(child);
      }
    }
  }
}

class Collect extends Transform {
  afterParse(parser) {
    for (const source of parser.sources) {
      if (!source.normalizedPath.startsWith("assembly/")) continue;
      for (const statement of source.statements) {
        // Types, constants and imports take no way.
        if ([NodeKind.FunctionDeclaration, NodeKind.ClassDeclaration].includes(statement.kind)) {
          walk(statement);
        }
      }
    }
  }
}

const options = [
  "--runtime",
  "stub",
  "--enable",
  "simd",
  "--exportStart",
  "initialize",
  "--noAssert",
];

async function compile(texts, transforms) {
  let wasm;
  const read = (name, base) => {
    const path = relative(root, resolve(base, name));
    if (path === "asconfig.json") return null;
    try {
      return texts.get(path) ?? readFileSync(path, "utf8");
    } catch {
      return null;
    }
  };
  const { error, stderr } = await asc.main(
    [entry, ...options, "--use", "abort=", "-O1", "--outFile", "core"],
    {
      readFile: read,
      writeFile: (_name, contents) => {
        if (typeof contents !== "string") wasm = contents;
      },
      listFiles: () => [],
      ...(transforms === undefined ? {} : { transforms }),
    },
  );
  if (error) throw new Error(`${error.message}\n${stderr.toString()}`);
  return wasm;
}

function instrumented() {
  const texts = new Map();
  for (const [path, list] of insertions) {
    let text = readFileSync(path, "utf8");
    // From the end, and at one place the later first, so that nested ones nest.
    list.sort(([a, , i], [b, , j]) => b - a || j - i);
    for (const [at, piece] of list) text = text.slice(0, at) + piece + text.slice(at);
    const cover = relative(dirname(path), "assembly/cover");
    const from = cover.startsWith(".") ? cover : `./${cover}`;
    texts.set(path, `import { hit } from "${from}";\n${text}`);
  }
  // The host is called once a way and instance: calling it each time takes a hundred times as long.
  const declared = `@external("cover", "told")
declare function told(way: u32): void;
const SEEN: usize = memory.data(${ways.length}, 16);
export function hit(way: u32): void {
  if (load<u8>(SEEN + way) != 0) return;
  store<u8>(SEEN + way, 1);
  told(way);
}
`;
  return texts.set("assembly/cover.ts", declared);
}

const setup = `
import { writeFileSync } from "node:fs";
import { afterAll } from "vitest";
const counts = new Uint32Array(WAYS);
const cover = { told: (way: number) => { counts[way]++; } };
const Real = WebAssembly.Instance;
WebAssembly.Instance = new Proxy(Real, {
  construct: (target, [module, imports]) => new target(module, { ...imports, cover }),
}) as typeof Real;
afterAll(() => {
  writeFileSync(\`counts/\${process.pid}-\${Math.random()}\`, new Uint8Array(counts.buffer));
});
`;

await compile(new Map(), [Collect]);
const wasm = await compile(instrumented());
const copy = mkdtempSync(join("build/out", "core-coverage-"));
try {
  for (const name of ["src", "test", "bindings", "assembly", "package.json", "vitest.config.ts"]) {
    cpSync(name, join(copy, name), {
      recursive: true,
      filter: (path) => !path.includes("test/runtime/install"),
    });
  }
  symlinkSync(resolve("node_modules"), join(copy, "node_modules"));
  mkdirSync(join(copy, "counts"));
  const base64 = Buffer.from(wasm).toString("base64");
  const generated = `export const coreBase64: string =\n  "${base64}";\n`;
  writeFileSync(join(copy, "bindings/wasm.generated.ts"), generated);
  mkdirSync(join(copy, "build/out"), { recursive: true });
  for (const name of ["core", "core.checked"]) {
    writeFileSync(join(copy, `build/out/${name}.wasm`), wasm);
  }
  const seed = readFileSync(join(copy, "test/seed.ts"), "utf8");
  writeFileSync(join(copy, "test/cover.ts"), setup.replace("WAYS", String(ways.length)));
  writeFileSync(join(copy, "test/seed.ts"), `import "./cover.ts";\n${seed}`);
  const vitest = resolve("node_modules/vitest/vitest.mjs");
  const { status } = spawnSync(
    process.execPath,
    [vitest, "run", ...tests, "--maxWorkers=1", "--testTimeout=600000"],
    { cwd: copy, stdio: ["ignore", "ignore", "inherit"] },
  );
  if (status !== 0) console.log("a test has failed: the coverage is that of the others");
  const sums = new Float64Array(ways.length);
  for (const name of readdirSync(join(copy, "counts"))) {
    const bytes = readFileSync(join(copy, "counts", name));
    const counts = new Uint32Array(bytes.buffer, bytes.byteOffset, ways.length);
    counts.forEach((count, index) => {
      sums[index] += count;
    });
  }
  const left = ways.filter((_, index) => sums[index] === 0);
  for (const line of left) console.log(line);
  console.log(`${ways.length - left.length} of ${ways.length} ways`);
  process.exitCode = left.length === 0 ? 0 : 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}
