/** CRC-32C one bit at a time, straight from its definition: the oracle of these tests. */
export function bitwiseCrc32c(bytes: Uint8Array, seed = 0): number {
  let register = ~seed;
  for (const byte of bytes) register = step(register, byte);
  return ~register >>> 0;
}

/** The CRC of each prefix of `bytes`, by its length. */
export function registersOf(bytes: Uint8Array): (length: number) => number {
  const crcs = new Uint32Array(bytes.length + 1);
  let register = ~0;
  for (let index = 0; index < bytes.length; index++) {
    register = step(register, bytes[index]);
    crcs[index + 1] = ~register;
  }
  return (length) => crcs[length];
}

function step(register: number, byte: number): number {
  let next = register ^ byte;
  for (let bit = 0; bit < 8; bit++) next = (next >>> 1) ^ (next & 1 ? 0x82f63b78 : 0);
  return next;
}

/** Bytes without structure, the same for the same seed (xorshift32). */
export function sampleBytes(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  for (let index = 0; index < length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[index] = state >>> 8;
  }
  return bytes;
}
