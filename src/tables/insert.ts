/**
 * Inserting rows, the quick way: no row is read. Whether keys are free, unique values new and
 * references good is asked once for all rows.
 */
import type { Steps } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import type { Tables } from "./catalogue.ts";
import { KeyBatch } from "./key-batch.ts";
import { enforceChecks, type Values } from "./prepare.ts";
import { type ReferenceTarget, referenceTarget } from "./reference.ts";
import type { TableWriter } from "./space.ts";
import type { TableForeignKey, TableState } from "./state.ts";
import type { TableIndex } from "./table-index.ts";

const noBytes = new Uint8Array(0);

interface UniqueKeys {
  readonly index: TableIndex;
  readonly keys: KeyBatch;
}

interface References {
  readonly foreignKey: TableForeignKey;
  readonly target: ReferenceTarget;
  readonly keys: KeyBatch;
}

/** Inserts rows of checked values. @throws CairnError `duplicate_primary_key`, … */
export function* insertRows(
  tables: Tables,
  state: TableState,
  writer: TableWriter,
  rows: readonly Values[],
): Steps<void> {
  const keys = new KeyBatch();
  const uniques = state.indexes
    .filter((index) => index.isUnique)
    .map((index): UniqueKeys => ({ index, keys: new KeyBatch() }));
  const references = state.foreignKeys.map((foreignKey): References => {
    const target = referenceTarget(tables, foreignKey);
    return { foreignKey, target, keys: new KeyBatch() };
  });
  for (const values of rows) {
    enforceChecks(state, values);
    writeRow(state, writer, values, keys, uniques);
    for (const { foreignKey, target, keys: wanted } of references) {
      const key = target.keyOf(values, foreignKey.columns);
      if (key !== undefined) wanted.add(key);
    }
  }
  if ((yield* writer.find(state.rows, keys, true)) >= 0) throw duplicateKey(state);
  for (const { index, keys: taken } of uniques) {
    if (taken.count === 0) continue;
    if ((yield* writer.find(index.tree, taken, true)) >= 0)
      throw uniqueViolation(state, index.name);
  }
  for (const { foreignKey, target, keys: wanted } of references) {
    if (wanted.count === 0) continue;
    const missing = yield* target.findMissing(writer, wanted);
    if (missing) throw referenceMissing(state, foreignKey.name);
  }
}

/** Writes a row and its entries, and notes the keys that must be free. */
function writeRow(
  state: TableState,
  writer: TableWriter,
  values: Values,
  keys: KeyBatch,
  uniques: readonly UniqueKeys[],
): void {
  const key = state.key.encode(values, state.primaryKey);
  if (!keys.add(key)) throw duplicateKey(state);
  const { indexes, vectorIndexes } = state;
  if (indexes.length + vectorIndexes.length === 0) {
    writer.put(state.rows, key, state.codec.encode(values));
    return;
  }
  const owned = key.slice();
  writer.put(state.rows, owned, state.codec.encode(values));
  for (const index of indexes) {
    if (!index.covers(values)) continue;
    const holdsKey = index.holdsKey(values);
    const entry = index.entryKey(values, owned);
    if (holdsKey && uniques.some((one) => one.index === index && !one.keys.add(entry))) {
      throw uniqueViolation(state, index.name);
    }
    writer.put(index.tree, entry, holdsKey ? owned : noBytes);
  }
  for (const index of vectorIndexes) {
    if (index.covers(values)) writer.put(index.tree, owned, index.entry(values, owned));
  }
}

export function duplicateKey(state: TableState): CairnError {
  return new CairnError(
    "duplicate_primary_key",
    `Cannot insert into the table "${state.path.name}": a row with this primary key is there. ` +
      "Nothing was applied. Use upsert, or say with onConflict what to do.",
    { details: { table: state.path.name } },
  );
}

/** `row` is the place of a row that was there, from 1, in the order of the primary key. */
export function uniqueViolation(state: TableState, name: string, row?: number): CairnError {
  return new CairnError(
    "unique_violation",
    `Cannot write to the table "${state.path.name}": another row has the same values in ` +
      `the unique index "${name}". Nothing was applied.`,
    {
      details: {
        table: state.path.name,
        constraint: name,
        ...(row === undefined ? {} : { row }),
      },
    },
  );
}

export function referenceMissing(state: TableState, name: string): CairnError {
  return new CairnError(
    "foreign_key_violation",
    `Cannot write to the table "${state.path.name}": the foreign key "${name}" leads to a ` +
      "row that does not exist. Nothing was applied. Write that row first.",
    { details: { table: state.path.name, constraint: name } },
  );
}
