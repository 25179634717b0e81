/** The inner side of tables, for the layers above; `index.ts` is for applications. */

export { findRows } from "./access.ts";
export { TableCalls } from "./calls.ts";
export type { TableCore, Tables } from "./catalogue.ts";
export { type Compare, compareOf, nullsFirst } from "./compare.ts";
export { indexName, tableNotFound } from "./define.ts";
export {
  type ColumnSource,
  compileExpression,
  compilePredicate,
  type Evaluator,
  kindOfValue,
  nameOf,
  type ValueKind,
} from "./evaluate.ts";
export {
  columnsOf,
  expressionInvalid,
  operandsOf,
  predicateOf,
  renameColumn,
} from "./expression.ts";
export {
  GatheredColumn,
  Gatherer,
  gathererOf,
  type ReadGathered,
  readerOfGathered,
} from "./gather.ts";
export { afterPrefix } from "./key.ts";
export { likePrefix } from "./like.ts";
export { scopeDefault } from "./namespace.ts";
export { type NumberChangeCall, PlainNumberChange } from "./number-change.ts";
export { encodeKey } from "./prepare.ts";
export { type ProgramPart, programOf } from "./program.ts";
export { restoreValue, storeValue } from "./record.ts";
export type { ReadColumn } from "./row.ts";
export { StateReader, type TableReader, TransactionWriter } from "./space.ts";
export { validateRows, validateRowsSync } from "./standard-schema.ts";
export type { TableColumn, TableState } from "./state.ts";
export type { Statement } from "./statements.ts";
export { storable } from "./storable.ts";
export { requireSame, tableInside } from "./table.ts";
export type { TableIndex } from "./table-index.ts";
export { enterTable, type TableInside } from "./transaction-table.ts";
export { boundsOf, type ColumnType, type Family, familyOf } from "./types.ts";
