/**
 * The tables, scopes and projects of an open database.
 *
 * Their records lie in one ordered tree ("internal: tables") under text keys `project/P`,
 * `scope/P/S` and `table/P/S/T`; a change of them is puts in there, plus the creation and dropping
 * of trees, in one commit. What writers go by changes at that commit's turn: what it has changed is
 * pending, and is adopted by the first commit behind it, once it is in the trees. A commit that has
 * failed while it was applied never is, whoever comes next.
 */

import { requireReadable } from "../engine/format-version.ts";
import {
  type Decode,
  type EffectBuffer,
  runAsync,
  type Snapshot,
  type Steps,
  type TreeInfo,
  type Turn,
} from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import type { Context, WriteOptions } from "../kv/index.ts";
import { type Tree, TreeRows } from "../transaction/index.ts";
import type { VectorIndexes } from "../vector/inside.ts";
import {
  decodeRecord,
  encodeRecord,
  type StoredIndex,
  type StoredTable,
  type StoredVectorIndex,
  type TablePath,
} from "./record.ts";
import { type TableForeignKey, TableState, type TreeOf } from "./state.ts";
import { TableVectors } from "./vectors.ts";

const descriptor = { kind: "ordered", type: "internal", name: "internal: tables" } as const;
/** The newest format of records that can be read. */
const tableFormat = 1;
const rowsPerBatch = 1_024;
const textEncoder = new TextEncoder();
const empty = new Uint8Array(0);
const none: readonly Referrer[] = [];

/** A table of an open database: one object for all handles of it. */
export class TableCore {
  isDropped = false;
  #state: TableState;
  readonly #treeOf: TreeOf;
  readonly #vectors: TableVectors;
  /**
   * The commits that made indexes ready, by their trees; for those of earlier openings the commit
   * with which this one began.
   */
  readonly #readySince: Map<number, number> = new Map();
  #readySinceMost = 0;
  /** The state without some indexes, for reads of a time when they were not whole. */
  #earlier:
    | { readonly of: TableState; readonly key: string; readonly state: TableState }
    | undefined;

  constructor(state: TableState, treeOf: TreeOf, vectors: TableVectors, seq: number) {
    this.#state = state;
    this.#treeOf = treeOf;
    this.#vectors = vectors;
    for (const index of indexesOf(state)) if (index.isReady) this.#setReady(index.tree, seq);
  }

  get state(): TableState {
    return this.#state;
  }

  /** Takes the state that a commit has made. */
  change(state: TableState, seq: number): void {
    const before = indexesOf(this.#state);
    for (const { isReady, tree } of indexesOf(state)) {
      const wasReady = before.some((index) => index.tree === tree && index.isReady);
      if (isReady && !wasReady) this.#setReady(tree, seq);
    }
    this.#state = state;
  }

  #setReady(tree: number, seq: number): void {
    this.#readySince.set(tree, seq);
    this.#readySinceMost = Math.max(this.#readySinceMost, seq);
  }

  /**
   * What the table is now, for reads of a snapshot: an index that was not whole then is not ready.
   * @throws CairnError `table_dropped`.
   */
  requireAt(snapshot: Snapshot | undefined): TableState {
    const state = this.require();
    if (snapshot === undefined || Number(snapshot.seq) >= this.#readySinceMost) return state;
    const isLater = ({ tree }: { readonly tree: number }): boolean =>
      (this.#readySince.get(tree) ?? 0) > Number(snapshot.seq);
    const later = indexesOf(state).filter(isLater);
    if (later.length === 0) return state;
    const key = later.map(({ tree }) => tree).join();
    if (this.#earlier?.of === state && this.#earlier.key === key) return this.#earlier.state;
    const { indexes, vectorIndexes = [], ...rest } = state.stored;
    const unready = <I extends { readonly tree: number }>(index: I): I =>
      isLater(index) ? { ...index, isReady: false } : index;
    const stored = {
      ...rest,
      indexes: indexes.map(unready),
      vectorIndexes: vectorIndexes.map(unready),
    };
    const earlier = new TableState(stored, this.#treeOf, this.#vectors);
    this.#earlier = { of: state, key, state: earlier };
    return earlier;
  }

  /** What the table is now. @throws CairnError `table_dropped`. */
  require(): TableState {
    if (!this.isDropped) return this.state;
    throw new CairnError(
      "table_dropped",
      `Cannot use the table "${this.state.path.name}": it was dropped. Open it again by its name.`,
      { details: { table: this.state.path.name } },
    );
  }
}

function indexesOf({ stored }: TableState): readonly (StoredIndex | StoredVectorIndex)[] {
  return [...stored.indexes, ...(stored.vectorIndexes ?? [])];
}

/** A foreign key as the table that it refers to sees it. */
export interface Referrer {
  readonly core: TableCore;
  readonly foreignKey: TableForeignKey;
}

/** What a change of the catalogue can do, at its commit's turn. */
export interface CatalogueChange {
  readonly effects: EffectBuffer;
  readonly turn: Turn;
  createTree(id: number, kind: "ordered" | "hashed", type: string, name: string): void;
  dropTree(id: number): void;
  putTable(stored: StoredTable): void;
  dropTable(core: TableCore): void;
  putName(key: string): void;
  dropName(key: string): void;
  /** Runs when the commit has been made. */
  afterwards(run: () => void): void;
}

interface Pending {
  /** The commit is in the trees. */
  isApplied: boolean;
  readonly adopt: () => void;
}

export class Tables {
  readonly context: Context;
  readonly vectors: TableVectors;
  readonly #cores: Map<string, TableCore> = new Map();
  readonly #byTree: Map<number, TableCore> = new Map();
  /** `project/P` and `scope/P/S`. */
  readonly #names: Set<string> = new Set();
  readonly #trees: Map<number, Tree> = new Map();
  #referrers: Map<number, Referrer[]> = new Map();
  #pending: Pending | undefined;
  #isLoaded = false;
  /** The catalogue changes one commit after the other. */
  #changes: Promise<unknown> = Promise.resolve();

  constructor(context: Context, vectors: VectorIndexes) {
    this.context = context;
    this.vectors = new TableVectors(context, vectors);
  }

  /** Reads the catalogue, once. */
  async load(): Promise<void> {
    if (this.#isLoaded) return;
    await this.#queue(() => runAsync(this.#loadSteps()));
  }

  *#loadSteps(): Steps<void> {
    const tree = this.#catalogueTree();
    if (this.#isLoaded) return;
    if (tree !== undefined) {
      const pinned = this.context.pin();
      try {
        const state = { at: pinned, now: 0 };
        const columns = { values: true, meta: true };
        const rows = new TreeRows(this.context.engine, tree, {}, state, columns);
        for (;;) {
          const batch = yield* rows.next(rowsPerBatch);
          if (batch === undefined) break;
          for (let row = 0; row < batch.count; row++) {
            const key = batch.keyText(row);
            if (key.startsWith("table/")) {
              this.#adoptTable(batch.decode(row, decodeTable), Number(pinned.seq));
            } else this.#names.add(key);
          }
        }
      } finally {
        pinned.release();
      }
    }
    this.#indexReferrers();
    this.#isLoaded = true;
  }

  // ---- finding

  get(path: TablePath): TableCore | undefined {
    return this.#cores.get(tableKey(path));
  }

  /** The table of a rows tree. */
  byTree(tree: number): TableCore | undefined {
    return this.#byTree.get(tree);
  }

  /** The foreign keys that refer to a table. */
  referrers(tree: number): readonly Referrer[] {
    return this.#referrers.get(tree) ?? none;
  }

  /** All tables of all scopes. */
  all(): TableCore[] {
    return [...this.#cores.values()];
  }

  /** Opens all vector indexes: what is deleted must also go from the images of unused ones. */
  openVectors(): void {
    for (const { state } of this.#cores.values()) {
      for (const index of state.vectorIndexes) index.core.keeper.wake();
    }
  }

  /** The tables of a scope, by name. */
  list(project: string, scope: string): TableCore[] {
    const found = [...this.#cores.values()].filter(
      ({ state }) => state.path.project === project && state.path.scope === scope,
    );
    return found.sort((left, right) => (left.state.path.name < right.state.path.name ? -1 : 1));
  }

  /** The tables of a project, in all its scopes. */
  listProject(project: string): TableCore[] {
    return [...this.#cores.values()].filter(({ state }) => state.path.project === project);
  }

  hasName(key: string): boolean {
    return this.#names.has(key);
  }

  /** The names behind `prefix` that have no slash. */
  names(prefix: string): string[] {
    return [...this.#names]
      .filter((key) => key.startsWith(prefix) && !key.slice(prefix.length).includes("/"))
      .map((key) => key.slice(prefix.length))
      .sort();
  }

  /** The tree that catalogue records lie in, and the key of a table's record. */
  recordOf(core: TableCore): { tree: Tree; key: string } {
    return { tree: this.#catalogueTree() as Tree, key: tableKey(core.state.path) };
  }

  // ---- changing

  /** Adopts what earlier commits have changed; called first thing in every commit's turn. */
  adopt(): void {
    const pending = this.#pending;
    if (pending?.isApplied !== true) return;
    this.#pending = undefined;
    pending.adopt();
  }

  /** Runs one change of the catalogue after those before it, in a commit of its own. */
  change<R>(decide: (change: CatalogueChange) => R, options: WriteOptions | undefined): Promise<R> {
    const tables = this;
    return this.#queue(async () => {
      await runAsync(this.#loadSteps());
      try {
        const result = await this.context.commit(function* (effects, turn): Steps<R> {
          tables.adopt();
          return yield* tables.#decide(effects, turn, decide);
        }, options);
        this.adopt();
        return result;
      } finally {
        this.#pending = undefined;
      }
    });
  }

  *#decide<R>(effects: EffectBuffer, turn: Turn, decide: (change: CatalogueChange) => R): Steps<R> {
    const { engine } = this.context;
    const after: (() => void)[] = [];
    let catalogue = this.#catalogueTree()?.id;
    if (catalogue === undefined) {
      catalogue = engine.nextTreeId();
      effects.createTree(catalogue, textEncoder.encode(JSON.stringify(descriptor)));
    }
    const id = catalogue;
    const result = decide({
      effects,
      turn,
      createTree: (tree, kind, type, name) => {
        effects.createTree(tree, encodeRecord({ kind, type, name }));
      },
      dropTree: (tree) => effects.dropTree(tree),
      putTable: (stored) => {
        const { pending: _pending, ...record } = stored;
        effects.put(id, tableKey(stored), encodeRecord(record));
        // Made here, so that a fault in it ends the commit.
        const state = new TableState(stored, this.treeOf, this.vectors);
        after.push(() => this.#setState(state, turn.seq));
      },
      dropTable: (core) => {
        effects.delete(id, tableKey(core.state.path));
        for (const tree of treesOf(core.state)) effects.dropTree(tree);
        after.push(() => this.#forget(core));
      },
      putName: (key) => {
        if (this.#names.has(key)) return;
        effects.put(id, key, empty);
        after.push(() => this.#names.add(key));
      },
      dropName: (key) => {
        effects.delete(id, key);
        after.push(() => this.#names.delete(key));
      },
      afterwards: (run) => after.push(run),
    });
    const pending: Pending = {
      isApplied: false,
      adopt: () => {
        for (const one of after) one();
        this.#indexReferrers();
      },
    };
    this.#pending = pending;
    turn.applied = () => {
      pending.isApplied = true;
    };
    return result;
  }

  #queue<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#changes.then(run);
    this.#changes = result.catch(() => undefined);
    return result;
  }

  #adoptTable(stored: StoredTable, seq: number): void {
    this.#setState(new TableState(stored, this.treeOf, this.vectors), seq);
  }

  #setState(state: TableState, seq: number): void {
    const core = this.#byTree.get(state.rows.id);
    if (core === undefined) {
      const created = new TableCore(state, this.treeOf, this.vectors, seq);
      this.#cores.set(tableKey(state.path), created);
      this.#byTree.set(state.rows.id, created);
    } else core.change(state, seq);
  }

  #forget(core: TableCore): void {
    core.isDropped = true;
    for (const tree of treesOf(core.state)) {
      const known = this.#trees.get(tree);
      if (known !== undefined) known.isDropped = true;
      this.#trees.delete(tree);
    }
    for (const { stored } of core.state.vectorIndexes) this.vectors.forget(stored.tree);
    this.#cores.delete(tableKey(core.state.path));
    this.#byTree.delete(core.state.rows.id);
  }

  #indexReferrers(): void {
    this.#referrers = new Map();
    for (const core of this.#cores.values()) {
      for (const foreignKey of core.state.foreignKeys) {
        const list = this.#referrers.get(foreignKey.table);
        if (list === undefined) this.#referrers.set(foreignKey.table, [{ core, foreignKey }]);
        else list.push({ core, foreignKey });
      }
    }
  }

  // ---- trees

  /** The tree of an id; one object for all. */
  readonly treeOf = (id: number, kind: "ordered" | "hashed", isText: boolean = false): Tree => {
    let tree = this.#trees.get(id);
    if (tree === undefined) {
      tree = { id, kind, isText, expires: false, isDropped: false };
      this.#trees.set(id, tree);
    }
    return tree;
  };

  #catalogueTree(): Tree | undefined {
    for (const info of this.context.engine.trees()) {
      if (isCatalogue(info)) return this.treeOf(info.id, "ordered", true);
    }
    return undefined;
  }
}

const decodeTable: Decode<StoredTable> = (memory, at, length) => {
  const stored: StoredTable = decodeRecord(memory, at, length);
  requireReadable("the record of a table", stored.format, tableFormat);
  return stored;
};

function isCatalogue({ descriptor: found }: TreeInfo): boolean {
  return found.type === descriptor.type && found.name === descriptor.name;
}

function treesOf({ stored }: TableState): number[] {
  return [
    stored.tree,
    ...stored.indexes.map(({ tree }) => tree),
    ...(stored.vectorIndexes ?? []).flatMap(treesOfVectors),
  ];
}

/** The trees of a vector index. */
export function treesOfVectors({ tree, ids, pending }: StoredVectorIndex): number[] {
  return [tree, ids, pending];
}

function tableKey({ project, scope, name }: TablePath): string {
  return `table/${project}/${scope}/${name}`;
}
