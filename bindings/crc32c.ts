/** What {@link Crc32c} needs of the core: the raw exports, addresses and numbers only. */
export interface Crc32cCore {
  readonly memory: WebAssembly.Memory;
  /** CRC-32C of `length` bytes at `pointer`, after bytes whose CRC is `seed`; read as signed. */
  readonly crc32c: (pointer: number, length: number, seed: number) => number;
  /** Start of the area that the host fills, and its size in bytes. */
  readonly inputAddress: () => number;
  readonly inputBytes: () => number;
}

/** Below this a loop over the bytes is faster than a call of `set`. */
const LOOP_BYTES_MAX = 24;

/**
 * CRC-32C over bytes of the host. It copies them through the core's input area, so nothing else may
 * rest there during a call.
 */
export class Crc32c {
  readonly #core: Crc32cCore;
  readonly #address: number;
  readonly #chunkBytes: number;
  #input: Uint8Array;

  constructor(core: Crc32cCore) {
    this.#core = core;
    this.#address = core.inputAddress();
    this.#chunkBytes = core.inputBytes();
    this.#input = this.#view();
  }

  /**
   * CRC-32C (Castagnoli) of `bytes`, as an unsigned 32-bit number.
   *
   * `seed` is the CRC of the bytes before them: `checksum(b, checksum(a))` is that of a followed by
   * b. It is a bound function, so it can be handed on by itself.
   */
  readonly checksum = (bytes: Uint8Array, seed = 0): number => {
    // Growth of the memory detaches views; a detached one has no bytes.
    if (this.#input.byteLength === 0) this.#input = this.#view();
    const input = this.#input;
    const length = bytes.length;
    if (length > this.#chunkBytes) return this.#chunked(bytes, seed);
    if (length > LOOP_BYTES_MAX) input.set(bytes);
    else for (let index = 0; index < length; index++) input[index] = bytes[index];
    return this.#core.crc32c(this.#address, length, seed) >>> 0;
  };

  #chunked(bytes: Uint8Array, seed: number): number {
    let crc = seed;
    for (let from = 0; from < bytes.length; from += this.#chunkBytes) {
      const chunk = bytes.subarray(from, from + this.#chunkBytes);
      this.#input.set(chunk);
      crc = this.#core.crc32c(this.#address, chunk.length, crc);
    }
    return crc >>> 0;
  }

  #view(): Uint8Array {
    return new Uint8Array(this.#core.memory.buffer, this.#address, this.#chunkBytes);
  }
}
