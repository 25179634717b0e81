/**
 * Creating and dropping indexes of a table that has rows. An index is built while the table is
 * used: from the commit that creates it, every write keeps it up; rows that were there before are
 * added in commits of a few hundred, and when all are in, it becomes ready to be read. One that a
 * crash left unfinished is kept up but not read; creating it again finishes it.
 */
import type { EffectBuffer, LongOptions, Steps } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import { throwIfAborted } from "../transaction/index.ts";
import { beginVectors, fillVectors, withoutVectors, withReadyVectors } from "./build-vectors.ts";
import type { TableCore, Tables } from "./catalogue.ts";
import type { ColumnShape } from "./column.ts";
import {
  Draft,
  describeIndex,
  describeVectorIndex,
  type IndexDefinition,
  schemaInvalid,
  servesPrefix,
} from "./define.ts";
import { uniqueViolation } from "./insert.ts";
import { KeyBatch } from "./key-batch.ts";
import { foreignKeysOf, type StoredIndex, type StoredTable } from "./record.ts";
import { StateReader } from "./space.ts";
import type { TableState } from "./state.ts";
import type { TableIndex } from "./table-index.ts";

const rowsPerCommit = 512;
const noBytes = new Uint8Array(0);

/** Creates an index: its name. @throws CairnError `index_already_exists`, `unique_violation`. */
export async function createIndex(
  tables: Tables,
  core: TableCore,
  definition: IndexDefinition,
  options: LongOptions,
): Promise<string> {
  throwIfAborted(options.signal);
  const name = await begin(tables, core, definition);
  const isVector = definition.kind === "vector";
  try {
    if (isVector) await fillVectors(tables, core, name, options);
    else await fill(tables, core, name, options);
  } catch (error) {
    // Nobody must pay for keeping up what nobody can read.
    if (!tables.context.engine.isClosed && !core.isDropped) await remove(tables, core, name);
    throw error;
  }
  await tables.change((change) => {
    const { stored } = core.require();
    const indexes = stored.indexes.map((one) => ready(one, name));
    change.putTable(isVector ? withReadyVectors(stored, name) : withIndexes(stored, indexes));
  }, undefined);
  return name;
}

/** Notes the index and creates its tree. */
function begin(tables: Tables, core: TableCore, definition: IndexDefinition): Promise<string> {
  return tables.change((change) => {
    const { stored, path } = core.require();
    const { engine } = tables.context;
    const draft = draftOf(stored);
    const isVector = definition.kind === "vector";
    const index = isVector
      ? describeVectorIndex(definition, draft, () => 0, false)
      : describeIndex(definition, draft, 0, false);
    const all = [...stored.indexes, ...(stored.vectorIndexes ?? [])];
    const existing = all.find((one) => one.name === index.name);
    if (existing !== undefined) {
      const trees = isVector ? { tree: 0, ids: 0, pending: 0 } : { tree: 0 };
      const isSame = JSON.stringify({ ...existing, ...trees }) === JSON.stringify(index);
      if (isSame) return index.name;
      throw new CairnError(
        "index_already_exists",
        `Cannot create the index "${index.name}" of the table "${path.name}": it has one of this ` +
          "name. Use another name, or drop that one first.",
        { details: { table: path.name, index: index.name } },
      );
    }
    if ("ids" in index) {
      beginVectors(tables, change, core.require(), { definition, draft });
      return index.name;
    }
    const tree = engine.nextTreeId();
    const kind = index.kind === "hashed" && index.isUnique ? "hashed" : "ordered";
    const label = `${path.project}/${path.scope}/${path.name}/${index.name}`;
    change.createTree(tree, kind, "index", label);
    change.putTable(withIndexes(stored, [...stored.indexes, { ...index, tree }]));
    return index.name;
  }, undefined);
}

async function fill(
  tables: Tables,
  core: TableCore,
  name: string,
  { signal, onProgress }: LongOptions,
): Promise<void> {
  const { context } = tables;
  let from: Uint8Array | undefined;
  let done = 0;
  for (;;) {
    throwIfAborted(signal);
    const step = await context.commit(function* (effects): Steps<FillStep> {
      tables.adopt();
      const state = core.require();
      return yield* fillSome(tables, state, state.index(name), { effects, from, done });
    }, undefined);
    done += step.rows;
    const total = Math.max(done, context.engine.records(core.state.rows.id));
    onProgress?.({ phase: "index", done, total, unit: "records" });
    if (step.last === undefined) return;
    from = step.last;
  }
}

interface FillStep {
  readonly rows: number;
  /** The last row that was looked at; undefined at the end. */
  readonly last: Uint8Array | undefined;
}

interface FillFrom {
  readonly effects: EffectBuffer;
  readonly from: Uint8Array | undefined;
  /** Rows that were looked at before. */
  readonly done: number;
}

/** One commit: adds the entries of the next rows. */
function* fillSome(
  tables: Tables,
  state: TableState,
  index: TableIndex,
  { effects, from, done }: FillFrom,
): Steps<FillStep> {
  const { engine } = tables.context;
  const range = from === undefined ? {} : { low: from, lowExclusive: true };
  const columns = { keys: true, values: true, meta: true };
  const rows = yield* engine.scanSteps(state.rows.id, range, "newest", 0, rowsPerCommit, columns);
  const seen = new KeyBatch();
  const reader = new StateReader(engine, "newest");
  for (let row = 0; row < rows.count; row++) {
    const values = rows.decode(row, state.codec.decodeValues);
    if (!index.covers(values)) continue;
    const key = rows.key(row);
    const entry = index.entryKey(values, key).slice();
    if (!index.holdsKey(values)) {
      effects.put(index.tree.id, entry, noBytes);
      continue;
    }
    const isTwin = !seen.add(entry) || (yield* isOthers(reader, index, entry, key));
    if (isTwin) throw uniqueViolation(state, index.name, done + row + 1);
    effects.put(index.tree.id, entry, key);
  }
  const last = rows.more && rows.resume !== undefined ? rows.resume.slice() : undefined;
  return { rows: rows.count, last };
}

/** True when an entry belongs to another row: one that was written while the index was built. */
function* isOthers(
  reader: StateReader,
  index: TableIndex,
  entry: Uint8Array,
  key: Uint8Array,
): Steps<boolean> {
  const found = yield* reader.read(index.tree, entry, (memory, at, length) => {
    if (length !== key.length) return true;
    return key.some((byte, offset) => memory[at + offset] !== byte);
  });
  return found === true;
}

/** Drops an index. @throws CairnError `index_not_found`, `schema_invalid` where it is needed. */
export async function dropIndex(tables: Tables, core: TableCore, name: string): Promise<void> {
  await tables.change((change) => {
    const state = core.require();
    if (state.vectorIndexes.some((one) => one.name === name)) {
      change.putTable(withoutVectors(tables, change, state.stored, name));
      return;
    }
    const index = state.index(name);
    refuseNeeded(tables, state, name);
    const { stored } = state;
    change.dropTree(index.tree.id);
    change.putTable(
      withIndexes(
        stored,
        stored.indexes.filter((one) => one.name !== name),
      ),
    );
  }, undefined);
}

async function remove(tables: Tables, core: TableCore, name: string): Promise<void> {
  await tables.change((change) => {
    const { stored } = core.require();
    if (stored.vectorIndexes?.some((one) => one.name === name && !one.isReady) === true) {
      change.putTable(withoutVectors(tables, change, stored, name));
      return;
    }
    const index = stored.indexes.find((one) => one.name === name && !one.isReady);
    if (index === undefined) return;
    change.dropTree(index.tree);
    change.putTable(
      withIndexes(
        stored,
        stored.indexes.filter((one) => one !== index),
      ),
    );
  }, undefined);
}

/** Foreign keys find rows through indexes only. */
export function refuseNeeded(tables: Tables, state: TableState, name: string): void {
  const { stored } = state;
  const others = stored.indexes.filter((one) => one.name !== name && one.isReady);
  for (const { columns, name: needing } of foreignKeysOf(stored)) {
    if (others.some((one) => servesPrefix(one, columns))) continue;
    throw schemaInvalid(`the index "${name}" cannot go: the foreign key "${needing}" needs it`);
  }
  for (const { core, foreignKey } of tables.referrers(stored.tree)) {
    const { references } = foreignKey;
    const isOn = (ids: readonly number[]): boolean => ids.join() === references.join();
    if (isOn(stored.primaryKey)) continue;
    if (others.some((one) => one.isUnique && one.where === undefined && isOn(one.columns)))
      continue;
    throw schemaInvalid(
      `the index "${name}" cannot go: the table "${core.state.path.name}" refers to its columns`,
    );
  }
}

function withIndexes(stored: StoredTable, indexes: readonly StoredIndex[]): StoredTable {
  return { ...stored, version: stored.version + 1, indexes };
}

function ready(index: StoredIndex, name: string): StoredIndex {
  return index.name === name ? { ...index, isReady: true } : index;
}

/** The columns of a table, to declare something over them. */
export function draftOf({ columns }: StoredTable): Draft {
  const shapes = columns.map(({ type, dimensions, isNullable }): ColumnShape => {
    return {
      type,
      ...(dimensions === undefined ? {} : { dimensions }),
      isNullable,
      hasDefault: false,
      defaultValue: undefined,
      isPrimaryKey: false,
      isUnique: false,
      references: undefined,
    };
  });
  return new Draft(
    columns.map(({ name }) => name),
    shapes,
    columns.map(({ id }) => id),
  );
}
