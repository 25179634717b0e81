/**
 * Columns of table rows, so that rows do not leave the core for a few of their values. The host
 * puts a plan behind the rows of OUTPUT, and finds the values in the room behind it:
 *
 *     0    u32      rows that were taken
 *     4    u32      rows that there is room for
 *     8    u32      columns, at most 16
 *     12   u32      where their null bits are: u16 for each row, bit 0 for the first column
 *     16   u32      bytes of text and blobs that were taken
 *     20   u32      bytes that there is room for
 *     24   u32      where they are
 *     28   u32      0
 *     32   16 each  u8 type, u8 0, u16 null bit (0xffff none), u32 offset in the row,
 *                   u32 offset in the row of what a variable column begins behind, 0 for the end of
 *                   the column before it, u32 where the values are
 *
 * Places count from the plan's first byte and are aligned to 8 bytes. Values by type: whole numbers
 * that are safe integers f64, i64 and u64 as they are, u8 and boolean u8, floats f64, variable
 * columns a u32 that says where the bytes end. A null has a value that means nothing.
 */
import { OUTPUT } from "../memory";
import { copyBytes } from "../page/bytes";
import { VALUES } from "../page/rows";

/** The results of folds lie before it. */
const PLAN: usize = OUTPUT + VALUES + 4096;
const COLUMNS_AT: usize = PLAN + 32;
const COLUMN_BYTES: usize = 16;
const NO_BIT: u32 = 0xffff;
/** More rows than a leaf can have, and more bytes. */
const LEAF_ROWS: u32 = 512;
const LEAF_BYTES: u32 = 4096;

const TYPE_WHOLE: u32 = 0;
const TYPE_WORD: u32 = 1;
const TYPE_BYTE: u32 = 2;

/** Takes a row of the program's layout; there is room. */
export function takeRow(row: usize): void {
  const at = <usize>load<u32>(PLAN);
  const columns: u32 = load<u32>(PLAN, 8);
  let nulls: u32 = 0;
  let column = COLUMNS_AT;
  for (let index: u32 = 0; index < columns; index++) {
    const bit: u32 = load<u16>(column, 2);
    const value = row + load<u32>(column, 4);
    const to = PLAN + load<u32>(column, 12);
    const type: u32 = load<u8>(column);
    if (bit != NO_BIT && ((load<u8>(row + 2 + (bit >> 3)) >> (bit & 7)) & 1) != 0) {
      nulls |= 1 << index;
    }
    if (type == TYPE_WHOLE) store<f64>(to + (at << 3), <f64>load<i64>(value));
    else if (type == TYPE_WORD) store<u64>(to + (at << 3), load<u64>(value));
    else if (type == TYPE_BYTE) store<u8>(to + at, load<u8>(value));
    else store<u32>(to + (at << 2), takeBytes(row, value, load<u32>(column, 8)));
    column += COLUMN_BYTES;
  }
  store<u16>(PLAN + load<u32>(PLAN, 12) + (at << 1), <u16>nulls);
  store<u32>(PLAN, <u32>at + 1);
}

/** Copies the bytes of a variable column whose end stands at `end`; where they end. */
function takeBytes(row: usize, end: usize, first: u32): u32 {
  const from: u32 = first != 0 ? first : load<u32>(end - 4);
  const used = load<u32>(PLAN, 16);
  // Bytes of a damaged row stay within the room.
  const bytes = min(load<u32>(end) - from, load<u32>(PLAN, 20) - used);
  copyBytes(PLAN + load<u32>(PLAN, 24) + used, row + from, bytes);
  store<u32>(PLAN, used + bytes, 16);
  return used + bytes;
}

/** There may be no room for the rows of another leaf. */
export function isGatherFull(): bool {
  if (load<u32>(PLAN) + LEAF_ROWS > load<u32>(PLAN, 4)) return true;
  // Every variable column of a row is within its leaf, and taken once.
  return load<u32>(PLAN, 16) + LEAF_BYTES > load<u32>(PLAN, 20);
}
