/**
 * Takes the place of load-vector.ts in the bundle for workerd, where a Wasm module is imported by
 * its path. workerd has relaxed SIMD.
 */
import vector from "./vector.relaxed.wasm";

/** The compiled module. */
export function loadVector(): WebAssembly.Module {
  return vector;
}
