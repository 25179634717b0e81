/** Steps that change rows: in one commit, or in as many as it takes. */
import type { Columns, PatchOf, SelectOf, Where } from "../tables/index.ts";
import { migrationInvalid } from "./errors.ts";
import type { BackfillStep, MigrationData, TransactionStep } from "./step.ts";

/** What changes rows in one commit. It may run again when it meets a conflict. */
export type MigrateRows = (data: MigrationData) => Promise<void> | void;

/**
 * Changes rows in one commit, which also notes that the step is done. The checksum of a migration
 * covers the name, not what the function does: change the name when that changes.
 */
export function transaction(name: string, up: MigrateRows, down?: MigrateRows): TransactionStep {
  return {
    mode: "transaction",
    description: name,
    data: { step: "transaction", name },
    get undo(): TransactionStep | undefined {
      return down && transaction(`undo ${name}`, down, up);
    },
    run: up,
  };
}

/** What a backfill does with a row: new values of columns, or undefined to leave it. */
export type ChangeRow<C extends Columns> = (
  row: SelectOf<C>,
  data: MigrationData,
) => Promise<PatchOf<SelectOf<C>> | undefined> | PatchOf<SelectOf<C>> | undefined;

/** Which rows a backfill looks at, and what becomes of them. */
export interface Backfill<C extends Columns> {
  readonly table: string;
  /** What its rows are, for the compiler alone. */
  readonly columns: C;
  /** Only rows of which it is true; all by default. */
  readonly where?: Where;
  /** Rows in one commit at most; 256 by default. */
  readonly rowsPerCommit?: number;
  /** May run again for the same row, when a commit meets a conflict; not after it was made. */
  readonly up: ChangeRow<C>;
  readonly down?: ChangeRow<C>;
}

const rowsPerCommitDefault = 256;

/**
 * Changes the rows of a table in the order of its primary key, some at a time. Each commit also
 * notes how far it has come, so that it goes on from there after a crash or an abort. Rows written
 * meanwhile behind that place are not looked at: whoever writes must write the new form already.
 */
export function backfill<C extends Columns>(name: string, given: Backfill<C>): BackfillStep {
  const { table, where, up, down, rowsPerCommit = rowsPerCommitDefault } = given;
  if (!Number.isSafeInteger(rowsPerCommit) || rowsPerCommit < 1) {
    throw migrationInvalid(`the backfill "${name}" has a rowsPerCommit that is no number above 0`);
  }
  return {
    mode: "backfill",
    description: name,
    data: { step: "backfill", name, table, where },
    get undo(): BackfillStep | undefined {
      if (down === undefined) return undefined;
      return backfill(`undo ${name}`, { ...given, up: down, down: up });
    },
    table,
    where,
    rowsPerCommit,
    change: up as BackfillStep["change"],
  };
}
