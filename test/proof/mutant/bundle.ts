/** The harnesses and everything under them as one module, with the edits of a mutant made. */
import { readFileSync } from "node:fs";
import { join, relative, resolve, sep } from "node:path";
import { build, type Plugin } from "esbuild";
import { type Edit, edited } from "./mutant.ts";

const root = process.cwd();
const generated = resolve(root, "bindings/wasm.generated.ts");
const entry = resolve(root, "test/proof/mutant/checks/worker.ts");

/** A module that runs in a worker: worker.ts says what it wants and answers. */
export async function bundleWith(edits: readonly Edit[]): Promise<string> {
  const core = edits.some(({ file }) => file.startsWith("assembly/"))
    ? await compileCore(edits)
    : undefined;
  const applied = new Set<string>();
  const plugin: Plugin = {
    name: "mutant",
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (path === generated && core !== undefined) {
          return { contents: `export const coreBase64 = ${JSON.stringify(core)};`, loader: "ts" };
        }
        const file = relative(root, path).split(sep).join("/");
        if (!edits.some((edit) => edit.file === file)) return undefined;
        applied.add(file);
        return { contents: edited(readFileSync(path, "utf8"), file, edits), loader: "ts" };
      });
    },
  };
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "silent",
    plugins: [plugin],
  });
  for (const { file } of edits) {
    if (file.startsWith("assembly/") || applied.has(file)) continue;
    throw new Error(`no harness uses ${file}`);
  }
  return outputFiles[0]?.text ?? "";
}

/** The core, compiled without its optimizer: a second or two in place of ten. */
async function compileCore(edits: readonly Edit[]): Promise<string> {
  const { default: asc } = await import("assemblyscript/asc");
  const touched = new Set<string>();
  let wasm = new Uint8Array(0);
  const options = ["--runtime", "stub", "--enable", "simd", "--exportStart", "initialize"];
  const { error, stderr } = await asc.main(
    ["assembly/index.ts", ...options, "--noAssert", "--use", "abort=", "--outFile", "core"],
    {
      readFile(name: string, base: string): string | null {
        const path = resolve(base, name);
        const file = relative(root, path).split(sep).join("/");
        if (file === "asconfig.json") return null;
        let text: string;
        try {
          text = readFileSync(path, "utf8");
        } catch {
          return null;
        }
        if (!edits.some((edit) => edit.file === file)) return text;
        touched.add(file);
        return edited(text, file, edits);
      },
      writeFile(_name: string, contents: Uint8Array | string): void {
        if (typeof contents !== "string") wasm = Uint8Array.from(contents);
      },
      listFiles: () => [],
    },
  );
  if (error !== null) throw new Error(`the core does not compile: ${stderr.toString()}`);
  for (const { file } of edits) {
    if (file.startsWith("assembly/") && !touched.has(file)) {
      throw new Error(`the core has no ${join(root, file)}`);
    }
  }
  return Buffer.from(wasm).toString("base64");
}
