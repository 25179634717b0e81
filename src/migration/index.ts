import { backfill, transaction } from "./data-steps.ts";
import {
  addColumns,
  addConstraint,
  createIndex,
  createTable,
  dropColumns,
  dropConstraint,
  dropIndex,
  dropTable,
  relaxColumns,
  renameColumns,
} from "./schema-steps.ts";

export type { Backfill, ChangeRow, MigrateRows } from "./data-steps.ts";
export { type DifferenceOptions, stepsBetween } from "./difference.ts";
export type { MigrationRecord } from "./history.ts";
export { type Migration, type MigrationDefinition, migration } from "./migration.ts";
export { Migrator, type PlanOptions } from "./migrator.ts";
export type { MigratedStep, MigrationReport } from "./plan.ts";
export type { MigrateOptions, MigrationHost } from "./run.ts";
export type { ColumnRules } from "./schema-steps.ts";
export type { TableDefinitions } from "./specification.ts";
export type {
  BackfillStep,
  MigrationData,
  MigrationPlace,
  SchemaStep,
  Step,
  TransactionStep,
} from "./step.ts";

/** Makes the steps of migrations. */
export const step: {
  readonly createTable: typeof createTable;
  readonly dropTable: typeof dropTable;
  readonly addColumns: typeof addColumns;
  readonly dropColumns: typeof dropColumns;
  readonly renameColumns: typeof renameColumns;
  readonly relaxColumns: typeof relaxColumns;
  readonly createIndex: typeof createIndex;
  readonly dropIndex: typeof dropIndex;
  readonly addConstraint: typeof addConstraint;
  readonly dropConstraint: typeof dropConstraint;
  readonly transaction: typeof transaction;
  readonly backfill: typeof backfill;
} = {
  createTable,
  dropTable,
  addColumns,
  dropColumns,
  renameColumns,
  relaxColumns,
  createIndex,
  dropIndex,
  addConstraint,
  dropConstraint,
  transaction,
  backfill,
};
