/**
 * Creating and dropping vector indexes of a table that has rows, while it is used: as other indexes
 * (`build-index.ts`). Searches are answered from the moment all vectors are in; the graph follows.
 */
import type { LongOptions, Steps } from "../engine/index.ts";
import type { OverlayWrite } from "../transaction/index.ts";
import { throwIfAborted } from "../transaction/index.ts";
import { type CatalogueChange, type TableCore, type Tables, treesOfVectors } from "./catalogue.ts";
import { type Draft, describeVectorIndex, type IndexDefinition } from "./define.ts";
import type { StoredTable, StoredVectorIndex, TablePath } from "./record.ts";
import type { TableState } from "./state.ts";
import type { TableVectorIndex } from "./vectors.ts";

/** Fewer than of other entries: vectors are long. */
const rowsPerCommit = 256;

/** Creates the trees of a new index. */
export function createVectorTrees(
  change: CatalogueChange,
  path: TablePath,
  { name, tree, ids, pending }: StoredVectorIndex,
): void {
  const label = `${path.project}/${path.scope}/${path.name}/${name}`;
  change.createTree(tree, "ordered", "table-vectors", label);
  change.createTree(ids, "hashed", "table-vectors-ids", label);
  change.createTree(pending, "ordered", "table-vectors-pending", label);
}

/** Notes the index and creates its trees. */
export function beginVectors(
  tables: Tables,
  change: CatalogueChange,
  { stored, path }: TableState,
  { definition, draft }: { readonly definition: IndexDefinition; readonly draft: Draft },
): void {
  const takeTree = (): number => tables.context.engine.nextTreeId();
  const index = describeVectorIndex(definition, draft, takeTree, false);
  createVectorTrees(change, path, index);
  change.putTable(withVectors(stored, [...(stored.vectorIndexes ?? []), index]));
}

/** Adds the vectors of the rows that are there. */
export async function fillVectors(
  tables: Tables,
  core: TableCore,
  name: string,
  { signal, onProgress }: LongOptions,
): Promise<void> {
  const { context } = tables;
  let from: Uint8Array | undefined;
  let done = 0;
  do {
    throwIfAborted(signal);
    const step = await context.commit(function* (effects, turn): Steps<FillStep> {
      tables.adopt();
      const state = core.require();
      const index = state.vectorIndex(name);
      const next = yield* nextVectors(tables, state, index, from);
      if (next.writes.length > 0) yield* index.tree.write?.(effects, turn, next.writes) ?? [];
      return next;
    }, undefined);
    await core.require().vectorIndex(name).core.keeper.room();
    from = step.last;
    done += step.rows;
    const total = Math.max(done, context.engine.records(core.state.rows.id));
    onProgress?.({ phase: "index", done, total, unit: "records" });
  } while (from !== undefined);
}

interface FillStep {
  readonly rows: number;
  /** The last row that was looked at; undefined at the end. */
  readonly last: Uint8Array | undefined;
}

/** The vectors of the next rows that no write has put since the index is there. */
function* nextVectors(
  tables: Tables,
  state: TableState,
  index: TableVectorIndex,
  from: Uint8Array | undefined,
): Steps<FillStep & { readonly writes: readonly OverlayWrite[] }> {
  const { engine } = tables.context;
  const range = from === undefined ? {} : { low: from, lowExclusive: true };
  const columns = { keys: true, values: true, meta: true };
  const rows = yield* engine.scanSteps(state.rows.id, range, "newest", 0, rowsPerCommit, columns);
  const keys: Uint8Array[] = [];
  const values: unknown[][] = [];
  for (let row = 0; row < rows.count; row++) {
    const found = rows.decode(row, state.codec.decodeValues);
    if (!index.covers(found)) continue;
    keys.push(rows.key(row).slice());
    values.push(found);
  }
  const isThere = (): true => true;
  const known = yield* engine.readManySteps(index.stored.ids, keys, "newest", 0, isThere);
  const writes: OverlayWrite[] = [];
  for (const [at, key] of keys.entries()) {
    if (known[at] === undefined) writes.push({ key, value: index.entry(values[at], key) });
  }
  const last = rows.more && rows.resume !== undefined ? rows.resume.slice() : undefined;
  return { rows: rows.count, last, writes };
}

/** The table with an index that can be searched. */
export function withReadyVectors(stored: StoredTable, name: string): StoredTable {
  const indexes = stored.vectorIndexes ?? [];
  return withVectors(
    stored,
    indexes.map((one) => (one.name === name ? { ...one, isReady: true } : one)),
  );
}

/** Drops the trees of an index: the table without it. */
export function withoutVectors(
  tables: Tables,
  change: CatalogueChange,
  stored: StoredTable,
  name: string,
): StoredTable {
  const indexes = stored.vectorIndexes ?? [];
  for (const index of indexes) {
    if (index.name !== name) continue;
    for (const tree of treesOfVectors(index)) change.dropTree(tree);
    change.afterwards(() => tables.vectors.forget(index.tree));
  }
  return withVectors(
    stored,
    indexes.filter((one) => one.name !== name),
  );
}

function withVectors(stored: StoredTable, indexes: readonly StoredVectorIndex[]): StoredTable {
  const { vectorIndexes: _before, ...rest } = stored;
  const version = stored.version + 1;
  return { ...rest, version, ...(indexes.length === 0 ? {} : { vectorIndexes: indexes }) };
}
