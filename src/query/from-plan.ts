/** A query from its plan. */
import { checkOneOf, checkOptions, checkWhole, invalid } from "../kv/index.ts";
import { isExpression } from "../tables/index.ts";
import {
  expressionInvalid,
  predicateOf,
  scopeDefault,
  type Tables,
  tableNotFound,
} from "../tables/inside.ts";
import { expressionOf, type Operand } from "./aggregate.ts";
import { QueryCore, type QueryTable } from "./core.ts";
import { type PlanJoin, type PlanSource, type QueryPlan, sourcesMax } from "./plan.ts";
import type { Clauses, Join, Output } from "./resolve.ts";

const action = "read the plan of a query";
const planOptions: ReadonlySet<string> = new Set([
  "from",
  "joins",
  "where",
  "groupBy",
  "having",
  "select",
  "distinct",
  "orderBy",
  "limit",
  "offset",
  "useIndex",
]);
const sourceOptions: ReadonlySet<string> = new Set(["table", "project", "scope", "as"]);
const joinOptions: ReadonlySet<string> = new Set([...sourceOptions, "kind", "on"]);
const orderOptions: ReadonlySet<string> = new Set(["by", "direction"]);

/** @throws CairnError `table_not_found`, `option_unknown`, `argument_invalid`. */
export function coreOfPlan(tables: Tables, plan: QueryPlan): QueryCore {
  checkOptions(action, plan, planOptions);
  const joins = plan.joins ?? [];
  if (joins.length >= sourcesMax) {
    throw expressionInvalid(`the query has more than ${sourcesMax} tables`);
  }
  checkOptions(action, plan.from, sourceOptions);
  const first = sourceOf(tables, plan.from, joins.length > 0);
  const others = joins.map((join) => sourceOf(tables, join, true));
  const sources = [first, ...others];
  const twin = sources.find(({ alias }, at) => {
    return sources.findIndex((source) => source.alias === alias) !== at;
  });
  if (twin !== undefined) {
    throw expressionInvalid(`two tables of the query have the name "${twin.alias}"`);
  }
  return new QueryCore(
    tables,
    sources,
    { ...clausesOf(plan), joins: joins.map(joinOf) },
    undefined,
  );
}

function sourceOf(tables: Tables, source: PlanSource, isNamed: boolean): QueryTable {
  const { table, project = "", as } = source;
  const scope = source.scope ?? (project === "" ? "" : scopeDefault);
  const core = tables.get({ project, scope, name: table });
  if (core === undefined) throw tableNotFound(table);
  return { alias: as ?? (isNamed ? table : ""), core };
}

function joinOf(join: PlanJoin): Join {
  checkOptions(action, join, joinOptions);
  checkOneOf(action, "kind", join.kind, ["inner", "left", "right", "full", "cross"]);
  const { kind, on } = join;
  if ((on === undefined) !== (kind === "cross")) {
    const found = on === undefined ? "missing" : "given";
    throw invalid(action, "the on of a join", found, "one, but for a cross join");
  }
  return { kind, on: on === undefined ? undefined : predicateOf(on) };
}

function clausesOf(plan: QueryPlan): Omit<Clauses, "joins"> {
  checkWhole(action, "limit", plan.limit, 0);
  checkWhole(action, "offset", plan.offset, 0);
  const outputs = plan.select === undefined ? undefined : Object.entries(plan.select);
  return {
    where: plan.where === undefined ? [] : [predicateOf(plan.where)],
    groupBy: (plan.groupBy ?? []).map(nameOrExpression),
    having: plan.having === undefined ? [] : [predicateOf(plan.having)],
    select: outputs?.map(([name, value]): Output => ({ name, value: nameOrExpression(value) })),
    isDistinct: plan.distinct === true,
    orderBy: (plan.orderBy ?? []).map((order) => {
      checkOptions(action, order, orderOptions);
      checkOneOf(action, "direction", order.direction, ["asc", "desc"]);
      return { value: nameOrExpression(order.by), isDescending: order.direction === "desc" };
    }),
    limit: plan.limit,
    offset: plan.offset ?? 0,
    index: plan.useIndex,
  };
}

function nameOrExpression(value: Operand): ReturnType<typeof expressionOf> {
  if (typeof value === "string" || isExpression(value)) return expressionOf(value);
  throw expressionInvalid("an output, group or order is neither a column nor an expression");
}
