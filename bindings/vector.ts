/**
 * One vector index: a navigable graph in a Wasm instance and a memory of its own, so that a damaged
 * link cannot reach anything else, and dropping the index gives its memory back.
 *
 * The graph knows vectors by `label`, a number that the caller gives out and never gives out again:
 * a changed vector is the old label killed and a new one appended. It knows no ids, no metadata
 * and no transactions; a node carries the seq at which it was `born` and the one at which it
 * `died`, and a search sees the nodes with `born <= atSeq < died`.
 *
 * A vector enters in two steps. `append` stores it, in microseconds: from then on every search
 * finds it, by a scan. `link` takes appended vectors into the graph, in order, in slices of a
 * budget. So a commit is visible at once and the work of linking is done later.
 *
 * Everything that takes long works in slices and says whether it is done. Nothing here awaits.
 */

import { CairnError } from "../src/errors.ts";
import { loadVector } from "./load-vector.ts";
import {
  check,
  completeOptions,
  failure,
  instantiate,
  strategies,
  type VectorCore,
} from "./vector-core.ts";
import { boundsOf } from "./vector-training.ts";

export type VectorMetric = "l2" | "cosine" | "ip" | "hamming";
export type VectorPrecision = "int8" | "f32" | "binary";

/** What decides the shape of a graph; it is kept in its image. */
export interface VectorGraphOptions {
  /** Components of a vector: 1 to 4,096. */
  readonly dimensions: number;
  /** `hamming` compares signs (bit i is `vector[i] > 0`) and goes with `binary` only. */
  readonly metric: VectorMetric;
  /** What is walked: 7-bit integers, the vectors themselves, or signs. Default `int8`. */
  readonly precision?: VectorPrecision;
  /** Links of a node (M; twice as many on the lowest level): 4 to 64. Default 16. */
  readonly connections?: number;
  /** Candidates that are looked at when a node is linked: 8 to 4,096. Default 100. */
  readonly efConstruction?: number;
  /**
   * Keep the f32 vectors in memory, so that results are ranked by exact distances. Otherwise
   * results are ranked by codes, and the caller asks for more of them and ranks again by `measure`.
   * Default true; `f32` keeps them always, `hamming` never needs them.
   */
  readonly keepVectors?: boolean;
  /** Decides the levels of nodes. Same seed and same calls, same bytes. Default 0. */
  readonly seed?: number;
}

/**
 * How a search proceeds. With a filter set (`setFilter`) only the labels in it are results.
 *
 * - `walk`: the plain walk, results filtered. For filters that let most through, and without one.
 * - `hop`: the walk computes distances only for nodes that pass, and reaches them through those
 *   that do not (two hops). For filters that let some 2 to 40 % through.
 * - `scan`: the codes of all labels of the filter (or of all nodes) are compared, then ranked like
 *   the results of a walk. For narrow filters and small graphs.
 * - `exact`: the same over f32 vectors: the truth. Needs `keepVectors` (or `hamming`).
 *
 * `walk` and `hop` end with a scan when they found fewer than k and there may be more, so that
 * the answer always has min(k, matches) rows.
 */
export type VectorStrategy = "walk" | "hop" | "scan" | "exact";

/** Most results of one search, and the largest ef. */
export const VECTOR_RESULTS_MAX = 16_384;
/** Most components of a vector. */
export const VECTOR_DIMENSIONS_MAX = 4_096;

/** Counts of a graph; bytes are those of its Wasm memory. */
export interface VectorGraphStats {
  /** Nodes that hold a vector: linked, unlinked and dead ones. */
  readonly nodes: number;
  /** Nodes that `kill` marked and `purge` has not removed yet. */
  readonly dead: number;
  /** Nodes that were appended and not linked yet. */
  readonly unlinked: number;
  /** Slots without a node, used again by the next appends. */
  readonly free: number;
  /** Highest level of a node; 0 when there is only the lowest. */
  readonly levelMax: number;
  /** All of the instance's memory. */
  readonly memoryBytes: number;
  /** What one vector takes: links, codes, seqs, vector if kept. */
  readonly bytesPerNode: number;
  /** Size of an image that would be written now. */
  readonly imageBytes: number;
  /** Components that lay outside the trained bounds, as a share of all that were encoded. */
  readonly clippedShare: number;
  /** Distances computed since the instance began, of codes. */
  readonly distances: number;
}

/** What `check` found. All zero when the graph is sound. */
export interface VectorGraphCheck {
  /** Linked nodes that no path from the entry point reaches. */
  readonly unreachable: number;
  /** Links that lead to no node, to their own node, or twice to the same one. */
  readonly badLinks: number;
  /** Nodes whose counted in-links differ from the links that lead to them. */
  readonly badCounts: number;
}

export interface VectorSearchOptions {
  /** Results wanted, 1 to `VECTOR_RESULTS_MAX`. */
  readonly k: number;
  /** Candidates kept while walking, at least k. More find more, in more time. */
  readonly ef: number;
  /** Nodes born after it or dead at it are not seen. Default: everything that is alive. */
  readonly atSeq?: number;
  /** Default `walk`. */
  readonly strategy?: VectorStrategy;
}

/**
 * Reads an image from first to last byte: `write` in slices of any size, then `verify` until it
 * answers true; then `graph` is ready. Whatever the bytes are, nothing worse happens than a
 * `corruption`.
 */
export interface VectorImageReader {
  /** Takes the next bytes. They are copied. */
  write(bytes: Uint8Array): void;
  /** Checks `budget` nodes; true when all are checked and the graph may be used. */
  verify(budget: number): boolean;
  readonly graph: VectorGraph;
}

/**
 * An image being written. The graph may be searched meanwhile; changing it throws until the last
 * byte was read or `close` was called.
 */
export interface VectorImageWriter {
  /** Bytes of the whole image. */
  readonly bytes: number;
  /**
   * The next bytes, at most `bytesMax` or 32 KiB; none while nodes are still put in order;
   * `undefined` after the last. A view of the instance's memory that the next call of anything
   * overwrites: copy or write it out at once.
   */
  read(bytesMax: number): Uint8Array | undefined;
  /** Ends early. */
  close(): void;
}

/**
 * Distances, lower is nearer: `l2` squared Euclidean; `cosine` 1 - cosine, 0 to 2; `ip` minus the
 * inner product; `hamming` the number of bits that differ. Where results are ranked by codes,
 * they are approximations on the same scale, except for `binary`, where they count bits.
 *
 * Vectors are checked by the caller: right length, finite, and not zero under `cosine`.
 * Seqs are whole numbers from 0 to 2^53 - 1.
 */
export class VectorGraph {
  readonly options: Required<VectorGraphOptions>;
  readonly #core: VectorCore;
  #buffer: ArrayBufferLike;
  #input: Float32Array;
  #labels: Uint32Array = new Uint32Array(0);
  #distances: Float32Array = new Float32Array(0);

  constructor(options: VectorGraphOptions) {
    this.options = completeOptions(options);
    this.#core = instantiate(loadVector(), this.options);
    this.#buffer = this.#core.memory.buffer;
    this.#input = this.#floats(this.#core.inputAddress(), this.options.dimensions);
  }

  /** Begins to load an image; `expected` must be the options it was made with. */
  static read(expected: VectorGraphOptions): VectorImageReader {
    const graph = new VectorGraph(expected);
    const core = graph.#core;
    let isReady = false;
    return {
      write(bytes: Uint8Array): void {
        const address = core.partAddress() >>> 0;
        if (address === 0) check("read an image", failure.outOfMemory);
        const most = core.partBytes();
        for (let begin = 0; begin < bytes.length; begin += most) {
          const part = bytes.subarray(begin, begin + most);
          new Uint8Array(core.memory.buffer, address, part.length).set(part);
          check("read an image", core.readPart(part.length));
        }
      },
      verify(budget: number): boolean {
        isReady = check("read an image", core.verify(budget)) === 1;
        return isReady;
      },
      get graph(): VectorGraph {
        if (!isReady) check("use an image", failure.imageInvalid);
        return graph;
      },
    };
  }

  /**
   * Begins to write an image: compact, its nodes in an order that makes walks fast. Not while a
   * purge is under way.
   */
  write(): VectorImageWriter {
    const core = this.#core;
    check("write an image", core.openImage());
    let isOpen = true;
    return {
      bytes: core.imageSize(),
      read(bytesMax: number): Uint8Array | undefined {
        const count = isOpen ? core.writeSlice(bytesMax) : -1;
        if (count < 0) isOpen = false;
        else return new Uint8Array(core.memory.buffer, core.sliceAddress() >>> 0, count);
      },
      close(): void {
        if (isOpen) core.closeImage();
        isOpen = false;
      },
    };
  }

  /** False until `train` where it is needed (`int8`); nothing can be appended before. */
  get isTrained(): boolean {
    return this.options.precision !== "int8" || this.#core.hasTraining() !== 0;
  }

  /** Learns the bounds of the codes from a sample: whole vectors, one after the other. 1,000 do. */
  train(vectors: Float32Array): void {
    const { low, scale, means } = boundsOf(vectors, this.options);
    this.#floats(this.#core.meansAddress(), means.length).set(means);
    check("train", this.#core.train(low, scale));
  }

  /** Stores a vector; it is found at once, by scan, and linked later. */
  append(label: number, seq: number, vector: Float32Array): void {
    this.#put(vector);
    check("append a vector", this.#core.append(label, seq));
  }

  /** `append` for many: `vectors` holds one after the other, `seqs` one for each label. */
  appendMany(labels: Uint32Array, seqs: Float64Array, vectors: Float32Array): void {
    const { dimensions } = this.options;
    for (let index = 0; index < labels.length; index++) {
      const begin = index * dimensions;
      this.append(labels[index], seqs[index], vectors.subarray(begin, begin + dimensions));
    }
  }

  /** Links appended vectors until `budget` distances were computed; answers how many are left. */
  link(budget: number): number {
    return check("link vectors", this.#core.link(budget));
  }

  /** `append`, and `link` until none is left. */
  insert(label: number, seq: number, vector: Float32Array): void {
    this.append(label, seq, vector);
    this.link(Number.MAX_SAFE_INTEGER);
  }

  /** Whether there is a node of that label, dead or alive. */
  has(label: number): boolean {
    return this.#core.has(label) !== 0;
  }

  /** The stored f32 vector (under `cosine` normalised); undefined when unknown or not kept. */
  vector(label: number): Float32Array | undefined {
    const { keepVectors, precision, dimensions } = this.options;
    if (!keepVectors && precision !== "f32") return undefined;
    const address = this.#core.vectorAddress(label) >>> 0;
    return address === 0 ? undefined : this.#floats(address, dimensions).slice();
  }

  /** Marks the node dead from `seq` on. False when there is no such node. */
  kill(label: number, seq: number): boolean {
    const result = this.#core.kill(label, seq);
    if (result === failure.labelUnknown) return false;
    check("kill a vector", result);
    return true;
  }

  /**
   * Removes the nodes that died at or before `seq` and repairs the links around them, in slices of
   * `budget` nodes looked at; true when done. While it is under way, `append`, `search` and `kill`
   * work; `link` finishes it first. The seq of the first slice counts until it is done.
   */
  purge(seq: number, budget: number): boolean {
    return check("purge vectors", this.#core.purge(seq, budget)) === 1;
  }

  /**
   * Links nodes that no path from the entry point reaches, in slices of `budget` nodes looked at;
   * true when done. `purge` and `write` do it too. A call of `link` or `purge` in between ends it.
   */
  audit(budget: number): boolean {
    return check("audit a graph", this.#core.audit(budget)) === 1;
  }

  /**
   * Restricts searches to labels whose bit is set: bit `label & 31` of word `label >>> 5`; labels
   * beyond the bitmap are not in it. It is copied, and holds until `clearFilter`. Answers how many
   * bits are set.
   */
  setFilter(bitmap: Uint32Array): number {
    check("set a filter", this.#core.reserveFilter(bitmap.length));
    const { buffer } = this.#core.memory;
    new Uint32Array(buffer, this.#core.filterAddress() >>> 0, bitmap.length).set(bitmap);
    return this.#core.useFilter() >>> 0;
  }

  /** Ends what `setFilter` began. */
  clearFilter(): void {
    this.#core.clearFilter();
  }

  /**
   * Finds the k nearest; answers how many. They are in `labels` and `distances`, nearest first,
   * equal distances by label, until the next call of anything.
   */
  search(query: Float32Array, options: VectorSearchOptions): number {
    this.#put(query);
    const { k, ef, atSeq = -1, strategy = "walk" } = options;
    return this.#found(k, this.#core.search(k, ef, atSeq, strategies.indexOf(strategy)));
  }

  /**
   * A part of an exact search: the k nearest among the slots from `first` on and below `end`, as
   * `search` answers them. All slots in any order, over a state that nobody purges meanwhile, are
   * an exact search; what is appended between the parts may be among the results.
   */
  searchSlots(
    query: Float32Array,
    options: { readonly k: number; readonly atSeq?: number },
    first: number,
    end: number,
  ): number {
    this.#put(query);
    const { k, atSeq = -1 } = options;
    const found = this.#core.searchSlots(k, atSeq, first, end);
    return this.#found(k, found);
  }

  /** Slots that there are, used or not: places of nodes. */
  get slots(): number {
    return this.#core.slots() >>> 0;
  }

  #found(k: number, found: number): number {
    check("search vectors", found);
    if (this.#core.memory.buffer !== this.#buffer) this.#refresh();
    const at = this.#core.labelsAddress() >>> 0;
    if (this.#labels.byteOffset !== at || this.#labels.length < found) this.#viewResults(k);
    return found;
  }

  /** Labels of the last search; only as many as it answered count. */
  get labels(): Uint32Array {
    return this.#labels;
  }

  /** Distances of the last search; only as many as it answered count. */
  get distances(): Float32Array {
    return this.#distances;
  }

  /**
   * Exact distances of `query` to vectors that lie outside (f32, one after the other), in their
   * order: the same values, bit by bit, that a search answers for them where vectors are kept.
   */
  measure(query: Float32Array, vectors: Float32Array): Float32Array {
    const { dimensions } = this.options;
    const count = Math.floor(vectors.length / dimensions);
    const measured = new Float32Array(count);
    const address = this.#core.rowsAddress() >>> 0;
    if (address === 0) check("measure vectors", failure.outOfMemory);
    const most = this.#core.rowsMax();
    for (let begin = 0; begin < count; begin += most) {
      const part = Math.min(most, count - begin);
      const from = begin * dimensions;
      this.#put(query);
      this.#floats(address, part * dimensions).set(
        vectors.subarray(from, from + part * dimensions),
      );
      measured.set(this.#floats(this.#core.measureRows(part), part), begin);
    }
    return measured;
  }

  /** Counts and sizes; cheap. */
  stats(): VectorGraphStats {
    const core = this.#core;
    return {
      nodes: core.nodes() >>> 0,
      dead: core.dead() >>> 0,
      unlinked: core.unlinked() >>> 0,
      free: core.free() >>> 0,
      levelMax: core.levelMax(),
      memoryBytes: core.memory.buffer.byteLength,
      bytesPerNode: core.bytesPerNode() >>> 0,
      imageBytes: core.imageSize(),
      clippedShare: core.clippedShare(),
      distances: core.distances(),
    };
  }

  /** Looks at every link. Takes about a second per million nodes. */
  check(): VectorGraphCheck {
    let found: VectorGraphCheck | undefined;
    while (found === undefined) found = this.checkSlice(Number.MAX_SAFE_INTEGER);
    return found;
  }

  /**
   * The same in slices of `budget` nodes looked at; undefined while it is not done. Linking and
   * purging in between begin it anew.
   */
  checkSlice(budget: number): VectorGraphCheck | undefined {
    const core = this.#core;
    const most = Math.min(budget, 2 ** 31 - 1);
    if (check("check a graph", core.check(most)) === 0) return undefined;
    return {
      unreachable: core.unreachableNodes() >>> 0,
      badLinks: core.badLinks() >>> 0,
      badCounts: core.badCounts() >>> 0,
    };
  }

  #put(vector: Float32Array): void {
    if (vector.length !== this.options.dimensions) {
      throw new CairnError(
        "argument_invalid",
        `A vector has ${vector.length} components, expected ${this.options.dimensions}.`,
      );
    }
    if (this.#core.memory.buffer !== this.#buffer) this.#refresh();
    this.#input.set(vector);
  }

  #refresh(): void {
    this.#buffer = this.#core.memory.buffer;
    this.#input = this.#floats(this.#core.inputAddress(), this.options.dimensions);
    this.#viewResults(this.#labels.length);
  }

  #viewResults(count: number): void {
    const { buffer } = this.#core.memory;
    this.#labels = new Uint32Array(buffer, this.#core.labelsAddress() >>> 0, count);
    this.#distances = new Float32Array(buffer, this.#core.distancesAddress() >>> 0, count);
  }

  #floats(address: number, count: number): Float32Array {
    return new Float32Array(this.#core.memory.buffer, address >>> 0, count);
  }
}
