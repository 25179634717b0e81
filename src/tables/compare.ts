/**
 * The one comparison of values, for predicates, ordering and grouping; the order of encoded keys
 * (`key.ts`) is the same. Numbers of all kinds compare by their exact values, text by its UTF-8
 * bytes, which is the order of code points, blobs by their bytes, false comes before true, and
 * timestamps by time. JSON and vectors have no order.
 */
import { compareBytes } from "../transaction/index.ts";
import type { Family } from "./types.ts";

/** Below zero when `left` comes first. Neither may be null. */
export type Compare = (left: unknown, right: unknown) => number;

/** The comparison of a family; undefined for JSON and vectors. */
export function compareOf(family: Family): Compare | undefined {
  return comparisons[family];
}

/** The same with null before everything else, for sorting. */
export function nullsFirst(compare: Compare): Compare {
  return (left, right) => {
    if (left === null || right === null) return (left === null ? 0 : 1) - (right === null ? 0 : 1);
    return compare(left, right);
  };
}

/** Exact also between a number and a bigint. */
function compareNumbers(left: unknown, right: unknown): number {
  if ((left as number) < (right as number)) return -1;
  return (left as number) > (right as number) ? 1 : 0;
}

/** By code points: UTF-16 would put what lies beyond U+FFFF before U+E000 to U+FFFF. */
function compareText(left: string, right: string): number {
  if (left === right) return 0;
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index++) {
    const a = left.charCodeAt(index);
    const b = right.charCodeAt(index);
    if (a === b) continue;
    const isHigh = a >= 0xd800 && b >= 0xd800;
    return isHigh ? codeOrder(a) - codeOrder(b) : a - b;
  }
  return left.length - right.length;
}

/** Surrogates come last. */
function codeOrder(unit: number): number {
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}

const comparisons: Readonly<Partial<Record<Family, Compare>>> = {
  number: compareNumbers,
  text: (left, right) => compareText(left as string, right as string),
  boolean: (left, right) => Number(left) - Number(right),
  blob: (left, right) => compareBytes(left as Uint8Array, right as Uint8Array),
  timestamp: (left, right) => (left as Date).getTime() - (right as Date).getTime(),
};
