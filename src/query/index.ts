export {
  type AggregateOptions,
  avg,
  count,
  max,
  min,
  type Operand,
  parameter,
  sum,
  type Typed,
  typed,
} from "./aggregate.ts";
export type { ParameterValues, QueryOptions } from "./core.ts";
export { DecodedQuery, type RowDecoder } from "./decoded.ts";
export type { ExplainedTable, QueryExplanation } from "./explain.ts";
export { coreOfPlan } from "./from-plan.ts";
export type { Page, PageOptions, PageWithTotal } from "./page.ts";
export type { Direction, JoinKind, PlanJoin, PlanOrder, PlanSource, QueryPlan } from "./plan.ts";
export { PreparedQuery } from "./prepared.ts";
export { coreOfTable, Query } from "./query.ts";
export type {
  AllNullable,
  ColumnName,
  ColumnsOf,
  ColumnValue,
  Condition,
  ConditionsOf,
  OutputName,
  Selectable,
  SelectedValue,
  Sources,
  WholeRow,
  With,
} from "./types.ts";
