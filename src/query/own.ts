/** Conditions of a query in the words of one table. */
import type { Expression } from "../tables/index.ts";
import { rewrite } from "./rewrite.ts";

/** The name of a column without its source. */
export function ownName(name: string): string {
  return name.slice(name.indexOf(".") + 1);
}

/**
 * A condition on one table over the table's own column names, with values for its parameters, whose
 * names are in `names`.
 */
export function ownExpression(
  expression: Expression,
  names: readonly string[],
  values: readonly unknown[],
): Expression {
  return rewrite(expression, (part) => {
    if (part.op === "column") return { op: "column", name: ownName(part.name) };
    if (part.op !== "parameter") return undefined;
    return { op: "value", value: values[names.indexOf(part.name)] };
  });
}
