/** CRC-32C written from its definition, bit by bit; the table only saves time in long tests. */
import type { Checksum } from "../../../src/engine/checksum.ts";

const polynomial = 0x82f63b78;

function shiftBits(register: number): number {
  let bits = register;
  for (let i = 0; i < 8; i++) bits = (bits >>> 1) ^ (bits & 1 ? polynomial : 0);
  return bits >>> 0;
}

export const bitwiseChecksum: Checksum = (bytes, seed) => {
  let register = ~seed >>> 0;
  for (const byte of bytes) register = shiftBits(register ^ byte);
  return ~register >>> 0;
};

const byByte = Uint32Array.from({ length: 256 }, (_, byte) => shiftBits(byte));

export const tableChecksum: Checksum = (bytes, seed) => {
  let register = ~seed;
  for (let i = 0; i < bytes.length; i++) {
    register = (register >>> 8) ^ byByte[(register ^ bytes[i]) & 0xff];
  }
  return ~register >>> 0;
};
