/** Filters over metadata: data, never code. What callers write, and the form it is brought into. */
import { CairnError } from "../../errors.ts";
import { describeValue } from "../../kv/index.ts";
import { compareScalars, isScalar, type Scalar } from "../field.ts";

/** What one field must be. Several of them must all hold. */
export interface FieldConditions<V = Scalar> {
  /** Equal; of an array: one of its elements is. */
  readonly eq?: V;
  /** Not equal, or absent. */
  readonly ne?: V;
  /** Bounds of a number or a text (by code points); of an array: one element lies within all. */
  readonly gt?: V;
  readonly gte?: V;
  readonly lt?: V;
  readonly lte?: V;
  /** Equal to one of these. */
  readonly in?: readonly V[];
  /** Present, also as null; or absent. */
  readonly exists?: boolean;
}

/** What a field's value is compared with: the elements of an array, the value otherwise. */
type Compared<V> = V extends readonly (infer E)[] ? Extract<E, Scalar> : Extract<V, Scalar>;

type FieldFilter<V> = Compared<NonNullable<V>> | Extract<V, null> | FieldConditions<Compared<V>>;

/**
 * A filter: `{ field: value }` for equal, `{ field: { gte: 1, lt: 9 } }`, and `and`, `or`, `not`.
 * Everything in one object must hold. A path with dots leads into objects: `"author.name"`.
 */
export type Filter<Meta = Record<string, unknown>> = {
  readonly and?: readonly Filter<Meta>[];
  readonly or?: readonly Filter<Meta>[];
  readonly not?: Filter<Meta>;
} & {
  readonly [F in Exclude<keyof Meta & string, "and" | "or" | "not">]?: FieldFilter<Meta[F]>;
} & { readonly [path: `${string}.${string}`]: Scalar | FieldConditions<Scalar> | undefined };

export interface Bounds {
  readonly low: string | number | undefined;
  readonly isLowIncluded: boolean;
  readonly high: string | number | undefined;
  readonly isHighIncluded: boolean;
}

/** A filter in its inner form. */
export type Node =
  | { readonly kind: "and" | "or"; readonly nodes: readonly Node[] }
  | { readonly kind: "not"; readonly node: Node }
  | { readonly kind: "in"; readonly path: readonly string[]; readonly values: readonly Scalar[] }
  | { readonly kind: "range"; readonly path: readonly string[]; readonly bounds: Bounds }
  | { readonly kind: "exists"; readonly path: readonly string[] };

const depthMax = 64;
const conditionNames = new Set(["eq", "ne", "gt", "gte", "lt", "lte", "in", "exists"]);

/** @throws CairnError `filter_invalid`. */
export function normalise(filter: unknown, depth = 0): Node {
  if (depth > depthMax) throw invalidFilter("it", "nested too deeply", `${depthMax} levels`);
  const object = requireObject("it", filter);
  const nodes: Node[] = [];
  for (const [name, value] of Object.entries(object)) {
    if (value === undefined) continue;
    if (name === "and" || name === "or") {
      if (!Array.isArray(value)) throw invalidFilter(name, describeValue(value), "an array");
      nodes.push({ kind: name, nodes: value.map((one) => normalise(one, depth + 1)) });
    } else if (name === "not") nodes.push({ kind: "not", node: normalise(value, depth + 1) });
    else nodes.push(...normaliseField(name, value));
  }
  return nodes.length === 1 ? nodes[0] : { kind: "and", nodes };
}

function normaliseField(name: string, value: unknown): Node[] {
  const path = name.split(".");
  if (isScalar(value)) return [{ kind: "in", path, values: [requireScalar(name, value)] }];
  const conditions = requireObject(`the field ${name}`, value);
  const nodes: Node[] = [];
  for (const [condition, wanted] of Object.entries(conditions)) {
    if (!conditionNames.has(condition)) {
      const known = [...conditionNames].join(", ");
      throw invalidFilter(`the field ${name}`, `asked for "${condition}"`, `one of ${known}`);
    }
    if (wanted === undefined) continue;
    const what = `${name}.${condition}`;
    if (condition === "eq" || condition === "ne") {
      const node: Node = { kind: "in", path, values: [requireScalar(what, wanted)] };
      nodes.push(condition === "eq" ? node : { kind: "not", node });
    } else if (condition === "in") {
      if (!Array.isArray(wanted)) throw invalidFilter(what, describeValue(wanted), "an array");
      nodes.push({ kind: "in", path, values: wanted.map((one) => requireScalar(what, one)) });
    } else if (condition === "exists") {
      if (typeof wanted !== "boolean")
        throw invalidFilter(what, describeValue(wanted), "a boolean");
      const node: Node = { kind: "exists", path };
      nodes.push(wanted ? node : { kind: "not", node });
    }
  }
  const bounds = boundsOf(name, conditions);
  if (bounds !== undefined) nodes.push({ kind: "range", path, bounds });
  return nodes;
}

function boundsOf(name: string, conditions: Record<string, unknown>): Bounds | undefined {
  const { gt, gte, lt, lte } = conditions;
  if ([gt, gte, lt, lte].every((bound) => bound === undefined)) return undefined;
  for (const [bound, value] of Object.entries({ gt, gte, lt, lte })) {
    if (value === undefined) continue;
    const isNumber = typeof value === "number" && !Number.isNaN(value);
    if (isNumber || typeof value === "string") continue;
    throw invalidFilter(`${name}.${bound}`, describeValue(value), "a number or a text");
  }
  if (gt !== undefined && gte !== undefined) {
    throw invalidFilter(name, "bounded from below twice", "either gt or gte");
  }
  if (lt !== undefined && lte !== undefined) {
    throw invalidFilter(name, "bounded from above twice", "either lt or lte");
  }
  const low = (gt ?? gte) as string | number | undefined;
  const high = (lt ?? lte) as string | number | undefined;
  if (low !== undefined && high !== undefined && typeof low !== typeof high) {
    throw invalidFilter(name, "bounded by a number and a text", "bounds of one type");
  }
  return { low, isLowIncluded: gte !== undefined, high, isHighIncluded: lte !== undefined };
}

/** True when a scalar lies within; one of another type than the bounds never does. */
export function isWithin(scalar: Scalar, bounds: Bounds): boolean {
  const { low, high } = bounds;
  if (typeof scalar !== typeof (low ?? high)) return false;
  const value = scalar as string | number;
  if (low !== undefined) {
    const order = compareScalars(value, low);
    if (order < 0 || (order === 0 && !bounds.isLowIncluded)) return false;
  }
  if (high === undefined) return true;
  const order = compareScalars(value, high);
  return order < 0 || (order === 0 && bounds.isHighIncluded);
}

function requireObject(what: string, value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  const found = Array.isArray(value) ? "an array" : describeValue(value);
  throw invalidFilter(what, found, "an object");
}

function requireScalar(what: string, value: unknown): Scalar {
  if (isScalar(value) && !Number.isNaN(value)) return value;
  throw invalidFilter(what, describeValue(value), "a text, a number, a boolean or null");
}

function invalidFilter(what: string, found: string, expected: string): CairnError {
  return new CairnError(
    "filter_invalid",
    `Cannot use this filter: ${what} is ${found}, expected ${expected}.`,
    { details: { expected } },
  );
}
