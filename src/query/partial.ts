/**
 * Partial indexes: one holds only rows for which its own condition is true, so it serves a query
 * whose conditions say the same, or more.
 */
import { isCairnError } from "../errors.ts";
import type { ComparisonOperator, Expression } from "../tables/index.ts";
import {
  type Compare,
  columnsOf,
  compareOf,
  compilePredicate,
  type Family,
  storable,
  type TableColumn,
  type TableState,
} from "../tables/inside.ts";
import type { Constraint } from "./constraint.ts";
import { conjunctsOf, expressionKey } from "./rewrite.ts";

/** A condition of a query over the table's own columns, with the values of its parameters. */
export type OwnConditions = readonly Expression[];

/** What a query says of the rows that it wants. */
export interface Said {
  readonly state: TableState;
  readonly constraints: readonly Constraint[];
  readonly parameters: readonly unknown[];
  readonly conditions: OwnConditions;
}

/**
 * The conditions of the query, by their places, that the index says already; undefined where rows
 * that the query wants may be missing in it.
 */
export function impliedBy(said: Said, where: Expression): Set<number> | undefined {
  const names = said.conditions.map(expressionKey);
  const found = new Set<number>();
  for (const one of conjunctsOf(where)) {
    const at = names.indexOf(expressionKey(one));
    if (at >= 0) found.add(at);
    else if (!isImplied(said, one)) return undefined;
  }
  return found;
}

function isImplied(said: Said, one: Expression): boolean {
  if (one.op === "isNotNull" && one.of.op === "column") {
    const { position } = said.state.column(one.of.name);
    // All other constraints are only true of values.
    return said.constraints.some(({ column, kind }) => {
      return column.position === position && kind !== "null";
    });
  }
  return isTrueOfPins(said, one) || isBounded(said, one);
}

/** True when the query leaves few values to its columns, and it is true of all of them. */
function isTrueOfPins({ state, constraints, parameters }: Said, one: Expression): boolean {
  const columns = [...columnsOf(one)].map((name) => state.column(name));
  if (columns.length === 0) return false;
  const values: unknown[] = new Array(state.columns.length).fill(null);
  let choices: { readonly column: TableColumn; readonly values: readonly unknown[] } | undefined;
  for (const column of columns) {
    const pin = constraints.find(({ kind, column: { position } }) => {
      return position === column.position && (kind === "equal" || kind === "null" || kind === "in");
    });
    if (pin === undefined || (pin.kind === "in" && choices !== undefined)) return false;
    if (pin.kind === "in") choices = { column, values: pin.value(parameters) as unknown[] };
    else if (pin.kind === "equal") {
      const value = storable(column, pin.value(parameters));
      // Nothing is equal to it: somebody else will say so.
      if (value === undefined) return false;
      values[column.position] = value;
    }
  }
  const test = compilePredicate(one, state.valuesSource);
  const isTrue = (row: readonly unknown[]): boolean => {
    try {
      return test(row);
    } catch (error) {
      // No row has such values, or it could not have been inserted.
      if (isCairnError(error, "overflow")) return false;
      throw error;
    }
  };
  if (choices === undefined) return isTrue(values);
  const { column } = choices;
  return choices.values.every((given) => {
    const value = storable(column, given);
    if (value === undefined) return true;
    values[column.position] = value;
    return isTrue(values);
  });
}

const isAtLeast: ReadonlySet<ComparisonOperator> = new Set(["gt", "gte"]);

/** True when it bounds a column, and the query does so more narrowly. */
function isBounded({ state, constraints, parameters }: Said, one: Expression): boolean {
  const { op } = one;
  if (op !== "gt" && op !== "gte" && op !== "lt" && op !== "lte") return false;
  const { left, right } = one;
  if (left.op !== "column" || right.op !== "value" || right.value === null) return false;
  const column = state.column(left.name);
  const compare: Compare | undefined = compareOf(column.kind.family as Family);
  if (compare === undefined) return false;
  const sign = isAtLeast.has(op) ? 1 : -1;
  return constraints.some(({ kind, column: { position }, value, isInclusive }) => {
    if (position !== column.position || kind !== (sign > 0 ? "low" : "high")) return false;
    const given = value(parameters);
    if (given === null || given === undefined) return false;
    const order = compare(given, right.value) * sign;
    return order > 0 || (order === 0 && (op === "gte" || op === "lte" || !isInclusive));
  });
}
