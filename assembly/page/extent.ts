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
import {
  INPUT,
  OUTPUT,
  OUTPUT_BYTES,
  PAGE_BODY_BYTES,
  SLOTS_PER_BLOB,
  STATUS,
  STATUS_CONSUMED,
  STATUS_PAGE,
  VALUE_BYTES_MAX,
} from "../memory";
import { isZero } from "./bytes";
import { bearPage, dropRun } from "./epoch";
import { RESERVE, freeCount, takeFrame } from "./frame";
import {
  HEADER_BYTES,
  KIND_OVERFLOW,
  countOf,
  formatPage,
  hashOf,
  heapStartOf,
  isPageId,
  kindOf,
  levelOf,
  loadId,
  setCount,
  setHash,
} from "./header";
import { REASON_KIND, corrupt } from "./image";
import { findPage } from "./table";

export const EXTENT_BYTES: u32 = 8;
export const CONTENT_BYTES: u32 = 4048;
/** A value of 64 MiB spans four blobs at most; twice that leaves room. */
const EXTENTS_MAX: u32 = 8;

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

/**
 * Copies the content of overflow pages [id, id + pages) to OUTPUT, as many as fit and are resident;
 * its bytes. STATUS_CONSUMED tells how many pages it was.
 */
export function readOverflow(id: u64, pages: u32): i32 {
  const most = min(pages, OUTPUT_BYTES / CONTENT_BYTES);
  let bytes: u32 = 0;
  let index: u32 = 0;
  while (index < most) {
    const page = findPage(id + index);
    if (page == 0 || kindOf(page) != KIND_OVERFLOW) {
      if (index > 0) break;
      if (page != 0) return corrupt(id, REASON_KIND);
      store<f64>(STATUS, <f64>id, STATUS_PAGE);
      return PAGE_MISS;
    }
    memory.copy(OUTPUT + bytes, page + HEADER_BYTES, countOf(page));
    bytes += countOf(page);
    index++;
  }
  store<u32>(STATUS, index, STATUS_CONSUMED);
  return <i32>bytes;
}

/** True if these bytes can be the descriptor of a value under a key of that length. */
export function isDescriptor(descriptor: usize, bytes: u32, keyLength: u32): bool {
  const extents = (bytes - 4) >>> 3;
  if (bytes != 4 + extents * EXTENT_BYTES || extents == 0 || extents > EXTENTS_MAX) return false;
  const valueBytes = load<u32>(descriptor);
  if (valueBytes > VALUE_BYTES_MAX) return false;
  for (let at: u32 = 4; at < bytes; at += EXTENT_BYTES) {
    const first = loadId(descriptor + at);
    const count: u32 = load<u16>(descriptor + at, 6);
    if (!isPageId(first) || count == 0 || (<u32>first & 0xffff) + count > SLOTS_PER_BLOB)
      return false;
  }
  const content = 2 + keyLength + valueBytes;
  return extentPages(descriptor, bytes) == (content + CONTENT_BYTES - 1) / CONTENT_BYTES;
}

/** True if an overflow page is in canonical form. */
export function validateOverflow(page: usize): bool {
  const count = countOf(page);
  return (
    levelOf(page) == 0 &&
    count > 0 &&
    count <= CONTENT_BYTES &&
    heapStartOf(page) == PAGE_BODY_BYTES &&
    isZero(page + 10, 6) &&
    isPageId(hashOf(page)) &&
    isZero(page + 24, 8) &&
    isZero(page + HEADER_BYTES + count, CONTENT_BYTES - count)
  );
}

/** Drops every page of the extents in an overflow descriptor; how many. */
export function dropExtents(descriptor: usize, bytes: u32): u32 {
  let pages: u32 = 0;
  for (let at: u32 = 4; at + EXTENT_BYTES <= bytes; at += EXTENT_BYTES) {
    const first = loadId(descriptor + at);
    const count: u32 = load<u16>(descriptor + at, 6);
    dropRun(first, count);
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
