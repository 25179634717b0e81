/** Values of predicates as values of columns. */
import type { TableColumn } from "./state.ts";
import { boundsOf, familyOf } from "./types.ts";

/** The value that equals `value` in a column; undefined where there is none. */
export function storable(column: TableColumn, value: unknown): unknown {
  if (value === null) return undefined;
  // What most keys are; adding 0 turns -0 into 0.
  if (column.type === "integer" && Number.isSafeInteger(value)) return (value as number) + 0;
  if (familyOf(column.type) !== "number") return value;
  const bounds = boundsOf(column.type);
  if (bounds === undefined) {
    const number = Number(value);
    return typeof value === "bigint" && BigInt(number) !== value ? undefined : number;
  }
  if (typeof value === "number" && !Number.isInteger(value)) return undefined;
  const number = BigInt(value as number | bigint);
  if (number < bounds[0] || number > bounds[1]) return undefined;
  return column.type === "u8" || column.type === "integer" ? Number(number) : number;
}
