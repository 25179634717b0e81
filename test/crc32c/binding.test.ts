/** `Core.checksum`: CRC-32C over bytes of the host, copied in, and over the core's own bytes. */
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { Core } from "../../bindings/core.ts";
import { coreModule } from "../core/arithmetic.ts";
import { bitwiseCrc32c, registersOf, sampleBytes } from "./reference.ts";

describe("the checksum that the core gives the host", () => {
  let core: Core;
  let room: number;

  beforeAll(() => {
    core = new Core(coreModule("release"));
    room = core.inputBytesMax;
  });

  test("gives the check value, unsigned, and 0 for nothing", () => {
    const { checksum } = core;
    expect(checksum(Buffer.from("123456789"), 0)).toBe(0xe3069283);
    expect(checksum(new Uint8Array(0), 0)).toBe(0);
    expect(checksum(new Uint8Array(0), 0xfedcba98)).toBe(0xfedcba98);
    expect(checksum(core.output.subarray(0, 0), 0xfedcba98)).toBe(0xfedcba98);
  });

  test("takes inputs of any length through the input area", () => {
    const bytes = sampleBytes(2 * room + 10, 5);
    const expected = registersOf(bytes);
    const lengths = [...Array(80).keys(), room - 1, room, room + 1, 2 * room, 2 * room + 1];
    for (const length of [...lengths, bytes.length]) {
      expect(core.checksum(bytes.subarray(0, length), 0), `${length}`).toBe(expected(length));
    }
  });

  test("takes the core's own bytes where they lie, at any address", () => {
    const bytes = sampleBytes(300, 11);
    for (let at = 0; at < 20; at++) {
      core.output.set(bytes, at);
      core.input.fill(0, 0, 300);
      const inside = core.output.subarray(at, at + bytes.length);
      expect(core.checksum(inside, 7)).toBe(bitwiseCrc32c(bytes, 7));
      expect(core.input.subarray(0, 300).every((byte) => byte === 0)).toBe(true);
    }
  });

  test("continues from a seed, which need not be one of its own", () => {
    const { checksum } = core;
    const bytes = fc.uint8Array({ maxLength: 1000 });
    fc.assert(
      fc.property(bytes, bytes, fc.nat(0xffffffff), (first, second, seed) => {
        const whole = Uint8Array.from([...first, ...second]);
        expect(checksum(second, checksum(first, seed))).toBe(bitwiseCrc32c(whole, seed));
      }),
    );
  });

  test("goes on after the memory has grown", () => {
    const small = new Core(coreModule("release"));
    const { checksum } = small;
    const bytes = sampleBytes(100, 3);
    const before = checksum(bytes, 0);
    const view = small.output;
    const hashSeed = new Uint8Array(8);
    small.configure({ frames: 4096, databaseId: new Uint8Array(16), hashSeed, firstBlob: 1 });
    for (let added = 1; added > 0; ) added = small.addFrames(256);
    expect(view.length, "the memory has not grown").toBe(0);
    expect(checksum(bytes, 0)).toBe(before);
    small.output.set(bytes);
    expect(checksum(small.output.subarray(0, 100), 0)).toBe(before);
  });
});
