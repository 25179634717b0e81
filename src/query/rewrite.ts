/** Expressions taken apart and put together again. */
import type { Expression } from "../tables/index.ts";
import { operandsOf, storeValue } from "../tables/inside.ts";
import { sourceOfName } from "./frame.ts";

/** Replaces parts of an expression, from the outside in: what `visit` answers takes its place. */
export function rewrite(
  expression: Expression,
  visit: (part: Expression) => Expression | undefined,
): Expression {
  const replaced = visit(expression);
  if (replaced !== undefined) return replaced;
  const again = (inner: Expression): Expression => rewrite(inner, visit);
  if ("left" in expression) {
    return { ...expression, left: again(expression.left), right: again(expression.right) };
  }
  if (expression.op === "between") {
    const { of, low, high } = expression;
    return { op: "between", of: again(of), low: again(low), high: again(high) };
  }
  if (!("of" in expression) || expression.of === undefined) return expression;
  const { of } = expression;
  const inner = Array.isArray(of) ? of.map(again) : again(of as Expression);
  return { ...expression, of: inner } as Expression;
}

/** Equal expressions have equal names. */
export function expressionKey(expression: Expression): string {
  return JSON.stringify(storeValue(expression));
}

/** The conditions that must all be true; a `between` counts as two. */
export function conjunctsOf(expression: Expression | undefined): Expression[] {
  if (expression === undefined) return [];
  if (expression.op === "and") return expression.of.flatMap(conjunctsOf);
  if (expression.op !== "between") return [expression];
  const { of, low, high } = expression;
  return [
    { op: "gte", left: of, right: low },
    { op: "lte", left: of, right: high },
  ];
}

/** The sources that a resolved expression reads. */
export function sourcesOf(expression: Expression, found: Set<number> = new Set()): Set<number> {
  if (expression.op === "column") {
    const source = sourceOfName(expression.name);
    if (source !== undefined) found.add(source);
  }
  for (const inner of operandsOf(expression)) sourcesOf(inner, found);
  return found;
}

/** The parameters that an expression names. */
export function parametersOf(expression: Expression, found: Set<string> = new Set()): Set<string> {
  if (expression.op === "parameter") found.add(expression.name);
  for (const inner of operandsOf(expression)) parametersOf(inner, found);
  return found;
}
