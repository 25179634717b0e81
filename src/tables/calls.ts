/**
 * From the arguments of a call to a statement, with options checked; for tables and transactions.
 */
import { checkWhole, checkWriteOptions, type WriteOptions } from "../kv/index.ts";
import type { TableCore, Tables } from "./catalogue.ts";
import { add, column, subtract, type Where } from "./expression.ts";
import { prepareRow, type Values } from "./prepare.ts";
import {
  deleteStatement,
  deleteWhereStatement,
  insertOrStatement,
  insertStatement,
  type OnConflict,
  type Statement,
  updateStatement,
  updateWhereStatement,
  upsertStatement,
} from "./statements.ts";

interface CallOptions extends WriteOptions {
  readonly returning?: boolean;
}

const writeOptions = ["finality", "signal", "returning"];
const statementOptions: ReadonlySet<string> = new Set(writeOptions);
const insertOptions: ReadonlySet<string> = new Set([...writeOptions, "onConflict"]);
const updateOptions: ReadonlySet<string> = new Set([...writeOptions, "where", "mustExist"]);
const whereOptions: ReadonlySet<string> = new Set([...writeOptions, "limit"]);

export class TableCalls {
  readonly tables: Tables;
  readonly core: TableCore;

  constructor(tables: Tables, core: TableCore) {
    this.tables = tables;
    this.core = core;
  }

  checkInsert(options: CallOptions | undefined): void {
    checkWriteOptions("insert rows", options, insertOptions);
  }

  /** `rows` have passed the validator. */
  insert(
    rows: readonly unknown[],
    options: (CallOptions & { readonly onConflict?: OnConflict<never> }) | undefined,
  ): Statement {
    const values = this.#prepare(rows);
    const onConflict = options?.onConflict;
    if (onConflict === undefined) return insertStatement(this.tables, this.core, values);
    return insertOrStatement(this.tables, this.core, values, onConflict as OnConflict);
  }

  checkUpsert(options: CallOptions | undefined): void {
    checkWriteOptions("upsert rows", options, statementOptions);
  }

  upsert(rows: readonly unknown[]): Statement {
    return upsertStatement(this.tables, this.core, this.#prepare(rows));
  }

  update(
    key: unknown,
    patch: unknown,
    options: (CallOptions & { readonly where?: Where; readonly mustExist?: boolean }) | undefined,
  ): Statement {
    checkWriteOptions("update a row", options, updateOptions);
    const { where, mustExist = false } = options ?? {};
    return updateStatement(this.tables, this.core, key, { patch, where, mustExist });
  }

  updateWhere(
    where: Where,
    patch: unknown,
    options: (CallOptions & { readonly limit?: number }) | undefined,
  ): Statement {
    const limit = limitOf("update rows", options);
    return updateWhereStatement(this.tables, this.core, where, { patch, limit });
  }

  /** Adds to a number, or subtracts from it. */
  change(
    key: unknown,
    change: { readonly name: string; readonly amount: number | bigint; readonly isLess: boolean },
    options: CallOptions | undefined,
  ): Statement {
    checkWriteOptions("change a number", options, statementOptions);
    const { name, amount, isLess } = change;
    const combine = isLess ? subtract : add;
    const patch = { [name]: combine(column(name), amount) };
    return updateStatement(this.tables, this.core, key, { patch, mustExist: true });
  }

  delete(key: unknown, options: CallOptions | undefined): Statement {
    checkWriteOptions("delete a row", options, statementOptions);
    return deleteStatement(this.tables, this.core, key);
  }

  deleteWhere(
    where: Where,
    options: (CallOptions & { readonly limit?: number }) | undefined,
  ): Statement {
    const limit = limitOf("delete rows", options);
    return deleteWhereStatement(this.tables, this.core, where, limit);
  }

  #prepare(rows: readonly unknown[]): Values[] {
    const state = this.core.require();
    const values: Values[] = new Array(rows.length);
    for (let index = 0; index < rows.length; index++) {
      values[index] = prepareRow(state, rows[index]);
    }
    return values;
  }
}

/** The option `limit`; infinite without. */
function limitOf(
  action: string,
  options: (CallOptions & { readonly limit?: number }) | undefined,
): number {
  checkWriteOptions(action, options, whereOptions);
  checkWhole(action, "limit", options?.limit, 1);
  return options?.limit ?? Number.POSITIVE_INFINITY;
}
