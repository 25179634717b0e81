/**
 * Where the code of vector indexes comes from, on every platform that may compile bytes. The build
 * puts load-vector.workerd.ts in its place for workerd (see build/build.mjs).
 */
import { fromBase64 } from "./base64.ts";
import { vectorBase64, vectorRelaxedBase64 } from "./vector-wasm.generated.ts";

let vector: WebAssembly.Module | undefined;

/**
 * The compiled module, for as many instances as there are indexes. The build with relaxed SIMD
 * where the platform has it: it gives the same results, faster.
 */
export function loadVector(): WebAssembly.Module {
  if (vector !== undefined) return vector;
  const relaxed = fromBase64(vectorRelaxedBase64);
  const bytes = WebAssembly.validate(relaxed) ? relaxed : fromBase64(vectorBase64);
  vector = new WebAssembly.Module(bytes);
  return vector;
}
