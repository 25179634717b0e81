/** Columns as applications declare them, with the types of rows that follow. */
import { CairnError } from "../errors.ts";
import { type ColumnType, dimensionsMax } from "./types.ts";

/** What happens to rows that refer to a row which is deleted, or whose key changes. */
export type ReferenceAction = "restrict" | "cascade" | "set null" | "set default" | "no action";

/** A column's declaration as data. */
export interface ColumnShape {
  readonly type: ColumnType;
  readonly dimensions?: number;
  readonly isNullable: boolean;
  readonly hasDefault: boolean;
  readonly defaultValue: unknown;
  readonly isPrimaryKey: boolean;
  readonly isUnique: boolean;
  readonly references: ColumnReference | undefined;
}

/** A table, and maybe a column of it, that a column refers to. */
export interface ColumnReference {
  readonly table: string;
  /** The primary key by default. */
  readonly column?: string;
  readonly onDelete?: ReferenceAction;
  readonly onUpdate?: ReferenceAction;
}

/**
 * The declaration of a column: what it holds (Select), what is written to it (Insert), whether it
 * can be null, and whether it may be left out. Columns are nullable unless `notNull()` says
 * otherwise.
 */
export class Column<
  Select = unknown,
  Insert = Select,
  Nullable extends boolean = boolean,
  Optional extends boolean = boolean,
> {
  readonly shape: ColumnShape;
  /** Only for the compiler. */
  declare readonly types: readonly [Select, Insert, Nullable, Optional];

  /** Not for applications: `t` makes it. */
  constructor(shape: ColumnShape) {
    this.shape = shape;
  }

  /** Refuses null: `not_null_violation`. */
  notNull(): Column<Select, Insert, false, Optional> {
    return new Column({ ...this.shape, isNullable: false });
  }

  /** What rows get that leave the column out. */
  default(value: Insert): Column<Select, Insert, Nullable, true> {
    return new Column({ ...this.shape, hasDefault: true, defaultValue: value });
  }

  /** Makes the column the primary key; several make one together, in the order of declaration. */
  primaryKey(): Column<Select, Insert, false, Optional> {
    return new Column({ ...this.shape, isNullable: false, isPrimaryKey: true });
  }

  /** Refuses a value that another row has: `unique_violation`. Nulls are exempt. */
  unique(): Column<Select, Insert, Nullable, Optional> {
    return new Column({ ...this.shape, isUnique: true });
  }

  /** Refuses values that no row of another table has: `foreign_key_violation`. */
  references(
    table: string,
    options: Omit<ColumnReference, "table"> = {},
  ): Column<Select, Insert, Nullable, Optional> {
    return new Column({ ...this.shape, references: { ...options, table } });
  }
}

type Fresh<Select, Insert = Select> = Column<Select, Insert, true, false>;

function fresh<Select, Insert = Select>(
  type: ColumnType,
  dimensions?: number,
): Fresh<Select, Insert> {
  return new Column({
    type,
    ...(dimensions === undefined ? {} : { dimensions }),
    isNullable: true,
    hasDefault: false,
    defaultValue: undefined,
    isPrimaryKey: false,
    isUnique: false,
    references: undefined,
  });
}

/** JSON as TypeScript knows it. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json };

/** The types of columns. */
export interface ColumnTypes {
  /** A string, stored as UTF-8. */
  text(): Fresh<string>;
  /** A number, 0 to 255. */
  u8(): Fresh<number>;
  /** A bigint, 0 to 2^64 - 1. */
  u64(): Fresh<bigint>;
  /** A safe integer as number; stored in 64 bits. */
  integer(): Fresh<number>;
  /** A bigint, -2^63 to 2^63 - 1. */
  i64(): Fresh<bigint>;
  /** A finite number. */
  float(): Fresh<number>;
  boolean(): Fresh<boolean>;
  /** A bigint, 0 to 2^256 - 1. */
  u256(): Fresh<bigint>;
  /** A bigint, -2^255 to 2^255 - 1. */
  i256(): Fresh<bigint>;
  /** A Uint8Array. */
  blob(): Fresh<Uint8Array>;
  /** A Date, to the millisecond; stored as microseconds since 1970. */
  timestamp(): Fresh<Date>;
  /** Any JSON value; it comes back as JSON says. */
  json<T = Json>(): Fresh<T>;
  /** `dimensions` finite 32-bit numbers. @throws CairnError `schema_invalid`. */
  vector(dimensions: number): Fresh<Float32Array, Float32Array | readonly number[]>;
}

/** Declares columns: `t.text().notNull()`. */
export const t: ColumnTypes = {
  text: () => fresh("text"),
  u8: () => fresh("u8"),
  u64: () => fresh("u64"),
  integer: () => fresh("integer"),
  i64: () => fresh("i64"),
  float: () => fresh("float"),
  boolean: () => fresh("boolean"),
  u256: () => fresh("u256"),
  i256: () => fresh("i256"),
  blob: () => fresh("blob"),
  timestamp: () => fresh("timestamp"),
  json: () => fresh("json"),
  vector: (dimensions) => {
    if (Number.isInteger(dimensions) && dimensions > 0 && dimensions <= dimensionsMax) {
      return fresh("vector", dimensions);
    }
    throw new CairnError(
      "schema_invalid",
      `Cannot declare a vector: its dimensions are ${String(dimensions)}, expected a whole ` +
        `number from 1 to ${dimensionsMax}.`,
    );
  },
};

/** The columns of a table, by name. */
export type Columns = Readonly<Record<string, Column>>;

type Simplify<T> = { [K in keyof T]: T[K] } & {};

/** A row as it is read. */
export type SelectOf<C extends Columns> = Simplify<{
  [K in keyof C]: C[K] extends Column<infer S, infer _I, infer N, infer _O>
    ? true extends N
      ? S | null
      : S
    : never;
}>;

type InsertValue<C> =
  C extends Column<infer _S, infer I, infer N, infer _O> ? (true extends N ? I | null : I) : never;

type OptionalNames<C extends Columns> = {
  [K in keyof C]: C[K] extends Column<infer _S, infer _I, infer N, infer O>
    ? true extends N | O
      ? K
      : never
    : never;
}[keyof C];

/** A row as it is inserted: columns that are nullable or have a default may be left out. */
export type InsertOf<C extends Columns> = Simplify<
  { [K in Exclude<keyof C, OptionalNames<C>>]: InsertValue<C[K]> } & {
    [K in OptionalNames<C>]?: InsertValue<C[K]> | undefined;
  }
>;
