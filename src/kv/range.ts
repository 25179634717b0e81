/** What callers say about ranges, and the bounds that the engine gets. */
import type { Range, Snapshot } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import {
  compareBytes,
  type Key,
  keyBytes,
  ownedBytes,
  ownedKey,
  type Tree,
} from "../transaction/index.ts";
import { decodeCursor } from "./cursor.ts";
import { checkKey } from "./key-check.ts";
import { checkOptions, checkWhole } from "./options.ts";

/** Which records to visit. Bounds may be combined; all of them hold. */
export interface RangeOptions<K extends Key = Key> {
  /** Keys above, from, below, up to this one. */
  readonly gt?: K;
  readonly gte?: K;
  readonly lt?: K;
  readonly lte?: K;
  /** Keys that begin with this; an empty one means all. */
  readonly prefix?: K;
  /** Goes on at this key, or behind it, in the direction of the visit. */
  readonly from?: K;
  readonly after?: K;
  /** Goes on behind the row at which an iterator's `cursor` was read. */
  readonly cursor?: string;
  /** From the last key to the first. */
  readonly reverse?: boolean;
  /** Rows at most. */
  readonly limit?: number;
}

/** What to read, and from which state. Without options: all of the newest state, in order. */
export interface ScanOptions<K extends Key = Key> extends RangeOptions<K> {
  /** Reads this state instead of the newest. */
  readonly snapshot?: Snapshot;
  /** Looked at between batches of rows. */
  readonly signal?: AbortSignal;
}

export const rangeOptionNames: readonly string[] = [
  "gt",
  "gte",
  "lt",
  "lte",
  "prefix",
  "from",
  "after",
  "cursor",
  "reverse",
  "limit",
];
const scanOptionNames: ReadonlySet<string> = new Set([...rangeOptionNames, "snapshot", "signal"]);
/** What a keyspace without order cannot do. */
const orderedOptionNames = [
  "gt",
  "gte",
  "lt",
  "lte",
  "prefix",
  "from",
  "after",
  "reverse",
] as const;

/** A range that can hold no key. */
export const emptyRange = "empty";

/**
 * The engine's range. @throws CairnError `unordered_keyspace`, `option_unknown`,
 * `argument_invalid`.
 */
export function rangeOf(
  action: string,
  tree: Tree,
  options: ScanOptions,
  known: ReadonlySet<string> = scanOptionNames,
): Range | typeof emptyRange {
  checkOptions(action, options, known);
  checkWhole(action, "limit", options.limit, 0);
  if (tree.kind === "hashed") return hashedRange(action, options);
  const range = new Bounds(options.reverse === true);
  addBound(range, tree, "low", options.gte, false);
  addBound(range, tree, "low", options.gt, true);
  addBound(range, tree, "high", options.lte, true);
  addBound(range, tree, "high", options.lt, false);
  if (options.prefix !== undefined) addPrefix(range, tree, options.prefix);
  const start = options.reverse === true ? "high" : "low";
  const isHigh = start === "high";
  addBound(range, tree, start, options.from, isHigh);
  addBound(range, tree, start, options.after, !isHigh);
  if (options.cursor !== undefined) {
    const key = decodeCursor(action, options.cursor, options.reverse === true);
    range.narrow(start, key, !isHigh);
  }
  return range.isEmpty ? emptyRange : range.toRange();
}

function hashedRange(action: string, options: ScanOptions): Range {
  const option = orderedOptionNames.find((name) => {
    const value = options[name];
    return value !== undefined && value !== false;
  });
  if (option !== undefined) {
    throw new CairnError(
      "unordered_keyspace",
      `Cannot ${action} with ${option}: the keyspace is hashed and has no order. Leave it out, ` +
        "or use an ordered keyspace.",
      { details: { option } },
    );
  }
  if (options.cursor === undefined) return {};
  return { low: decodeCursor(action, options.cursor, false), lowExclusive: true };
}

/** `flag` is what differs from the plain bound: exclusive when low, inclusive when high. */
function addBound(
  range: Bounds,
  tree: Tree,
  side: "low" | "high",
  key: Key | undefined,
  flag: boolean,
): void {
  if (key === undefined) return;
  checkKey(tree, key);
  range.narrow(side, ownedKey(key), flag);
}

function addPrefix(range: Bounds, tree: Tree, prefix: Key): void {
  checkKey(tree, prefix);
  const low = keyBytes(prefix);
  range.narrow("low", low, false);
  const high = nextPrefix(low);
  if (high !== undefined) range.narrow("high", high, false);
}

/**
 * The first key behind all that begin with `prefix`: its last byte below FF raised by one, those
 * behind it dropped. Undefined when there is none (an empty prefix, or nothing but FF).
 */
export function nextPrefix(prefix: Uint8Array): Uint8Array | undefined {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length--;
  if (length === 0) return undefined;
  const next = ownedBytes(prefix.subarray(0, length));
  next[length - 1]++;
  return next;
}

/** Bounds that only become narrower. Keys are encoded only where they must be compared. */
class Bounds {
  readonly #isReverse: boolean;
  #low: Key | undefined;
  #isLowExclusive = false;
  #high: Key | undefined;
  #isHighInclusive = false;

  constructor(isReverse: boolean) {
    this.#isReverse = isReverse;
  }

  narrow(side: "low" | "high", key: Key, flag: boolean): void {
    if (side === "low") this.#narrowLow(key, flag);
    else this.#narrowHigh(key, flag);
  }

  #narrowLow(key: Key, isExclusive: boolean): void {
    const order = this.#low === undefined ? 1 : compareKeys(key, this.#low);
    if (order > 0) this.#isLowExclusive = isExclusive;
    else if (order === 0) this.#isLowExclusive ||= isExclusive;
    if (order > 0) this.#low = key;
  }

  #narrowHigh(key: Key, isInclusive: boolean): void {
    const order = this.#high === undefined ? -1 : compareKeys(key, this.#high);
    if (order < 0) this.#isHighInclusive = isInclusive;
    else if (order === 0) this.#isHighInclusive &&= isInclusive;
    if (order < 0) this.#high = key;
  }

  get isEmpty(): boolean {
    if (this.#high === undefined) return false;
    const order = compareKeys(this.#low ?? "", this.#high);
    return order > 0 || (order === 0 && (this.#isLowExclusive || !this.#isHighInclusive));
  }

  toRange(): Range {
    return {
      ...(this.#low === undefined ? {} : { low: this.#low, lowExclusive: this.#isLowExclusive }),
      ...(this.#high === undefined
        ? {}
        : { high: this.#high, highInclusive: this.#isHighInclusive }),
      ...(this.#isReverse ? { reverse: true } : {}),
    };
  }
}

function compareKeys(left: Key, right: Key): number {
  return compareBytes(keyBytes(left), keyBytes(right));
}
