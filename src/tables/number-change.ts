/**
 * Adding to a number of one row, the quick way: where no index, key or reference has the column,
 * nothing but the row is read and written. Everything else is left to the statement that does the
 * same.
 */
import type { TableCore } from "./catalogue.ts";
import { assigned, encodeKey, enforceChecks, type Values } from "./prepare.ts";
import type { TableColumn, TableState } from "./state.ts";

/** What is to be added to, and how much. */
export interface NumberChangeCall {
  readonly name: string;
  readonly amount: number | bigint;
  readonly isLess: boolean;
}

const plainColumns: WeakMap<TableState, Map<string, TableColumn | undefined>> = new WeakMap();

/** The column, where a change of it touches nothing but the row; undefined otherwise. */
function plainColumn(state: TableState, name: string): TableColumn | undefined {
  let columns = plainColumns.get(state);
  if (columns === undefined) {
    columns = new Map();
    plainColumns.set(state, columns);
  }
  if (columns.has(name)) return columns.get(name);
  const column = state.hasColumn(name) ? state.column(name) : undefined;
  const isPlain = column !== undefined && isAlone(state, column);
  const found = isPlain ? column : undefined;
  columns.set(name, found);
  return found;
}

function isAlone(state: TableState, { position, kind }: TableColumn): boolean {
  if (kind.family !== "number" || kind.number === "float") return false;
  if (state.primaryKey.includes(position)) return false;
  // A partial index may ask about any column.
  if (state.vectorIndexes.length > 0) return false;
  const isIndexed = state.indexes.some(
    (index) => index.where !== undefined || index.columns.includes(position),
  );
  return !isIndexed && !state.foreignKeys.some(({ columns }) => columns.includes(position));
}

/** A change of a number that touches only its row, ready for its turn. */
export class PlainNumberChange {
  readonly state: TableState;
  readonly key: Uint8Array;
  /** The primary key as it was given. */
  readonly given: unknown;
  readonly #column: TableColumn;
  readonly #amount: number | bigint;

  private constructor(
    state: TableState,
    given: unknown,
    column: TableColumn,
    amount: number | bigint,
  ) {
    this.state = state;
    this.given = given;
    this.key = encodeKey(state, given);
    this.#column = column;
    this.#amount = amount;
  }

  /** Undefined where it is not as simple as that. */
  static of(
    core: TableCore,
    key: unknown,
    { name, amount, isLess }: NumberChangeCall,
  ): PlainNumberChange | undefined {
    const state = core.require();
    const column = plainColumn(state, name);
    if (column === undefined) return undefined;
    const isBig = column.kind.number === "bigint";
    if (isBig ? typeof amount !== "bigint" : !Number.isSafeInteger(amount)) return undefined;
    const signed = isLess ? -amount : amount;
    return new PlainNumberChange(state, key, column, signed);
  }

  /**
   * The row with the number changed; undefined where it is null, which the statement judges.
   * @throws CairnError `overflow`, `underflow`, `check_constraint_failed`.
   */
  apply(values: Values): Values | undefined {
    const { position } = this.#column;
    const before = values[position];
    if (before === null) return undefined;
    const sum =
      typeof before === "bigint"
        ? before + (this.#amount as bigint)
        : (before as number) + (this.#amount as number);
    values[position] = assigned(this.state, this.#column, sum);
    enforceChecks(this.state, values);
    return values;
  }
}
