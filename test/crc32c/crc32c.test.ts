import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { type Arithmetic, builds, coreModule, growBy, instantiate } from "../core/arithmetic.ts";
import { registersOf, sampleBytes } from "./reference.ts";

const MIB = 1 << 20;
const AREA_BYTES = 2 * MIB;
const alignments = [0, 1, 3, 4, 8, 13, 15];

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
const filled = (length: number, at: (index: number) => number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => at(index));

/** RFC 3720 B.4, and the check value of the CRC catalogues. */
const vectors: readonly (readonly [name: string, bytes: Uint8Array, crc: number])[] = [
  ["nothing", hex(""), 0x00000000],
  ["one letter", Buffer.from("a"), 0xc1d04330],
  ["123456789", Buffer.from("123456789"), 0xe3069283],
  ["32 zeros", filled(32, () => 0), 0x8a9136aa],
  ["32 ones", filled(32, () => 0xff), 0x62a8ab43],
  ["32 incrementing", filled(32, (index) => index), 0x46dd794e],
  ["32 decrementing", filled(32, (index) => 31 - index), 0x113fdb5c],
  [
    "an iSCSI read command",
    hex(
      "01c00000000000000000000000000000140000000000040000000014000000182800000000000000" +
        "0200000000000000",
    ),
    0xd9963a56,
  ],
];

describe.each(builds)("crc32c in the %s build", (build) => {
  let core: Arithmetic;
  let area: number;
  let memory: Uint8Array;

  beforeAll(() => {
    core = instantiate(coreModule(build));
    area = growBy(core.memory, AREA_BYTES);
    memory = new Uint8Array(core.memory.buffer);
  });

  const crcAt = (pointer: number, length: number, seed = 0): number =>
    core.crc32c(pointer, length, seed) >>> 0;

  test.each(vectors)("gives the published value of %s", (_name, bytes, crc) => {
    memory.set(bytes, area);
    expect(crcAt(area, bytes.length)).toBe(crc);
  });

  test.each(alignments)("equals the bitwise CRC of 0 to 5,000 bytes at alignment %i", (align) => {
    const bytes = sampleBytes(5000, 1 + align);
    const expected = registersOf(bytes);
    memory.set(bytes, area + align);
    const wrong: number[] = [];
    for (let length = 0; length <= bytes.length; length++) {
      if (crcAt(area + align, length) !== expected(length)) wrong.push(length);
    }
    expect(wrong).toEqual([]);
  });

  test("equals the bitwise CRC around 16 KiB, 64 KiB, 1 MiB and each change of block", () => {
    const bytes = sampleBytes(MIB + 64, 99);
    const expected = registersOf(bytes);
    const lengths = [];
    for (const edge of [16_384, 32_768, 65_536, 131_072, MIB]) {
      for (let offset = -48; offset <= 48; offset++) lengths.push(edge + offset);
    }
    for (let length = 16_384; length < 65_536; length += 16) lengths.push(length);
    for (let length = 16_001; length < 131_072; length += 997) lengths.push(length);
    for (const align of [0, 5]) {
      memory.set(bytes, area + align);
      const wrong = lengths.filter((length) => crcAt(area + align, length) !== expected(length));
      expect(wrong).toEqual([]);
    }
  });

  test("continues from the CRC of the bytes before", () => {
    const bytes = sampleBytes(70_000, 7);
    const expected = registersOf(bytes);
    memory.set(bytes, area);
    const cuts = fc.array(fc.nat(bytes.length), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(cuts, (unordered) => {
        const ends = [...unordered].sort((left, right) => left - right);
        let crc = 0;
        let from = 0;
        for (const end of ends) {
          crc = crcAt(area + from, end - from, crc);
          from = end;
          expect(crc).toBe(expected(end));
        }
      }),
      { numRuns: 300 },
    );
  });

  test("does not depend on earlier calls or on the bytes around the input", () => {
    const bytes = sampleBytes(40_000, 21);
    const expected = registersOf(bytes);
    fc.assert(
      fc.property(fc.nat(bytes.length), fc.nat(40), fc.nat(255), (length, align, around) => {
        memory.fill(around, area, area + 48_000);
        memory.set(bytes.subarray(0, length), area + align);
        expect(crcAt(area + align, length)).toBe(expected(length));
        expect(memory[area + align + length]).toBe(around);
      }),
      { numRuns: 300 },
    );
  });

  test("reads up to the last byte of memory and not beyond, and writes nothing there", () => {
    const bytes = sampleBytes(20_000, 5);
    const expected = registersOf(bytes);
    for (const length of [1, 2, 5, 15, 16, 17, 511, 512, 527, 4080, 16_383, 16_384, 20_000]) {
      const pointer = memory.length - length;
      memory.set(bytes.subarray(0, length), pointer);
      expect(crcAt(pointer, length)).toBe(expected(length));
      expect(memory.subarray(pointer)).toEqual(bytes.subarray(0, length));
    }
  });
});
