/**
 * The part of a predicate that the core can judge over row bytes: comparisons of numbers and
 * booleans of fixed width with values, and tests for null, all of which must hold. What is left
 * over is for the host, which has to judge rows again anyway: those of older layouts come through
 * unjudged.
 */
import type { FoldType, Program } from "../engine/index.ts";
import type { ComparisonOperator, Expression } from "./expression.ts";
import type { TableColumn, TableState } from "./state.ts";
import { storable } from "./storable.ts";

const testsMax = 16;
const foldsMax = 8;
const headBytes = 4;
const testBytes = 16;
const foldBytes = 8;
const noBit = 0xffff;
/** Instead of a number of folds: columns are gathered. */
const gathers = 255;

const operators: Readonly<Record<ComparisonOperator | "isNull" | "isNotNull", number>> = {
  eq: 0,
  ne: 1,
  lt: 2,
  lte: 3,
  gt: 4,
  gte: 5,
  isNull: 6,
  isNotNull: 7,
};
const mirrored: Readonly<Record<ComparisonOperator, ComparisonOperator>> = {
  eq: "eq",
  ne: "ne",
  lt: "gt",
  lte: "gte",
  gt: "lt",
  gte: "lte",
};
const typeCodes: Readonly<Record<FoldType, number>> = { u8: 0, i64: 1, u64: 2, f64: 3 };

/** A program, and what it leaves to the host. */
export interface ProgramPart {
  readonly program: Program;
  /** Conditions that the program does not judge; all of them must hold, too. */
  readonly rest: readonly Expression[];
}

interface Test {
  readonly op: keyof typeof operators;
  readonly column: TableColumn;
  readonly operand: number | bigint;
}

/** How the core sees a column; undefined where it cannot. */
function coreType(column: TableColumn): FoldType | undefined {
  switch (column.type) {
    case "u8":
    case "boolean":
      return "u8";
    case "integer":
    case "i64":
    case "timestamp":
      return "i64";
    case "u64":
      return "u64";
    case "float":
      return "f64";
    default:
      return undefined;
  }
}

/** The same program, for gathering columns of the rows that pass. */
export function gatheringProgram({ bytes }: Program): Uint8Array {
  const program = bytes.slice();
  program[3] = gathers;
  return program;
}

/**
 * The program of a predicate (undefined for all rows) and of folds over columns, by position;
 * undefined where the core cannot gather one of them.
 */
export function programOf(
  state: TableState,
  predicate: Expression | undefined,
  folds: readonly number[] = [],
): ProgramPart | undefined {
  const types = folds.map((position) => coreType(state.columns[position]));
  if (folds.length > foldsMax || types.includes(undefined)) return undefined;
  const tests: Test[] = [];
  const rest: Expression[] = [];
  for (const one of predicate === undefined ? [] : conjuncts(predicate)) {
    const test = testOf(state, one);
    if (test === undefined || tests.length === testsMax) rest.push(one);
    else tests.push(test);
  }
  const bytes = encode(state, tests, folds);
  return { program: { bytes, folds: types as FoldType[] }, rest };
}

function conjuncts(expression: Expression): Expression[] {
  if (expression.op === "and") return expression.of.flatMap(conjuncts);
  if (expression.op !== "between") return [expression];
  const { of, low, high } = expression;
  return [
    { op: "gte", left: of, right: low },
    { op: "lte", left: of, right: high },
  ];
}

function testOf(state: TableState, expression: Expression): Test | undefined {
  const { op } = expression;
  if (op === "isNull" || op === "isNotNull") {
    const of = expression.of;
    return of.op === "column" ? nullTest(op, state.column(of.name)) : undefined;
  }
  if (op === "column") {
    // A column of booleans is a condition by itself.
    const column = state.column(expression.name);
    return column.type === "boolean" ? { op: "eq", column, operand: 1 } : undefined;
  }
  if (!("left" in expression) || !(op in mirrored)) return undefined;
  const { left, right } = expression;
  const comparison = op as ComparisonOperator;
  if (left.op === "column" && right.op === "value") {
    return comparisonTest(comparison, state.column(left.name), right.value);
  }
  if (left.op === "value" && right.op === "column") {
    return comparisonTest(mirrored[comparison], state.column(right.name), left.value);
  }
  return undefined;
}

function nullTest(op: "isNull" | "isNotNull", column: TableColumn): Test | undefined {
  if (coreType(column) === undefined) return undefined;
  return { op, column, operand: 0 };
}

function comparisonTest(
  op: ComparisonOperator,
  column: TableColumn,
  value: unknown,
): Test | undefined {
  if (coreType(column) === undefined) return undefined;
  if (column.type === "boolean") {
    return typeof value === "boolean" ? { op, column, operand: value ? 1 : 0 } : undefined;
  }
  if (column.type === "timestamp") {
    if (!(value instanceof Date)) return undefined;
    return { op, column, operand: BigInt(value.getTime()) * 1_000n };
  }
  if (typeof value !== "number" && typeof value !== "bigint") return undefined;
  const operand = storable(column, value);
  return operand === undefined ? undefined : { op, column, operand: operand as number | bigint };
}

function encode(state: TableState, tests: readonly Test[], folds: readonly number[]): Uint8Array {
  const foldsAt = headBytes + tests.length * testBytes;
  const bytes = new Uint8Array(foldsAt + folds.length * foldBytes);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, state.codec.version, true);
  view.setUint8(2, tests.length);
  view.setUint8(3, folds.length);
  tests.forEach(({ op, column, operand }, index) => {
    const at = headBytes + index * testBytes;
    const type = coreType(column) as FoldType;
    view.setUint8(at, operators[op]);
    writePlace(state, column, view, at + 1);
    if (type === "f64") view.setFloat64(at + 8, Number(operand), true);
    else view.setBigUint64(at + 8, BigInt.asUintN(64, BigInt(operand)), true);
  });
  folds.forEach((position, index) => {
    const at = foldsAt + index * foldBytes;
    writePlace(state, state.columns[position], view, at, at + 2);
  });
  return bytes;
}

/** The type at `at`, the null bit and the offset where tests and folds have them. */
function writePlace(
  state: TableState,
  column: TableColumn,
  view: DataView,
  at: number,
  bitAt: number = at + 1,
): void {
  const place = state.codec.fixedPlace(column.position);
  view.setUint8(at, typeCodes[coreType(column) as FoldType]);
  view.setUint16(bitAt, column.isNullable ? (place?.bit ?? noBit) : noBit, true);
  view.setUint32(bitAt + 2, place?.offset ?? 0, true);
}
