/** Whether metadata passes a filter. */
import { type Scalar, scalarsOf, valueAt } from "../field.ts";
import { isWithin, type Node } from "./filter.ts";

export function passes(node: Node, metadata: unknown): boolean {
  switch (node.kind) {
    case "and":
      return node.nodes.every((one) => passes(one, metadata));
    case "or":
      return node.nodes.some((one) => passes(one, metadata));
    case "not":
      return !passes(node.node, metadata);
    case "exists":
      return valueAt(metadata, node.path) !== undefined;
    case "in":
      return scalarsOf(valueAt(metadata, node.path)).some((scalar) =>
        node.values.some((value) => isSame(scalar, value)),
      );
    case "range":
      return scalarsOf(valueAt(metadata, node.path)).some((scalar) =>
        isWithin(scalar, node.bounds),
      );
  }
}

/** -0 is 0. */
function isSame(left: Scalar, right: Scalar): boolean {
  return left === right;
}
