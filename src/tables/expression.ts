/**
 * Expressions as plain data: they can be stored, sent and compared. `evaluate.ts` runs them.
 *
 * null is unknown: a comparison with null is unknown, `and`, `or` and `not` follow Kleene's
 * three-valued logic, arithmetic with null is null. A predicate selects where it is true.
 */
import { CairnError } from "../errors.ts";
import { kindOf } from "./types.ts";

/** How two values are compared. */
export type ComparisonOperator = "eq" | "ne" | "lt" | "lte" | "gt" | "gte";
/** How two numbers are combined. Whole numbers divide without a rest; by zero it is null. */
export type ArithmeticOperator = "add" | "subtract" | "multiply" | "divide" | "remainder";

/** A value that is worked out for a row. */
export type Expression =
  | { readonly op: "column"; readonly name: string }
  /** In the update of a conflict: the column of the row that was to be inserted. */
  | { readonly op: "excluded"; readonly name: string }
  | { readonly op: "value"; readonly value: unknown }
  | { readonly op: ComparisonOperator; readonly left: Expression; readonly right: Expression }
  | { readonly op: "and" | "or"; readonly of: readonly Expression[] }
  | { readonly op: "not" | "isNull" | "isNotNull" | "negate"; readonly of: Expression }
  | { readonly op: "in"; readonly of: Expression; readonly values: readonly unknown[] }
  | {
      readonly op: "between";
      readonly of: Expression;
      readonly low: Expression;
      readonly high: Expression;
    }
  /** `%` stands for any text, `_` for one character, `\` takes the next character as it is. */
  | { readonly op: "like"; readonly of: Expression; readonly pattern: string }
  | { readonly op: ArithmeticOperator; readonly left: Expression; readonly right: Expression }
  | { readonly op: "coalesce"; readonly of: readonly Expression[] }
  /** In a query: a value that is given when it runs. */
  | { readonly op: "parameter"; readonly name: string }
  /** In a query: one value for the rows of a group. `count` without `of` counts rows. */
  | {
      readonly op: "aggregate";
      readonly function: AggregateFunction;
      readonly of?: Expression;
      /** Equal values count once. */
      readonly isDistinct?: boolean;
    };

/** What makes one value of the rows of a group. */
export type AggregateFunction = "count" | "sum" | "avg" | "min" | "max";

/** Deepest nesting. */
export const depthMax = 32;
/** Most values of an `in`. */
export const inValuesMax = 10_000;
/** Longest pattern of a `like`, in characters. */
export const patternCharsMax = 256;

const comparisons: ReadonlySet<string> = new Set(["eq", "ne", "lt", "lte", "gt", "gte"]);
const arithmetic: ReadonlySet<string> = new Set([
  "add",
  "subtract",
  "multiply",
  "divide",
  "remainder",
]);
const operators: ReadonlySet<string> = new Set([
  ...comparisons,
  ...arithmetic,
  "column",
  "excluded",
  "value",
  "and",
  "or",
  "not",
  "isNull",
  "isNotNull",
  "negate",
  "in",
  "between",
  "like",
  "coalesce",
  "parameter",
  "aggregate",
]);

/** True for an object with an `op` that names an operator. */
export function isExpression(value: unknown): value is Expression {
  if (typeof value !== "object" || value === null || !("op" in value)) return false;
  return typeof value.op === "string" && operators.has(value.op);
}

export function isComparison(op: string): op is ComparisonOperator {
  return comparisons.has(op);
}

export function isArithmetic(op: string): op is ArithmeticOperator {
  return arithmetic.has(op);
}

/** The column `name`. */
export function column(name: string): Expression {
  return { op: "column", name };
}

/** In the update of a conflict: the column of the row that was to be inserted. */
export function excluded(name: string): Expression {
  return { op: "excluded", name };
}

/** A value, or an expression as it is. */
export function operand(value: unknown): Expression {
  return isExpression(value) ? value : { op: "value", value };
}

type Operand = unknown;
type Combine = (left: Operand, right: Operand) => Expression;

function combine(op: ComparisonOperator | ArithmeticOperator): Combine {
  return (left, right) => ({ op, left: operand(left), right: operand(right) });
}

/** left = right */
export const eq: Combine = combine("eq");
/** left <> right */
export const ne: Combine = combine("ne");
/** left < right */
export const lt: Combine = combine("lt");
/** left <= right */
export const lte: Combine = combine("lte");
/** left > right */
export const gt: Combine = combine("gt");
/** left >= right */
export const gte: Combine = combine("gte");
/** left + right */
export const add: Combine = combine("add");
/** left - right */
export const subtract: Combine = combine("subtract");
/** left * right */
export const multiply: Combine = combine("multiply");
/** left / right; whole numbers are cut off towards zero, and by zero it is null. */
export const divide: Combine = combine("divide");
/** What is left over by {@link divide}; it has the sign of `left`. */
export const remainder: Combine = combine("remainder");

/** True where all are; unknown where one is and none is false. */
export function and(...of: Expression[]): Expression {
  return { op: "and", of };
}

/** True where one is. */
export function or(...of: Expression[]): Expression {
  return { op: "or", of };
}

/** True where `of` is false; unknown stays unknown. */
export function not(of: Expression): Expression {
  return { op: "not", of };
}

/** True where `of` is null, false otherwise. */
export function isNull(of: Expression): Expression {
  return { op: "isNull", of };
}

/** The first of the values that is not null. */
export function coalesce(...of: unknown[]): Expression {
  return { op: "coalesce", of: of.map(operand) };
}

/** ColumnConditions on columns, all of which must hold: values, or operators with values. */
export type ColumnConditions = Readonly<Record<string, unknown>>;
/** A predicate: an expression, or conditions on columns. */
export type Where = Expression | ColumnConditions;

const conditionOperators: ReadonlySet<string> = new Set([...comparisons, "in", "like", "between"]);

/**
 * The expression of a predicate. `{ owner: "ada", rank: { lt: 10 } }` is short for both conditions;
 * a null asks for null.
 */
export function predicateOf(where: Where): Expression {
  if (isExpression(where)) return where;
  if (typeof where !== "object" || where === null) {
    throw expressionInvalid(`found ${kindOf(where)}, expected conditions or an expression`);
  }
  const all = Object.entries(where).flatMap(([name, condition]) => conditionsOf(name, condition));
  return all.length === 1 ? all[0] : { op: "and", of: all };
}

function conditionsOf(name: string, condition: unknown): Expression[] {
  const of = column(name);
  if (condition === undefined) {
    throw expressionInvalid(`the condition on "${name}" is undefined; leave it out, or pass null`);
  }
  if (condition === null) return [isNull(of)];
  if (!isPlain(condition) || isExpression(condition)) return [eq(of, condition)];
  return Object.entries(condition).map(([op, value]): Expression => {
    if (!conditionOperators.has(op)) {
      throw expressionInvalid(
        `there is no condition "${op}"; known are the comparisons, in, like and between`,
      );
    }
    if (op === "in") return { op, of, values: value as unknown[] };
    if (op === "like") return { op, of, pattern: value as string };
    if (op === "between") {
      const [low, high] = value as [unknown, unknown];
      return { op, of, low: operand(low), high: operand(high) };
    }
    if (value === null) return nullCondition(op, of);
    return { op: op as ComparisonOperator, left: of, right: operand(value) };
  });
}

function nullCondition(op: string, of: Expression): Expression {
  if (op === "eq") return isNull(of);
  if (op === "ne") return { op: "isNotNull", of };
  throw expressionInvalid(`"${op}" null is never true; use eq or ne`);
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The expressions directly within one. */
export function operandsOf(expression: Expression): readonly Expression[] {
  if ("left" in expression) return [expression.left, expression.right];
  if (expression.op === "between") return [expression.of, expression.low, expression.high];
  if (!("of" in expression)) return [];
  const { of } = expression;
  return Array.isArray(of) ? (of as readonly Expression[]) : [of as Expression];
}

/** The columns that an expression reads. */
export function columnsOf(expression: Expression, found: Set<string> = new Set()): Set<string> {
  if (expression.op === "column") found.add(expression.name);
  for (const inner of operandsOf(expression)) columnsOf(inner, found);
  return found;
}

/** The same expression with a column under another name. */
export function renameColumn(expression: Expression, from: string, to: string): Expression {
  const again = (inner: Expression): Expression => renameColumn(inner, from, to);
  if (expression.op === "column") return expression.name === from ? column(to) : expression;
  if ("left" in expression) {
    return { ...expression, left: again(expression.left), right: again(expression.right) };
  }
  if (expression.op === "between") {
    const { of, low, high } = expression;
    return { op: "between", of: again(of), low: again(low), high: again(high) };
  }
  if (!("of" in expression)) return expression;
  const { of } = expression;
  const inner = Array.isArray(of) ? of.map(again) : again(of as Expression);
  return { ...expression, of: inner } as Expression;
}

export function expressionInvalid(found: string): CairnError {
  return new CairnError(
    "expression_invalid",
    `Cannot use this expression: ${found}. See docs/tables.md for what expressions are made of.`,
  );
}
