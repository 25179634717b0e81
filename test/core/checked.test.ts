import { instantiateSync } from "@assemblyscript/loader";
import { beforeAll, describe, expect, test } from "vitest";
import { type Arithmetic, coreModule, growBy, instantiate } from "./arithmetic.ts";

describe("a broken precondition", () => {
  let checked: Arithmetic;
  let address: number;

  beforeAll(() => {
    // The loader turns env.abort into an Error that names the message, the file and the place.
    const { exports } = instantiateSync<Arithmetic & { initialize(): void }>(coreModule("checked"));
    exports.initialize();
    checked = exports;
    address = growBy(checked.memory, 65_536);
  });

  test("stops the checked build with a message, a file and a line", () => {
    expect(() => checked.u256Add(0, address, address)).toThrow(
      /^abort: u256: null or unset address at assembly\/u256\/layout\.ts:\d+:\d+$/,
    );
  });

  test("names the functions that led to it", () => {
    const stackOf = (action: () => void): string => {
      try {
        action();
      } catch (error) {
        return (error as Error).stack ?? "";
      }
      return "";
    };
    const stack = stackOf(() => checked.u256Sum(address, 2 ** 20, address));
    expect(stack).toMatch(/assembly\/u256\/layout\/assertRange/);
    expect(stack).toMatch(/assembly\/u256\/batch\/u256Sum/);
  });

  const end = (): number => checked.memory.buffer.byteLength;

  test.each<readonly [string, () => void, RegExp]>([
    ["a value beyond memory", () => checked.u256Compare(address, end() - 31), /outside the memory/],
    ["an address that wraps", () => checked.u256Compare(address, -32), /outside the memory/],
    ["text beyond memory", () => checked.u256ParseHex(end() - 1, 2, address), /outside the memory/],
    ["room that is too small", () => checked.u256PrintHex(address, end() - 65), /outside/],
    ["a CRC beyond memory", () => checked.crc32c(end() - 10, 11, 0), /crc32c: the input lies outs/],
    [
      "a transfer between values that overlap",
      () => checked.u256Transfer(address, address + 8, address + 64),
      /overlap in part/,
    ],
    [
      "columns that overlap in part",
      () => checked.u256AddEach(address, address + 96, address + 32, 2),
      /overlap in part/,
    ],
    [
      "quotient and remainder at one address",
      () => checked.u256DivideRemainder(address, address + 32, address, address),
      /quotient and remainder at one address/,
    ],
  ])("%s is found", (_name, action, message) => {
    expect(action).toThrow(message);
  });

  test("costs nothing in the release build, which has no assertions and no imports", () => {
    const module = coreModule("release");
    expect(WebAssembly.Module.imports(module)).toEqual([]);
    const release = instantiate(module);
    expect(release.u256Compare(0, 0)).toBe(1);
  });
});
