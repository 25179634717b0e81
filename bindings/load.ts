/**
 * Where the core's code comes from. This file serves every platform that may compile bytes: Node,
 * Deno, Bun and browsers. The build puts load.workerd.ts in its place for workerd (see
 * build/build.mjs).
 */
import { fromBase64 } from "./base64.ts";
import { coreBase64 } from "./wasm.generated.ts";

let core: WebAssembly.Module | undefined;

/** The compiled core. It is compiled at the first call, once, so that importing costs nothing. */
export function loadCore(): WebAssembly.Module {
  core ??= new WebAssembly.Module(fromBase64(coreBase64));
  return core;
}
