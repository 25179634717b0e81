/** What an envelope may assert about rows, as data. */
import type { ComparisonOperator, Where } from "./expression.ts";
import type { PrimaryKey } from "./table.ts";

/** An assertion about rows of a table, judged when its envelope commits. */
export type TableAssertion = {
  /** The table. */
  readonly target: object;
} & (
  | { readonly assert: "rowExists"; readonly key: PrimaryKey; readonly expected: boolean }
  | { readonly assert: "rowVersion"; readonly key: PrimaryKey; readonly expected: bigint }
  | {
      readonly assert: "rowColumnCompare";
      readonly key: PrimaryKey;
      readonly column: string;
      readonly op: ComparisonOperator;
      readonly expected: unknown;
    }
  | {
      readonly assert: "countCompare";
      readonly where?: Where;
      readonly op: ComparisonOperator;
      readonly expected: number | bigint;
    }
  | {
      readonly assert: "sumCompare";
      readonly where?: Where;
      readonly column: string;
      readonly op: ComparisonOperator;
      readonly expected: number | bigint;
    }
);

/** Compares something with a value: each method makes an assertion. */
export class Comparisons<T> {
  readonly #make: (op: ComparisonOperator, expected: never) => TableAssertion;

  /** Not for applications. */
  constructor(make: (op: ComparisonOperator, expected: never) => TableAssertion) {
    this.#make = make;
  }

  #compare(op: ComparisonOperator, value: T): TableAssertion {
    return this.#make(op, value as never);
  }

  eq(value: T): TableAssertion {
    return this.#compare("eq", value);
  }

  ne(value: T): TableAssertion {
    return this.#compare("ne", value);
  }

  lt(value: T): TableAssertion {
    return this.#compare("lt", value);
  }

  lte(value: T): TableAssertion {
    return this.#compare("lte", value);
  }

  gt(value: T): TableAssertion {
    return this.#compare("gt", value);
  }

  gte(value: T): TableAssertion {
    return this.#compare("gte", value);
  }
}

/** Says something about the row with a primary key, for `db.commit`. */
export class RowAssertions<Select> {
  readonly #target: object;
  readonly #key: PrimaryKey;

  /** Not for applications: `table.row` makes it. */
  constructor(target: object, key: PrimaryKey) {
    this.#target = target;
    this.#key = key;
  }

  exists(): TableAssertion {
    return { assert: "rowExists", target: this.#target, key: this.#key, expected: true };
  }

  absent(): TableAssertion {
    return { assert: "rowExists", target: this.#target, key: this.#key, expected: false };
  }

  /** It was last changed by this commit; 0n where there is none. */
  version(seq: bigint): TableAssertion {
    return { assert: "rowVersion", target: this.#target, key: this.#key, expected: seq };
  }

  /** A column of the row; without a row every comparison fails. Only `eq` and `ne` take null. */
  column<N extends keyof Select & string>(column: N): Comparisons<Select[N]> {
    const target = this.#target;
    const key = this.#key;
    const assert = "rowColumnCompare";
    return new Comparisons((op, expected) => ({ assert, target, key, column, op, expected }));
  }
}

/** Says something about all rows of a table for which a predicate is true, for `db.commit`. */
export class MatchingAssertions<Select> {
  readonly #on: { readonly target: object; readonly where?: Where };

  /** Not for applications: `table.matching` makes it. */
  constructor(target: object, where: Where | undefined) {
    this.#on = where === undefined ? { target } : { target, where };
  }

  /** How many there are. */
  count(): Comparisons<number | bigint> {
    return new Comparisons((op, expected) => {
      return { assert: "countCompare", ...this.#on, op, expected };
    });
  }

  /** The exact sum of a column, nulls left out: 0 without rows. */
  sum(column: keyof Select & string): Comparisons<number | bigint> {
    return new Comparisons((op, expected) => {
      return { assert: "sumCompare", ...this.#on, column, op, expected };
    });
  }
}
