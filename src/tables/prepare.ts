/** What callers pass in, checked and made ready for a statement. */
import { CairnError } from "../errors.ts";
import { ownedBytes } from "../transaction/index.ts";
import { compileExpression, type Evaluator } from "./evaluate.ts";
import { isExpression } from "./expression.ts";
import type { ConflictRow, TableColumn, TableState } from "./state.ts";
import { boundsOf, familyOf, kindOf, typeMismatch } from "./types.ts";

/** A row as an array of checked values, one for each column. */
export type Values = unknown[];

/** Checks a row that is to be inserted. @throws CairnError as the statements that insert. */
export function prepareRow(state: TableState, row: unknown): Values {
  if (typeof row !== "object" || row === null) throw notARow(state, row);
  const { columns } = state;
  const source = row as Record<string, unknown>;
  const values: Values = new Array(columns.length);
  let given = 0;
  for (let index = 0; index < columns.length; index++) {
    const column = columns[index];
    const value = source[column.name];
    if (value === undefined) {
      if (column.hasDefault) values[index] = column.defaultValue;
      else if (column.isNullable) values[index] = null;
      else throw notNull(state, column);
      if (column.name in source) given++;
    } else {
      given++;
      values[index] = checkedValue(state, column, value);
    }
  }
  let names = 0;
  for (const _name in source) names++;
  if (names > given) refuseUnknown(state, source);
  return values;
}

/** Null where the column takes it, or the checked value. */
export function checkedValue(state: TableState, column: TableColumn, value: unknown): unknown {
  if (value === null) {
    // The null of JSON, too, is the null of the column.
    if (column.isNullable) return null;
    throw notNull(state, column);
  }
  return column.check(value);
}

function refuseUnknown(state: TableState, source: object): void {
  for (const name of Object.keys(source)) {
    if (!state.hasColumn(name)) throw state.unknownColumn(name);
  }
}

/** The checks of the table. @throws CairnError `check_constraint_failed`. */
export function enforceChecks(state: TableState, values: readonly unknown[]): void {
  for (const { name, notNull: column, evaluate } of state.checks) {
    if (evaluate(values) !== false) continue;
    if (column !== undefined) throw notNull(state, column);
    throw new CairnError(
      "check_constraint_failed",
      `Cannot write a row to the table "${state.path.name}": it breaks the check "${name}". ` +
        "Nothing was applied.",
      { details: { table: state.path.name, constraint: name } },
    );
  }
}

/** The values of a primary key, checked: a value, or an array with one for each column. */
export function prepareKey(state: TableState, key: unknown): Values {
  const { primaryKey, columns } = state;
  if (!Array.isArray(key)) {
    if (primaryKey.length === 1) return [checkedValue(state, columns[primaryKey[0]], key)];
    throw keyShape(state, key);
  }
  if (key.length !== primaryKey.length) throw keyShape(state, key);
  return primaryKey.map((position, index) => checkedValue(state, columns[position], key[index]));
}

const first: readonly number[] = [0];
const ordinals: readonly number[] = Array.from({ length: 256 }, (_, index) => index);

/** The bytes of a primary key. They are the caller's own. */
export function encodeKey(state: TableState, key: unknown): Uint8Array {
  const values = prepareKey(state, key);
  const positions = values.length === 1 ? first : ordinals.slice(0, values.length);
  return ownedBytes(state.key.encode(values, positions));
}

/** A change of some columns, ready to be applied to rows. */
export interface Patch {
  readonly state: TableState;
  readonly columns: readonly PatchColumn[];
}

interface PatchColumn {
  readonly column: TableColumn;
  /** The checked value, unless it is worked out. */
  readonly value: unknown;
  readonly evaluator: Evaluator<ConflictRow> | undefined;
}

/**
 * Checks new values of columns: values, or expressions over the row, all of which see the row as it
 * was. Columns of JSON take values only. @throws CairnError `argument_invalid` for columns of the
 * primary key or none at all, `unknown_column`, `type_mismatch`, …
 */
export function preparePatch(state: TableState, patch: unknown, hasProposed: boolean): Patch {
  if (typeof patch !== "object" || patch === null) throw notARow(state, patch);
  const columns = Object.entries(patch)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]): PatchColumn => {
      const column = state.column(name);
      if (state.primaryKey.includes(column.position)) throw keyChanged(state, name);
      if (column.type === "json" || !isExpression(value)) {
        return { column, value: checkedValue(state, column, value), evaluator: undefined };
      }
      const { column: source, excluded } = state.conflictSource;
      const evaluator = compileExpression(value, {
        column: source,
        ...(hasProposed && excluded !== undefined ? { excluded } : {}),
      });
      const { family } = evaluator.kind;
      if (family !== "null" && family !== familyOf(column.type)) {
        throw new CairnError(
          "type_mismatch",
          `Cannot set the column "${name}" of type ${column.type} to an expression of the kind ` +
            `${family}.`,
          { details: { column: name, type: column.type } },
        );
      }
      return { column, value: undefined, evaluator };
    });
  if (columns.length === 0) {
    throw new CairnError("argument_invalid", "Cannot update a row: no column is to be changed.");
  }
  return { state, columns };
}

/** The row after the change. @throws CairnError `overflow`, `underflow`, `not_null_violation`. */
export function applyPatch(patch: Patch, row: ConflictRow): Values {
  const values = [...row.existing];
  for (const { column, value, evaluator } of patch.columns) {
    values[column.position] =
      evaluator === undefined ? value : assigned(patch.state, column, evaluator.evaluate(row));
  }
  return values;
}

/** A result made what the column takes. */
export function assigned(state: TableState, column: TableColumn, result: unknown): unknown {
  if (result === null || typeof result === "object" || typeof result === "boolean") {
    return checkedValue(state, column, result);
  }
  if (familyOf(column.type) !== "number") return checkedValue(state, column, result);
  const bounds = boundsOf(column.type);
  const number = result as number | bigint;
  if (bounds === undefined) return checkedValue(state, column, Number(number));
  if (typeof number === "number" && !Number.isInteger(number)) {
    throw typeMismatch(column.name, column.type, number);
  }
  if (number < bounds[0]) throw outOfColumn("underflow", column, "less");
  if (number > bounds[1]) throw outOfColumn("overflow", column, "more");
  const isNumber = column.type === "u8" || column.type === "integer";
  return isNumber ? Number(number) : BigInt(number);
}

function outOfColumn(
  code: "overflow" | "underflow",
  { name, type }: TableColumn,
  how: "less" | "more",
): CairnError {
  return new CairnError(
    code,
    `Cannot set the column "${name}" to a result: it is ${how} than a ${type} holds. Nothing was ` +
      "applied.",
    { details: { column: name, type } },
  );
}

export function notNull(state: TableState, column: TableColumn): CairnError {
  return new CairnError(
    "not_null_violation",
    `Cannot write a row to the table "${state.path.name}": the column "${column.name}" is not ` +
      "nullable and has no value. Pass one, or declare a default.",
    { details: { table: state.path.name, column: column.name } },
  );
}

function notARow(state: TableState, found: unknown): CairnError {
  return new CairnError(
    "type_mismatch",
    `Cannot use ${kindOf(found)} as a row of the table "${state.path.name}": an object with a ` +
      "property for each column was expected.",
  );
}

function keyShape(state: TableState, found: unknown): CairnError {
  const names = state.primaryKey.map((position) => `"${state.columns[position].name}"`).join(", ");
  const shape = Array.isArray(found) ? `an array of ${found.length}` : kindOf(found);
  return new CairnError(
    "type_mismatch",
    `Cannot use this primary key of the table "${state.path.name}": found ${shape}, expected an ` +
      `array with the values of ${names}.`,
  );
}

function keyChanged(state: TableState, name: string): CairnError {
  return new CairnError(
    "argument_invalid",
    `Cannot update the column "${name}": it belongs to the primary key of the table ` +
      `"${state.path.name}". Delete the row and insert another.`,
  );
}
