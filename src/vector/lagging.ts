/**
 * A graph and how far it follows the rows. It lags: rows are the truth, and what the graph does not
 * have yet is looked at in the rows.
 */
import type { VectorSearchOptions } from "../../bindings/vector.ts";
import type { At, Steps } from "../engine/index.ts";
import type { Deaths } from "./deaths.ts";
import type { Graph } from "./keeper.ts";
import type { LabelSet } from "./label-set.ts";
import type { VectorTrees } from "./trees.ts";

/** Components outside of what codes can say, as a share, before codes are trained anew. */
const clippedShareMax = 0.01;
/** Rows appended in one go. */
const rowsPerBatch = 512;
/** When an eighth of the nodes is new, some may have pushed others out of all paths. */
const auditShare = 8;

/** A graph has failed, or is full: nobody can rely on it any more. */
export class GraphFailure extends Error {
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function guarded<T>(run: () => T): T {
  try {
    return run();
  } catch (cause) {
    throw new GraphFailure(cause);
  }
}

/** Where a graph begins. */
export interface LaggingState {
  readonly born: number;
  readonly killed: number;
  readonly trained: number;
  readonly target?: number;
}

export class Lagging {
  readonly graph: Graph;
  /** Labels below it are in the graph, unless they had died when their turn came. */
  born: number;
  /** Deaths up to this commit are marked in the graph. */
  killed: number;
  /** Vectors there were when the codes were trained. */
  readonly trained: number;
  /** Labels below it were there before; writers wait only for what comes after them. */
  readonly target: number;
  /** Appended and not linked yet. */
  unlinked = 0;
  /** Vectors that were marked dead since the last purge. */
  dead = 0;
  /** Appended, linked, killed and purged since the last image. */
  changes = 0;
  /** An image is being written: the graph must not change. */
  isFrozen = false;
  /** Linked since all nodes were last known to be reachable. */
  #unaudited = 0;
  #purge: number | undefined;
  #filter: LabelSet | undefined;

  constructor(graph: Graph, state: LaggingState) {
    this.graph = graph;
    this.born = state.born;
    this.killed = state.killed;
    this.trained = state.trained;
    this.target = state.target ?? state.born;
    const { unlinked, dead } = graph.stats();
    this.unlinked = unlinked;
    this.dead = dead;
  }

  /** Vectors that were put since it began, and are not linked. */
  backlog(next: number): number {
    const behind = Math.max(0, next - Math.max(this.born, this.target));
    return this.born >= this.target ? behind + this.unlinked : behind;
  }

  /** The codes were trained with vectors that those of today have outgrown. */
  isOutgrown(count: number): boolean {
    return count >= 2 * this.trained && this.graph.stats().clippedShare > clippedShareMax;
  }

  /** Marks what has died. */
  kill(deaths: Deaths, known: number): void {
    if (this.isFrozen || this.killed >= known) return;
    guarded(() => {
      for (const { label, seq } of deaths.after(this.killed)) this.#kill(label, seq);
    });
    this.killed = known;
  }

  #kill(label: number, seq: number): void {
    if (!this.graph.kill(label, seq)) return;
    this.dead++;
    this.changes++;
  }

  /**
   * Appends rows below `next`, as they are at `at`, the commit `seq`: at most about so many. True
   * when there are no more.
   */
  *bring(
    trees: VectorTrees,
    deaths: Deaths,
    state: { readonly at: At; readonly seq: number; readonly next: number },
    rowsMax: number,
  ): Steps<boolean> {
    let left = rowsMax;
    while (this.born < state.next) {
      if (left <= 0 || this.isFrozen) return false;
      const rows = Math.min(rowsPerBatch, left);
      left -= rows;
      const from = this.born;
      const batch = new Batch(this.graph.options.dimensions, rows);
      const to = yield* trees.rowsFrom(
        from,
        state.next,
        state.at,
        rows,
        (label, memory, at, _length, seq) => {
          trees.decoder.copyVector(memory, at, batch.bytes, batch.count);
          batch.add(label, seq);
        },
      );
      // Somebody else may have appended them while the storage was read.
      if (this.born !== from || this.isFrozen) continue;
      guarded(() => {
        this.#append(batch, to);
        // They may have died after the state that they were read from.
        for (const { label, seq } of deaths.after(state.seq)) {
          if (label >= from && label < to && seq <= this.killed) this.#kill(label, seq);
        }
      });
    }
    return true;
  }

  #append(batch: Batch, to: number): void {
    const { count } = batch;
    if (count > 0) {
      const { dimensions } = this.graph.options;
      this.graph.appendMany(
        batch.labels.subarray(0, count),
        batch.seqs.subarray(0, count),
        batch.vectors.subarray(0, count * dimensions),
      );
    }
    this.unlinked += count;
    this.changes += count;
    this.born = to;
  }

  /**
   * Links appended vectors, and after many of them looks for nodes that no path leads to any more;
   * true when none is left.
   */
  link(budget: number): boolean {
    if (this.isFrozen) return true;
    if (this.unlinked > 0) {
      const left = guarded(() => this.graph.link(budget));
      const linked = Math.max(0, this.unlinked - left);
      this.changes += linked;
      this.#unaudited += linked;
      this.unlinked = left;
      if (left > 0) return false;
    }
    if (this.#unaudited * auditShare < this.graph.stats().nodes) return true;
    if (!guarded(() => this.graph.audit(budget))) return false;
    this.#unaudited = 0;
    return true;
  }

  /** Searches among labels of a set, or all; how many results the graph has then. */
  search(query: Float32Array, labels: LabelSet | undefined, options: VectorSearchOptions): number {
    return guarded(() => {
      this.#restrict(labels);
      return this.graph.search(query, options);
    });
  }

  /** A part of an exact search: as `VectorGraph.searchSlots`. */
  searchSlots(
    query: Float32Array,
    labels: LabelSet | undefined,
    options: Pick<VectorSearchOptions, "k" | "atSeq">,
    first: number,
    end: number,
  ): number {
    return guarded(() => {
      this.#restrict(labels);
      return this.graph.searchSlots(query, options, first, end);
    });
  }

  /** The same set is copied only once. */
  #restrict(labels: LabelSet | undefined): void {
    if (labels === undefined && this.#filter !== undefined) this.graph.clearFilter();
    else if (labels !== undefined && labels !== this.#filter) this.graph.setFilter(labels.words);
    this.#filter = labels;
  }

  /** Removes what died at or before `seq`, and repairs the graph around it; true when done. */
  purge(seq: number, budget: number): boolean {
    if (this.isFrozen) return true;
    const through = this.#purge ?? seq;
    this.#purge = through;
    if (!guarded(() => this.graph.purge(through, budget))) return false;
    const before = this.dead;
    this.dead = this.graph.stats().dead;
    this.changes += Math.max(0, before - this.dead);
    this.#purge = undefined;
    return true;
  }

  get isPurging(): boolean {
    return this.#purge !== undefined;
  }
}

class Batch {
  readonly labels: Uint32Array;
  readonly seqs: Float64Array;
  readonly vectors: Float32Array;
  readonly bytes: Uint8Array;
  count = 0;

  constructor(dimensions: number, rows: number) {
    this.labels = new Uint32Array(rows);
    this.seqs = new Float64Array(rows);
    this.vectors = new Float32Array(rows * dimensions);
    this.bytes = new Uint8Array(this.vectors.buffer);
  }

  add(label: number, seq: number): void {
    this.labels[this.count] = label;
    this.seqs[this.count] = seq;
    this.count++;
  }
}
