/**
 * The one checksum of every format: CRC-32C (Castagnoli), as an unsigned 32-bit number.
 *
 * `seed` is the checksum of the bytes that come before `bytes`, 0 when there are none, so that
 * `checksum(b, checksum(a, 0))` equals `checksum(a followed by b, 0)`. A seed that is not such a
 * checksum binds an identity: the same bytes under another seed always give another result.
 *
 * It is injected: the product passes the one of the Wasm core, tests a bitwise reference.
 */
export type Checksum = (bytes: Uint8Array, seed: number) => number;
