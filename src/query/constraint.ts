/** What conditions say of single columns: with it, keys and indexes find rows. */
import type { ComparisonOperator, Expression } from "../tables/index.ts";
import {
  boundsOf,
  familyOf,
  likePrefix,
  storable,
  type TableColumn,
  type TableState,
} from "../tables/inside.ts";
import type { Parameters } from "./frame.ts";
import { conjunctsOf } from "./rewrite.ts";

/**
 * A condition on one column that a range of keys can express. `prefix` is what text begins with,
 * which does not say all of its condition; all others do.
 */
export interface Constraint {
  readonly column: TableColumn;
  readonly kind: "equal" | "in" | "low" | "high" | "null" | "notNull" | "prefix";
  readonly isInclusive: boolean;
  /** What a row must have; for `in` an array. */
  readonly value: (parameters: readonly unknown[]) => unknown;
  /** Which of the conditions it stands for. */
  readonly conjunct: number;
}

/** Each branch of an `or` has entries counted for it. */
const branchesMost = 16;

const flipped: Readonly<Record<ComparisonOperator, ComparisonOperator>> = {
  eq: "eq",
  ne: "ne",
  lt: "gt",
  lte: "gte",
  gt: "lt",
  gte: "lte",
};

/** Those of the conditions that are constraints; they are resolved, and of one source. */
export function constraintsOf(
  state: TableState,
  conjuncts: readonly Expression[],
  parameters: Parameters,
): Constraint[] {
  return conjuncts.flatMap((expression, conjunct) => {
    const found = constraintOf(state, expression, parameters);
    return found === undefined ? [] : [{ ...found, conjunct }];
  });
}

/**
 * By condition that is an `or`: the constraints of each of its branches. Where every branch has a
 * way of its own to its rows, all of them together are a way to those of the condition.
 */
export function alternativesOf(
  state: TableState,
  conjuncts: readonly Expression[],
  parameters: Parameters,
): Constraint[][][] {
  return conjuncts.flatMap((expression) => {
    if (expression.op !== "or" || expression.of.length > branchesMost) return [];
    const branches = expression.of.map((branch) => {
      return constraintsOf(state, conjunctsOf(branch), parameters);
    });
    return branches.some((branch) => branch.length === 0) ? [] : [branches];
  });
}

type Found = Omit<Constraint, "conjunct"> | undefined;
const nothing = (): unknown => null;

function constraintOf(state: TableState, expression: Expression, parameters: Parameters): Found {
  const { op } = expression;
  if (op === "eq" || op === "lt" || op === "lte" || op === "gt" || op === "gte") {
    return comparisonOf(state, expression, parameters);
  }
  if (op === "isNull" || op === "isNotNull") {
    const column = columnOf(state, expression.of);
    const kind = op === "isNull" ? "null" : "notNull";
    return column && { column, kind, isInclusive: true, value: nothing };
  }
  if (op === "in") {
    const column = columnOf(state, expression.of);
    const { values } = expression;
    return column && { column, kind: "in", isInclusive: true, value: () => values };
  }
  if (op === "or") return equalitiesOf(state, expression.of, parameters);
  if (op !== "like") return undefined;
  const column = columnOf(state, expression.of);
  const prefix = likePrefix(expression.pattern);
  if (column === undefined || prefix === "") return undefined;
  return { column, kind: "prefix", isInclusive: true, value: () => prefix };
}

/** `a = 1 or a = 2 or a in (3, 4)`: what the column may be. */
function equalitiesOf(
  state: TableState,
  branches: readonly Expression[],
  parameters: Parameters,
): Found {
  const found = branches.map((branch) => constraintOf(state, branch, parameters));
  const column = found[0]?.column;
  if (column === undefined) return undefined;
  for (const one of found) {
    if (one?.column !== column || (one.kind !== "equal" && one.kind !== "in")) return undefined;
  }
  const value = (values: readonly unknown[]): unknown =>
    found.flatMap((one) => one?.value(values) ?? []);
  return { column, kind: "in", isInclusive: true, value };
}

function comparisonOf(
  state: TableState,
  expression: Extract<Expression, { op: ComparisonOperator }>,
  parameters: Parameters,
): Found {
  const left = columnOf(state, expression.left);
  const column = left ?? columnOf(state, expression.right);
  const other = left === undefined ? expression.left : expression.right;
  const op = left === undefined ? flipped[expression.op] : expression.op;
  if (column === undefined) return undefined;
  const value = knownValue(other, parameters);
  if (value === undefined) return undefined;
  if (op === "eq") return { column, kind: "equal", isInclusive: true, value };
  const kind = op === "lt" || op === "lte" ? "high" : "low";
  return { column, kind, isInclusive: op === "lte" || op === "gte", value };
}

function columnOf(state: TableState, expression: Expression): TableColumn | undefined {
  if (expression.op !== "column") return undefined;
  return state.column(expression.name.slice(expression.name.indexOf(".") + 1));
}

/** What is the same for all rows of a run. */
function knownValue(
  expression: Expression,
  parameters: Parameters,
): Constraint["value"] | undefined {
  if (expression.op === "value") return () => expression.value;
  if (expression.op !== "parameter") return undefined;
  const index = parameters.names.indexOf(expression.name);
  return (values) => values[index];
}

/** A bound as a value that the column can store; undefined where it bounds nothing like that. */
export function boundIn(
  column: TableColumn,
  value: unknown,
  isInclusive: boolean,
  isLow: boolean,
): { readonly value: unknown; readonly isInclusive: boolean } | undefined {
  if (value instanceof Date && Number.isNaN(value.getTime())) return undefined;
  const isWhole = familyOf(column.type) === "number" && boundsOf(column.type) !== undefined;
  if (isWhole && typeof value === "number" && !Number.isInteger(value)) {
    if (!Number.isFinite(value)) return undefined;
    const rounded = storable(column, isLow ? Math.floor(value) : Math.ceil(value));
    return rounded === undefined ? undefined : { value: rounded, isInclusive: false };
  }
  const stored = storable(column, value);
  return stored === undefined ? undefined : { value: stored, isInclusive };
}
