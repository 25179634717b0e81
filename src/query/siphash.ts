/** SipHash-2-4: 64 bits that only who knows the key can make (Aumasson and Bernstein, 2012). */

const mask = (1n << 64n) - 1n;

/** The two halves of a key, little-endian. */
export type SipKey = readonly [bigint, bigint];

function rotated(value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (64n - bits))) & mask;
}

function rounds(state: bigint[], count: number): void {
  let [a, b, c, d] = state;
  for (let round = 0; round < count; round++) {
    a = (a + b) & mask;
    b = rotated(b, 13n) ^ a;
    a = rotated(a, 32n);
    c = (c + d) & mask;
    d = rotated(d, 16n) ^ c;
    a = (a + d) & mask;
    d = rotated(d, 21n) ^ a;
    c = (c + b) & mask;
    b = rotated(b, 17n) ^ c;
    c = rotated(c, 32n);
  }
  state[0] = a;
  state[1] = b;
  state[2] = c;
  state[3] = d;
}

export function sipHash([low, high]: SipKey, bytes: Uint8Array): bigint {
  const state = [
    low ^ 0x736f6d6570736575n,
    high ^ 0x646f72616e646f6dn,
    low ^ 0x6c7967656e657261n,
    high ^ 0x7465646279746573n,
  ];
  const words = Math.floor(bytes.length / 8);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let last = BigInt(bytes.length & 0xff) << 56n;
  for (let at = words * 8; at < bytes.length; at++)
    last |= BigInt(bytes[at]) << BigInt(8 * (at & 7));
  for (let word = 0; word <= words; word++) {
    const next = word < words ? view.getBigUint64(word * 8, true) : last;
    state[3] ^= next;
    rounds(state, 2);
    state[0] ^= next;
  }
  state[2] ^= 0xffn;
  rounds(state, 4);
  return state[0] ^ state[1] ^ state[2] ^ state[3];
}
