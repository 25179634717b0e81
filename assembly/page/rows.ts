/**
 * Rows for the host, in columns.
 *
 * OUTPUT holds, for up to ROWS_MAX rows:
 *
 *           0  u32 x 4096   where each row's key ends in the key column
 *      16 KiB  u32 x 4096   where each row's value ends in the value column
 *      32 KiB  u8  x 4096   record flags
 *      36 KiB  f64 x 4096   seq of last change
 *      68 KiB  f64 x 4096   expiresAt, 0 for never
 *     128 KiB  keys, 256 KiB
 *     384 KiB  values, 640 KiB; for overflow records the descriptor instead of the value
 */
import { OUTPUT, STATUS, STATUS_KEY_BYTES, STATUS_MORE, STATUS_VALUES_BYTES } from "../memory";
import { copyBytes } from "./bytes";
import { loadId } from "./header";
import { RECORD_EXPIRES } from "./slotted";

export const ROWS_MAX: u32 = 4096;
/**
 * Keys that go down a tree together, so that their cache misses overlap: enough to keep all the
 * misses going that a processor can.
 */
export const GROUP: u32 = 32;
/** INPUT of look-ups of many keys: a u16 for the length of each, from here on the keys. */
export const KEYS_OF_MANY: usize = 8 * 1024;
export const KEY_ENDS: usize = 0;
export const VALUE_ENDS: usize = 16 * 1024;
export const FLAGS: usize = 32 * 1024;
export const SEQS: usize = 36 * 1024;
export const EXPIRES: usize = 68 * 1024;
export const KEYS: usize = 128 * 1024;
export const VALUES: usize = 384 * 1024;
const KEYS_BYTES: u32 = 256 * 1024;
const VALUES_BYTES: u32 = 640 * 1024;

export const SCAN_REVERSE: u32 = 1;
export const SCAN_AFTER_LOW: u32 = 2;
export const SCAN_THROUGH_HIGH: u32 = 4;
export const SCAN_KEYS: u32 = 8;
export const SCAN_VALUES: u32 = 16;
export const SCAN_META: u32 = 32;
/** Only rows that pass the program, and those that it cannot judge: tables/program.ts. */
export const SCAN_PROGRAM: u32 = 64;

export let rows: u32 = 0;
let keyBytes: u32 = 0;
let valueBytes: u32 = 0;

export function beginRows(): void {
  rows = 0;
  keyBytes = 0;
  valueBytes = 0;
}

export function endRows(more: bool): i32 {
  store<u32>(STATUS, keyBytes, STATUS_KEY_BYTES);
  store<u32>(STATUS, valueBytes, STATUS_VALUES_BYTES);
  store<u32>(STATUS, u32(more), STATUS_MORE);
  return <i32>rows;
}

/** Room in the key column for a row that is being written. */
export function keyRoom(length: u32): usize {
  return keyBytes + length > KEYS_BYTES ? 0 : OUTPUT + KEYS + keyBytes;
}

/** Writes the row whose key, if wanted, was put at `keyRoom`. False when the columns are full. */
export function pushRow(keyLength: u32, tail: usize, columns: u32): bool {
  const flags: u32 = load<u8>(tail);
  let offset: u32 = 7;
  let expiresAt: f64 = 0;
  if (flags & RECORD_EXPIRES) {
    expiresAt = <f64>loadId(tail + offset);
    offset += 6;
  }
  const at = <usize>rows;
  if (columns & SCAN_VALUES) {
    const bytes: u32 = load<u16>(tail + offset);
    if (valueBytes + bytes > VALUES_BYTES) return false;
    copyBytes(OUTPUT + VALUES + valueBytes, tail + offset + 2, bytes);
    valueBytes += bytes;
    store<u32>(OUTPUT + VALUE_ENDS + (at << 2), valueBytes);
  }
  store<u8>(OUTPUT + FLAGS + at, flags);
  if (columns & SCAN_META) {
    store<f64>(OUTPUT + SEQS + (at << 3), <f64>loadId(tail + 1));
    store<f64>(OUTPUT + EXPIRES + (at << 3), expiresAt);
  }
  keyBytes += keyLength;
  store<u32>(OUTPUT + KEY_ENDS + (at << 2), keyBytes);
  rows++;
  return true;
}

/** Flags of a row that only says how far a batch has come: everything up to its key has expired. */
export const ROW_SKIPPED: u32 = 254;
/** Flags of a row for a key that has no record. */
export const ROW_ABSENT: u32 = 255;

/** A row without a value. */
export function pushMarker(flags: u32, keyLength: u32): void {
  const at = <usize>rows;
  keyBytes += keyLength;
  store<u8>(OUTPUT + FLAGS + at, flags);
  store<u32>(OUTPUT + KEY_ENDS + (at << 2), keyBytes);
  store<u32>(OUTPUT + VALUE_ENDS + (at << 2), valueBytes);
  store<f64>(OUTPUT + SEQS + (at << 3), 0);
  store<f64>(OUTPUT + EXPIRES + (at << 3), 0);
  rows++;
}

export function isExpired(tail: usize, now: f64): bool {
  return (load<u8>(tail) & RECORD_EXPIRES) != 0 && <f64>loadId(tail + 7) <= now;
}
