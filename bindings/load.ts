/**
 * Where the core's code comes from. This file serves every platform that may compile bytes: Node,
 * Deno, Bun and browsers. The build puts load.workerd.ts in its place for workerd (see
 * build/build.mjs).
 */
import { coreBase64 } from "./wasm.generated.ts";

let core: WebAssembly.Module | undefined;

/** The compiled core. It is compiled at the first call, once, so that importing costs nothing. */
export function loadCore(): WebAssembly.Module {
  core ??= new WebAssembly.Module(fromBase64(coreBase64));
  return core;
}

interface Base64Decoder {
  fromBase64?(text: string): Uint8Array<ArrayBuffer>;
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const decoder = Uint8Array as typeof Uint8Array & Base64Decoder;
  // Node 20 to 24 have no `fromBase64`; `atob` is everywhere. A loop is 4 times as fast as `from`.
  if (decoder.fromBase64 !== undefined) return decoder.fromBase64(text);
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let index = 0; index < bytes.length; index++) bytes[index] = characters.charCodeAt(index);
  return bytes;
}
