/** Expressions that only queries have: aggregates, parameters, and expressions with a type. */
import { type AggregateFunction, type Expression, isExpression } from "../tables/index.ts";

declare const typeOf: unique symbol;

/** An expression that TypeScript knows the values of. */
export type Typed<T> = Expression & { readonly [typeOf]?: T };

/** The name of a column, or an expression. */
export type Operand<T = unknown> = string | Typed<T>;

/** Whether equal values count once. */
export interface AggregateOptions {
  readonly distinct?: boolean;
}

/** What sums and extremes are made of. */
type Widened<T> = Exclude<T, null>;

function aggregate(
  name: AggregateFunction,
  of: Operand | undefined,
  options: AggregateOptions | undefined,
): Expression {
  return {
    op: "aggregate",
    function: name,
    ...(of === undefined ? {} : { of: expressionOf(of) }),
    ...(options?.distinct === true ? { isDistinct: true } : {}),
  };
}

/** A column by its name, or an expression as it is. */
export function expressionOf(operand: Operand): Expression {
  return isExpression(operand) ? operand : { op: "column", name: operand };
}

/** How many rows there are, or, with `of`, how many in which it is not null. */
export function count(of?: Operand, options?: AggregateOptions): Typed<number> {
  return aggregate("count", of, options);
}

/**
 * The sum of what is not null, exact for whole numbers of every width; null where there is none.
 * For `integer` and `u8` it is a number, and `overflow` beyond the safe integers.
 */
export function sum<T = number>(
  of: Operand<T>,
  options?: AggregateOptions,
): Typed<Widened<T> | null> {
  return aggregate("sum", of, options);
}

/** The mean of what is not null, as a float; null where there is none. */
export function avg(of: Operand, options?: AggregateOptions): Typed<number | null> {
  return aggregate("avg", of, options);
}

/** The least value that is not null. */
export function min<T = number>(of: Operand<T>): Typed<Widened<T> | null> {
  return aggregate("min", of, undefined);
}

/** The greatest value that is not null. */
export function max<T = number>(of: Operand<T>): Typed<Widened<T> | null> {
  return aggregate("max", of, undefined);
}

/** A value that is given when a prepared query runs. */
export function parameter<T = unknown>(name: string): Typed<T> {
  return { op: "parameter", name };
}

/** Says of an expression what TypeScript cannot see: `typed<number>(add("a", 1))`. */
export function typed<T>(expression: Expression): Typed<T> {
  return expression;
}
