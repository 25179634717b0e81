/**
 * Tables as the catalogue holds them: JSON, one record per table. Columns are named by their ids in
 * there, except within expressions, which are rewritten when a column is renamed.
 *
 * JSON lacks some values of columns and expressions; they are objects with one key:
 *
 *     {"$bigint":"12"}  {"$bytes":"base64"}  {"$date":0}  {"$vector":[1,2]}  {"$json":…}
 *
 * `$json` holds any object that is itself a value, so that the others cannot be mistaken.
 */

import type { VectorsDescriptor } from "../vector/inside.ts";
import type { ReferenceAction } from "./column.ts";
import type { Expression } from "./expression.ts";
import type { Layout } from "./row.ts";
import { type ColumnType, JsonText } from "./types.ts";

/** Where a table is: project, scope and name. The root database has "" for the first two. */
export interface TablePath {
  readonly project: string;
  readonly scope: string;
  readonly name: string;
}

export interface StoredColumn {
  readonly id: number;
  readonly name: string;
  readonly type: ColumnType;
  readonly dimensions?: number;
  readonly isNullable: boolean;
  /** What rows get that leave the column out; absent for none. */
  readonly default?: StoredValue;
  /** What the column is in rows that are older than it; absent for null. */
  readonly missing?: StoredValue;
}

/** How an index finds rows: in order, or by the hash of its columns. */
export type IndexKind = "ordered" | "hashed";

export interface StoredIndex {
  readonly name: string;
  readonly tree: number;
  readonly kind: IndexKind;
  readonly isUnique: boolean;
  readonly columns: readonly number[];
  /** Rows for which it is true are in the index; absent for all. */
  readonly where?: StoredValue;
  /** False while it is built: it is kept up, but cannot be read. */
  readonly isReady: boolean;
  /** Columns that were nullable when it was made: its keys tell whether they are null. */
  readonly marked?: readonly number[];
}

/** A vector index: three trees (`src/vector/row.ts`) whose ids are keys of rows. */
export interface StoredVectorIndex
  extends Pick<
    VectorsDescriptor,
    "metric" | "precision" | "connections" | "efConstruction" | "keepVectors"
  > {
  readonly name: string;
  /** Its column. */
  readonly column: number;
  /** The tree of its rows. */
  readonly tree: number;
  readonly ids: number;
  readonly pending: number;
  /** Rows for which it is true are in the index; absent for all. */
  readonly where?: StoredValue;
  /** False while it is built: it is kept up, but cannot be searched. */
  readonly isReady: boolean;
}

export interface StoredCheck {
  readonly name: string;
  readonly expression: StoredValue;
}

export interface StoredForeignKey {
  readonly name: string;
  readonly columns: readonly number[];
  /** The rows tree of the other table: names may be taken again. */
  readonly table: number;
  /** Columns of the other table. */
  readonly references: readonly number[];
  readonly onDelete: ReferenceAction;
  readonly onUpdate: ReferenceAction;
}

/** Constraints that writes have to meet already, while rows that are there are looked at. */
export interface PendingConstraints {
  readonly checks: readonly StoredCheck[];
  /** Columns. */
  readonly notNull: readonly number[];
  readonly foreignKeys: readonly StoredForeignKey[];
}

export interface StoredTable extends TablePath {
  readonly format: 1;
  /** Counts every change of this record. */
  readonly version: number;
  /** The rows tree; also the table's identity. */
  readonly tree: number;
  readonly nextColumn: number;
  readonly columns: readonly StoredColumn[];
  /** Oldest first; the last one is that of new rows. */
  readonly layouts: readonly Layout[];
  readonly primaryKey: readonly number[];
  readonly indexes: readonly StoredIndex[];
  /** Absent for none. */
  readonly vectorIndexes?: readonly StoredVectorIndex[];
  readonly checks: readonly StoredCheck[];
  readonly foreignKeys: readonly StoredForeignKey[];
  /** Never stored: a crash leaves the table without them. */
  readonly pending?: PendingConstraints;
}

/** All foreign keys that writes go by. */
export function foreignKeysOf({ foreignKeys, pending }: StoredTable): StoredForeignKey[] {
  // Nothing is done to rows on behalf of a reference that may be taken back.
  const held = { onDelete: "no action", onUpdate: "no action" } as const;
  return [...foreignKeys, ...(pending?.foreignKeys ?? []).map((one) => ({ ...one, ...held }))];
}

/** A value in JSON form. */
export type StoredValue =
  | string
  | number
  | boolean
  | null
  | readonly StoredValue[]
  | { readonly [key: string]: StoredValue };

const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder();

export function encodeRecord(record: object): Uint8Array {
  return textEncoder.encode(JSON.stringify(record));
}

export function decodeRecord<T>(memory: Uint8Array, at: number, length: number): T {
  return JSON.parse(textDecoder.decode(memory.subarray(at, at + length))) as T;
}

/** The JSON form of a column's value or of an expression. */
export function storeValue(value: unknown): StoredValue {
  if (value === undefined) return null;
  if (typeof value === "bigint") return { $bigint: String(value) };
  if (typeof value !== "object" || value === null) return value as StoredValue;
  if (value instanceof Uint8Array) return { $bytes: btoa(String.fromCharCode(...value)) };
  if (value instanceof Date) return { $date: value.getTime() };
  if (value instanceof Float32Array) return { $vector: Array.from(value) };
  if (value instanceof JsonText) return { $json: JSON.parse(value.text) };
  if (Array.isArray(value)) return value.map(storeValue);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, storeValue(inner)]));
}

/** The value that `storeValue` was given. */
export function restoreValue(stored: StoredValue): unknown {
  if (typeof stored !== "object" || stored === null) return stored;
  if (Array.isArray(stored)) return stored.map(restoreValue);
  const object = stored as { readonly [key: string]: StoredValue };
  if (typeof object.$bigint === "string") return BigInt(object.$bigint);
  if (typeof object.$bytes === "string") {
    return Uint8Array.from(atob(object.$bytes), (character) => character.charCodeAt(0));
  }
  if (typeof object.$date === "number") return new Date(object.$date);
  if (Array.isArray(object.$vector)) return new Float32Array(object.$vector as number[]);
  if ("$json" in object) return new JsonText(JSON.stringify(object.$json));
  return Object.fromEntries(
    Object.entries(object).map(([key, inner]) => [key, restoreValue(inner)]),
  );
}

export function restoreExpression(stored: StoredValue): Expression {
  return restoreValue(stored) as Expression;
}
