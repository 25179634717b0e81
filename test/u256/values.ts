import fc from "fast-check";

export const MAX: bigint = (1n << 256n) - 1n;

const powers = [0n, 1n, 8n, 31n, 32n, 63n, 64n, 96n, 127n, 128n, 160n, 191n, 192n, 224n, 255n];

/** Where carries, borrows and digit estimates change: powers of two, their neighbours, the ends. */
export const edges: readonly bigint[] = [
  0n,
  MAX,
  MAX - 1n,
  ...powers.flatMap((power) => [(1n << power) - 1n, 1n << power, (1n << power) + 1n]),
  10n ** 9n,
  10n ** 18n - 1n,
  10n ** 77n,
];

const digit32 = fc.oneof(
  fc.constantFrom(0n, 1n, 2n, 0x7fffffffn, 0x80000000n, 0xfffffffen, 0xffffffffn),
  fc.bigInt({ min: 0n, max: 0xffffffffn }),
);

/** Values whose 32-bit digits are often the smallest, the largest, or half way. */
const ofDigits = fc
  .array(digit32, { minLength: 1, maxLength: 8 })
  .map((digits) => digits.reduce((value, digit) => (value << 32n) | digit, 0n));

/** Values of every magnitude alike: most uniform ones would have all 256 bits. */
const ofAnyWidth = fc
  .tuple(fc.bigInt({ min: 0n, max: MAX }), fc.bigInt({ min: 0n, max: 256n }))
  .map(([value, shift]) => value >> shift);

export const u256: fc.Arbitrary<bigint> = fc.oneof(fc.constantFrom(...edges), ofDigits, ofAnyWidth);

/** Two values whose product lies close to 2^256, on either side. */
export const nearProductLimit: fc.Arbitrary<readonly [bigint, bigint]> = fc
  .tuple(u256, fc.bigInt({ min: -2n, max: 2n }))
  .filter(([left]) => left > 0n)
  .map(([left, offset]): readonly [bigint, bigint] => {
    const right = MAX / left + offset;
    return [left, right < 0n ? 0n : right > MAX ? MAX : right];
  });

export function writeU256(memory: Uint8Array, address: number, value: bigint): void {
  let rest = value;
  for (let index = 0; index < 32; index++) {
    memory[address + index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
}

export function readU256(memory: Uint8Array, address: number): bigint {
  let value = 0n;
  for (let index = 31; index >= 0; index--) value = (value << 8n) | BigInt(memory[address + index]);
  return value;
}
