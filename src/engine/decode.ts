/**
 * Turns a record's bytes into what the caller wants. The value is memory[at, at + length), good
 * only during the call. `expiresAt` is in Unix milliseconds, 0 for never.
 */
export type Decode<T> = (
  memory: Uint8Array,
  at: number,
  length: number,
  seq: number,
  expiresAt: number,
) => T;
