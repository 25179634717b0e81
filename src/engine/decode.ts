/**
 * Turns a value's bytes into what the caller wants. The value is memory[at, at + length), good only
 * during the call.
 */
export type Decode<T> = (memory: Uint8Array, at: number, length: number) => T;

/** What else is known of a record. Read it during the call: it may be the core's own status. */
export interface RecordMeta {
  /** Of the last change. */
  readonly seq: number;
  /** Unix milliseconds; 0 for never. */
  readonly expiresAt: number;
}

/** A {@link Decode} that may also ask about the record. */
export type DecodeRecord<T> = (
  memory: Uint8Array,
  at: number,
  length: number,
  record: RecordMeta,
) => T;
