/** What migrations are made of: steps, each of which is done completely or can be done again. */
import type { LongOptions } from "../engine/index.ts";
import type { Transaction } from "../kv/index.ts";
import type {
  Columns,
  InsertOf,
  SelectOf,
  Table,
  TableDefinition,
  TableInfo,
  TransactionTable,
  Where,
} from "../tables/index.ts";

/** Where the tables of a migration are: a database (its root scope), or a scope. */
export interface MigrationPlace {
  table(name: string, definition: TableDefinition): Promise<Table>;
  table(name: string): Promise<Table>;
  tables(): Promise<TableInfo[]>;
  dropTable(name: string): Promise<boolean>;
}

type Row = Record<string, unknown>;

/** What a step that changes rows works with. Everything in it is committed together. */
export interface MigrationData {
  readonly transaction: Transaction;
  /**
   * A table within the transaction. `columns` say what its rows are, for the compiler alone.
   * @throws CairnError `table_not_found`.
   */
  table<C extends Columns>(
    name: string,
    columns: C,
  ): Promise<TransactionTable<SelectOf<C>, InsertOf<C>>>;
  table(name: string): Promise<TransactionTable<Row, Row>>;
}

interface StepBase {
  /** What it does, in a few words. */
  readonly description: string;
  /** What the checksum of a migration covers: plain data, no functions. */
  readonly data: unknown;
  /** What takes it back; undefined where that is not known. */
  readonly undo: Step | undefined;
}

/** Changes tables: commits of its own, found done when it is run again. */
export interface SchemaStep extends StepBase {
  readonly mode: "schema";
  run(place: MigrationPlace, isResumed: boolean, options: LongOptions): Promise<void>;
}

/** Changes rows in one commit. */
export interface TransactionStep extends StepBase {
  readonly mode: "transaction";
  run(data: MigrationData): Promise<void> | void;
}

/** Changes rows of a table in many commits. */
export interface BackfillStep extends StepBase {
  readonly mode: "backfill";
  readonly table: string;
  readonly where: Where | undefined;
  readonly rowsPerCommit: number;
  change(row: Row, data: MigrationData): Promise<object | undefined> | object | undefined;
}

/** One step of a migration, as {@link step} makes it. */
export type Step = SchemaStep | TransactionStep | BackfillStep;
