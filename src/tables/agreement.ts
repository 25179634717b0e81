/** Whether a declaration says what is stored. */
import { CairnError } from "../errors.ts";
import { describeTable, type Surroundings, type TableDefinition } from "./define.ts";
import type { StoredColumn, StoredTable } from "./record.ts";
import type { TableState } from "./state.ts";

/** Refuses a declaration that contradicts the table: `table_already_exists`. */
export function checkAgreement(
  state: TableState,
  definition: TableDefinition,
  surroundings: Surroundings,
): void {
  const wanted = describeTable(state.path, definition, surroundings);
  const { stored } = state;
  for (const part of parts) {
    const found = JSON.stringify(part.of(stored));
    if (found === JSON.stringify(part.of(wanted))) continue;
    throw new CairnError(
      "table_already_exists",
      `Cannot open the table "${state.path.name}" as declared: the table of this name has other ` +
        `${part.name}. Open it as it is, change it with alter, or drop it first.`,
      { details: { table: state.path.name, part: part.name } },
    );
  }
}

const byName = (left: { name: string }, right: { name: string }): number =>
  left.name < right.name ? -1 : 1;

/** The parts of a table in a form in which equal ones are equal. */
const parts: readonly { readonly name: string; readonly of: (table: StoredTable) => unknown }[] = [
  {
    name: "columns",
    of: ({ columns }) =>
      [...columns]
        .sort(byName)
        .map((one) => [one.name, one.type, one.dimensions, one.isNullable, one.default]),
  },
  {
    name: "primary key columns",
    of: ({ columns, primaryKey }) => namesOf(columns, primaryKey),
  },
  {
    name: "indexes",
    of: ({ columns, indexes }) =>
      [...indexes]
        .sort(byName)
        .map((one) => [one.name, namesOf(columns, one.columns), one.kind, one.isUnique, one.where]),
  },
  {
    name: "vector indexes",
    of: ({ columns, vectorIndexes = [] }) =>
      [...vectorIndexes]
        .sort(byName)
        .map(({ tree: _tree, ids: _ids, pending: _pending, isReady: _isReady, ...one }) => [
          ...Object.entries(one).filter(([option]) => option !== "column"),
          namesOf(columns, [one.column]),
        ]),
  },
  { name: "checks", of: ({ checks }) => [...checks].sort(byName) },
  {
    name: "foreign keys",
    of: ({ columns, foreignKeys }) =>
      [...foreignKeys]
        .sort(byName)
        .map((one) => [
          one.name,
          namesOf(columns, one.columns),
          one.table,
          one.references,
          one.onDelete,
          one.onUpdate,
        ]),
  },
];

function namesOf(columns: readonly StoredColumn[], ids: readonly number[]): (string | undefined)[] {
  return ids.map((id) => columns.find((column) => column.id === id)?.name);
}
