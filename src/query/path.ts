/**
 * The way to the rows of one table: its key, an index, or all of it. Every way is weighed by how
 * many entries it really has, which a tree counts in a time that hardly grows with them.
 */
import type { Range, Steps } from "../engine/index.ts";
import { isCairnError } from "../errors.ts";
import type { Expression } from "../tables/index.ts";
import {
  afterPrefix,
  storable,
  type TableIndex,
  type TableReader,
  type TableState,
} from "../tables/inside.ts";
import { compareBytes } from "../transaction/index.ts";
import { boundIn, type Constraint } from "./constraint.ts";
import { ownExpression } from "./own.ts";
import { impliedBy } from "./partial.ts";

/** How the rows of a table are reached. */
export interface Path {
  /**
   * The rows tree by ranges; an index by ranges; an index or the rows by whole keys; several ways
   * together; no row.
   */
  readonly kind: "rows" | "index" | "keys" | "union" | "nothing";
  /** Undefined for the primary key. */
  readonly index: TableIndex | undefined;
  /** In the order of their keys. */
  readonly ranges: readonly Range[];
  /** Whole keys; of a unique index, or of rows. */
  readonly keys: readonly Uint8Array[];
  readonly isReverse: boolean;
  /** The conditions that the ranges say completely. */
  readonly consumed: ReadonlySet<number>;
  /** Rows come in the order that was asked for. */
  readonly isOrdered: boolean;
  /** How many entries or rows it has. */
  readonly rows: number;
  /** First columns that are pinned to one value each. */
  readonly pinned: number;
  /** Of a union. */
  readonly parts: readonly Path[];
}

/** What is known of the rows that are wanted of a table. */
export interface PathSource {
  readonly state: TableState;
  readonly conditions: readonly Expression[];
  readonly constraints: readonly Constraint[];
  readonly alternatives: readonly (readonly (readonly Constraint[])[])[];
  /** The names of the parameters of a run. */
  readonly parameters: readonly string[];
}

/** What a way should serve. */
export interface Wish {
  /** Undefined where the order is none of columns of this table; empty for any order. */
  readonly order: readonly OrderColumn[] | undefined;
  /** Rows that are wanted at most, offset included. */
  readonly limit: number;
  readonly conjuncts: number;
  /** The index that is to be used wherever it can be. */
  readonly index: string | undefined;
}

export interface OrderColumn {
  readonly position: number;
  readonly isDescending: boolean;
}

/** What it costs to reach a row through an index, when one in a scan costs 1. */
export const lookupCost = 5;
/** What it costs to keep a row in a hash table. */
export const hashCost = 3;
/** Rows that a key of an index that is not unique has: a guess. */
export const rowsPerKey = 10;
/** What it costs to sort a row. */
const sortCost = 2;
/** How many rows pass a condition that no range says: a guess. */
export const selectivity: number = 1 / 4;

/** The cheapest way. */
export function* choosePath(
  source: PathSource,
  parameters: readonly unknown[],
  wish: Wish,
  statistics: TableReader,
): Steps<Path> {
  const { state, constraints } = source;
  let best: Path | undefined;
  let bestCost = Number.POSITIVE_INFINITY;
  const hinted = wish.index === undefined ? undefined : state.index(wish.index);
  for (const index of hinted === undefined ? [undefined, ...state.indexes] : [hinted]) {
    if (index?.isReady === false) continue;
    const implied = impliedIn(source, index, parameters);
    if (implied === undefined) continue;
    const draft = draftOf(state, index, constraints, parameters);
    if (draft === undefined) continue;
    if (draft.isImpossible) return { ...emptyPath, isOrdered: true };
    if (index?.where !== undefined) draft.isNarrowed = true;
    for (const conjunct of implied) draft.consumed.add(conjunct);
    if (draft.keys.length > 0 && draft.keys.length <= 1) return pathOf(state, draft, wish, 1);
    const tree = index === undefined ? state.rows : index.tree;
    let rows = draft.keys.length;
    for (const range of draft.ranges) rows += yield* statistics.count(tree, range);
    const path = pathOf(state, draft, wish, rows);
    const useful = index === undefined || path.isOrdered || draft.consumed.size > 0;
    if (!useful && !draft.isNarrowed && index !== hinted) continue;
    const cost = costOf(path, wish);
    if (cost < bestCost) {
      best = path;
      bestCost = cost;
    }
  }
  if (best === undefined && hinted !== undefined) {
    return yield* choosePath(source, parameters, unhinted(wish), statistics);
  }
  if (hinted !== undefined) return best ?? emptyPath;
  for (const branches of source.alternatives) {
    const path = yield* unionOf(source, branches, parameters, wish, statistics);
    if (path === undefined || costOf(path, wish) >= bestCost) continue;
    best = path;
    bestCost = costOf(path, wish);
  }
  return best ?? emptyPath;
}

const nothingImplied: ReadonlySet<number> = new Set();

/** What a partial index says of the conditions; undefined where it lacks rows. */
function impliedIn(
  { state, constraints, conditions, parameters: names }: PathSource,
  index: TableIndex | undefined,
  parameters: readonly unknown[],
): ReadonlySet<number> | undefined {
  if (index?.where === undefined) return nothingImplied;
  const own = conditions.map((one) => ownExpression(one, names, parameters));
  return impliedBy({ state, constraints, parameters, conditions: own }, index.where);
}

/** The ways of all branches of an `or`; undefined where one has none but to look at all rows. */
function* unionOf(
  { state, constraints, conditions, parameters: names }: PathSource,
  branches: readonly (readonly Constraint[])[],
  parameters: readonly unknown[],
  wish: Wish,
  statistics: TableReader,
): Steps<Path | undefined> {
  const parts: Path[] = [];
  let rows = 0;
  const part: Wish = {
    order: undefined,
    limit: Number.POSITIVE_INFINITY,
    conjuncts: 1,
    index: undefined,
  };
  for (const branch of branches) {
    const source = {
      state,
      conditions,
      constraints: [...branch, ...constraints],
      alternatives: [],
      parameters: names,
    };
    const path = yield* choosePath(source, parameters, part, statistics);
    if (path.kind === "rows" && path.ranges.some(({ low, high }) => low === high)) return undefined;
    parts.push(path);
    rows += path.rows;
  }
  const order = orderOf(state, wholeDraft(state), wish.order);
  return {
    ...emptyPath,
    kind: "union",
    parts,
    rows,
    isReverse: order === "reverse",
    isOrdered: order !== undefined,
  };
}

function unhinted(wish: Wish): Wish {
  return { ...wish, index: undefined };
}

const emptyPath: Path = {
  kind: "nothing",
  index: undefined,
  ranges: [],
  keys: [],
  isReverse: false,
  consumed: new Set(),
  isOrdered: false,
  rows: 0,
  pinned: 0,
  parts: [],
};

function costOf(path: Path, wish: Wish): number {
  if (path.kind === "union") {
    // All its keys are found before the first row.
    const passing = path.rows * selectivity;
    return 1 + path.rows * (lookupCost + 1) + (path.isOrdered ? 0 : passing * sortCost);
  }
  const unit = path.index === undefined ? 1 : lookupCost;
  const passing = path.rows * (path.consumed.size < wish.conjuncts ? selectivity : 1);
  if (path.isOrdered) {
    const share = passing > wish.limit ? wish.limit / passing : 1;
    return 1 + path.rows * share * unit;
  }
  return 1 + path.rows * unit + passing * sortCost;
}

/** A way that is being worked out. */
interface Draft {
  readonly index: TableIndex | undefined;
  readonly columns: readonly number[];
  readonly ranges: Range[];
  readonly keys: Uint8Array[];
  readonly consumed: Set<number>;
  pinned: number;
  isImpossible: boolean;
  /** The ranges leave something out. */
  isNarrowed: boolean;
}

function draftOf(
  state: TableState,
  index: TableIndex | undefined,
  constraints: readonly Constraint[],
  parameters: readonly unknown[],
): Draft | undefined {
  try {
    return new Drafting(state, index, constraints, parameters).run();
  } catch (error) {
    // A value that no entry can have, however long the table: somebody else must say so.
    if (isCairnError(error, "key_too_large") || isCairnError(error, "value_invalid")) {
      return index === undefined ? wholeDraft(state) : undefined;
    }
    throw error;
  }
}

function wholeDraft(state: TableState): Draft {
  return {
    index: undefined,
    columns: state.primaryKey,
    ranges: [{}],
    keys: [],
    consumed: new Set(),
    pinned: 0,
    isImpossible: false,
    isNarrowed: false,
  };
}

class Drafting {
  readonly #state: TableState;
  readonly #constraints: readonly Constraint[];
  readonly #parameters: readonly unknown[];
  readonly #draft: Draft;
  readonly #values: unknown[] = [];

  constructor(
    state: TableState,
    index: TableIndex | undefined,
    constraints: readonly Constraint[],
    parameters: readonly unknown[],
  ) {
    this.#state = state;
    this.#constraints = constraints;
    this.#parameters = parameters;
    const columns = index === undefined ? state.primaryKey : index.columns;
    this.#draft = { ...wholeDraft(state), index, columns, ranges: [], keys: [] };
  }

  run(): Draft | undefined {
    const draft = this.#draft;
    const { columns, index } = draft;
    for (const position of columns) {
      const pin = this.#find(position, "equal") ?? this.#find(position, "null");
      if (pin === undefined || !this.#pin(pin)) break;
      if (draft.isImpossible) return draft;
    }
    draft.pinned = this.#values.length;
    draft.isNarrowed = draft.pinned > 0;
    const isWhole = draft.pinned === columns.length;
    if (isWhole && (index === undefined || index.isUnique)) {
      const hasNull = this.#values.includes(null);
      if (!hasNull) draft.keys.push(this.#encode(this.#values));
      else if (index?.kind === "hashed") return undefined;
      else draft.ranges.push(this.#prefix(this.#encode(this.#values)));
    } else if (index?.kind === "hashed") {
      if (!isWhole) return undefined;
      draft.ranges.push(index.prefixRange(this.#values));
      // Hashes may collide: rows are looked at again.
      draft.consumed.clear();
    } else if (isWhole) draft.ranges.push(this.#prefix(this.#encode(this.#values)));
    else this.#bound(columns[draft.pinned]);
    return draft;
  }

  #find(position: number, kind: Constraint["kind"]): Constraint | undefined {
    return this.#constraints.find((one) => {
      return one.kind === kind && one.column.position === position;
    });
  }

  /** Pins the next column to a value; false where it cannot. */
  #pin(constraint: Constraint): boolean {
    const { column, kind, conjunct } = constraint;
    if (kind === "null") {
      if (!this.#hasMark(this.#values.length)) this.#draft.isImpossible = true;
      this.#values.push(null);
    } else {
      const value = storable(column, constraint.value(this.#parameters));
      if (value instanceof Date && Number.isNaN(value.getTime())) return false;
      // Nothing that the column can hold is equal to it.
      if (value === undefined) this.#draft.isImpossible = true;
      this.#values.push(value);
    }
    this.#draft.consumed.add(conjunct);
    return true;
  }

  #encode(values: readonly unknown[]): Uint8Array {
    const { key } = this.#draft.index ?? this.#state;
    const positions = values.map((_value, at) => at);
    return key.encode(values, positions).slice();
  }

  /** True when values of the column end where the key ends, not with a mark. */
  #isRaw(at: number): boolean {
    return (this.#draft.index ?? this.#state).key.parts[at].isRaw;
  }

  /** True when the key tells whether the column is null. */
  #hasMark(at: number): boolean {
    return (this.#draft.index ?? this.#state).key.parts[at].hasMark;
  }

  #prefix(low: Uint8Array): Range {
    if (low.length === 0) return {};
    const high = afterPrefix(low);
    return high === undefined ? { low } : { low, high };
  }

  /** The ranges of the first column that is not pinned. */
  #bound(position: number): void {
    const draft = this.#draft;
    const one = this.#find(position, "in");
    if (one !== undefined) {
      this.#boundIn(one);
      return;
    }
    const prefix = this.#encode(this.#values);
    const whole = this.#prefix(prefix);
    const mark = this.#hasMark(draft.pinned) ? Uint8Array.of(...prefix, 1) : undefined;
    let range: Range = whole;
    const low = this.#take(position, "low");
    const high = this.#take(position, "high");
    const isRaw = this.#isRaw(draft.pinned);
    if (low !== undefined) range = withLow(range, low.bytes, low.isInclusive, isRaw);
    else if (mark !== undefined && (high !== undefined || this.#needsValue(position))) {
      range = { ...range, low: mark };
      draft.isNarrowed = true;
    }
    if (high !== undefined) range = withHigh(range, high.bytes, high.isInclusive, isRaw);
    if (low === undefined && high === undefined) range = this.#likeRange(position, range, isRaw);
    draft.ranges.push(range);
  }

  #needsValue(position: number): boolean {
    const found = this.#find(position, "notNull");
    if (found !== undefined) this.#draft.consumed.add(found.conjunct);
    return found !== undefined;
  }

  #take(
    position: number,
    kind: "low" | "high",
  ): { bytes: Uint8Array; isInclusive: boolean } | undefined {
    const found = this.#find(position, kind);
    if (found === undefined) return undefined;
    const given = found.value(this.#parameters);
    const bound = boundIn(found.column, given, found.isInclusive, kind === "low");
    if (bound === undefined) return undefined;
    const bytes = this.#encode([...this.#values, bound.value]);
    this.#draft.consumed.add(found.conjunct);
    this.#draft.isNarrowed = true;
    return { bytes, isInclusive: bound.isInclusive };
  }

  #likeRange(position: number, range: Range, isRaw: boolean): Range {
    const found = this.#find(position, "prefix");
    if (found === undefined) return range;
    const bytes = this.#encode([...this.#values, found.value(this.#parameters)]);
    this.#draft.isNarrowed = true;
    // Without the end of the text, it is how all texts begin.
    return this.#prefix(isRaw ? bytes : bytes.subarray(0, -2));
  }

  #boundIn(constraint: Constraint): void {
    const draft = this.#draft;
    const { column, conjunct } = constraint;
    const encoded: Uint8Array[] = [];
    for (const given of constraint.value(this.#parameters) as readonly unknown[]) {
      const value = storable(column, given);
      if (value !== undefined) encoded.push(this.#encode([...this.#values, value]));
    }
    encoded.sort(compareBytes);
    const different = encoded.filter((key, at) => {
      return at === 0 || compareBytes(encoded[at - 1], key) !== 0;
    });
    draft.consumed.add(conjunct);
    draft.isNarrowed = true;
    if (different.length === 0) draft.isImpossible = true;
    const isWhole = this.#values.length + 1 === draft.columns.length;
    const isKey =
      draft.index === undefined || (draft.index.isUnique && !this.#values.includes(null));
    if (isWhole && isKey) draft.keys.push(...different);
    else draft.ranges.push(...different.map((key) => this.#prefix(key)));
  }
}

function withLow(range: Range, low: Uint8Array, isInclusive: boolean, isRaw: boolean): Range {
  if (isInclusive) return { ...range, low };
  if (isRaw) return { ...range, low, lowExclusive: true };
  const after = afterPrefix(low);
  // Nothing can come behind it.
  return after === undefined ? { low, high: low } : { ...range, low: after };
}

function withHigh(range: Range, high: Uint8Array, isInclusive: boolean, isRaw: boolean): Range {
  if (!isInclusive) return { ...range, high };
  if (isRaw) return { ...range, high, highInclusive: true };
  const after = afterPrefix(high);
  if (after !== undefined) return { ...range, high: after };
  const { low } = range;
  return low === undefined ? {} : { low };
}

function pathOf(state: TableState, draft: Draft, wish: Wish, rows: number): Path {
  const { index, ranges, keys, consumed, pinned } = draft;
  const order = orderOf(state, draft, wish.order);
  return {
    kind: keys.length > 0 ? "keys" : index === undefined ? "rows" : "index",
    index,
    ranges: order === "reverse" ? ranges.toReversed() : ranges,
    keys: order === "reverse" ? keys.toReversed() : keys,
    isReverse: order === "reverse",
    consumed,
    isOrdered: order !== undefined,
    rows,
    pinned,
    parts: [],
  };
}

/** Whether the entries come in an order, and which way round they must be read for it. */
function orderOf(
  state: TableState,
  draft: Draft,
  order: readonly OrderColumn[] | undefined,
): "forward" | "reverse" | undefined {
  if (order === undefined) return undefined;
  const { index, columns, pinned } = draft;
  const fixed = new Set(columns.slice(0, pinned));
  const sequence = index === undefined ? columns : [...columns, ...state.primaryKey];
  let at = pinned;
  let isReverse: boolean | undefined;
  for (const { position, isDescending } of order) {
    if (fixed.has(position)) continue;
    // A hashed index has no order, and behind the whole primary key there is nothing to order.
    if (index?.kind === "hashed") return undefined;
    while (at < sequence.length && fixed.has(sequence[at])) at++;
    if (at >= sequence.length) break;
    if (sequence[at] !== position || isReverse === !isDescending) return undefined;
    isReverse = isDescending;
    fixed.add(position);
    at++;
  }
  return isReverse === true ? "reverse" : "forward";
}
