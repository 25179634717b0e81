/**
 * Expressions made runnable. All types are checked before the first row is seen; what is left to
 * run are closures over the row, whatever a row is: `columns` says how to get at its columns.
 */
import { CairnError } from "../errors.ts";
import { compareOf } from "./compare.ts";
import {
  type ArithmeticOperator,
  type ComparisonOperator,
  depthMax,
  type Expression,
  expressionInvalid,
  inValuesMax,
  isArithmetic,
  isComparison,
  patternCharsMax,
} from "./expression.ts";
import { likeMatcher } from "./like.ts";
import { type Family, kindOf } from "./types.ts";

/** How the numbers of an expression are held: exact whole numbers, bigints, or floats. */
export type NumberKind = "whole" | "bigint" | "float";

/** What is known of an expression's values; `null` for the literal null, which fits everywhere. */
export interface ValueKind {
  readonly family: Family | "null";
  /** Of numbers. */
  readonly number?: NumberKind;
}

/** An expression that is ready to run over rows of the kind R. */
export interface Evaluator<R> {
  readonly kind: ValueKind;
  /** The value for a row: null where it is null or unknown. */
  readonly evaluate: (row: R) => unknown;
  /** The value, where it is the same for all rows. */
  readonly constant?: { readonly value: unknown };
}

/** How expressions find the columns of a row. */
export interface ColumnSource<R> {
  /** @throws CairnError `unknown_column` */
  column(name: string): Evaluator<R>;
  /** The row that was to be inserted; absent where there is none. */
  excluded?(name: string): Evaluator<R>;
  /** A value that is given to a query when it runs; absent elsewhere. */
  parameter?(name: string): Evaluator<R>;
}

/**
 * Checks an expression and makes it runnable.
 * @throws CairnError `expression_invalid`, `type_mismatch`, `unknown_column`.
 */
export function compileExpression<R>(
  expression: Expression,
  columns: ColumnSource<R>,
  depth: number = 0,
): Evaluator<R> {
  if (depth > depthMax) throw expressionInvalid(`it is nested deeper than ${depthMax}`);
  const again = (inner: Expression): Evaluator<R> => {
    return compileExpression(inner, columns, depth + 1);
  };
  const { op } = expression;
  if (op === "column") return columns.column(expression.name);
  if (op === "excluded") {
    if (columns.excluded === undefined) {
      throw expressionInvalid("there is no row that was to be inserted; use column");
    }
    return columns.excluded(expression.name);
  }
  if (op === "parameter") {
    if (columns.parameter === undefined) throw expressionInvalid("only queries have parameters");
    return columns.parameter(expression.name);
  }
  if (op === "aggregate") throw expressionInvalid(aggregateMisplaced);
  if (op === "value") return constant(expression.value);
  if (op === "and" || op === "or") return logical(op, expression.of.map(again));
  if (op === "not") return negation(again(expression.of));
  if (op === "isNull" || op === "isNotNull") return nullTest(again(expression.of), op === "isNull");
  if (op === "in") return membership(again(expression.of), expression.values);
  if (op === "between") {
    const of = again(expression.of);
    const low = comparison("gte", of, again(expression.low));
    return logical("and", [low, comparison("lte", of, again(expression.high))]);
  }
  if (op === "like") return like(again(expression.of), expression.pattern);
  if (op === "coalesce") return firstOf(expression.of.map(again));
  if (op === "negate") {
    const zero: Evaluator<R> = constant(0);
    return calculation("subtract", zero, again(expression.of));
  }
  if (!("left" in expression)) throw expressionInvalid(`there is no operator "${String(op)}"`);
  const { left, right } = expression;
  if (isComparison(op)) return comparison(op, again(left), again(right));
  if (isArithmetic(op)) return calculation(op, again(left), again(right));
  throw expressionInvalid(`there is no operator "${String(op)}"`);
}

/** The same as a predicate: true where it selects. @throws CairnError as `compileExpression`. */
export function compilePredicate<R>(
  expression: Expression,
  columns: ColumnSource<R>,
): (row: R) => boolean {
  const { kind, evaluate } = compileExpression(expression, columns);
  requireBoolean(kind, "a predicate");
  return (row) => evaluate(row) === true;
}

const aggregateMisplaced =
  "it has an aggregate where there are no groups; aggregates belong into the select, having and " +
  "orderBy of a query";

const boolean: ValueKind = { family: "boolean" };

function constant<R>(value: unknown): Evaluator<R> {
  return { kind: kindOfValue(value), evaluate: () => value, constant: { value } };
}

/** What a JavaScript value is in an expression. */
export function kindOfValue(value: unknown): ValueKind {
  if (value === null) return { family: "null" };
  switch (typeof value) {
    case "number":
      if (Number.isNaN(value)) throw expressionInvalid("found NaN, which nothing compares with");
      return { family: "number", number: Number.isSafeInteger(value) ? "whole" : "float" };
    case "bigint":
      return { family: "number", number: "bigint" };
    case "string":
      return { family: "text" };
    case "boolean":
      return boolean;
    case "object":
      if (value instanceof Date) return { family: "timestamp" };
      if (value instanceof Uint8Array) return { family: "blob" };
      if (value instanceof Float32Array) return { family: "vector" };
      return { family: "json" };
    default:
      throw expressionInvalid(`found ${kindOf(value)} as a value`);
  }
}

function logical<R>(op: "and" | "or", all: readonly Evaluator<R>[]): Evaluator<R> {
  for (const { kind } of all) requireBoolean(kind, `an operand of "${op}"`);
  const evaluators = all.map(({ evaluate }) => evaluate);
  const decisive = op === "or";
  if (evaluators.length === 2) return logicalPair(decisive, evaluators);
  return {
    kind: boolean,
    evaluate: (row) => {
      let result: boolean | null = !decisive;
      for (const evaluate of evaluators) {
        const value = evaluate(row);
        if (value === decisive) return decisive;
        if (value === null) result = null;
      }
      return result;
    },
  };
}

function logicalPair<R>(
  decisive: boolean,
  [first, second]: readonly ((row: R) => unknown)[],
): Evaluator<R> {
  return {
    kind: boolean,
    evaluate: (row) => {
      const left = first(row);
      if (left === decisive) return decisive;
      const right = second(row);
      return right === decisive || left !== null ? right : null;
    },
  };
}

function negation<R>({ kind, evaluate }: Evaluator<R>): Evaluator<R> {
  requireBoolean(kind, 'the operand of "not"');
  return {
    kind: boolean,
    evaluate: (row) => {
      const value = evaluate(row);
      return value === null ? null : value === false;
    },
  };
}

function nullTest<R>({ evaluate }: Evaluator<R>, expected: boolean): Evaluator<R> {
  return { kind: boolean, evaluate: (row) => (evaluate(row) === null) === expected };
}

type Test = (left: unknown, right: unknown) => boolean;

/** Tests of numbers are operators: JavaScript compares numbers and bigints exactly. */
const numberTests: Readonly<Record<ComparisonOperator, Test>> = {
  eq: (left, right) =>
    (left as number) <= (right as number) && (left as number) >= (right as number),
  ne: (left, right) => (left as number) < (right as number) || (left as number) > (right as number),
  lt: (left, right) => (left as number) < (right as number),
  lte: (left, right) => (left as number) <= (right as number),
  gt: (left, right) => (left as number) > (right as number),
  gte: (left, right) => (left as number) >= (right as number),
};

const orderTests: Readonly<Record<ComparisonOperator, (order: number) => boolean>> = {
  eq: (order) => order === 0,
  ne: (order) => order !== 0,
  lt: (order) => order < 0,
  lte: (order) => order <= 0,
  gt: (order) => order > 0,
  gte: (order) => order >= 0,
};

function testOf(op: ComparisonOperator, family: Family): Test {
  if (family === "number") return numberTests[op];
  if (op === "eq" && (family === "text" || family === "boolean")) return (a, b) => a === b;
  const compare = compareOf(family);
  if (compare === undefined) {
    throw mismatch(`values of the kind ${family} cannot be compared`, family);
  }
  const test = orderTests[op];
  return (left, right) => test(compare(left, right));
}

function comparison<R>(
  op: ComparisonOperator,
  left: Evaluator<R>,
  right: Evaluator<R>,
): Evaluator<R> {
  if (left.kind.family === "null" || right.kind.family === "null") {
    return { kind: boolean, evaluate: () => null };
  }
  const family = sameFamily(left.kind, right.kind, `"${op}"`);
  const test = testOf(op, family);
  const a = left.evaluate;
  if (right.constant !== undefined) {
    const { value } = right.constant;
    return {
      kind: boolean,
      evaluate: (row) => {
        const found = a(row);
        return found === null ? null : test(found, value);
      },
    };
  }
  const b = right.evaluate;
  return {
    kind: boolean,
    evaluate: (row) => {
      const first = a(row);
      const second = b(row);
      return first === null || second === null ? null : test(first, second);
    },
  };
}

function membership<R>(of: Evaluator<R>, values: readonly unknown[]): Evaluator<R> {
  if (!Array.isArray(values)) throw expressionInvalid('the values of "in" are no array');
  if (values.length > inValuesMax) {
    throw expressionInvalid(`"in" has ${values.length} values, at most ${inValuesMax}`);
  }
  const hasNull = values.includes(null);
  const known = values.filter((value) => value !== null);
  for (const value of known) {
    if (of.kind.family !== "null") sameFamily(of.kind, kindOfValue(value), '"in"');
  }
  const names = new Set(known.map(nameOf));
  const { evaluate } = of;
  return {
    kind: boolean,
    evaluate: (row) => {
      // x IN () is false even for null.
      if (values.length === 0) return false;
      const value = evaluate(row);
      if (value === null) return null;
      if (names.has(nameOf(value))) return true;
      return hasNull ? null : false;
    },
  };
}

/** Equal values of one family have the same name, which can be the key of a Map. */
export function nameOf(value: unknown): unknown {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (typeof value === "number") return Number.isSafeInteger(value) ? value + 0 : exactName(value);
  if (value instanceof Date) return value.getTime();
  return value instanceof Uint8Array ? String.fromCharCode(...value) : value;
}

/** A float that is whole, as the bigint it equals. */
function exactName(value: number): number | bigint {
  return Number.isInteger(value) ? BigInt(value) : value;
}

function like<R>(of: Evaluator<R>, pattern: string): Evaluator<R> {
  if (typeof pattern !== "string") throw expressionInvalid("the pattern of like is no string");
  if (pattern.length > patternCharsMax) {
    throw expressionInvalid(
      `the pattern has ${pattern.length} characters, at most ${patternCharsMax}`,
    );
  }
  const { family } = of.kind;
  if (family !== "text" && family !== "null") throw mismatch("like takes text", family);
  const matches = likeMatcher(pattern);
  const { evaluate } = of;
  return {
    kind: boolean,
    evaluate: (row) => {
      const value = evaluate(row);
      return value === null ? null : matches(value as string);
    },
  };
}

function firstOf<R>(all: readonly Evaluator<R>[]): Evaluator<R> {
  if (all.length === 0) throw expressionInvalid("coalesce has nothing to choose from");
  const kind = all.map((one) => one.kind).reduce(jointKind);
  const evaluators = all.map(({ evaluate }) => evaluate);
  return {
    kind,
    evaluate: (row) => {
      for (const evaluate of evaluators) {
        const value = evaluate(row);
        if (value !== null) return value;
      }
      return null;
    },
  };
}

function jointKind(left: ValueKind, right: ValueKind): ValueKind {
  if (left.family === "null") return right;
  if (right.family === "null") return left;
  const family = sameFamily(left, right, "coalesce");
  if (family !== "number") return left;
  return { family, number: jointNumber(left, right) };
}

function jointNumber(left: ValueKind, right: ValueKind): NumberKind {
  if (left.number === "float" || right.number === "float") return "float";
  return left.number === "bigint" || right.number === "bigint" ? "bigint" : "whole";
}

/** Arithmetic: whole numbers stay exact, or it is an error. */
function calculation<R>(
  op: ArithmeticOperator,
  left: Evaluator<R>,
  right: Evaluator<R>,
): Evaluator<R> {
  for (const { kind } of [left, right]) {
    if (kind.family !== "number" && kind.family !== "null") {
      throw mismatch(`"${op}" takes numbers`, kind.family);
    }
  }
  const number = jointNumber(left.kind, right.kind);
  const calculate = calculations[number](op);
  const a = left.evaluate;
  const b = right.evaluate;
  return {
    kind: { family: "number", number },
    evaluate: (row) => {
      const first = a(row);
      const second = b(row);
      return first === null || second === null ? null : calculate(first, second);
    },
  };
}

type Calculate = (left: unknown, right: unknown) => unknown;

const calculations: Readonly<Record<NumberKind, (op: ArithmeticOperator) => Calculate>> = {
  float: (op) => (left, right) => finite(op, floats[op](Number(left), Number(right))),
  bigint: (op) => (left, right) => bigints[op](BigInt(left as bigint), BigInt(right as bigint)),
  whole: (op) => (left, right) => safe(op, wholes[op](left as number, right as number)),
};

const floats: Readonly<Record<ArithmeticOperator, (a: number, b: number) => number | null>> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => (b === 0 ? null : a / b),
  remainder: (a, b) => (b === 0 ? null : a % b),
};

const wholes: typeof floats = {
  ...floats,
  divide: (a, b) => (b === 0 ? null : Math.trunc(a / b) + 0),
  remainder: (a, b) => (b === 0 ? null : (a % b) + 0),
};

const bigints: Readonly<Record<ArithmeticOperator, (a: bigint, b: bigint) => bigint | null>> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => (b === 0n ? null : a / b),
  remainder: (a, b) => (b === 0n ? null : a % b),
};

function finite(op: ArithmeticOperator, result: number | null): number | null {
  if (result === null || Number.isFinite(result)) return result;
  throw outOfRange(op, result, "a finite number");
}

function safe(op: ArithmeticOperator, result: number | null): number | null {
  if (result === null || Number.isSafeInteger(result)) return result;
  throw outOfRange(op, result, "a safe integer; i64 and u64 columns reach further");
}

function outOfRange(op: ArithmeticOperator, result: number, expected: string): CairnError {
  return new CairnError(
    result < 0 ? "underflow" : "overflow",
    `Cannot ${op} two numbers: the result is out of range, expected ${expected}.`,
  );
}

function sameFamily(left: ValueKind, right: ValueKind, where: string): Family {
  const a = left.family;
  const b = right.family;
  if (a === b && a !== "null") return a;
  throw mismatch(`${where} has operands of the kinds ${a} and ${b}, which do not compare`, a);
}

function requireBoolean(kind: ValueKind, what: string): void {
  if (kind.family === "boolean" || kind.family === "null") return;
  throw mismatch(`${what} is neither true nor false`, kind.family);
}

function mismatch(found: string, family: string): CairnError {
  return new CairnError(
    "type_mismatch",
    `Cannot use this expression: ${found}. Compare a column with values of its own type.`,
    { details: { found: family } },
  );
}
