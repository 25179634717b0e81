/**
 * The order in which tables are joined. Inner joins may be made in any: the one that is written is
 * kept unless another is clearly cheaper by what the trees count.
 */
import type { Steps } from "../engine/index.ts";
import type { Expression } from "../tables/index.ts";
import type { TableReader, TableState } from "../tables/inside.ts";
import type { Compiled, CompiledSource } from "./compile.ts";
import { columnName, sourceOfName } from "./frame.ts";
import { ownName } from "./own.ts";
import { choosePath, hashCost, lookupCost, rowsPerKey, selectivity } from "./path.ts";
import type { Resolved } from "./resolve.ts";
import { rewrite, sourcesOf } from "./rewrite.ts";

/** How much cheaper another order must be. */
const gainLeast = 1.5;

/** True where rows of all tables must match, so that any order of joins answers the same rows. */
export function canReorder({ joins, index }: Resolved): boolean {
  if (joins.length === 0 || index !== undefined) return false;
  return joins.every(({ kind }) => kind === "inner" || kind === "cross");
}

/**
 * The same query with its tables in another order: `order` has the present place of each. Every
 * condition on several tables belongs to the join of the last of them.
 */
export function reordered(resolved: Resolved, order: readonly number[]): Resolved {
  const places = order.map((_source, place) => order.indexOf(place));
  const rename = (expression: Expression): Expression =>
    rewrite(expression, (part) => {
      if (part.op !== "column") return undefined;
      const source = sourceOfName(part.name);
      if (source === undefined) return part;
      return { op: "column", name: columnName(places[source], ownName(part.name)) };
    });
  const on: Expression[][] = order.map(() => []);
  const where: Expression[] = [];
  for (const one of [...resolved.joins.flatMap((join) => join.on), ...resolved.where]) {
    const condition = rename(one);
    const sources = [...sourcesOf(condition)];
    if (sources.length > 1) on[Math.max(...sources)].push(condition);
    else where.push(condition);
  }
  const named = <T extends { readonly value: Expression }>(all: readonly T[]): T[] =>
    all.map((one) => ({ ...one, value: rename(one.value) }));
  return {
    ...resolved,
    sources: order.map((source) => resolved.sources[source]),
    written: order.map((_source, place) => places[resolved.written?.[place] ?? place]),
    joins: on.slice(1).map((conditions) => {
      return { kind: conditions.length === 0 ? "cross" : "inner", on: conditions };
    }),
    where,
    groups: resolved.groups.map(rename),
    aggregates: resolved.aggregates.map((one) => {
      return one.of === undefined ? one : { ...one, of: rename(one.of) };
    }),
    having: resolved.having.map(rename),
    outputs: resolved.outputs && named(resolved.outputs),
    orders: named(resolved.orders),
  };
}

/** A column of a table; undefined where it is an expression over several. */
interface Side {
  readonly source: number;
  readonly position: number | undefined;
}

/** Two sides that are equal in rows that belong together. */
interface Link {
  readonly left: Side;
  readonly right: Side;
}

/** What is known of one table's part. */
interface Part {
  readonly state: TableState;
  /** Rows of the whole table. */
  readonly all: number;
  /** What is looked at, what that costs, and what is left of it. */
  readonly looked: number;
  readonly cost: number;
  readonly left: number;
}

/** The cheapest order found, as the places of the tables; undefined for the present one. */
export function* cheaperOrder(
  resolved: Resolved,
  compiled: Compiled,
  parameters: readonly unknown[],
  statistics: TableReader,
): Steps<number[] | undefined> {
  const { grouping, limit, sources } = compiled;
  // Who wants the first rows only, wants them soon.
  if (limit !== undefined && grouping === undefined) return undefined;
  const links = linksOf(resolved);
  const parts: Part[] = [];
  for (const source of sources) parts.push(yield* partOf(source, parameters, statistics));
  const present = sources.map((_source, place) => place);
  let best = present;
  let least = costOf(parts, links, present) / gainLeast;
  for (const first of present) {
    const order = greedyFrom(first, parts, links);
    const cost = costOf(parts, links, order);
    if (cost >= least) continue;
    best = order;
    least = cost;
  }
  return best === present ? undefined : best;
}

function* partOf(
  source: CompiledSource,
  parameters: readonly unknown[],
  statistics: TableReader,
): Steps<Part> {
  const { state, tests } = source;
  const wish = {
    order: [],
    limit: Number.POSITIVE_INFINITY,
    conjuncts: tests.length,
    index: undefined,
  };
  const path = yield* choosePath(source, parameters, wish, statistics);
  const isFiltered = path.consumed.size < tests.length;
  const isScan = path.kind === "rows" || path.kind === "nothing";
  return {
    state,
    all: Math.max(1, yield* statistics.count(state.rows, {})),
    looked: path.rows,
    cost: path.rows * (isScan ? 1 : lookupCost),
    left: path.rows * (isFiltered ? selectivity : 1),
  };
}

function linksOf({ joins, sources }: Resolved): Link[] {
  const sideOf = (expression: Expression): Side | undefined => {
    const found = [...sourcesOf(expression)];
    if (found.length !== 1) return undefined;
    const [source] = found;
    if (expression.op !== "column") return { source, position: undefined };
    const { position } = sources[source].state.column(ownName(expression.name));
    return { source, position };
  };
  return joins.flatMap(({ on }) =>
    on.flatMap((condition): Link[] => {
      if (condition.op !== "eq") return [];
      const left = sideOf(condition.left);
      const right = sideOf(condition.right);
      if (left === undefined || right === undefined || left.source === right.source) return [];
      return [{ left, right }];
    }),
  );
}

/** Always the cheapest table next. */
function greedyFrom(first: number, parts: readonly Part[], links: readonly Link[]): number[] {
  const order = [first];
  while (order.length < parts.length) {
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let next = 0; next < parts.length; next++) {
      if (order.includes(next)) continue;
      const cost = costOf(parts, links, [...order, next]);
      if (best >= 0 && cost >= least) continue;
      best = next;
      least = cost;
    }
    order.push(best);
  }
  return order;
}

/** What joins in an order cost, when a row in a scan costs 1. */
function costOf(parts: readonly Part[], links: readonly Link[], order: readonly number[]): number {
  let rows = parts[order[0]].left;
  let cost = parts[order[0]].cost;
  for (let place = 1; place < order.length; place++) {
    const source = order[place];
    const part = parts[source];
    const known = order.slice(0, place);
    const ends = links.flatMap((link) => {
      const { left, right } = link;
      if (left.source === source && known.includes(right.source)) return [[left, right]];
      return right.source === source && known.includes(left.source) ? [[right, left]] : [];
    });
    let step = part.cost + part.looked * hashCost + rows;
    let matched = rows * part.left;
    for (const [own, other] of ends) {
      const different = Math.max(differentOf(parts, own), differentOf(parts, other));
      matched = Math.min(matched, (rows * part.left) / different);
      const lookup = lookupOf(part.state, own.position);
      if (lookup !== undefined) step = Math.min(step, rows * lookup);
    }
    rows = matched;
    cost += step + rows;
  }
  return cost;
}

/** How many different values a side has: all of a key, otherwise a guess. */
function differentOf(parts: readonly Part[], { source, position }: Side): number {
  const { state, all } = parts[source];
  return isUnique(state, position) ? all : Math.max(1, all / rowsPerKey);
}

function isUnique(state: TableState, position: number | undefined): boolean {
  const { primaryKey, uniques } = state;
  if (primaryKey.length === 1 && primaryKey[0] === position) return true;
  return uniques.some(({ columns, where }) => {
    return columns.length === 1 && columns[0] === position && where === undefined;
  });
}

/** What it costs to look the rows of a row up; undefined where no key serves. */
function lookupOf(state: TableState, position: number | undefined): number | undefined {
  if (position === undefined) return undefined;
  if (isUnique(state, position)) return lookupCost;
  const keys = [state.primaryKey, ...state.indexes.flatMap(columnsOfIndex)];
  const isFirst = keys.some((columns) => columns[0] === position);
  return isFirst ? lookupCost * rowsPerKey : undefined;
}

function columnsOfIndex({ isReady, where, kind, columns }: TableState["indexes"][number]) {
  const isUsable = isReady && where === undefined && (kind === "ordered" || columns.length === 1);
  return isUsable ? [columns] : [];
}
