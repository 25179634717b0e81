/**
 * Linear memory, from low to high addresses:
 *
 *     static data          tables of constants, STATUS, INPUT, OUTPUT, scratch (fixed, from asc)
 *     fixed tables         page table, frame records, trees, blobs, pins (sized by `configure`)
 *     frames               4 KiB each, up to the budget; the only part that grows afterwards
 *
 * Nothing is ever given back by the core: an instance is dropped as a whole.
 */
import { OUT_OF_MEMORY } from "./errors";

export const PAGE_BYTES: u32 = 4096;
/** Page bytes before the check field. */
export const PAGE_BODY_BYTES: u32 = 4080;

/** Slots of a blob: 32 MiB, the header among them. */
export const SLOTS_PER_BLOB: u32 = 8192;

/** Longest key the core stores; 16 bytes above the API's limit, for internal trees. */
export const KEY_BYTES_MAX: u32 = 1040;
/** Key and value together lie inline up to this; longer values go to overflow pages. */
export const INLINE_BYTES_MAX: u32 = 1040;
/** Values up to this always lie inline, however long the key is. */
export const INLINE_VALUE_ALWAYS: u32 = 32;
/** Longest value there is: 64 MiB. */
export const VALUE_BYTES_MAX: u32 = 64 * 1024 * 1024;

export const INPUT_BYTES: u32 = 256 * 1024;
export const OUTPUT_BYTES: u32 = 1024 * 1024;

/** Room for effects and keys from the host; 64 spare bytes so that wide loads stay inside. */
export const INPUT: usize = memory.data(256 * 1024 + 64, 16);
/** Room for rows and pages to the host. */
export const OUTPUT: usize = memory.data(1024 * 1024 + 64, 16);
/** Results that do not fit into the returned number. Offsets: the STATUS_ constants. */
export const STATUS: usize = memory.data(128, 16);

/** f64: id of the missing or corrupt page. */
export const STATUS_PAGE: usize = 0;
/** u32: address of a value in a page. */
export const STATUS_VALUE: usize = 8;
/** u32: bytes of that value. */
export const STATUS_VALUE_BYTES: usize = 12;
/** f64: seq of the record's last change. */
export const STATUS_SEQ: usize = 16;
/** f64: when the record expires, Unix milliseconds; 0 for never. */
export const STATUS_EXPIRES: usize = 24;
/** u32: bytes of input that were consumed. */
export const STATUS_CONSUMED: usize = 32;
/** u32: reason of a CORRUPT result, one of the REASON_ constants. */
export const STATUS_REASON: usize = 36;
/** u32: bytes in the key column. */
export const STATUS_KEY_BYTES: usize = 40;
/** u32: bytes in the value column. */
export const STATUS_VALUES_BYTES: usize = 44;
/** u32: 1 when a scan ended before its bounds did. */
export const STATUS_MORE: usize = 48;
/** f64: a count, where an operation has one to tell. */
export const STATUS_COUNT: usize = 56;
/** f64: first page id of a run. */
export const STATUS_RUN: usize = 64;

let tablesEnd: usize = 0;

/**
 * Makes room for tables of `bytes` in all at once: each growth costs the host half a millisecond.
 */
export function prepareTables(bytes: usize): i32 {
  tablesEnd = (__heap_base + 4095) & ~4095;
  return ensureMemory(tablesEnd + bytes);
}

/** Zeroed space for a fixed table, 4 KiB aligned; 0 when memory cannot grow. */
export function reserveTable(bytes: usize): usize {
  if (tablesEnd == 0) tablesEnd = (__heap_base + 4095) & ~4095;
  const start = tablesEnd;
  const end = (start + bytes + 4095) & ~4095;
  const have = (<usize>memory.size()) << 16;
  if (end > have) {
    const pages = <i32>((end - have + 65535) >>> 16);
    if (memory.grow(pages) < 0) return 0;
  }
  tablesEnd = end;
  return start;
}

/** Extends linear memory so that it reaches `end`; OUT_OF_MEMORY when refused. */
export function ensureMemory(end: usize): i32 {
  const have = (<usize>memory.size()) << 16;
  if (end <= have) return 0;
  return memory.grow(<i32>((end - have + 65535) >>> 16)) < 0 ? OUT_OF_MEMORY : 0;
}
