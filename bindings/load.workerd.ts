/**
 * Takes the place of load.ts in the bundle for workerd (build/build.mjs): there, code may not be
 * compiled from bytes, and a Wasm module is imported by its path, compiled when the worker starts.
 */
import core from "./core.wasm";

/** The compiled core. */
export function loadCore(): WebAssembly.Module {
  return core;
}
