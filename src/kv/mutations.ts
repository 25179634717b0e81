/** What an envelope may do to a keyspace, as data: nothing happens before it is committed. */
import type { Key } from "../transaction/index.ts";
import type { LifetimeOptions } from "./keyspace-core.ts";
import type { NumberOperation, NumberPolicies } from "./numbers.ts";

/** A change of one record. */
export type KeyspaceMutation = {
  readonly model: "keyspace";
  /** The keyspace. */
  readonly target: object;
  readonly key: Key;
} & (
  | { readonly operation: "put"; readonly value: unknown; readonly options?: LifetimeOptions }
  | { readonly operation: "delete" }
  | {
      readonly operation: NumberOperation;
      readonly operand: bigint;
      readonly options?: NumberPolicies;
    }
);

/** Makes mutations of one keyspace for `db.commit`, named as the methods that do the same. */
export class KeyspaceMutations<K extends Key, V> {
  readonly #target: object;

  /** Not for applications: `keyspace.mutations` makes it. */
  constructor(target: object) {
    this.#target = target;
  }

  /** Puts a record; a `ttl` counts from the commit on. */
  put(key: K, value: V, options?: LifetimeOptions): KeyspaceMutation {
    const on = { model: "keyspace", target: this.#target, operation: "put", key, value } as const;
    return options === undefined ? on : { ...on, options };
  }

  /** Deletes a record; no record is no error. */
  delete(key: K): KeyspaceMutation {
    return { model: "keyspace", target: this.#target, operation: "delete", key };
  }

  /** Adds to a number, at the commit's turn. */
  add(
    this: KeyspaceMutations<K, bigint>,
    key: K,
    amount: bigint,
    options?: NumberPolicies,
  ): KeyspaceMutation {
    return this.#number("add", key, amount, options);
  }

  /** Subtracts. */
  subtract(
    this: KeyspaceMutations<K, bigint>,
    key: K,
    amount: bigint,
    options?: NumberPolicies,
  ): KeyspaceMutation {
    return this.#number("subtract", key, amount, options);
  }

  /** Keeps the greater of the number and `candidate`. */
  max(
    this: KeyspaceMutations<K, bigint>,
    key: K,
    candidate: bigint,
    options?: NumberPolicies,
  ): KeyspaceMutation {
    return this.#number("max", key, candidate, options);
  }

  /** Keeps the lesser of the number and `candidate`. */
  min(
    this: KeyspaceMutations<K, bigint>,
    key: K,
    candidate: bigint,
    options?: NumberPolicies,
  ): KeyspaceMutation {
    return this.#number("min", key, candidate, options);
  }

  #number(
    operation: NumberOperation,
    key: K,
    operand: bigint,
    options: NumberPolicies | undefined,
  ): KeyspaceMutation {
    const on = { model: "keyspace", target: this.#target, operation, key, operand } as const;
    return options === undefined ? on : { ...on, options };
  }
}
