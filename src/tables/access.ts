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
export function accessFor(state: TableState, expression: Expression): Access {
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
  const access = accessFor(state, expression);
  const found: FoundRow[] = [];
  yield* visitRows(state, reader, { expression, access }, (key, values) => {
    found.push({ key: key.slice(), values });
    // Entries of an index are not in the order of the keys.
    return found.length < limit || access.kind === "index";
  });
  if (access.kind === "index") found.sort((left, right) => compareBytes(left.key, right.key));
  return found.slice(0, limit);
}

/** Takes a row: false when no more are wanted. */
export type TakeRow = (key: Uint8Array, values: Values) => boolean;

/** Visits the rows that a predicate selects. `breathe` runs between batches. */
export function* visitRows(
  state: TableState,
  reader: TableReader,
  { expression, access }: { readonly expression: Expression; readonly access: Access },
  take: TakeRow,
  breathe?: () => Steps<void>,
): Steps<void> {
  const isSelected = compilePredicate(expression, state.valuesSource);
  const judge = (key: Uint8Array, values: Values | undefined): boolean =>
    values === undefined || !isSelected(values) || take(key, values);
  const { decodeValues } = state.codec;
  if (access.kind === "key") {
    judge(access.key, yield* reader.read(state.rows, access.key, decodeValues));
  } else if (access.kind === "unique") {
    const key = yield* reader.read(access.index.tree, access.key, (memory, at, length) =>
      memory.slice(at, at + length),
    );
    if (key !== undefined) judge(key, yield* reader.read(state.rows, key, decodeValues));
  } else if (access.kind === "rows") {
    const part = programOf(state, expression);
    const rows = reader.scan(state.rows, access.range, true, part?.program);
    for (;;) {
      const batch = yield* rows.next(rowsPerBatch);
      if (batch === undefined) return;
      for (let row = 0; row < batch.count; row++) {
        if (!judge(batch.key(row), batch.decode(row, decodeValues))) return;
      }
      if (breathe !== undefined) yield* breathe();
    }
  } else {
    const entries = reader.scan(access.index.tree, access.range, access.index.isUnique);
    for (;;) {
      const batch = yield* entries.next(rowsPerBatch);
      if (batch === undefined) return;
      const keys: Uint8Array[] = [];
      for (let row = 0; row < batch.count; row++) keys.push(access.index.primaryKeyOf(batch, row));
      const rows = yield* reader.readMany(state.rows, keys, decodeValues);
      for (const [at, key] of keys.entries()) if (!judge(key, rows[at])) return;
      if (breathe !== undefined) yield* breathe();
    }
  }
}
