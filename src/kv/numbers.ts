/**
 * Changes of numbers that lose nothing: each reads and writes in one turn. Policies and their names
 * are AEDB's.
 */
import type { Decide, DecodeRecord, EffectBuffer, Receipt, Steps, Turn } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import { type Attempt, expiryOf, type Key, ownedBytes, ownedKey } from "../transaction/index.ts";
import { checkKey } from "./key-check.ts";
import { checkWriteOptions, type KeyspaceCore, type WriteOptions } from "./keyspace-core.ts";
import {
  encodeNumber,
  isNumberOption,
  type NumberOption,
  numberDecoder,
  numberLimits,
  requireNumber,
} from "./number-codec.ts";
import { checkOneOf, checkOptions, describeValue, invalid } from "./options.ts";

/** What to do where a change of a number cannot simply be made. */
export interface NumberPolicies {
  /** A key without a number counts as 0 (default), or is refused: `key_not_found`. */
  readonly onMissing?: "treatAsZero" | "reject";
  /** A result above the greatest number is refused (default), or becomes the greatest. */
  readonly onOverflow?: "reject" | "saturate";
  /** A result below the least number is refused (default), or nothing is done. */
  readonly onUnderflow?: "reject" | "noOp";
  /** Bounds of your own within those of the type: `underflow` and `overflow` go by them. */
  readonly min?: bigint;
  readonly max?: bigint;
}

/** The policies of a change, and how it is committed. */
export interface NumberOptions extends NumberPolicies, WriteOptions {}

/** What a change of a number has done. */
export interface NumberChange {
  /** The number now. */
  readonly value: bigint;
  /** The number before; undefined where there was none. */
  readonly previous: bigint | undefined;
  /** False where nothing was written: the record's version stays what it was. */
  readonly changed: boolean;
}

/** The same with its commit, or the newest one where nothing was written. */
export interface NumberResult extends NumberChange, Receipt {}

export type NumberOperation = "add" | "subtract" | "max" | "min";

const policyNames = ["onMissing", "onOverflow", "onUnderflow", "min", "max"];
const policyOptions: ReadonlySet<string> = new Set(policyNames);
const numberOptions: ReadonlySet<string> = new Set([...policyNames, "finality", "signal"]);
interface Change {
  readonly operation: NumberOperation;
  readonly operand: bigint;
  readonly policies: NumberPolicies;
}

/** What the record says: its number, and when it expires. */
interface Found {
  readonly number: bigint;
  readonly expiresAt: number;
}

/** A change that is decided at its commit's turn. @throws CairnError `argument_invalid`, … */
export function decideNumber<K extends Key, V>(
  core: KeyspaceCore<K, V>,
  key: K,
  operation: NumberOperation,
  operand: bigint,
  options: NumberOptions = {},
): Decide<NumberChange> {
  checkWriteOptions("change a number", options, numberOptions);
  const { type, change } = checkChange(core, key, { operation, operand, policies: options });
  const owned = ownedKey(key);
  const { context, tree } = core;
  return function* (effects: EffectBuffer, turn: Turn): Steps<NumberChange> {
    const decode = foundDecoder(type);
    const found = yield* context.engine.readSteps(tree.id, owned, "newest", turn.time, decode);
    const result = changed(type, found?.number, change);
    if (result.changed) {
      const expiresAt = found?.expiresAt ?? expiryOf(core.lifetime, turn.time);
      const bytes = encodeNumber(type, result.value);
      context.expiry.put(effects, tree, owned, bytes, expiresAt);
    }
    return result;
  };
}

/** The same within a transaction. */
export function* changeNumber<K extends Key, V>(
  attempt: Attempt,
  core: KeyspaceCore<K, V>,
  key: K,
  operation: NumberOperation,
  operand: bigint,
  options: NumberPolicies = {},
): Steps<NumberChange> {
  checkOptions("change a number", options, policyOptions);
  const { type, change } = checkChange(core, key, { operation, operand, policies: options });
  const found = yield* attempt.read(core.tree, key, foundDecoder(type));
  const result = changed(type, found?.number, change);
  if (result.changed) {
    const expiresAt = found?.expiresAt ?? 0;
    const lifetime =
      found === undefined ? core.lifetime : expiresAt > 0 ? { expiresAt } : undefined;
    attempt.put(core.tree, key, ownedBytes(encodeNumber(type, result.value)), lifetime);
  }
  return result;
}

function foundDecoder(type: NumberOption): DecodeRecord<Found> {
  const decode = numberDecoder(type);
  return (memory, at, length, { expiresAt }) => {
    return { number: decode(memory, at, length), expiresAt };
  };
}

function checkChange<K extends Key, V>(
  core: KeyspaceCore<K, V>,
  key: K,
  change: Change,
): { type: NumberOption; change: Change } {
  const action = "change a number";
  checkKey(core.tree, key);
  const type = core.descriptor.value;
  if (!isNumberOption(type)) {
    throw invalid(action, "the keyspace's value option", type, "u64, i64 or u256");
  }
  const { onMissing, onOverflow, onUnderflow, min, max } = change.policies;
  checkOneOf(action, "onMissing", onMissing, ["treatAsZero", "reject"]);
  checkOneOf(action, "onOverflow", onOverflow, ["reject", "saturate"]);
  checkOneOf(action, "onUnderflow", onUnderflow, ["reject", "noOp"]);
  requireNumber(type, change.operand);
  for (const [name, bound] of [["min", min] as const, ["max", max] as const]) {
    if (bound !== undefined && typeof bound !== "bigint") {
      throw invalid(action, `the option ${name}`, describeValue(bound), "a bigint");
    }
  }
  if (min !== undefined && max !== undefined && min > max) {
    throw invalid(action, "the option min", "more than max", "at most max");
  }
  return { type, change };
}

/** The number after a change. */
function changed(
  type: NumberOption,
  previous: bigint | undefined,
  { operation, operand, policies }: Change,
): NumberChange {
  if (previous === undefined && policies.onMissing === "reject") throw missing(operation);
  const before = previous ?? 0n;
  const result = results[operation](before, operand);
  const [low, high] = numberLimits[type];
  const least = policies.min === undefined || policies.min < low ? low : policies.min;
  const most = policies.max === undefined || policies.max > high ? high : policies.max;
  if (result < least) {
    if (policies.onUnderflow === "noOp") return { value: before, previous, changed: false };
    throw outside("underflow", operation, type);
  }
  if (result > most) {
    if (policies.onOverflow !== "saturate") throw outside("overflow", operation, type);
    // A bound of one's own may have been broken before: saturating never takes away.
    const value = before > most ? before : most;
    return { value, previous, changed: value !== previous };
  }
  const isSame = operation === "max" || operation === "min" ? result === previous : false;
  return { value: result, previous, changed: !isSame };
}

const results: Readonly<Record<NumberOperation, (before: bigint, operand: bigint) => bigint>> = {
  add: (before, operand) => before + operand,
  subtract: (before, operand) => before - operand,
  max: (before, operand) => (before > operand ? before : operand),
  min: (before, operand) => (before < operand ? before : operand),
};

function missing(operation: NumberOperation): CairnError {
  return new CairnError(
    "key_not_found",
    `Cannot ${operation}: there is no number under this key, and onMissing is "reject". Put one ` +
      "first, or leave the option out to count from 0. Nothing was applied.",
  );
}

function outside(
  code: "overflow" | "underflow",
  operation: NumberOperation,
  type: NumberOption,
): CairnError {
  const how = code === "overflow" ? "more" : "less";
  return new CairnError(
    code,
    `Cannot ${operation}: the result is ${how} than this ${type} may be. Nothing was applied.`,
    { details: { type } },
  );
}
