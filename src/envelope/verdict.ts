/** What judging an assertion comes to. */
import { CairnError } from "../errors.ts";
import type { ComparisonOperator } from "../tables/index.ts";

type Actual = string | number | bigint | boolean | null;

/** Undefined where it holds; otherwise what was found instead. */
export type Verdict = Failure | undefined;

export interface Failure {
  /** Which assertion within a combination. */
  readonly path: string;
  readonly actual: Actual;
  readonly isMissing: boolean;
}

export const operators: ReadonlySet<string> = new Set(["eq", "ne", "lt", "lte", "gt", "gte"]);

export function holds(op: ComparisonOperator, comparison: number): boolean {
  switch (op) {
    case "eq":
      return comparison === 0;
    case "ne":
      return comparison !== 0;
    case "lt":
      return comparison < 0;
    case "lte":
      return comparison <= 0;
    case "gt":
      return comparison > 0;
    case "gte":
      return comparison >= 0;
  }
}

/** What a column of numbers can be compared with at once; null and the rest are expressions. */
export function isMeasure(value: unknown): value is number | bigint {
  return typeof value === "bigint" || (typeof value === "number" && !Number.isNaN(value));
}

/** As the expression says it: null compares with nothing. */
export function isNumberTrue(
  value: unknown,
  op: ComparisonOperator,
  expected: number | bigint,
): boolean {
  return value !== null && holds(op, order(value as number | bigint, expected));
}

/** Numbers and bigints compare by their exact values. */
export function order(left: number | bigint, right: number | bigint): number {
  if (left < right) return -1;
  return left > right ? 1 : 0;
}

export function found(path: string, value: unknown): Failure {
  return { path, actual: actualOf(value), isMissing: false };
}

export function missing(path: string): Failure {
  return { path, actual: null, isMissing: true };
}

/** A value as details hold it. */
function actualOf(value: unknown): Actual {
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) {
    return Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }
  if (typeof value === "object" && value !== null) return JSON.stringify(value);
  return value as Actual;
}

export function failed(where: "before" | "after", index: number, failure: Failure): CairnError {
  const { path, actual, isMissing } = failure;
  return new CairnError(
    "assertion_failed",
    `Cannot commit the envelope: assertion ${index} ${where} the mutations, ${path}, does not ` +
      `hold${isMissing ? ", because there is nothing under its key" : ""}. Nothing was applied. ` +
      "Read again, and decide again.",
    { details: { index, where, assertion: path, actual, isMissing } },
  );
}
