/**
 * Index entries.
 *
 *     ordered           key = columns, primary key                  value empty
 *     unique            key = columns                               value = primary key
 *       with a null     key = columns, primary key                  value empty: nulls are exempt
 *     hashed            key = u64 hash of the columns, primary key  value empty
 *     hashed, unique    as unique, in a hashed tree
 *
 * The hash is two 32-bit lanes over the encoded columns: h = (h ^ byte) * m for each byte, with
 * m = 0x01000193 from 0x811c9dc5 and m = 0x85ebca6b from 0x9747b28c; then h ^= h >>> 15.
 */
import type { Range } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import type { RowBatch, Tree } from "../transaction/index.ts";
import { compileExpression } from "./evaluate.ts";
import type { Expression } from "./expression.ts";
import { afterPrefix, KeyCodec } from "./key.ts";
import { type IndexKind, restoreExpression, type StoredIndex } from "./record.ts";
import type { TableColumn, TableState, TreeOf } from "./state.ts";

const hashBytes = 8;

export class TableIndex {
  readonly name: string;
  readonly kind: IndexKind;
  readonly isUnique: boolean;
  /** Positions of its columns. */
  readonly columns: readonly number[];
  /** False while it is built: it is kept up, but must not be read. */
  readonly isReady: boolean;
  /** Only rows for which it is true are in the index; undefined for all. */
  readonly where: Expression | undefined;
  readonly tree: Tree;
  /** The columns as they lie at the beginning of an entry's key. */
  readonly key: KeyCodec;
  readonly #covers: ((values: readonly unknown[]) => unknown) | undefined;
  readonly #nullable: readonly number[];

  constructor(table: TableState, stored: StoredIndex, treeOf: TreeOf) {
    this.name = stored.name;
    this.kind = stored.kind;
    this.isUnique = stored.isUnique;
    this.isReady = stored.isReady;
    const columns = stored.columns.map((id) => table.columnById(id));
    this.columns = columns.map((column) => column.position);
    this.#nullable = columns.filter((one) => one.isNullable).map((one) => one.position);
    const hasMark = ({ id, isNullable }: TableColumn): boolean =>
      isNullable || stored.marked?.includes(id) === true;
    this.key = new KeyCodec(
      columns.map((column) => ({ type: column.type, hasMark: hasMark(column), isRaw: false })),
    );
    this.where = stored.where === undefined ? undefined : restoreExpression(stored.where);
    this.#covers =
      this.where === undefined
        ? undefined
        : compileExpression(this.where, table.valuesSource).evaluate;
    this.tree = treeOf(stored.tree, this.isUnique && this.kind === "hashed" ? "hashed" : "ordered");
  }

  /** True when a row has an entry. */
  covers(values: readonly unknown[]): boolean {
    return this.#covers === undefined || this.#covers(values) === true;
  }

  /** True when the entry's value is the primary key: it is unique, and no column is null. */
  holdsKey(values: readonly unknown[]): boolean {
    if (!this.isUnique) return false;
    for (const position of this.#nullable) if (values[position] === null) return false;
    return true;
  }

  /**
   * The key of a row's entry; `primaryKey` is left out where `holdsKey`. The bytes are good until
   * the next key is encoded. @throws CairnError `key_too_large`.
   */
  entryKey(values: readonly unknown[], primaryKey: Uint8Array): Uint8Array {
    if (this.isUnique) {
      const suffix = this.holdsKey(values) ? undefined : primaryKey;
      return this.key.encode(values, this.columns, suffix);
    }
    if (this.kind === "ordered") return this.key.encode(values, this.columns, primaryKey);
    return hashedKey(this.key.encode(values, this.columns), primaryKey);
  }

  /**
   * The entries whose first columns have these values (checked, null allowed); for a hashed index
   * all columns must be given, and rows have to be looked at again: hashes may collide.
   */
  prefixRange(values: readonly unknown[]): Range {
    const positions = values.map((_value, index) => index);
    const encoded = this.key.encode(values, positions);
    const low = this.kind === "hashed" ? hashedKey(encoded, noBytes).slice() : encoded.slice();
    if (this.kind === "hashed" && this.isUnique) throw unordered(this.name);
    const high = afterPrefix(low);
    return high === undefined ? { low } : { low, high };
  }

  /** Where the primary key begins in the key, at `at`, of an entry; not of a unique index. */
  readonly rowKeyAt = (bytes: Uint8Array, at: number): number =>
    this.kind === "hashed" ? at + hashBytes : this.key.skip(bytes, at);

  /** The primary key of the row of an entry; needs keys and values of the batch. */
  primaryKeyOf(batch: RowBatch, row: number): Uint8Array {
    if (this.isUnique) {
      const value = batch.value(row);
      if (value.length > 0) return value;
    }
    const key = batch.key(row);
    const from = this.kind === "hashed" && !this.isUnique ? hashBytes : this.key.skip(key, 0);
    return key.subarray(from);
  }
}

const noBytes = new Uint8Array(0);
const hashed = new Uint8Array(4_096);
const hashedView = new DataView(hashed.buffer);

function hashedKey(encoded: Uint8Array, primaryKey: Uint8Array): Uint8Array {
  let first = 0x811c9dc5;
  let second = 0x9747b28c;
  for (let index = 0; index < encoded.length; index++) {
    const byte = encoded[index];
    first = Math.imul(first ^ byte, 0x01000193);
    second = Math.imul(second ^ byte, 0x85ebca6b);
  }
  hashedView.setUint32(0, first ^ (first >>> 15));
  hashedView.setUint32(4, second ^ (second >>> 15));
  hashed.set(primaryKey, hashBytes);
  return hashed.subarray(0, hashBytes + primaryKey.length);
}

function unordered(name: string): CairnError {
  return new CairnError(
    "unordered_keyspace",
    `Cannot scan the index "${name}": it is unique and hashed, and has no order. Look its key up.`,
  );
}
