/** A query as plain data: it can be stored, sent and compared. Builders make it, and `db.query`. */
import type { Expression, Where } from "../tables/index.ts";

/** Which rows of both sides a join keeps: those with a match, or also those without. */
export type JoinKind = "inner" | "left" | "right" | "full" | "cross";
/** Smallest first (`asc`, the default), or greatest first. */
export type Direction = "asc" | "desc";

/** A table, by its name, and what its columns are called by: `alias.column`. */
export interface PlanSource {
  readonly table: string;
  /** The root scope where it is left out. */
  readonly project?: string;
  /** "app" where only the project is given. */
  readonly scope?: string;
  /** The table's name by default. */
  readonly as?: string;
}

/** A table that is joined to those before it. */
export interface PlanJoin extends PlanSource {
  readonly kind: JoinKind;
  /** Which rows belong together; none for a cross join. */
  readonly on?: Where;
}

/** What rows are sorted by. Null comes before everything else, in `desc` behind it. */
export interface PlanOrder {
  /** A column, the name of an output, or an expression. */
  readonly by: string | Expression;
  readonly direction?: Direction;
}

/** A query. Only `from` is needed. */
export interface QueryPlan {
  readonly from: PlanSource;
  readonly joins?: readonly PlanJoin[];
  readonly where?: Where;
  readonly groupBy?: readonly (string | Expression)[];
  /** Which groups are kept; may use aggregates and names of outputs. */
  readonly having?: Where;
  /** Outputs by name: columns or expressions. All columns where it is left out. */
  readonly select?: Readonly<Record<string, string | Expression>>;
  readonly distinct?: boolean;
  readonly orderBy?: readonly PlanOrder[];
  readonly limit?: number;
  readonly offset?: number;
  /** The index of the first table to read by, where it can serve; otherwise the cheapest way. */
  readonly useIndex?: string;
}

/** Most tables of a query. */
export const sourcesMax = 16;
/** Most groupBy, orderBy or aggregate expressions each. */
export const clausesMax = 32;
