/**
 * A row on its way through a query: for each table the place of its bytes, and nothing decoded.
 * Expressions read single columns from there when they need them; or from columns that the core has
 * gathered, or that a join has decoded once for all rows that meet.
 */
import {
  type ColumnSource,
  type ColumnType,
  type Evaluator,
  expressionInvalid,
  type GatheredColumn,
  type ReadColumn,
  readerOfGathered,
  type TableState,
  type ValueKind,
} from "../tables/inside.ts";

const noBytes = new Uint8Array(0);

/** Where a row of one table lies. */
export class Cell {
  memory: Uint8Array = noBytes;
  /** Below zero: there is no row, all columns are null. */
  at = -1;
  /** Bytes of the row. */
  length = 0;
  /** Of the first table: columns by position; then `at` is a row of them. */
  columns: readonly (GatheredColumn | undefined)[] | undefined = undefined;
  /** Of a joined table: values by position and `row`; those left out are read from the bytes. */
  kept: readonly (readonly unknown[] | undefined)[] | undefined = undefined;
  row = 0;
}

export class Frame {
  readonly cells: readonly Cell[];
  parameters: readonly unknown[];
  /** Behind a grouping: the group's keys, then its aggregates. */
  values: readonly unknown[] = [];

  constructor(sources: number, parameters: readonly unknown[]) {
    this.cells = Array.from({ length: sources }, () => new Cell());
    this.parameters = parameters;
  }
}

/** What is known of the parameters of a run. */
export interface Parameters {
  readonly names: readonly string[];
  readonly kinds: readonly ValueKind[];
}

/** A column of source `source` in a resolved expression. */
export function columnName(source: number, name: string): string {
  return `${source}.${name}`;
}

/** A value of a group in a resolved expression. */
export function groupName(index: number): string {
  return `#${index}`;
}

/** The source of a resolved column; undefined for a value of a group. */
export function sourceOfName(name: string): number | undefined {
  return name.startsWith("#") ? undefined : Number(name.slice(0, name.indexOf(".")));
}

/** How resolved expressions find columns. `isOuter`: sources that may have no row in a frame. */
export function frameColumns(
  states: readonly TableState[],
  isOuter: readonly boolean[],
  parameters: Parameters,
  groupKinds: readonly ValueKind[],
): ColumnSource<Frame> {
  return {
    column: (name) => {
      const source = sourceOfName(name);
      if (source === undefined) return groupValue(Number(name.slice(1)), groupKinds);
      const state = states[source];
      const { position, kind, type } = state.column(name.slice(name.indexOf(".") + 1));
      const bytes = state.codec.reader(position);
      const read = source === 0 ? firstReader(position, type, bytes) : keptReader(position, bytes);
      if (!isOuter[source]) return { kind, evaluate: (frame) => read(frame.cells[source]) };
      return {
        kind,
        evaluate: (frame) => {
          const cell = frame.cells[source];
          return cell.at < 0 ? null : read(cell);
        },
      };
    },
    parameter: (name) => {
      const index = parameters.names.indexOf(name);
      if (index < 0) throw expressionInvalid(`the parameter "${name}" was given no value`);
      return {
        kind: parameters.kinds[index],
        evaluate: (frame) => frame.parameters[index],
      };
    },
  };
}

type ReadCell = (cell: Cell) => unknown;

/** Reads a column of the first table, gathered or not. */
function firstReader(position: number, type: ColumnType, bytes: ReadColumn): ReadCell {
  if (type === "integer" || type === "float") {
    return (cell) => {
      const column = cell.columns?.[position];
      if (column === undefined) return bytes(cell.memory, cell.at);
      const { at } = cell;
      return (column.nulls[at] & column.bit) === 0 ? column.numbers[at] : null;
    };
  }
  const gathered = readerOfGathered(type);
  if (gathered === undefined) return (cell) => bytes(cell.memory, cell.at);
  return (cell) => {
    const column = cell.columns?.[position];
    if (column === undefined) return bytes(cell.memory, cell.at);
    return (column.nulls[cell.at] & column.bit) === 0 ? gathered(column, cell.at) : null;
  };
}

/** Reads a column of a joined table. */
function keptReader(position: number, bytes: ReadColumn): ReadCell {
  return (cell) => {
    const values = cell.kept?.[position];
    return values === undefined ? bytes(cell.memory, cell.at) : values[cell.row];
  };
}

function groupValue(index: number, kinds: readonly ValueKind[]): Evaluator<Frame> {
  return { kind: kinds[index], evaluate: (frame) => frame.values[index] };
}
