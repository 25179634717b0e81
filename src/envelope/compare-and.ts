/** Changes that are made only if something still is as it was: an assertion and one mutation. */
import { CairnError } from "../errors.ts";
import type {
  Keyspace,
  KeyspaceMutation,
  LifetimeOptions,
  NumberPolicies,
  WriteOptions,
} from "../kv/index.ts";
import type { PrimaryKey, RowAssertions, Table } from "../tables/index.ts";
import { tableInside } from "../tables/inside.ts";
import type { Key } from "../transaction/index.ts";
import type { Envelope } from "./envelope.ts";

/** A record that is replaced if its version is still this one; 0n where there must be none. */
export interface RecordSwap<K, V> extends LifetimeOptions, WriteOptions {
  readonly key: K;
  readonly version: bigint;
  readonly value: V;
}

/** A row that is replaced if its version is still this one; 0n where there must be none. */
export interface RowSwap<Insert> extends WriteOptions {
  readonly row: Insert;
  readonly version: bigint;
}

/** A number of a row that is changed if the row's version is still this one. */
export interface RowNumberChange<Select> extends WriteOptions {
  readonly key: PrimaryKey;
  readonly version: bigint;
  readonly column: keyof Select & string;
  readonly amount: number | bigint;
}

/** A number of a keyspace that is changed if its record's version is still this one. */
export interface RecordNumberChange<K> extends NumberPolicies, WriteOptions {
  readonly key: K;
  readonly version: bigint;
  readonly amount: bigint;
}

/** The envelope of a swap, for a keyspace or a table. */
export function swapEnvelope(
  target: Keyspace<Key, unknown> | Table<unknown, unknown>,
  swap: RecordSwap<Key, unknown> | RowSwap<unknown>,
): Envelope {
  const { finality, signal, version } = swap;
  if ("row" in swap) {
    const table = target as Table;
    const row = swap.row as Record<string, unknown>;
    return {
      before: [rowOf(table, row).version(version)],
      mutations: [table.mutations.upsert(row)],
      ...writeOptions(finality, signal),
    };
  }
  const keyspace = target as Keyspace<Key, unknown>;
  const { key, value, ttl, expiresAt } = swap;
  const lifetime = {
    ...(ttl === undefined ? {} : { ttl }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
  };
  return {
    before: [keyspace.record(key).version(version)],
    mutations: [keyspace.mutations.put(key, value, lifetime)],
    ...writeOptions(finality, signal),
  };
}

/** The envelope of a change of a number of a row. */
export function rowNumberEnvelope<Select>(
  table: Table<Select, unknown>,
  change: RowNumberChange<Select>,
  operation: "increment" | "decrement",
): Envelope {
  const { key, column, amount, version, finality, signal } = change;
  return {
    before: [table.row(key).version(version)],
    mutations: [table.mutations[operation](key, column, amount)],
    ...writeOptions(finality, signal),
  };
}

/** The envelope of a change of a number of a keyspace. */
export function recordNumberEnvelope<K extends Key>(
  keyspace: Keyspace<K, bigint>,
  change: RecordNumberChange<K>,
  operation: "add" | "subtract",
): Envelope {
  const { key, amount, version, finality, signal, ...policies } = change;
  const { mutations } = keyspace;
  const mutation: KeyspaceMutation =
    operation === "add"
      ? mutations.add(key, amount, policies)
      : mutations.subtract(key, amount, policies);
  return {
    before: [keyspace.record(key).version(version)],
    mutations: [mutation],
    ...writeOptions(finality, signal),
  };
}

function rowOf(table: Table, row: Record<string, unknown>): RowAssertions<unknown> {
  const { core } = tableInside(table);
  const { primaryKey, columns, path } = core.require();
  const values = primaryKey.map((position) => row?.[columns[position].name]);
  if (values.some((value) => value === undefined)) {
    throw new CairnError(
      "not_null_violation",
      `Cannot swap a row of the table "${path.name}": it has no value for its primary key.`,
      { details: { table: path.name } },
    );
  }
  return table.row((values.length === 1 ? values[0] : values) as PrimaryKey);
}

function writeOptions(
  finality: WriteOptions["finality"],
  signal: AbortSignal | undefined,
): WriteOptions {
  return {
    ...(finality === undefined ? {} : { finality }),
    ...(signal === undefined ? {} : { signal }),
  };
}
