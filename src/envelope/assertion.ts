/** Assertions, checked when an envelope is given and judged at its turn. */
import type { DecodeRecord, Steps } from "../engine/index.ts";
import type { CairnError } from "../errors.ts";
import { type Context, describeValue, invalid, type RecordAssertion } from "../kv/index.ts";
import { checkKey } from "../kv/key-check.ts";
import { coreOf, type Keyspace } from "../kv/keyspace.ts";
import { coreOfTable, sum } from "../query/index.ts";
import type { ComparisonOperator, Table, TableAssertion } from "../tables/index.ts";
import {
  compilePredicate,
  encodeKey,
  predicateOf,
  requireSame,
  type TableInside,
  type TableState,
  tableInside,
} from "../tables/inside.ts";
import {
  type Attempt,
  compareBytes,
  type Key,
  ownedBytes,
  ownedKey,
} from "../transaction/index.ts";
import { type Assertion, assertionDepthMax, assertionsMax, tooLarge } from "./envelope.ts";
import {
  failed,
  found,
  holds,
  isMeasure,
  isNumberTrue,
  missing,
  operators,
  order,
  type Verdict,
} from "./verdict.ts";

/** What an assertion is judged by. */
export interface View {
  readonly attempt: Attempt;
  /** The commit under way: the version of what it has written. */
  readonly seq: number;
}

/** An assertion that is ready to be judged. */
interface Judge {
  readonly judge: (view: View) => Steps<Verdict> | Verdict;
}

/** A verdict that may need steps to be found. */
function* verdictOf(judge: Judge, view: View): Steps<Verdict> {
  const verdict = judge.judge(view);
  return verdict === undefined || "path" in verdict ? verdict : yield* verdict;
}

/** The assertions of an envelope, before or after its mutations. */
export class Assertions {
  static readonly none: Assertions = new Assertions(undefined, "before", [], { left: 0 });

  readonly #where: "before" | "after";
  readonly #judges: readonly Judge[];
  readonly #checks: readonly (() => void)[];

  /** @throws CairnError `envelope_too_large`, `argument_invalid`, … */
  constructor(
    context: Context | undefined,
    where: "before" | "after",
    assertions: readonly Assertion[],
    count: { left: number },
  ) {
    const checks: (() => void)[] = [];
    this.#where = where;
    this.#checks = checks;
    if (context === undefined) this.#judges = [];
    else {
      const compiler = new Compiler(context, checks, count);
      this.#judges = assertions.map((assertion) => compiler.compile(assertion, 1));
    }
  }

  get isEmpty(): boolean {
    return this.#judges.length === 0;
  }

  /** Refuses tables and keyspaces that have changed since; first thing in the turn. */
  check(): void {
    for (const check of this.#checks) check();
  }

  /** @throws CairnError `assertion_failed` for the first that does not hold. */
  *judge(view: View): Steps<void> {
    const judges = this.#judges;
    for (let index = 0; index < judges.length; index++) {
      // Most verdicts are there at once.
      const verdict = judges[index].judge(view);
      const failure = verdict === undefined || "path" in verdict ? verdict : yield* verdict;
      if (failure !== undefined) throw failed(this.#where, index, failure);
    }
  }

  /** All that do not hold. */
  *failures(view: View): Steps<CairnError[]> {
    const found: CairnError[] = [];
    for (const [index, judge] of this.#judges.entries()) {
      const failure = yield* verdictOf(judge, view);
      if (failure !== undefined) found.push(failed(this.#where, index, failure));
    }
    return found;
  }
}

/** Counts what is left of the assertions that an envelope may have. */
export function assertionCount(): { left: number } {
  return { left: assertionsMax };
}

const seqOf: DecodeRecord<number> = (_memory, _at, _length, { seq }) => seq;
const isThere: DecodeRecord<true> = () => true;
const copy: DecodeRecord<Uint8Array> = (memory, at, length) =>
  ownedBytes(memory.subarray(at, at + length));

class Compiler {
  readonly #context: Context;
  readonly #checks: (() => void)[];
  readonly #count: { left: number };

  constructor(context: Context, checks: (() => void)[], count: { left: number }) {
    this.#context = context;
    this.#checks = checks;
    this.#count = count;
  }

  compile(assertion: Assertion, depth: number): Judge {
    if (depth > assertionDepthMax) throw tooDeep();
    if (--this.#count.left < 0) throw tooLarge("assertions", assertionsMax + 1, assertionsMax);
    if (typeof assertion !== "object" || assertion === null) throw unknown(assertion);
    if ("all" in assertion) return all(this.#list(assertion.all, depth));
    if ("any" in assertion) return any(this.#list(assertion.any, depth));
    if ("not" in assertion) return not(this.compile(assertion.not, depth + 1));
    switch (assertion.assert) {
      case "keyExists":
      case "keyVersion":
      case "keyEquals":
      case "keyCompare":
        return this.#record(assertion);
      case "rowExists":
      case "rowVersion":
      case "rowColumnCompare":
        return this.#row(assertion);
      case "countCompare":
      case "sumCompare":
        return this.#matching(assertion);
      default:
        throw unknown((assertion as { assert?: unknown }).assert);
    }
  }

  #list(assertions: readonly Assertion[], depth: number): Judge[] {
    if (!Array.isArray(assertions)) throw unknown(assertions);
    return assertions.map((assertion) => this.compile(assertion, depth + 1));
  }

  // ---- records of keyspaces

  #record(assertion: RecordAssertion): Judge {
    const core = coreOf(assertion.target as Keyspace<Key, unknown>);
    if (core.context !== this.#context) throw foreign();
    const { tree, codec, descriptor } = core;
    checkKey(tree, assertion.key);
    this.#checks.push(() => core.requireTree());
    const key = ownedKey(assertion.key);
    const path = assertion.assert;
    if (assertion.assert === "keyExists") {
      return existence(path, assertion.expected, ({ attempt }) => attempt.read(tree, key, isThere));
    }
    if (assertion.assert === "keyVersion") {
      return version(path, assertion.expected, ({ attempt }) => attempt.read(tree, key, seqOf));
    }
    const op = assertion.assert === "keyEquals" ? "eq" : assertion.op;
    const isNumber = numberValues.has(descriptor.value);
    const isOrdered = isNumber || orderedValues.has(descriptor.value);
    if (!isOrdered && op !== "eq" && op !== "ne") throw unordered(descriptor.value);
    const expected = ownedBytes(codec.encode(assertion.expected));
    const number = isNumber ? (assertion.expected as bigint) : 0n;
    return {
      *judge({ attempt }) {
        const bytes = yield* attempt.read(tree, key, copy);
        if (bytes === undefined) return missing(path);
        if (!isNumber) {
          if (holds(op, compareBytes(bytes, expected))) return undefined;
          const isText = descriptor.value === "utf8" || descriptor.value === "json";
          return found(path, isText ? new TextDecoder().decode(bytes) : bytes);
        }
        const value = codec.decode(bytes, 0, bytes.length) as bigint;
        return holds(op, order(value, number)) ? undefined : found(path, value);
      },
    };
  }

  // ---- rows

  #row(assertion: Extract<TableAssertion, { key: unknown }>): Judge {
    const { core } = this.#inside(assertion.target);
    const state = core.require();
    const { rows } = state;
    const key = encodeKey(state, assertion.key);
    const path = assertion.assert;
    if (assertion.assert === "rowExists") {
      return existence(path, assertion.expected, ({ attempt }) => attempt.read(rows, key, isThere));
    }
    if (assertion.assert === "rowVersion") {
      return version(path, assertion.expected, ({ attempt }) => attempt.read(rows, key, seqOf));
    }
    return new ColumnJudge(state, key, assertion);
  }

  #matching(
    assertion: Extract<TableAssertion, { assert: "countCompare" } | { assert: "sumCompare" }>,
  ): Judge {
    const { target, where, op, expected, assert: path } = assertion;
    const { core } = this.#inside(target);
    checkNumber(op, expected);
    const clauses = where === undefined ? [] : [predicateOf(where)];
    const plain = coreOfTable(target as Table, undefined).with({ where: clauses });
    const query =
      assertion.assert === "countCompare"
        ? plain
        : plain.with({ select: [{ name: "sum", value: sum(assertion.column) }] });
    query.resolved();
    const isCount = assertion.assert === "countCompare";
    const { engine } = this.#context;
    return {
      *judge({ attempt }) {
        let actual: number | bigint;
        if (isCount && where === undefined && attempt.isReadOnly && attempt.isNewest) {
          actual = Math.max(0, engine.records(core.state.rows.id, "newest"));
        } else if (isCount) actual = yield* query.within(attempt).count(undefined, false);
        else {
          const [row] = yield* query.within(attempt).all(undefined, false);
          actual = ((row as { sum?: number | bigint | null }).sum ?? 0) as number | bigint;
        }
        return holds(op, order(actual, expected)) ? undefined : found(path, actual);
      },
    };
  }

  #inside(target: object): TableInside {
    const inside = tableInside(target as Table);
    if (inside.tables.context !== this.#context) throw foreign();
    const state = inside.core.require();
    this.#checks.push(() => requireSame(inside.core, state));
    return inside;
  }
}

/** Compares a column of a row. */
class ColumnJudge implements Judge {
  readonly #state: TableState;
  readonly #key: Uint8Array;
  readonly #position: number;
  readonly #op: ComparisonOperator;
  readonly #expected: unknown;
  /** Undefined for what numbers are compared with at once. */
  readonly #isTrue: ((values: readonly unknown[]) => boolean) | undefined;

  constructor(
    state: TableState,
    key: Uint8Array,
    { column, op, expected }: Extract<TableAssertion, { assert: "rowColumnCompare" }>,
  ) {
    const { position, kind } = state.column(column);
    const isPlain = kind.family === "number" && isMeasure(expected) && operators.has(op);
    this.#state = state;
    this.#key = key;
    this.#position = position;
    this.#op = op;
    this.#expected = expected;
    this.#isTrue = isPlain
      ? undefined
      : compilePredicate(predicateOf({ [column]: { [op]: expected } }), state.valuesSource);
  }

  judge(view: View): Steps<Verdict> | Verdict {
    const { attempt } = view;
    if (!attempt.isNewest) return this.#steps(view);
    const { rows, codec } = this.#state;
    const values = attempt.readNewest(rows, this.#key, codec.decodeValues);
    return values instanceof Promise ? this.#steps(view) : this.#verdict(values);
  }

  *#steps({ attempt }: View): Steps<Verdict> {
    const { rows, codec } = this.#state;
    return this.#verdict(yield* attempt.read(rows, this.#key, codec.decodeValues));
  }

  #verdict(values: readonly unknown[] | undefined): Verdict {
    if (values === undefined) return missing("rowColumnCompare");
    const value = values[this.#position];
    const isTrue =
      this.#isTrue === undefined
        ? isNumberTrue(value, this.#op, this.#expected as number | bigint)
        : this.#isTrue(values);
    return isTrue ? undefined : found("rowColumnCompare", value);
  }
}

const numberValues: ReadonlySet<string> = new Set(["u64", "i64", "u256"]);
const orderedValues: ReadonlySet<string> = new Set(["utf8", "bytes"]);
function existence(
  path: string,
  expected: boolean,
  read: (view: View) => Steps<true | undefined>,
): Judge {
  return {
    *judge(view) {
      const isPresent = (yield* read(view)) === true;
      return isPresent === expected ? undefined : found(path, isPresent);
    },
  };
}

function version(
  path: string,
  expected: bigint,
  read: (view: View) => Steps<number | undefined>,
): Judge {
  if (typeof expected !== "bigint") {
    throw invalid("assert a version", "it", describeValue(expected), "a bigint");
  }
  return {
    *judge(view) {
      const seq = yield* read(view);
      // What the envelope itself has written has no seq yet.
      const actual = seq === undefined ? 0n : BigInt(seq === 0 ? view.seq : seq);
      return actual === expected ? undefined : found(path, actual);
    },
  };
}

function all(judges: readonly Judge[]): Judge {
  return {
    *judge(view) {
      for (const [index, judge] of judges.entries()) {
        const failure = yield* verdictOf(judge, view);
        if (failure !== undefined) return { ...failure, path: `all[${index}].${failure.path}` };
      }
      return undefined;
    },
  };
}

function any(judges: readonly Judge[]): Judge {
  return {
    *judge(view) {
      for (const judge of judges) {
        if ((yield* verdictOf(judge, view)) === undefined) return undefined;
      }
      return found("any", false);
    },
  };
}

function not(inner: Judge): Judge {
  return {
    *judge(view) {
      return (yield* verdictOf(inner, view)) === undefined ? found("not", true) : undefined;
    },
  };
}

function checkNumber(op: unknown, expected: unknown): void {
  if (!operators.has(op as string)) throw unknown(op);
  if (isMeasure(expected)) return;
  throw invalid("compare a count or sum", "the value", describeValue(expected), "a number");
}

function tooDeep(): CairnError {
  return tooLarge("levels of assertions", assertionDepthMax + 1, assertionDepthMax);
}

function unknown(value: unknown): CairnError {
  const expected = "what rows, records and matching() make, or all, any or not of them";
  return invalid("commit an envelope", "an assertion", describeValue(value), expected);
}

function foreign(): CairnError {
  return invalid("commit an envelope", "a handle's database", "another one", "the one at hand");
}

function unordered(value: string): CairnError {
  return invalid("compare a record", "the order of its values", `that of ${value}`, "eq or ne");
}
