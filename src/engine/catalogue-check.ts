/**
 * Whether what a catalogue's JSON says is a catalogue. The checksum has told damage already: what
 * is refused here was written by somebody else, and must not reach the core.
 */
import { isU64 } from "./log/u64.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Ids of trees and numbers of blobs; the highest is what the core calls none. */
const numberMax = 0xffff_fffe;
const slotsMax = 65_536;
/** The core has room for so many blobs and trees. */
const blobsMax = 16_000;
const treesMax = 65_536;
const digits = /^[0-9a-f]{16}$/;

/** What is wrong, in a few words; undefined when it is a catalogue. */
export function catalogueFault(body: unknown): string | undefined {
  if (!isFields(body)) return "its body is no object";
  const { nextTree, nextBlob, trees, blobs, images = [], reclaim } = body;
  if (!isNumber(nextTree) || !isNumber(nextBlob)) return "its next tree or blob is no number";
  if (!areAll(trees, treesMax, isTree)) return "its trees are malformed";
  if (!areAll(blobs, blobsMax, isBlob)) return "its blobs are malformed";
  if (!areAll(images, treesMax, isImage)) return "its images are malformed";
  if (!areAll(reclaim, slotsMax, isDigits)) return "its reclaim list is malformed";
  if (!areDistinct(trees, "id") || !areDistinct(blobs, "number")) return "it names something twice";
  return undefined;
}

function isTree(tree: unknown): boolean {
  if (!isFields(tree)) return false;
  const { id, kind, root, records, overflowPages, descriptor } = tree;
  const isKind = kind === "ordered" || kind === "hashed";
  const isRoot = isCount(root) && root < 2 ** 48;
  return (
    isNumber(id) &&
    isKind &&
    isRoot &&
    isCount(records) &&
    isCount(overflowPages) &&
    isFields(descriptor)
  );
}

function isBlob(blob: unknown): boolean {
  if (!isFields(blob)) return false;
  const { number, generation, random, slots, live } = blob;
  const isSlots = isNumber(slots) && slots <= slotsMax;
  const isLive = isSlots && isCount(live) && live <= slots;
  return isNumber(number) && isCount(generation) && isDigits(random) && isLive;
}

function isImage(image: unknown): boolean {
  if (!isFields(image)) return false;
  const { tree, generation, random, bytes, checksum, note } = image;
  const isName = isNumber(tree) && isCount(generation) && isDigits(random);
  return isName && isCount(bytes) && isCount(checksum) && isFields(note);
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && isU64(value);
}

function isNumber(value: unknown): value is number {
  return isCount(value) && value > 0 && value <= numberMax;
}

function isDigits(value: unknown): boolean {
  return typeof value === "string" && digits.test(value);
}

function areAll(
  list: unknown,
  countMax: number,
  isOne: (item: unknown) => boolean,
): list is readonly Fields[] {
  return Array.isArray(list) && list.length <= countMax && list.every(isOne);
}

function areDistinct(list: readonly Fields[], field: string): boolean {
  return new Set(list.map((item) => item[field])).size === list.length;
}
