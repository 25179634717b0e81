/**
 * Links above level 0. A node of level L has L rows, each of which names the next:
 *
 *     0   u32      row of the level above plus 1, 0 for none; of a free row the next free one
 *     4   M x u32  links, nearest first, NONE from the first unused one on
 */
import { OUT_OF_MEMORY } from "./errors";
import { allocate, wordAt } from "./memory";
import { setUpper, upperOf } from "./record";
import { roundUp } from "./memory";
import { upperLinkBytes } from "./shape";

const CHUNK_SHIFT: u32 = 8;
const CHUNKS_MAX: u32 = 16384;
const chunks: usize = memory.data(65536, 16);

let chunkCount: u32 = 0;
let rowCount: u32 = 0;
let freeRow: u32 = 0;
/** Rows that hold links. */
export let usedRows: u32 = 0;

function rowBytes(): usize {
  return roundUp(4 + upperLinkBytes, 16);
}

function addressOf(row: u32): usize {
  return (
    <usize>load<u32>(chunks + ((<usize>(row >>> CHUNK_SHIFT)) << 2)) +
    <usize>(row & ((1 << CHUNK_SHIFT) - 1)) * rowBytes()
  );
}

/** The links of a node on a level above 0 that it has. */
export function upperLinksOf(slot: u32, level: u32): usize {
  let row = upperOf(slot) - 1;
  for (let at: u32 = 1; at < level; at++) row = load<u32>(addressOf(row)) - 1;
  return addressOf(row) + 4;
}

/** Gives a node rows for `level` levels above 0, without links. */
export function addUpperRows(slot: u32, level: u32): i32 {
  let above: u32 = 0;
  for (let at: u32 = 0; at < level; at++) {
    const row = takeRow();
    if (row == 0) {
      setUpper(slot, above);
      freeUpperRows(slot);
      return OUT_OF_MEMORY;
    }
    store<u32>(addressOf(row - 1), above);
    memory.fill(addressOf(row - 1) + 4, 0xff, upperLinkBytes);
    above = row;
  }
  setUpper(slot, above);
  return 0;
}

/** A row plus 1; 0 when there is no memory. */
function takeRow(): u32 {
  if (freeRow != 0) {
    const row = freeRow;
    freeRow = load<u32>(addressOf(row - 1));
    usedRows++;
    return row;
  }
  if (rowCount == chunkCount << CHUNK_SHIFT) {
    if (chunkCount == CHUNKS_MAX) return 0;
    const chunk = allocate(rowBytes() << CHUNK_SHIFT);
    if (chunk == 0) return 0;
    store<u32>(wordAt(chunks, chunkCount++), <u32>chunk);
  }
  usedRows++;
  return ++rowCount;
}

export function freeUpperRows(slot: u32): void {
  let row = upperOf(slot);
  while (row != 0) {
    const at = addressOf(row - 1);
    const above = load<u32>(at);
    memory.fill(at, 0, rowBytes());
    store<u32>(at, freeRow);
    freeRow = row;
    usedRows--;
    row = above;
  }
  setUpper(slot, 0);
}
