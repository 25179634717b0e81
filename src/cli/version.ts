import { createRequire } from "node:module";

/** Of the package, which the CLI is part of and knows by its name. */
export function packageVersion(): string {
  const manifest: { version: string } = createRequire(import.meta.url)("cairndb/package.json");
  return manifest.version;
}
