/** What an import of a Wasm file gives on workerd: the compiled module. */
declare module "*.wasm" {
  const core: WebAssembly.Module;
  export default core;
}
