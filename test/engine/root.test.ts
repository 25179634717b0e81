import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeRoot, firstRecord, type Root, readRoots } from "../../src/engine/root.ts";
import { CairnError } from "../../src/errors.ts";
import { tableChecksum } from "./log/reference-checksum.ts";

const u64 = fc.maxSafeNat();
const big = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const u32 = fc.integer({ min: 0, max: 0xffffffff });

const rootArbitrary: fc.Arbitrary<Root> = fc
  .record({
    databaseId: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    record: fc.integer({ min: 2, max: Number.MAX_SAFE_INTEGER - 1 }),
    generation: u64,
    seq: u64,
    time: u64,
    createdAt: u64,
    hashSeed: big,
    oldestShare: fc.double({ min: 0, max: 1, noNaN: true }),
    segment: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    offset: fc.integer({ min: 1, max: 2 ** 40 }),
    previousChecksum: u32,
    catalogue: fc.option(
      fc.record({
        number: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        generation: u64,
        random: big,
        offset: u64,
        bytes: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        checksum: u32,
      }),
      { nil: undefined },
    ),
    optionsDigest: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  })
  .map(({ oldestShare, segment, offset, previousChecksum, ...rest }) => ({
    ...rest,
    oldestSeq: Math.floor(rest.seq * oldestShare),
    position: { segment, offset: offset * 8, previousChecksum, seq: rest.seq },
  }));

const sample: Root = {
  databaseId: Uint8Array.from({ length: 16 }, (_, i) => i + 1),
  record: 6,
  generation: 3,
  seq: 0x1_0000_0007,
  time: 1_700_000_000_001,
  createdAt: 1_600_000_000_000,
  hashSeed: 0x8877665544332211n,
  oldestSeq: 5,
  position: { segment: 9, offset: 4696, previousChecksum: 0xcafe, seq: 0x1_0000_0007 },
  catalogue: { number: 4, generation: 3, random: 0xffn, offset: 8192, bytes: 100, checksum: 7 },
  optionsDigest: new Uint8Array(32),
};
const older: Root = {
  ...sample,
  record: 5,
  seq: 9,
  position: { segment: 8, offset: 4608, previousChecksum: 1, seq: 9 },
};

const slotsOf = (a: Root, b: Root): [Uint8Array, Uint8Array] => [
  encodeRoot(a, tableChecksum),
  encodeRoot(b, tableChecksum),
];

function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof CairnError) return error.code;
    throw error;
  }
  return "none";
}

/** Changes bytes and makes the checksum right again. */
function forged(slot: Uint8Array, change: (view: DataView) => void): Uint8Array {
  const bytes = slot.slice();
  const view = new DataView(bytes.buffer);
  change(view);
  view.setUint32(4, tableChecksum(bytes.subarray(8), 0), true);
  return bytes;
}

describe("the root", () => {
  test("is read as it was written, the newest of two", () => {
    fc.assert(
      fc.property(rootArbitrary, (root) => {
        const before: Root = { ...root, record: root.record - 1 };
        const [even, odd] = root.record % 2 === 0 ? [root, before] : [before, root];
        const expected = { newest: root, older: before, damagedSlot: undefined };
        expect(readRoots(slotsOf(even, odd), tableChecksum)).toEqual(expected);
      }),
    );
  });

  test("is one record after creation, in both slots", () => {
    const first: Root = { ...sample, record: firstRecord, catalogue: undefined };
    const expected = { newest: first, older: undefined, damagedSlot: undefined };
    expect(readRoots(slotsOf(first, first), tableChecksum)).toEqual(expected);
  });

  test("may begin a new log at the commit where another database stood", () => {
    const position = { segment: 0, offset: 0, previousChecksum: 0, seq: sample.seq };
    const root: Root = { ...sample, record: firstRecord, position };
    const { newest } = readRoots(slotsOf(root, root), tableChecksum);
    expect(newest.position).toEqual(position);
  });

  test("has the bytes that docs/format.md says", () => {
    const bytes = encodeRoot(sample, tableChecksum);
    const hex = (from: number, to: number): string =>
      Buffer.from(bytes.subarray(from, to)).toString("hex");
    expect(bytes.length).toBe(4096);
    expect(Buffer.from(bytes.subarray(0, 4)).toString()).toBe("CRNR");
    expect(hex(8, 16)).toBe("0100000000000000");
    expect(hex(16, 32)).toBe("0102030405060708090a0b0c0d0e0f10");
    expect(hex(32, 56)).toBe("060000000000000003000000000000000700000001000000");
    expect(hex(56, 72)).toBe("0168e5cf8b01000000806e8774010000");
    expect(hex(72, 88)).toBe("11223344556677880500000000000000");
    expect(hex(88, 120)).toBe(
      ["0900000000000000", "5812000000000000", "0700000001000000", "feca000000000000"].join(""),
    );
    expect(hex(120, 144)).toBe("04000000000000000300000000000000ff00000000000000");
    expect(hex(144, 168)).toBe("002000000000000064000000000000000700000000000000");
    expect(hex(168, 4096)).toBe("00".repeat(4096 - 168));
  });

  test("is the other record when any bit of a slot is flipped, and names the damaged slot", () => {
    const slots = slotsOf(sample, older);
    for (const damagedSlot of [0, 1] as const) {
      const root = damagedSlot === 0 ? older : sample;
      for (let bit = 0; bit < 4096 * 8; bit += bit < 1700 ? 1 : 97) {
        slots[damagedSlot][bit >> 3] ^= 1 << (bit & 7);
        const found = readRoots(slots, tableChecksum);
        expect([found.newest.record, found.damagedSlot]).toEqual([root.record, damagedSlot]);
        expect(found.older).toBeUndefined();
        slots[damagedSlot][bit >> 3] ^= 1 << (bit & 7);
      }
    }
  });

  test("is the other record when a slot is torn at any byte over the record it replaces", () => {
    const oldest: Root = { ...older, record: 4, seq: 8, position: { ...older.position, seq: 8 } };
    const [slot, other] = slotsOf(oldest, older);
    const next = encodeRoot(sample, tableChecksum);
    for (let length = 0; length <= 4096; length += length < 210 ? 1 : 61) {
      const torn = slot.slice();
      torn.set(next.subarray(0, length));
      const isWhole = Buffer.compare(torn, next) === 0;
      const isOld = Buffer.compare(torn, slot) === 0;
      const { newest, damagedSlot } = readRoots([torn, other], tableChecksum);
      expect(newest.record).toBe(isWhole ? 6 : 5);
      expect(damagedSlot).toBe(isWhole || isOld ? undefined : 0);
    }
  });

  test.each<[string, string, () => [Uint8Array, Uint8Array]]>([
    ["not_a_database", "zeros", () => [new Uint8Array(4096), new Uint8Array(4096)]],
    ["not_a_database", "nothing", () => [new Uint8Array(0), new Uint8Array(0)]],
    [
      "not_a_database",
      "something else",
      () => [new Uint8Array(4096).fill(65), new Uint8Array(4096).fill(66)],
    ],
    [
      "root_corrupt",
      "two damaged slots",
      () => {
        const slots = slotsOf(sample, older);
        for (const slot of slots) slot[40] ^= 1;
        return slots;
      },
    ],
    [
      "root_corrupt",
      "a damaged slot and something else",
      () => {
        const [slot] = slotsOf(sample, older);
        slot[40] ^= 1;
        return [slot, new Uint8Array(4096)];
      },
    ],
    ["root_corrupt", "exchanged slots", () => slotsOf(older, sample)],
    [
      "root_corrupt",
      "shortened slots",
      () => {
        const [a, b] = slotsOf(sample, older);
        return [a.subarray(0, 4095), b.subarray(0, 100)];
      },
    ],
    [
      "root_corrupt",
      "two databases",
      () => slotsOf(sample, { ...older, databaseId: new Uint8Array(16) }),
    ],
    ["root_corrupt", "a gap between the records", () => slotsOf(sample, { ...older, record: 3 })],
    [
      "root_corrupt",
      "a generation that goes backwards",
      () => slotsOf(sample, { ...older, generation: 4 }),
    ],
    [
      "root_corrupt",
      "a byte that should be zero",
      () => {
        const [a, b] = slotsOf(sample, older);
        return [forged(a, (view) => view.setUint8(4000, 1)), b];
      },
    ],
    [
      "root_corrupt",
      "a number beyond 2^53",
      () => {
        const [a, b] = slotsOf(sample, older);
        return [forged(a, (view) => view.setUint8(55, 1)), b];
      },
    ],
    [
      "format_newer",
      "a later format in one slot",
      () => {
        const [a, b] = slotsOf(sample, older);
        return [forged(a, (view) => view.setUint16(8, 2, true)), b];
      },
    ],
    [
      "format_older",
      "a format before the first in one slot",
      () => {
        const [a, b] = slotsOf(sample, older);
        return [a, forged(b, (view) => view.setUint16(8, 0, true))];
      },
    ],
  ])("is refused as %s: %s", (code, _, slots) => {
    expect(codeOf(() => readRoots(slots(), tableChecksum))).toBe(code);
  });

  test.each<[string, Partial<Root>]>([
    ["a fraction", { time: 0.5 }],
    ["record 0", { record: 0 }],
    ["a short database id", { databaseId: new Uint8Array(15) }],
    ["a position at another commit", { position: { ...sample.position, seq: 1 } }],
    ["a position before every segment", { position: { ...sample.position, segment: 0 } }],
    ["a position that is no number", { position: { ...sample.position, segment: Number.NaN } }],
    ["a position between frames", { position: { ...sample.position, offset: 4697 } }],
    ["an oldest seq that is not there yet", { oldestSeq: sample.seq + 1 }],
    ["an empty catalogue", { catalogue: { ...older.catalogue, bytes: 0 } as never }],
  ])("is not written with %s", (_, change) => {
    expect(codeOf(() => encodeRoot({ ...sample, ...change }, tableChecksum))).toBe(
      "invariant_broken",
    );
  });
});
