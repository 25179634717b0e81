/** What an envelope may do to a table, as data: nothing happens before it is committed. */
import type { Where } from "./expression.ts";
import type { OnConflict } from "./statements.ts";
import type { PatchOf, PrimaryKey } from "./table.ts";

/** Answers with the rows, too. */
interface Returning {
  readonly returning?: boolean;
}

/** A number of a row, and by how much it changes. */
interface NumberOf {
  readonly key: PrimaryKey;
  readonly column: string;
  readonly amount: number | bigint;
}

/** A change of the rows of one table. */
export type TableMutation = {
  readonly model: "table";
  /** The table. */
  readonly target: object;
  readonly returning?: boolean;
} & (
  | {
      readonly operation: "insert";
      readonly rows: readonly unknown[];
      readonly onConflict?: OnConflict<never>;
    }
  | { readonly operation: "upsert"; readonly rows: readonly unknown[] }
  | {
      readonly operation: "update";
      readonly key: PrimaryKey;
      readonly patch: object;
      readonly where?: Where;
      readonly mustExist?: boolean;
    }
  | {
      readonly operation: "updateWhere";
      readonly where: Where;
      readonly patch: object;
      readonly limit?: number;
    }
  | ({ readonly operation: "increment" } & NumberOf)
  | ({ readonly operation: "decrement" } & NumberOf)
  | { readonly operation: "delete"; readonly key: PrimaryKey }
  | { readonly operation: "deleteWhere"; readonly where: Where; readonly limit?: number }
);

/** Makes mutations of one table for `db.commit`, named as the statements that do the same. */
export class TableMutations<Select, Insert> {
  readonly #on: { readonly model: "table"; readonly target: object };

  /** Not for applications: `table.mutations` makes it. */
  constructor(target: object) {
    this.#on = { model: "table", target };
  }

  /** Inserts a row. */
  insert(
    row: Insert,
    options?: Returning & { readonly onConflict?: OnConflict<Select> },
  ): TableMutation {
    return { ...this.#on, operation: "insert", rows: [row], ...options };
  }

  /** Inserts rows. */
  insertMany(
    rows: Iterable<Insert>,
    options?: Returning & { readonly onConflict?: OnConflict<Select> },
  ): TableMutation {
    return { ...this.#on, operation: "insert", rows: [...rows], ...options };
  }

  /** Inserts a row, or replaces the one with the same primary key. */
  upsert(row: Insert, options?: Returning): TableMutation {
    return { ...this.#on, operation: "upsert", rows: [row], ...options };
  }

  /** The same for many rows; of those with the same primary key the last one counts. */
  upsertMany(rows: Iterable<Insert>, options?: Returning): TableMutation {
    return { ...this.#on, operation: "upsert", rows: [...rows], ...options };
  }

  /** Changes columns of a row. */
  update(
    key: PrimaryKey,
    patch: PatchOf<Select>,
    options?: Returning & { readonly where?: Where; readonly mustExist?: boolean },
  ): TableMutation {
    return { ...this.#on, operation: "update", key, patch, ...options };
  }

  /** Changes columns of all rows for which `where` is true, or of the first `limit` by key. */
  updateWhere(
    where: Where,
    patch: PatchOf<Select>,
    options?: Returning & { readonly limit?: number },
  ): TableMutation {
    return { ...this.#on, operation: "updateWhere", where, patch, ...options };
  }

  /** Adds to a number of a row that must be there. */
  increment(
    key: PrimaryKey,
    column: keyof Select & string,
    amount: number | bigint,
    options?: Returning,
  ): TableMutation {
    const { model, target } = this.#on;
    const on = { model, target, operation: "increment", key, column, amount } as const;
    return options === undefined ? on : { ...on, ...options };
  }

  /** Subtracts from a number of a row that must be there. */
  decrement(
    key: PrimaryKey,
    column: keyof Select & string,
    amount: number | bigint,
    options?: Returning,
  ): TableMutation {
    const { model, target } = this.#on;
    const on = { model, target, operation: "decrement", key, column, amount } as const;
    return options === undefined ? on : { ...on, ...options };
  }

  /** Deletes a row; no row is no error. */
  delete(key: PrimaryKey, options?: Returning): TableMutation {
    return { ...this.#on, operation: "delete", key, ...options };
  }

  /** Deletes all rows for which `where` is true, or the first `limit` by key. */
  deleteWhere(where: Where, options?: Returning & { readonly limit?: number }): TableMutation {
    return { ...this.#on, operation: "deleteWhere", where, ...options };
  }
}
