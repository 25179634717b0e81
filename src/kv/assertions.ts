/** What an envelope may assert about a record, as data. */
import type { Key } from "../transaction/index.ts";

/** An assertion about one record of a keyspace, judged when its envelope commits. */
export type RecordAssertion = {
  /** The keyspace. */
  readonly target: object;
  readonly key: Key;
} & (
  | { readonly assert: "keyExists"; readonly expected: boolean }
  | { readonly assert: "keyVersion"; readonly expected: bigint }
  | { readonly assert: "keyEquals"; readonly expected: unknown }
  | {
      readonly assert: "keyCompare";
      readonly op: "ne" | "lt" | "lte" | "gt" | "gte";
      readonly expected: unknown;
    }
);

/**
 * Says something about the record under a key, for `db.commit`. Comparisons fail where there is no
 * record. Numbers compare by their values, text and bytes by their bytes; values of JSON and codecs
 * of your own are equal when their bytes are, and have no order.
 */
export class RecordAssertions<V> {
  readonly #on: { readonly target: object; readonly key: Key };

  /** Not for applications: `keyspace.record` makes it. */
  constructor(target: object, key: Key) {
    this.#on = { target, key };
  }

  /** There is a record that has not expired. */
  exists(): RecordAssertion {
    return { assert: "keyExists", ...this.#on, expected: true };
  }

  /** There is none. */
  absent(): RecordAssertion {
    return { assert: "keyExists", ...this.#on, expected: false };
  }

  /** It was last changed by this commit; 0n where there is none. */
  version(seq: bigint): RecordAssertion {
    return { assert: "keyVersion", ...this.#on, expected: seq };
  }

  eq(value: V): RecordAssertion {
    return { assert: "keyEquals", ...this.#on, expected: value };
  }

  ne(value: V): RecordAssertion {
    return { assert: "keyCompare", op: "ne", ...this.#on, expected: value };
  }

  lt(value: V): RecordAssertion {
    return { assert: "keyCompare", op: "lt", ...this.#on, expected: value };
  }

  lte(value: V): RecordAssertion {
    return { assert: "keyCompare", op: "lte", ...this.#on, expected: value };
  }

  gt(value: V): RecordAssertion {
    return { assert: "keyCompare", op: "gt", ...this.#on, expected: value };
  }

  gte(value: V): RecordAssertion {
    return { assert: "keyCompare", op: "gte", ...this.#on, expected: value };
  }
}
