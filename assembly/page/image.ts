/**
 * The bytes of a page on the medium: its canonical form and its check field.
 *
 * In memory a page may carry the holes of removed cells. On the medium it never does: cells stand
 * in entry order without gaps, everything unused is zero, so that equal pages are equal bytes and
 * deleted records are really gone.
 */
import { CORRUPT } from "../errors";
import { crc32c } from "../crc32c";
import { PAGE_BODY_BYTES, PAGE_BYTES, STATUS, STATUS_PAGE, STATUS_REASON } from "../memory";
import {
  HEADER_BYTES,
  KIND_BRANCH,
  KIND_BUCKET,
  KIND_DIRECTORY,
  KIND_LEAF,
  KIND_OVERFLOW,
  kindOf,
} from "./header";
import { validateOverflow } from "./extent";
import { compact, validateSlotted } from "./slotted";
import { validateBucket, compactBucket } from "../hash/bucket";
import { validateDirectory } from "../hash/directory";

/** Why a page is corrupt; the host turns it into words. */
export const REASON_CHECKSUM: u32 = 1;
export const REASON_KIND: u32 = 2;
export const REASON_LAYOUT: u32 = 3;
export const REASON_ORDER: u32 = 4;
export const REASON_LEVEL: u32 = 5;
export const REASON_TREE: u32 = 6;
export const REASON_BOUNDS: u32 = 7;
export const REASON_COUNT: u32 = 8;
export const REASON_HASH: u32 = 9;
export const REASON_OVERFLOW: u32 = 10;

let databaseSeed: u32 = 0;
const scratch: usize = memory.data(16, 16);

/** The checksum of the database id, which every page's checksum begins with. */
export function setDatabaseSeed(seed: u32): void {
  databaseSeed = seed;
}

export function corrupt(id: u64, reason: u32): i32 {
  store<f64>(STATUS, <f64>id, STATUS_PAGE);
  store<u32>(STATUS, reason, STATUS_REASON);
  return CORRUPT;
}

function checksum(page: usize, id: u64): u32 {
  store<u64>(scratch, id);
  return crc32c(page, PAGE_BODY_BYTES, crc32c(scratch, 8, databaseSeed));
}

/** Writes the canonical form of a page to `target`, with its check field. */
export function exportPage(page: usize, id: u64, target: usize): void {
  const kind = kindOf(page);
  if (kind == KIND_LEAF || kind == KIND_BRANCH) compact(page, target);
  else if (kind == KIND_BUCKET) compactBucket(page, target);
  else memory.copy(target, page, PAGE_BODY_BYTES);
  store<u32>(target, checksum(target, id), 4080);
  store<u32>(target, 0, 4084);
  store<u64>(target, 0, 4088);
}

/**
 * Checks bytes that were just read for page `id`: checksum first, then that every offset is inside.
 */
export function verifyPage(page: usize, id: u64): i32 {
  if (load<u32>(page, 4080) != checksum(page, id)) return corrupt(id, REASON_CHECKSUM);
  if (load<u32>(page, 4084) != 0 || load<u64>(page, 4088) != 0) return corrupt(id, REASON_CHECKSUM);
  const kind = kindOf(page);
  if (kind == KIND_LEAF || kind == KIND_BRANCH) {
    return validateSlotted(page) ? 0 : corrupt(id, REASON_LAYOUT);
  }
  if (kind == KIND_BUCKET) return validateBucket(page) ? 0 : corrupt(id, REASON_LAYOUT);
  if (kind == KIND_DIRECTORY) return validateDirectory(page) ? 0 : corrupt(id, REASON_LAYOUT);
  if (kind == KIND_OVERFLOW) return validateOverflow(page) ? 0 : corrupt(id, REASON_LAYOUT);
  return corrupt(id, REASON_KIND);
}

assert(HEADER_BYTES == 32 && PAGE_BYTES == 4096);
