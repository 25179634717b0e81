export type { TableAlteration } from "./alter.ts";
export {
  Comparisons,
  MatchingAssertions,
  RowAssertions,
  type TableAssertion,
} from "./assertions.ts";
export { Tables } from "./catalogue.ts";
export { checkAllTables, type TableFinding, type TableReport } from "./check.ts";
export {
  Column,
  type ColumnReference,
  type ColumnShape,
  type Columns,
  type ColumnTypes,
  type InsertOf,
  type Json,
  type ReferenceAction,
  type SelectOf,
  t,
} from "./column.ts";
export type { ConstraintDefinition } from "./constraint.ts";
export type {
  ForeignKeyDefinition,
  IndexDefinition,
  SchemaDefinition,
  TableDefinition,
} from "./define.ts";
export type { TableDescription } from "./describe.ts";
export {
  type AggregateFunction,
  type ArithmeticOperator,
  add,
  and,
  type ColumnConditions,
  type ComparisonOperator,
  coalesce,
  column,
  divide,
  type Expression,
  eq,
  excluded,
  gt,
  gte,
  isExpression,
  isNull,
  lt,
  lte,
  multiply,
  ne,
  not,
  or,
  remainder,
  subtract,
  type Where,
} from "./expression.ts";
export { type TableMutation, TableMutations } from "./mutations.ts";
export {
  type CreateOptions,
  Project,
  Scope,
  type TableInfo,
  TableNames,
} from "./namespace.ts";
export type { IndexKind } from "./record.ts";
export type { TableMatch, TableSearchOptions } from "./search.ts";
export type {
  InputOf,
  OutputOf,
  StandardResult,
  StandardSchema,
  StoredOf,
} from "./standard-schema.ts";
export type { OnConflict } from "./statements.ts";
export {
  type InsertOptions,
  type KeyValue,
  type PatchOf,
  type PrimaryKey,
  type StatementOptions,
  type StatementResult,
  Table,
  type TableReadOptions,
  type TableScanOptions,
  type UpdateOptions,
  type VectorNames,
  type WhereOptions,
} from "./table.ts";
export { type TransactionResult, TransactionTable } from "./transaction-table.ts";
export type { ColumnType } from "./types.ts";
