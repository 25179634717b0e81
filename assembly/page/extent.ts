/**
 * Overflow values: a long value stands in runs of consecutive pages, its extents.
 *
 * The record in the leaf or bucket holds, in place of the value:
 *
 *      0  u32  bytes of the value
 *      4  8    per extent: id 6, pages u16
 *
 * An overflow page has 4,048 bytes of content after its header. The content of all extents in order
 * is: u16 key length, key, value. So the head page leads back to the record that owns it, which is
 * how compaction learns whether the page is live. Every page names the head page (`hash` field);
 * `heapStart` is unused and `count` is its content bytes.
 */
import { NEED_FRAMES, PAGE_MISS } from "../errors";
import { INPUT, OUTPUT, STATUS, STATUS_CONSUMED, STATUS_PAGE } from "../memory";
import { bearPage, dropPage } from "./epoch";
import { RESERVE, freeCount, takeFrame } from "./frame";
import {
  HEADER_BYTES,
  KIND_OVERFLOW,
  countOf,
  formatPage,
  kindOf,
  loadId,
  setCount,
  setHash,
} from "./header";
import { findPage } from "./table";

export const EXTENT_BYTES: u32 = 8;
export const CONTENT_BYTES: u32 = 4048;

/** Writes `bytes` of INPUT, at most one page's content, as overflow page `id` of this epoch. */
export function writeOverflow(tree: u32, id: u64, head: u64, bytes: u32): i32 {
  if (freeCount < RESERVE) return NEED_FRAMES;
  const page = takeFrame();
  bearPage(page, id);
  formatPage(page, KIND_OVERFLOW, 0, tree);
  setCount(page, bytes);
  setHash(page, head);
  memory.copy(page + HEADER_BYTES, INPUT, bytes);
  memory.fill(page + HEADER_BYTES + bytes, 0, CONTENT_BYTES - bytes);
  return 0;
}

/** Copies the content of overflow pages [id, id + pages) to OUTPUT; its bytes. */
export function readOverflow(id: u64, pages: u32): i32 {
  let bytes: u32 = 0;
  for (let index: u32 = 0; index < pages; index++) {
    const page = findPage(id + index);
    if (page == 0) {
      if (index > 0) break;
      store<f64>(STATUS, <f64>(id + index), STATUS_PAGE);
      return PAGE_MISS;
    }
    const count = countOf(page);
    if (kindOf(page) != KIND_OVERFLOW || count > CONTENT_BYTES) break;
    memory.copy(OUTPUT + bytes, page + HEADER_BYTES, count);
    bytes += count;
    store<u32>(STATUS, index + 1, STATUS_CONSUMED);
  }
  return <i32>bytes;
}

/** Drops every page of the extents in an overflow descriptor; how many. */
export function dropExtents(descriptor: usize, bytes: u32): u32 {
  let pages: u32 = 0;
  for (let at: u32 = 4; at + EXTENT_BYTES <= bytes; at += EXTENT_BYTES) {
    const first = loadId(descriptor + at);
    const count: u32 = load<u16>(descriptor + at, 6);
    for (let index: u32 = 0; index < count; index++) dropPage(first + index);
    pages += count;
  }
  return pages;
}

export function extentPages(descriptor: usize, bytes: u32): u32 {
  let pages: u32 = 0;
  for (let at: u32 = 4; at + EXTENT_BYTES <= bytes; at += EXTENT_BYTES) {
    pages += load<u16>(descriptor + at, 6);
  }
  return pages;
}
