/**
 * A stand-in for the graph of a vector index that compares everything: the oracle of searches, and
 * strict about how it is used. It links, purges and writes images in slices like the real one.
 */
import type {
  VectorGraphOptions,
  VectorGraphStats,
  VectorImageWriter,
  VectorMetric,
  VectorSearchOptions,
} from "../../bindings/vector.ts";
import { CairnError } from "../../src/errors.ts";
import type { Graph, GraphMaker, GraphReader } from "../../src/vector/index.ts";

interface Node {
  readonly label: number;
  readonly born: number;
  died: number;
  readonly vector: Float32Array;
  isLinked: boolean;
}

export function distanceOf(metric: VectorMetric, left: Float32Array, right: Float32Array): number {
  let dot = 0;
  let squares = 0;
  let leftSquares = 0;
  let rightSquares = 0;
  let signs = 0;
  for (const [index, a] of left.entries()) {
    const b = right[index];
    dot += a * b;
    squares += (a - b) ** 2;
    leftSquares += a * a;
    rightSquares += b * b;
    if (a > 0 !== b > 0) signs++;
  }
  if (metric === "l2") return Math.fround(squares);
  if (metric === "ip") return Math.fround(-dot);
  if (metric === "hamming") return signs;
  return Math.fround(1 - dot / Math.sqrt(leftSquares * rightSquares));
}

export class BruteForceGraph implements Graph {
  readonly options: Required<VectorGraphOptions>;
  readonly nodes = new Map<number, Node>();
  isTrained: boolean;
  labels = new Uint32Array(16_384);
  distances = new Float32Array(16_384);
  #filter: Uint32Array | undefined;
  #isFrozen = false;
  #compared = 0;
  #highest = -1;

  constructor(options: VectorGraphOptions) {
    this.options = {
      precision: "int8",
      connections: 16,
      efConstruction: 100,
      keepVectors: true,
      seed: 0,
      ...options,
    };
    this.isTrained = this.options.precision !== "int8";
  }

  train(vectors: Float32Array): void {
    if (vectors.length === 0) throw new Error("trained with nothing");
    this.isTrained = true;
  }

  append(label: number, seq: number, vector: Float32Array): void {
    this.#requireChangeable();
    if (!this.isTrained) throw new Error("not trained");
    if (label <= this.#highest) throw new Error(`label ${label} after ${this.#highest}`);
    this.#highest = label;
    const own = vector.slice();
    this.nodes.set(label, { label, born: seq, died: Infinity, vector: own, isLinked: false });
  }

  link(budget: number): number {
    this.#requireChangeable();
    let left = 0;
    let linked = 0;
    for (const node of this.nodes.values()) {
      if (node.isLinked) continue;
      if (linked * 100 < budget) {
        node.isLinked = true;
        linked++;
      } else left++;
    }
    return left;
  }

  insert(label: number, seq: number, vector: Float32Array): void {
    this.append(label, seq, vector);
    this.link(Infinity);
  }

  appendMany(labels: Uint32Array, seqs: Float64Array, vectors: Float32Array): void {
    const { dimensions } = this.options;
    for (const [index, label] of labels.entries()) {
      const at = index * dimensions;
      this.append(label, seqs[index], vectors.subarray(at, at + dimensions));
    }
  }

  has(label: number): boolean {
    return this.nodes.has(label);
  }
  vector(label: number): Float32Array | undefined {
    return this.nodes.get(label)?.vector;
  }

  kill(label: number, seq: number): boolean {
    this.#requireChangeable();
    const node = this.nodes.get(label);
    if (node === undefined) return false;
    node.died = Math.min(node.died, seq);
    return true;
  }

  audit(): boolean {
    return true;
  }

  purge(seq: number, budget: number): boolean {
    this.#requireChangeable();
    let removed = 0;
    for (const node of this.nodes.values()) {
      if (node.died > seq) continue;
      if (removed++ >= budget) return false;
      this.nodes.delete(node.label);
    }
    return true;
  }

  setFilter(bitmap: Uint32Array): number {
    this.#filter = bitmap.slice();
    return 0;
  }
  clearFilter(): void {
    this.#filter = undefined;
  }

  search(query: Float32Array, options: VectorSearchOptions): number {
    const { k, atSeq = Number.MAX_SAFE_INTEGER } = options;
    const found: { label: number; distance: number }[] = [];
    for (const { label, born, died, vector } of this.nodes.values()) {
      if (born > atSeq || died <= atSeq || !this.#passes(label)) continue;
      found.push({ label, distance: distanceOf(this.options.metric, query, vector) });
    }
    this.#compared += found.length;
    found.sort((left, right) => left.distance - right.distance || left.label - right.label);
    const count = Math.min(k, found.length);
    for (let index = 0; index < count; index++) {
      this.labels[index] = found[index].label;
      this.distances[index] = found[index].distance;
    }
    return count;
  }

  /** Its slots are labels. */
  get slots(): number {
    return this.#highest + 1;
  }

  searchSlots(
    query: Float32Array,
    { k, atSeq }: { k: number; atSeq?: number },
    first: number,
    end: number,
  ): number {
    const filter = this.#filter;
    const inside = new Uint32Array((this.slots >>> 5) + 1);
    for (let label = first; label < Math.min(end, this.slots); label++) {
      if (this.#passes(label)) inside[label >>> 5] |= 1 << (label & 31);
    }
    this.#filter = inside;
    try {
      return this.search(query, { k, ef: k, ...(atSeq !== undefined && { atSeq }) });
    } finally {
      this.#filter = filter;
    }
  }

  #passes(label: number): boolean {
    const filter = this.#filter;
    if (filter === undefined) return true;
    return ((filter[label >>> 5] ?? 0) & (1 << (label & 31))) !== 0;
  }

  measure(query: Float32Array, vectors: Float32Array): Float32Array {
    const { dimensions, metric } = this.options;
    return Float32Array.from({ length: vectors.length / dimensions }, (_none, index) =>
      distanceOf(metric, query, vectors.subarray(index * dimensions, (index + 1) * dimensions)),
    );
  }

  write(): VectorImageWriter {
    this.#requireChangeable();
    this.#isFrozen = true;
    const nodes = Array.from(this.nodes.values(), (node) => ({
      ...node,
      died: node.died === Infinity ? null : node.died,
      vector: [...node.vector],
    }));
    const bytes = new TextEncoder().encode(
      JSON.stringify({ options: this.options, highest: this.#highest, nodes }),
    );
    let at = 0;
    return {
      bytes: bytes.length,
      read: (bytesMax) => {
        if (at >= bytes.length) {
          this.#isFrozen = false;
          return undefined;
        }
        const piece = bytes.subarray(at, at + bytesMax);
        at += piece.length;
        return piece;
      },
      close: () => {
        this.#isFrozen = false;
      },
    };
  }

  static read(expected: VectorGraphOptions): GraphReader {
    const graph = new BruteForceGraph(expected);
    const pieces: Uint8Array[] = [];
    return {
      graph,
      write: (bytes) => pieces.push(bytes.slice()),
      verify: () => {
        graph.#restore(Buffer.concat(pieces).toString());
        return true;
      },
    };
  }

  #restore(text: string): void {
    try {
      const { options, highest, nodes } = JSON.parse(text) as {
        options: unknown;
        highest: number;
        nodes: (Omit<Node, "died" | "vector"> & { died: number | null; vector: number[] })[];
      };
      if (JSON.stringify(options) !== JSON.stringify(this.options)) throw new Error("options");
      this.isTrained = true;
      this.#highest = highest;
      for (const node of nodes) {
        const vector = Float32Array.from(node.vector);
        this.nodes.set(node.label, { ...node, died: node.died ?? Infinity, vector });
      }
    } catch (cause) {
      throw new CairnError("corruption", "The image of the stand-in is damaged.", { cause });
    }
  }

  stats(): VectorGraphStats {
    const all = [...this.nodes.values()];
    return {
      nodes: all.length,
      dead: all.filter(({ died }) => died !== Infinity).length,
      unlinked: all.filter(({ isLinked }) => !isLinked).length,
      free: 0,
      levelMax: 0,
      memoryBytes: all.length * this.options.dimensions * 4,
      bytesPerNode: this.options.dimensions * 4,
      imageBytes: 0,
      clippedShare: 0,
      distances: this.#compared,
    };
  }

  check(): { unreachable: number; badLinks: number; badCounts: number } {
    return { unreachable: 0, badLinks: 0, badCounts: 0 };
  }

  #slices = 0;
  checkSlice(): { unreachable: number; badLinks: number; badCounts: number } | undefined {
    this.#slices = (this.#slices + 1) % 3;
    return this.#slices === 0 ? this.check() : undefined;
  }

  #requireChangeable(): void {
    if (this.#isFrozen) throw new Error("changed while an image is written");
  }
}

export const bruteForceGraphs: GraphMaker = {
  create: (options) => new BruteForceGraph(options),
  read: (options) => BruteForceGraph.read(options),
};
