import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { Crc32c } from "../../bindings/crc32c.ts";
import { type Arithmetic, coreModule, growBy, instantiate } from "../core/arithmetic.ts";
import { bitwiseCrc32c, registersOf, sampleBytes } from "./reference.ts";

describe("the CRC-32C binding", () => {
  let core: Arithmetic;

  beforeAll(() => {
    core = instantiate(coreModule("release"));
  });

  const over = (inputBytes: number): Crc32c => {
    const address = growBy(core.memory, inputBytes);
    return new Crc32c({
      memory: core.memory,
      crc32c: core.crc32c,
      inputAddress: () => address,
      inputBytes: () => inputBytes,
    });
  };

  test("gives the check value, unsigned, and 0 for nothing", () => {
    const { checksum } = over(65_536);
    expect(checksum(Buffer.from("123456789"))).toBe(0xe3069283);
    expect(checksum(new Uint8Array(0))).toBe(0);
    expect(checksum(new Uint8Array(0), 0xfedcba98)).toBe(0xfedcba98);
  });

  test.each([16, 1000, 65_536])("takes inputs of any length through %i bytes of input", (room) => {
    const { checksum } = over(room);
    const bytes = sampleBytes(140_000, room);
    const expected = registersOf(bytes);
    const lengths = [
      ...Array(80).keys(),
      room - 1,
      room,
      room + 1,
      2 * room,
      2 * room + 1,
      139_999,
    ];
    for (const length of lengths) {
      expect(checksum(bytes.subarray(0, length))).toBe(expected(length));
    }
  });

  test("works in the input area of the core itself", () => {
    const bytes = sampleBytes(3 * core.inputBytes() + 5, 11);
    expect(new Crc32c(core).checksum(bytes)).toBe(bitwiseCrc32c(bytes));
  });

  test("continues from a seed, which need not be one of its own", () => {
    const { checksum } = over(300);
    const bytes = fc.uint8Array({ maxLength: 1000 });
    fc.assert(
      fc.property(bytes, bytes, fc.nat(0xffffffff), (first, second, seed) => {
        const whole = Uint8Array.from([...first, ...second]);
        expect(checksum(second, checksum(first, seed))).toBe(bitwiseCrc32c(whole, seed));
      }),
    );
  });

  test("goes on after the memory has grown", () => {
    const { checksum } = over(65_536);
    const bytes = sampleBytes(100, 3);
    const before = checksum(bytes);
    growBy(core.memory, 65_536);
    expect(checksum(bytes)).toBe(before);
  });
});
