/** The types of rows, names and values that builders infer. */
import type { Expression } from "../tables/index.ts";
import type { Typed } from "./aggregate.ts";

/** The rows of a query's tables by alias; null where a join may find none. "" has no alias. */
export type Sources = Readonly<Record<string, unknown>>;

type Row<T> = Exclude<T, null>;
type OrNull<T, V> = null extends T ? V | null : V;

/** The names of columns: alone, and behind the alias of their table. */
export type ColumnName<S extends Sources> = {
  [A in keyof S & string]:
    | (keyof Row<S[A]> & string)
    | (A extends "" ? never : `${A}.${keyof Row<S[A]> & string}`);
}[keyof S & string];

/** What the column `N` holds. */
export type ColumnValue<S extends Sources, N extends string> = N extends `${infer A}.${infer C}`
  ? A extends keyof S
    ? C extends keyof Row<S[A]>
      ? OrNull<S[A], Row<S[A]>[C]>
      : never
    : never
  : {
      [A in keyof S]: N extends keyof Row<S[A]> ? OrNull<S[A], Row<S[A]>[N]> : never;
    }[keyof S];

/** The columns of a query, for callbacks: `columns.id`, or `columns.alias.id`. */
export type ColumnsOf<S extends Sources> = "" extends keyof S
  ? { readonly [C in keyof Row<S[""]>]: Typed<Row<S[""]>[C]> }
  : {
      readonly [A in keyof S]: {
        readonly [C in keyof Row<S[A]>]: Typed<OrNull<S[A], Row<S[A]>[C]>>;
      };
    };

type Operators<V> = {
  readonly eq?: V | null | Expression;
  readonly ne?: V | null | Expression;
  readonly lt?: V | Expression;
  readonly lte?: V | Expression;
  readonly gt?: V | Expression;
  readonly gte?: V | Expression;
  readonly in?: readonly V[];
  readonly like?: string;
  readonly between?: readonly [low: V | Expression, high: V | Expression];
};

/** Conditions by column, all of which must hold. */
export type ConditionsOf<S extends Sources> = {
  readonly [N in ColumnName<S>]?:
    | ColumnValue<S, N>
    | null
    | Expression
    | Operators<ColumnValue<S, N>>;
};

/** A predicate over the columns of a query. */
export type Condition<S extends Sources> =
  | Expression
  | ConditionsOf<S>
  | ((columns: ColumnsOf<S>) => Expression);

/** The last part of a name: what the output is called. */
export type OutputName<N extends string> = N extends `${string}.${infer C}` ? C : N;

/** What an output may be: the name of a column, or an expression. */
export type Selectable<S extends Sources> = ColumnName<S> | Expression;

/** What an output holds. */
export type SelectedValue<S extends Sources, O> = O extends string
  ? ColumnValue<S, O>
  : O extends Typed<infer T>
    ? T
    : unknown;

/** A row of all columns: that of the only table, or one by alias. */
export type WholeRow<S extends Sources> = "" extends keyof S
  ? S[""]
  : { [K in keyof S]: S[K] } & {};

/** All tables may lack a row. */
export type AllNullable<S extends Sources> = { [A in keyof S]: S[A] | null };

/** One more table. */
export type With<S extends Sources, A extends string, T> = {
  [K in keyof S | A]: K extends A ? T : S[K & keyof S];
};
