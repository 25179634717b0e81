import { existsSync, readFileSync } from "node:fs";

/** The raw exports that the arithmetic tests call: addresses and numbers only. */
export interface Arithmetic {
  readonly memory: WebAssembly.Memory;
  readonly crc32c: (pointer: number, length: number, seed: number) => number;
  readonly inputAddress: () => number;
  readonly inputBytes: () => number;
  readonly u256Add: (left: number, right: number, out: number) => number;
  readonly u256AddEach: (left: number, right: number, out: number, count: number) => number;
  readonly u256Compare: (left: number, right: number) => number;
  readonly u256Divide: (left: number, right: number, out: number) => number;
  readonly u256DivideRemainder: (
    left: number,
    right: number,
    quotient: number,
    remainder: number,
  ) => number;
  readonly u256FailedIndex: () => number;
  readonly u256Multiply: (left: number, right: number, out: number) => number;
  readonly u256MultiplyEach: (left: number, right: number, out: number, count: number) => number;
  readonly u256ParseDecimal: (pointer: number, length: number, out: number) => number;
  readonly u256ParseHex: (pointer: number, length: number, out: number) => number;
  readonly u256PrintDecimal: (value: number, out: number) => number;
  readonly u256PrintHex: (value: number, out: number) => number;
  readonly u256Remainder: (left: number, right: number, out: number) => number;
  readonly u256Subtract: (left: number, right: number, out: number) => number;
  readonly u256SubtractEach: (left: number, right: number, out: number, count: number) => number;
  readonly u256Sum: (values: number, count: number, out: number) => number;
  readonly u256Transfer: (source: number, target: number, amount: number) => number;
  readonly u256TransferEach: (
    sources: number,
    targets: number,
    amounts: number,
    count: number,
  ) => number;
}

export const builds = ["release", "checked"] as const;
export type Build = (typeof builds)[number];

const folder = new URL("../../build/out/", import.meta.url).pathname;
const fileOf: Record<Build, string> = {
  release: `${folder}core.wasm`,
  checked: `${folder}core.checked.wasm`,
};

/** The compiled core. */
export function coreModule(build: Build): WebAssembly.Module {
  const path = fileOf[build];
  if (!existsSync(path)) throw new Error(`No ${path}: run "npm run build:core" first.`);
  return new WebAssembly.Module(readFileSync(path));
}

/** Address of memory that the core never uses: the instance's own, grown by `bytes`. */
export function growBy(memory: WebAssembly.Memory, bytes: number): number {
  return memory.grow(Math.ceil(bytes / 65536)) * 65536;
}

/** An initialised instance. An assertion of the checked build throws. */
export function instantiate(module: WebAssembly.Module): Arithmetic {
  const abort = (_message: number, _file: number, line: number, column: number): never => {
    throw new Error(`assertion failed at line ${line}:${column}`);
  };
  const { exports } = new WebAssembly.Instance(module, { env: { abort } });
  (exports.initialize as () => void)();
  return exports as unknown as Arithmetic;
}
