/** Reads that are remembered, so that a commit can tell whether they still hold. */
import type { Snapshot, Steps } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import {
  type Context,
  type Joinable,
  type Keyspace,
  Transaction,
  type TransactionKeyspace,
} from "../kv/index.ts";
import type { Query, Sources } from "../query/index.ts";
import type { Table, TransactionTable } from "../tables/index.ts";
import { Attempt, type Key } from "../transaction/index.ts";
import type { TransactionVectors, Vectors } from "../vector/index.ts";

/** A keyspace, for reading: points, ranges and prefixes. */
export type ReadKeyspace<K extends Key, V> = Pick<
  TransactionKeyspace<K, V>,
  | "get"
  | "getSync"
  | "getMany"
  | "getManySync"
  | "has"
  | "hasSync"
  | "expiresAt"
  | "expiresAtSync"
  | "entries"
  | "entriesSync"
  | "keys"
  | "keysSync"
  | "values"
  | "valuesSync"
>;

/** A table, for reading rows by their keys; use `query` for ranges. */
export type ReadTable<Select> = Pick<
  TransactionTable<Select, unknown>,
  "get" | "getSync" | "has" | "hasSync"
>;

/** A vector index, for reading vectors by their ids. */
export type ReadVectors<Meta, I extends string | number | bigint> = Pick<
  TransactionVectors<Meta, I>,
  "get" | "getSync" | "has" | "hasSync"
>;

let attemptOfReads: (reads: Reads) => Attempt;

/**
 * One state of the database, and a note of all that is read of it here: single rows and records,
 * ranges and prefixes, what was absent included. An envelope with it as `readSet` is a `conflict`
 * when any of that was written, or deleted, since. It holds a snapshot: release it.
 */
export class Reads implements Disposable {
  readonly #context: Context;
  readonly #snapshot: Snapshot;
  readonly #attempt: Attempt;
  readonly #transaction: Transaction;
  /** An envelope was tried in it: what that has written stays where it is. */
  readonly #isPlan: boolean;

  static {
    attemptOfReads = (reads) => reads.#attempt;
  }

  /** Not for applications: `db.read` makes it. */
  constructor(context: Context, snapshot: Snapshot, attempt: Attempt, isPlan: boolean) {
    this.#isPlan = isPlan;
    this.#context = context;
    this.#snapshot = snapshot;
    this.#attempt = attempt;
    this.#transaction = new Transaction(context, attempt);
  }

  /** The commit whose state it reads. */
  get seq(): bigint {
    return this.#snapshot.seq;
  }

  keyspace<K extends Key, V>(keyspace: Keyspace<K, V>): ReadKeyspace<K, V> {
    return this.#transaction.keyspace(keyspace);
  }

  table<Select, Insert>(table: Table<Select, Insert>): ReadTable<Select> {
    return this.#transaction.table(table as unknown as Joinable<TransactionTable<Select, unknown>>);
  }

  /** A query of this state; what it looks at is noted, not only what it answers. */
  query<S extends Sources, R>(query: Query<S, R>): Query<S, R> {
    return this.#transaction.query(query);
  }

  vectors<Meta, I extends string | number | bigint>(index: Vectors<Meta, I>): ReadVectors<Meta, I> {
    return this.#transaction.vectors(index);
  }

  /** Lets go of the state; commits cannot use it any more. Releasing twice does nothing. */
  release(): void {
    this.#attempt.end();
    this.#snapshot.release();
  }

  [Symbol.dispose](): void {
    this.release();
  }

  /** Not for applications: a commit asks at its turn. @throws CairnError `conflict`. */
  *requireCurrent(context: Context, time: number): Steps<void> {
    if (context !== this.#context) throw foreign("another database's");
    if (!this.#isPlan && !this.#attempt.isReadOnly) throw foreign("one that has written");
    this.#attempt.requireOpen();
    yield* this.#attempt.requireCurrent(time);
  }
}

/** The attempt that the reads are noted in. */
export function attemptOf(reads: Reads): Attempt {
  return attemptOfReads(reads);
}

/** Begins to read, and to remember, the newest state; an envelope can be tried in a plan's. */
export function beginReads(context: Context, isPlan: boolean): Reads {
  const snapshot = context.pin();
  const { engine, expiry } = context;
  const attempt = new Attempt(engine, expiry, snapshot, snapshot.time, "serializable");
  return new Reads(context, snapshot, attempt, isPlan);
}

function foreign(found: string): CairnError {
  return new CairnError(
    "argument_invalid",
    `Cannot use this read set: it is ${found}. Use what db.read() of this database answers, and ` +
      "only read with it.",
  );
}
