/** A query that begins behind a row: conditions that say so, in an order that is complete. */
import type { Expression } from "../tables/index.ts";
import { columnName, groupName } from "./frame.ts";
import type { Order, Resolved } from "./resolve.ts";
import { expressionKey } from "./rewrite.ts";

/** The query in an order that leaves nothing open, from behind the row with these values on. */
export function pagedFrom(resolved: Resolved, after: readonly unknown[] | undefined): Resolved {
  const orders = [...resolved.orders];
  const known = new Set(orders.map(({ value }) => expressionKey(value)));
  for (const value of tiesOf(resolved)) {
    const name = expressionKey(value);
    if (!known.has(name)) orders.push({ value, isDescending: false });
    known.add(name);
  }
  if (after === undefined) return { ...resolved, orders };
  const behind = behindOf(orders, after);
  if (resolved.isGrouped) return { ...resolved, orders, having: [...resolved.having, ...behind] };
  return { ...resolved, orders, where: [...resolved.where, ...behind] };
}

/** What tells every row of the result from all others. */
function tiesOf({ sources, isGrouped, groups, isDistinct, outputs }: Resolved): Expression[] {
  if (isDistinct) return (outputs ?? []).map(({ value }) => value);
  if (isGrouped) return groups.map((_key, at) => ({ op: "column", name: groupName(at) }));
  return sources.flatMap(({ state }, source) =>
    state.primaryKey.map((position): Expression => {
      return { op: "column", name: columnName(source, state.columns[position].name) };
    }),
  );
}

/** Conditions for coming behind: one that an index can use, and one that says all. */
function behindOf(orders: readonly Order[], values: readonly unknown[]): Expression[] {
  const branches: Expression[] = [];
  const equal: Expression[] = [];
  orders.forEach(({ value: of, isDescending }, at) => {
    const value = values[at];
    const given: Expression = { op: "value", value };
    const later: Expression | undefined =
      value === null
        ? isDescending
          ? undefined
          : { op: "isNotNull", of }
        : isDescending
          ? {
              op: "or",
              of: [
                { op: "lt", left: of, right: given },
                { op: "isNull", of },
              ],
            }
          : { op: "gt", left: of, right: given };
    if (later !== undefined) branches.push({ op: "and", of: [...equal, later] });
    equal.push(value === null ? { op: "isNull", of } : { op: "eq", left: of, right: given });
  });
  const all: Expression = { op: "or", of: branches };
  if (orders.length === 0 || values[0] === null || orders[0].isDescending) return [all];
  const start: Expression = {
    op: orders.length === 1 ? "gt" : "gte",
    left: orders[0].value,
    right: { op: "value", value: values[0] },
  };
  return orders.length === 1 ? [start] : [start, all];
}
