/**
 * The vector indexes of tables. Each is one of `src/vector`, over the vectors of a column: ids are
 * the keys of rows. A row's vector lies in the row, and a second time in the index, whose graph
 * follows it.
 */
import type { EffectBuffer, Steps, Turn } from "../engine/index.ts";
import type { Context } from "../kv/index.ts";
import type { OverlayWrite, Tree } from "../transaction/index.ts";
import type { IndexCore, VectorIndexes } from "../vector/inside.ts";
import { compileExpression } from "./evaluate.ts";
import type { Expression } from "./expression.ts";
import { restoreExpression, type StoredVectorIndex } from "./record.ts";
import type { TableState } from "./state.ts";

interface Opened {
  readonly core: IndexCore;
  readonly tree: Tree;
}

/** One object per index, for all who use it; by the tree of its rows. */
export class TableVectors {
  readonly #context: Context;
  readonly #indexes: VectorIndexes;
  readonly #open: Map<number, Opened> = new Map();

  constructor(context: Context, indexes: VectorIndexes) {
    this.#context = context;
    this.#indexes = indexes;
  }

  /** Opens an index, which loads its graph. */
  open(stored: StoredVectorIndex, dimensions: number): Opened {
    let opened = this.#open.get(stored.tree);
    if (opened === undefined) {
      const { tree: rows, ids, pending, column: _column, where: _where, ...options } = stored;
      const { isReady: _isReady, ...described } = options;
      const core = this.#indexes.attach(
        { rows, ids, pending, fields: new Map() },
        { ...described, kind: "ordered", type: "vectors", id: "raw", fields: [], dimensions },
      );
      this.#wakeAfterWrites(core);
      opened = { core, tree: core.trees.tree };
      this.#open.set(rows, opened);
    }
    return opened;
  }

  /** Whoever writes, in whatever way: the index follows when readers see it. */
  #wakeAfterWrites({ trees, keeper }: IndexCore): void {
    const { pipeline } = this.#context.engine;
    const write = function* (
      effects: EffectBuffer,
      turn: Turn,
      writes: readonly OverlayWrite[],
    ): Steps<unknown> {
      const { applied } = turn;
      turn.applied = () => {
        applied?.();
        void pipeline.idle().then(() => keeper.wake());
      };
      return yield* trees.write(effects, turn, writes);
    };
    Object.assign(trees.tree, { write });
  }

  /** The trees of an index are gone. */
  forget(rows: number): void {
    this.#open.delete(rows);
    this.#indexes.forget(rows);
  }
}

/** A vector index as one state of its table has it. */
export class TableVectorIndex {
  readonly name: string;
  /** Position of its column. */
  readonly column: number;
  /** False while it is built: it is kept up, but must not be searched. */
  readonly isReady: boolean;
  /** Only rows for which it is true are in the index; undefined for all. */
  readonly where: Expression | undefined;
  readonly stored: StoredVectorIndex;
  readonly #dimensions: number;
  readonly #vectors: TableVectors;
  readonly #selects: ((values: readonly unknown[]) => unknown) | undefined;

  constructor(table: TableState, stored: StoredVectorIndex, vectors: TableVectors) {
    const { position, dimensions = 0 } = table.columnById(stored.column);
    this.name = stored.name;
    this.column = position;
    this.isReady = stored.isReady;
    this.stored = stored;
    this.where = stored.where === undefined ? undefined : restoreExpression(stored.where);
    this.#dimensions = dimensions;
    this.#vectors = vectors;
    this.#selects =
      this.where === undefined
        ? undefined
        : compileExpression(this.where, table.valuesSource).evaluate;
  }

  get core(): IndexCore {
    return this.#vectors.open(this.stored, this.#dimensions).core;
  }

  /** Where entries are put and deleted under the keys of their rows. */
  get tree(): Tree {
    return this.#vectors.open(this.stored, this.#dimensions).tree;
  }

  /** True when a row is in the index: its vector is not null. */
  covers(values: readonly unknown[]): boolean {
    if (values[this.column] === null) return false;
    return this.#selects === undefined || this.#selects(values) === true;
  }

  /** What is put under a row's key. @throws CairnError `vector_invalid`. */
  entry(values: readonly unknown[], key: Uint8Array): Uint8Array {
    return this.core.encode(key, values[this.column], undefined);
  }

  /** True when two rows have the same vector. */
  isSame(left: readonly unknown[], right: readonly unknown[]): boolean {
    const one = left[this.column] as Float32Array;
    const other = right[this.column] as Float32Array;
    return one === other || one.every((number, at) => number === other[at]);
  }
}
