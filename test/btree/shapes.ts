import fc from "fast-check";

/** Key shapes: each gives the n-th key of a pool. Equal numbers give equal keys. */
export type Shape = (n: number) => Buffer;

/** A number scattered over 32 bits; no two numbers below 2^32 collide. */
export function scatter(n: number): number {
  let x = n >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x45d9f3b);
  x = Math.imul(x ^ (x >>> 16), 0x45d9f3b);
  return (x ^ (x >>> 16)) >>> 0;
}

function randomBytes(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = scatter(seed * 1_000_003 + at) & 255;
  return bytes;
}

/** Letters of `alphabet`, little-endian: short strings that are often prefixes of each other. */
function spell(n: number, alphabet: string): Buffer {
  let text = "";
  for (let left = n; left > 0; left = Math.floor((left - 1) / alphabet.length)) {
    text += alphabet[(left - 1) % alphabet.length];
  }
  return Buffer.from(text, "latin1");
}

export const shapes: Record<string, Shape> = {
  random: (n) => randomBytes(scatter(n) % 41, n),
  /** Number 0 is the empty key; zero bytes tell "a" from "a\0". */
  tinyAlphabet: (n) => spell(n, "\0a"),
  twoLetters: (n) => spell(n, "ab\xff"),
  sequential: (n) => Buffer.from(`user:${String(n).padStart(8, "0")}`),
  descending: (n) => Buffer.from(`user:${String(99_999_999 - n).padStart(8, "0")}`),
  binary: (n) => {
    const key = Buffer.alloc(8);
    key.writeUInt32BE(n, 4);
    return key;
  },
  /** Three long prefixes, one of which begins another. */
  longPrefix: (n) => {
    const prefix = "some/very/long/common/prefix/".repeat(1 + (n % 3) * 4);
    return Buffer.from(`${prefix}${scatter(n) % 5000}/${n}`);
  },
  /** Up to the longest key there is. */
  longest: (n) => {
    const head = Buffer.from(`${"abc"[n % 3].repeat(scatter(n) % 900)}${n}|`);
    return Buffer.concat([head, randomBytes(1040 - head.length, n)], 1040 - (n % 4 ? n % 700 : 0));
  },
  /** All differ only behind 1,032 bytes: the prefix fills a page on its own. */
  deepDifference: (n) => Buffer.from("p".repeat(1032) + String(n).padStart(8, "0")),
  /** Single short keys among long ones: each steals its page's prefix. */
  prefixThief: (n) =>
    n % 37 === 0
      ? Buffer.from(String.fromCharCode(97 + (n % 26)))
      : Buffer.from(`${String.fromCharCode(97 + (n % 5)).repeat(300)}${scatter(n)}`),
};

export const shapeName: fc.Arbitrary<string> = fc.constantFrom(...Object.keys(shapes));

/** Bytes of the values: short, empty, whole range, the edges of inline, and overflow. */
export const valueLength: fc.Arbitrary<number> = fc.oneof(
  { weight: 6, arbitrary: fc.nat(150) },
  { weight: 2, arbitrary: fc.nat(1040) },
  { weight: 1, arbitrary: fc.constantFrom(0, 32, 33, 1040, 1041) },
  { weight: 1, arbitrary: fc.constantFrom(2000, 4046, 4048, 9000, 40_000) },
);

/** The value of a record: as long as told, of bytes that tell which write it was. */
export function makeValue(length: number, mark: number): Buffer {
  const value = Buffer.alloc(length, mark & 255);
  if (length >= 4) value.writeUInt32LE(mark >>> 0, length - 4);
  return value;
}
