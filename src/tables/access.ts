/** The rows for which a predicate is true, found by a key or an index where that is possible. */
import type { Range, Steps } from "../engine/index.ts";
import { compareBytes } from "../transaction/index.ts";
import { compilePredicate } from "./evaluate.ts";
import type { Expression } from "./expression.ts";
import { afterPrefix } from "./key.ts";
import type { Values } from "./prepare.ts";
import { programOf } from "./program.ts";
import type { TableReader } from "./space.ts";
import type { TableState } from "./state.ts";
import { storable } from "./storable.ts";
import type { TableIndex } from "./table-index.ts";

/** Where rows are looked for; all that match are among them. */
export type Access =
  | { readonly kind: "key"; readonly key: Uint8Array }
  | { readonly kind: "rows"; readonly range: Range }
  | { readonly kind: "index"; readonly index: TableIndex; readonly range: Range }
  | { readonly kind: "unique"; readonly index: TableIndex; readonly key: Uint8Array };

/** A row that was found. */
export interface FoundRow {
  readonly key: Uint8Array;
  readonly values: Values;
}

const rowsPerBatch = 1_024;

/**
 * The columns that a predicate pins to one value each, as values of their columns; columns whose
 * value cannot be stored in them are left out.
 */
function equalitiesOf(state: TableState, expression: Expression): Map<number, unknown> {
  const found = new Map<number, unknown>();
  collect(state, expression, found);
  return found;
}

function collect(state: TableState, expression: Expression, found: Map<number, unknown>): void {
  if (expression.op === "and") for (const one of expression.of) collect(state, one, found);
  if (expression.op !== "eq") return;
  const { left, right } = expression;
  const name = left.op === "column" ? left.name : right.op === "column" ? right.name : undefined;
  const other = left.op === "column" ? right : left;
  if (name === undefined || other.op !== "value") return;
  const column = state.column(name);
  const value = storable(column, other.value);
  if (value !== undefined) found.set(column.position, value);
}

/** The best way to what a predicate selects, by the columns that it pins. */
function accessFor(state: TableState, expression: Expression): Access {
  const equal = equalitiesOf(state, expression);
  const keyPrefix = prefixOf(state.primaryKey, equal);
  const positions = keyPrefix.map((_value, at) => at);
  if (keyPrefix.length === state.primaryKey.length) {
    return { kind: "key", key: state.key.encode(keyPrefix, positions).slice() };
  }
  let best: { index: TableIndex; values: unknown[] } | undefined;
  for (const index of state.indexes) {
    if (!index.isReady || index.where !== undefined) continue;
    const values = prefixOf(index.columns, equal);
    const isWhole = values.length === index.columns.length;
    if (values.length === 0 || (index.kind === "hashed" && !isWhole)) continue;
    if (isWhole && index.isUnique) {
      const key = index.key
        .encode(
          values,
          values.map((_value, at) => at),
        )
        .slice();
      return { kind: "unique", index, key };
    }
    if (best === undefined || values.length > best.values.length) best = { index, values };
  }
  if (best !== undefined && best.values.length >= keyPrefix.length) {
    return { kind: "index", index: best.index, range: best.index.prefixRange(best.values) };
  }
  if (keyPrefix.length === 0) return { kind: "rows", range: {} };
  const low = state.key.encode(keyPrefix, positions).slice();
  const high = afterPrefix(low);
  return { kind: "rows", range: high === undefined ? { low } : { low, high } };
}

function prefixOf(columns: readonly number[], equal: ReadonlyMap<number, unknown>): unknown[] {
  const values: unknown[] = [];
  for (const position of columns) {
    if (!equal.has(position)) break;
    values.push(equal.get(position));
  }
  return values;
}

/** The rows that a predicate selects, the first `limit` of them, in the order of their keys. */
export function* findRows(
  state: TableState,
  reader: TableReader,
  expression: Expression,
  limit: number,
): Steps<FoundRow[]> {
  const isSelected = compilePredicate(expression, state.valuesSource);
  const access = accessFor(state, expression);
  const found: FoundRow[] = [];
  const take = (key: Uint8Array, values: Values | undefined): void => {
    if (values !== undefined && isSelected(values)) found.push({ key: key.slice(), values });
  };
  const { decodeValues } = state.codec;
  if (access.kind === "key") {
    take(access.key, yield* reader.read(state.rows, access.key, decodeValues));
  } else if (access.kind === "unique") {
    const key = yield* reader.read(access.index.tree, access.key, (memory, at, length) =>
      memory.slice(at, at + length),
    );
    if (key !== undefined) take(key, yield* reader.read(state.rows, key, decodeValues));
  } else if (access.kind === "rows") {
    const part = programOf(state, expression);
    const rows = reader.scan(state.rows, access.range, true, part?.program);
    while (found.length < limit) {
      const batch = yield* rows.next(rowsPerBatch);
      if (batch === undefined) break;
      for (let row = 0; row < batch.count && found.length < limit; row++) {
        take(batch.key(row), batch.decode(row, decodeValues));
      }
    }
  } else yield* findByIndex(state, reader, access.index, access.range, take);
  if (access.kind === "index") found.sort((left, right) => compareBytes(left.key, right.key));
  return found.slice(0, limit);
}

function* findByIndex(
  state: TableState,
  reader: TableReader,
  index: TableIndex,
  range: Range,
  take: (key: Uint8Array, values: Values | undefined) => void,
): Steps<void> {
  const entries = reader.scan(index.tree, range, index.isUnique);
  for (;;) {
    const batch = yield* entries.next(rowsPerBatch);
    if (batch === undefined) return;
    const keys: Uint8Array[] = [];
    for (let row = 0; row < batch.count; row++) keys.push(index.primaryKeyOf(batch, row));
    const rows = yield* reader.readMany(state.rows, keys, state.codec.decodeValues);
    for (const [at, key] of keys.entries()) take(key, rows[at]);
  }
}
