import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { Random } from "../storage/random.ts";
import { compile, Store } from "./harness.ts";

const WORD = 0xffff_ffff_ffff_ffffn;

function word(bytes: Uint8Array, at: number): bigint {
  let value = 0n;
  for (let i = 7; i >= 0; i--) value = (value << 8n) | BigInt(bytes[at + i] ?? 0);
  return value;
}

function fold(a: bigint, b: bigint): bigint {
  const product = a * b;
  return (product >> 64n) ^ (product & WORD);
}

function draw(state: bigint): bigint {
  let z = state & WORD;
  z = ((z ^ (z >> 30n)) * 0xbf58_476d_1ce4_e5b9n) & WORD;
  z = ((z ^ (z >> 27n)) * 0x94d0_49bb_1331_11ebn) & WORD;
  return z ^ (z >> 31n);
}

/** The hash as the head of assembly/hash/hash.ts describes it, over BigInt. */
function reference(key: Uint8Array, seed: bigint): bigint {
  const secret = [1n, 2n, 3n, 4n].map((n) => draw(seed + 0x9e37_79b9_7f4a_7c15n * n));
  let h = secret[0];
  let at = 0;
  for (; key.length - at > 16; at += 16) {
    h = fold(word(key, at) ^ secret[1], word(key, at + 8) ^ h);
  }
  let a = word(key, 0);
  let b = 0n;
  if (key.length >= 16) {
    a = word(key, key.length - 16);
    b = word(key, key.length - 8);
  } else if (key.length >= 8) b = word(key, key.length - 8);
  return fold(fold(a ^ secret[2], b ^ h) ^ secret[3], secret[1] ^ BigInt(key.length));
}

function bitsOf(value: bigint): number {
  return value.toString(2).replaceAll("0", "").length;
}

describe("the hash of keys", () => {
  let module: WebAssembly.Module;
  beforeAll(() => {
    module = compile("release");
  });

  test("is the described one, for any key and seed", () => {
    const seeds = [0n, 1n, WORD, 0x0123_4567_89ab_cdefn];
    const stores = seeds.map((seed) => new Store(module, { seed }));
    const lengths = fc.oneof(fc.nat({ max: 70 }), fc.constantFrom(127, 128, 129, 1039, 1040));
    const keys = lengths.chain((n) => fc.uint8Array({ minLength: n, maxLength: n }));
    fc.assert(
      fc.property(keys, fc.nat({ max: seeds.length - 1 }), (key, which) => {
        expect(stores[which].hash(key)).toBe(reference(key, seeds[which]));
      }),
      { numRuns: 2000 },
    );
  });

  // The format depends on it: these never change.
  test.each([
    ["", 0n, "0x8ef23e8e2b1aed84"],
    ["a", 0n, "0x3ae8ee828f9ff8d6"],
    ["abcdefgh", 1n, "0x9ffb8637905ef8d9"],
    ["0123456789abcdef", 0x0123_4567_89ab_cdefn, "0xf407832339b3327f"],
    ["The quick brown fox jumps over the lazy dog", WORD, "0xb9799d19436e2295"],
  ])("of %j with seed %s is pinned", (key, seed, expected) => {
    const store = new Store(module, { seed });
    expect(`0x${store.hash(Buffer.from(key)).toString(16)}`).toBe(expected);
  });

  test("does not depend on what stands behind the key", () => {
    const store = new Store(module);
    for (let length = 0; length <= 40; length++) {
      const key = new Uint8Array(length).fill(7);
      const hashes = [0, 255, 90].map((behind) => {
        store.setKey(new Uint8Array(64).fill(behind));
        return store.hash(key);
      });
      expect(new Set(hashes).size).toBe(1);
    }
  });

  test("differs by the length of keys of zeros", () => {
    const store = new Store(module);
    const hashes = Array.from({ length: 100 }, (_, length) => store.hash(new Uint8Array(length)));
    expect(new Set(hashes).size).toBe(100);
  });

  test("changes half of its bits with any bit of the key, and with the seed", () => {
    const random = new Random(31);
    const stores = [new Store(module, { seed: 5n }), new Store(module, { seed: 6n })];
    for (const length of [1, 3, 8, 12, 16, 20, 33, 40]) {
      let changed = 0;
      let pairs = 0;
      const perBit = new Array<number>(64).fill(0);
      for (let round = 0; round < 40; round++) {
        const key = random.bytes(length);
        const hash = stores[0].hash(key);
        changed += bitsOf(hash ^ stores[1].hash(key));
        pairs++;
        for (let bit = 0; bit < length * 8; bit++) {
          key[bit >> 3] ^= 1 << (bit & 7);
          const difference = hash ^ stores[0].hash(key);
          key[bit >> 3] ^= 1 << (bit & 7);
          changed += bitsOf(difference);
          for (let at = 0; at < 64; at++) perBit[at] += Number((difference >> BigInt(at)) & 1n);
          pairs++;
        }
      }
      expect(changed / pairs).toBeGreaterThan(31);
      expect(changed / pairs).toBeLessThan(33);
      // Six standard deviations around one half.
      const spread = 6 * Math.sqrt(0.25 / pairs);
      for (const count of perBit) expect(Math.abs(count / pairs - 0.5)).toBeLessThan(spread + 0.01);
    }
  });

  test.each([
    ["decimal numbers", (i: number) => Buffer.from(String(i).padStart(16, "0"))],
    ["integers of 8 bytes", (i: number) => new Uint8Array(new BigUint64Array([BigInt(i)]).buffer)],
    [
      "integers of 8 bytes in steps of 2^32",
      (i: number) => new Uint8Array(new BigUint64Array([BigInt(i) << 32n]).buffer),
    ],
    ["long paths", (i: number) => Buffer.from(`projects/alpha/scopes/main/records/${i}`)],
    ["short words", (i: number) => Buffer.from(i.toString(36))],
  ])("spreads %s evenly over directories and tags", (_name, keyOf) => {
    const store = new Store(module);
    const count = 51_200;
    const top = new Array<number>(512).fill(0);
    const low = new Array<number>(256).fill(0);
    for (let i = 0; i < count; i++) {
      const hash = store.hash(keyOf(i));
      top[Number(hash >> 55n)]++;
      low[Number(hash & 255n)]++;
    }
    for (const counts of [top, low]) {
      const mean = count / counts.length;
      const squares = counts.reduce((sum, n) => sum + (n - mean) ** 2 / mean, 0);
      const freedom = counts.length - 1;
      // Chi-square lies within six standard deviations of its mean.
      expect(Math.abs(squares - freedom)).toBeLessThan(6 * Math.sqrt(2 * freedom));
    }
  });
});
