/** Aggregates: each takes the values of a group one after the other. Null is left out by all. */
import type { Folded } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import {
  type ColumnType,
  type Compare,
  compareOf,
  type Family,
  nameOf,
  type ValueKind,
} from "../tables/inside.ts";
import type { Aggregate } from "./resolve.ts";
import { type Budget, valueBytes } from "./run.ts";

export interface Accumulator {
  /** Takes a value that is not null. */
  add(value: unknown): void;
  result(): unknown;
}

/** What an aggregate answers, and what makes it for a group. */
export interface AggregateMaker {
  readonly kind: ValueKind;
  readonly make: (budget: Budget) => Accumulator;
}

const whole: ValueKind = { family: "number", number: "whole" };
const float: ValueKind = { family: "number", number: "float" };

/** `kind` is that of the values; undefined where rows are counted. @throws `type_mismatch`. */
export function aggregateMaker(aggregate: Aggregate, kind: ValueKind | undefined): AggregateMaker {
  const plain = plainMaker(aggregate, kind);
  if (aggregate.isDistinct !== true) return plain;
  return { kind: plain.kind, make: (budget) => new Different(plain.make(budget), budget) };
}

function plainMaker({ function: name }: Aggregate, kind: ValueKind | undefined): AggregateMaker {
  if (name === "count") return { kind: whole, make: () => new Count() };
  if (kind === undefined) throw mismatch(name, "nothing", "a column");
  if (name === "min" || name === "max") {
    const compare = kind.family === "null" ? alike : compareOf(kind.family as Family);
    if (compare === undefined) throw mismatch(name, kind.family, "values that have an order");
    return { kind, make: () => new Extreme(compare, name === "max" ? 1 : -1) };
  }
  if (kind.family !== "number" && kind.family !== "null") {
    throw mismatch(name, kind.family, "numbers");
  }
  const isMean = name === "avg";
  if (kind.number === "float") return { kind: float, make: () => new FloatSum(isMean) };
  if (kind.number === "bigint") {
    return { kind: isMean ? float : kind, make: () => new BigintSum(isMean) };
  }
  return { kind: isMean ? float : whole, make: () => new WholeSum(isMean) };
}

const alike: Compare = () => 0;

class Count implements Accumulator {
  #count = 0;

  add(): void {
    this.#count++;
  }

  result(): number {
    return this.#count;
  }
}

class Extreme implements Accumulator {
  readonly #compare: Compare;
  readonly #sign: number;
  #value: unknown = null;

  constructor(compare: Compare, sign: number) {
    this.#compare = compare;
    this.#sign = sign;
  }

  add(value: unknown): void {
    if (this.#value === null || this.#compare(value, this.#value) * this.#sign > 0) {
      this.#value = value;
    }
  }

  result(): unknown {
    return this.#value;
  }
}

/** Numbers that are whole: exact, whatever the sum comes to on the way. */
class WholeSum implements Accumulator {
  readonly #isMean: boolean;
  #count = 0;
  #sum = 0;
  #rest = 0n;

  constructor(isMean: boolean) {
    this.#isMean = isMean;
  }

  add(value: unknown): void {
    this.#count++;
    const sum = this.#sum + (value as number);
    if (sum <= Number.MAX_SAFE_INTEGER && sum >= Number.MIN_SAFE_INTEGER) {
      this.#sum = sum;
      return;
    }
    this.#rest += BigInt(this.#sum);
    this.#sum = value as number;
  }

  result(): number | null {
    if (this.#count === 0) return null;
    const total = this.#rest + BigInt(this.#sum);
    if (this.#isMean) return meanOf(total, this.#count);
    return safeSum(total);
  }
}

class BigintSum implements Accumulator {
  readonly #isMean: boolean;
  #count = 0;
  #sum = 0n;

  constructor(isMean: boolean) {
    this.#isMean = isMean;
  }

  add(value: unknown): void {
    this.#count++;
    this.#sum += BigInt(value as bigint);
  }

  result(): bigint | number | null {
    if (this.#count === 0) return null;
    return this.#isMean ? meanOf(this.#sum, this.#count) : this.#sum;
  }
}

/** Rounds once or twice, never in between. */
function meanOf(sum: bigint, count: number): number {
  const parts = BigInt(count);
  const quotient = sum / parts;
  return Number(quotient) + Number(sum - quotient * parts) / count;
}

/** Floats, with what each addition loses added back at the end (Neumaier). */
class FloatSum implements Accumulator {
  readonly #isMean: boolean;
  #count = 0;
  #sum = 0;
  #lost = 0;

  constructor(isMean: boolean) {
    this.#isMean = isMean;
  }

  add(value: unknown): void {
    this.#count++;
    const next = Number(value);
    const sum = this.#sum + next;
    const isSumLarger = Math.abs(this.#sum) >= Math.abs(next);
    this.#lost += isSumLarger ? this.#sum - sum + next : next - sum + this.#sum;
    this.#sum = sum;
  }

  result(): number | null {
    if (this.#count === 0) return null;
    const sum = this.#sum + this.#lost;
    if (!Number.isFinite(sum)) throw overflow("a finite number");
    return this.#isMean ? sum / this.#count : sum;
  }
}

/** What the core has gathered of a column, as an aggregate answers it. */
export function foldedResult(
  name: Aggregate["function"],
  type: ColumnType,
  parts: readonly Folded[],
): unknown {
  const some = parts.filter(({ count }) => count > 0);
  const count = some.reduce((all, part) => all + part.count, 0);
  if (name === "count") return count;
  if (count === 0) return null;
  const isWide = type === "i64" || type === "u64";
  if (name === "min" || name === "max") {
    let best: bigint | number | undefined;
    for (const { least, greatest } of some) {
      const one = name === "min" ? least : greatest;
      if (one === undefined) continue;
      if (best === undefined || (name === "min" ? one < best : one > best)) best = one;
    }
    return isWide ? BigInt(best ?? 0) : Number(best);
  }
  if (type === "float") {
    const sum = some.reduce((all, part) => all + Number(part.sum), 0);
    if (!Number.isFinite(sum)) throw overflow("a finite number");
    return name === "avg" ? sum / count : sum;
  }
  const total = some.reduce((all, part) => all + BigInt(part.sum), 0n);
  if (name === "avg") return meanOf(total, count);
  return isWide ? total : safeSum(total);
}

function safeSum(total: bigint): number {
  const sum = Number(total);
  if (Number.isSafeInteger(sum)) return sum;
  throw overflow("a safe integer; sum a column of type i64 or u64");
}

/** Hands equal values on only once. */
class Different implements Accumulator {
  readonly #inner: Accumulator;
  readonly #budget: Budget;
  readonly #names: Set<unknown> = new Set();

  constructor(inner: Accumulator, budget: Budget) {
    this.#inner = inner;
    this.#budget = budget;
  }

  add(value: unknown): void {
    const before = this.#names.size;
    this.#names.add(nameOf(value));
    if (this.#names.size === before) return;
    this.#budget.take(48 + valueBytes(value));
    this.#inner.add(value);
  }

  result(): unknown {
    return this.#inner.result();
  }
}

function mismatch(name: string, found: string, expected: string): CairnError {
  return new CairnError(
    "type_mismatch",
    `Cannot use ${name} of this: found ${found}, expected ${expected}.`,
    { details: { found, expected } },
  );
}

function overflow(expected: string): CairnError {
  return new CairnError(
    "overflow",
    `Cannot add up the values of a group: the sum is out of range, expected ${expected}.`,
  );
}
