/**
 * What the core has gathered over a range of records: sums, least and greatest numbers of columns
 * at fixed places (assembly/tables/program.ts has the bytes).
 */
import type { Core } from "../../bindings/core.ts";
import { columns } from "../../bindings/status.ts";

const resultBytes = 48;

/** The types of numbers that folds gather. */
export type FoldType = "u8" | "i64" | "u64" | "f64";

/** A program for the core, and what its folds gather. */
export interface Program {
  readonly bytes: Uint8Array;
  readonly folds: readonly FoldType[];
}

/** What a program takes out of rows: assembly/tables/gather.ts has the bytes. */
export interface Gathering {
  readonly program: Uint8Array;
  /** The plan, with no row taken. */
  readonly plan: Uint8Array;
}

/** Some of the rows of a range. */
export interface Gathered<T> {
  readonly value: T;
  /** The key behind which there may be more; undefined at the end. */
  readonly resume: Uint8Array | undefined;
}

/** What one fold has gathered. */
export interface Folded {
  /** Values that are not null. */
  count: number;
  /** Exact for whole numbers. */
  sum: bigint | number;
  least: bigint | number | undefined;
  greatest: bigint | number | undefined;
}

export interface FoldResult {
  /** Records that passed. */
  records: number;
  readonly folded: readonly Folded[];
}

export function emptyFold({ folds }: Program): FoldResult {
  const folded = folds.map((type): Folded => {
    return { count: 0, sum: type === "f64" ? 0 : 0n, least: undefined, greatest: undefined };
  });
  return { records: 0, folded };
}

/** Adds what the core has gathered last. */
export function addFold(result: FoldResult, { folds }: Program, core: Core): void {
  const { buffer, byteOffset } = core.output;
  const view = new DataView(buffer, byteOffset + columns.values, 8 + folds.length * resultBytes);
  result.records += view.getFloat64(0, true);
  for (const [index, type] of folds.entries()) {
    addOne(result.folded[index], type, view, 8 + index * resultBytes);
  }
}

function addOne(folded: Folded, type: FoldType, view: DataView, at: number): void {
  const count = view.getFloat64(at, true);
  if (count === 0) return;
  folded.count += count;
  if (type === "f64") folded.sum = (folded.sum as number) + view.getFloat64(at + 24, true);
  else {
    const whole = (view.getBigInt64(at + 16, true) << 64n) + view.getBigUint64(at + 8, true);
    folded.sum = (folded.sum as bigint) + whole;
  }
  const least = numberAt(type, view, at + 32);
  const greatest = numberAt(type, view, at + 40);
  if (folded.least === undefined || least < folded.least) folded.least = least;
  if (folded.greatest === undefined || greatest > folded.greatest) folded.greatest = greatest;
}

function numberAt(type: FoldType, view: DataView, at: number): bigint | number {
  if (type === "f64") return view.getFloat64(at, true);
  return type === "i64" ? view.getBigInt64(at, true) : view.getBigUint64(at, true);
}
