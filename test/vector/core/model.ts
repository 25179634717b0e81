/** The oracle of a graph: a list of what was stored, searched by comparing everything. */
import type { VectorGraph, VectorMetric, VectorStrategy } from "../../../bindings/vector.ts";
import { distanceOf } from "./vectors.ts";

export interface Stored {
  readonly label: number;
  readonly born: number;
  died: number;
  readonly vector: Float32Array;
}

export interface Hit {
  readonly label: number;
  readonly distance: number;
}

export class Model {
  readonly stored: Map<number, Stored> = new Map();
  readonly metric: VectorMetric;

  constructor(metric: VectorMetric) {
    this.metric = metric;
  }

  put(label: number, born: number, vector: Float32Array): void {
    this.stored.set(label, { label, born, died: Number.POSITIVE_INFINITY, vector });
  }

  kill(label: number, seq: number): void {
    const one = this.stored.get(label);
    if (one !== undefined) one.died = seq;
  }

  purge(seq: number): void {
    for (const one of this.stored.values()) {
      if (one.died <= seq) this.stored.delete(one.label);
    }
  }

  /** Everything that a search at `seq` may answer, nearest first. */
  search(query: Float32Array, seq: number, allowed?: ReadonlySet<number>): Hit[] {
    return Array.from(this.stored.values())
      .filter(({ born, died }) => born <= seq && seq < died)
      .filter(({ label }) => allowed === undefined || allowed.has(label))
      .map(({ label, vector }) => ({ label, distance: distanceOf(this.metric, query, vector) }))
      .sort((left, right) => left.distance - right.distance || left.label - right.label);
  }
}

export function hitsOf(
  graph: VectorGraph,
  query: Float32Array,
  options: { k: number; ef: number; atSeq?: number; strategy?: VectorStrategy },
): Hit[] {
  const count = graph.search(query, options);
  return Array.from({ length: count }, (_, index) => ({
    label: graph.labels[index],
    distance: graph.distances[index],
  }));
}

/** The share of the expected labels that were found. */
export function recallOf(found: readonly Hit[], expected: readonly Hit[]): number {
  if (expected.length === 0) return 1;
  const labels = new Set(expected.map(({ label }) => label));
  return found.filter(({ label }) => labels.has(label)).length / expected.length;
}

export function bitmapOf(labels: Iterable<number>): Uint32Array {
  const all = Array.from(labels);
  const words = new Uint32Array((Math.max(-1, ...all) >>> 5) + 1);
  for (const label of all) words[label >>> 5] |= 1 << (label & 31);
  return words;
}

/** The whole image of a graph. */
export function imageOf(graph: VectorGraph, sliceBytes = 65_536): Uint8Array {
  const writer = graph.write();
  const image = new Uint8Array(writer.bytes);
  let at = 0;
  for (;;) {
    const part = writer.read(sliceBytes);
    if (part === undefined) break;
    image.set(part, at);
    at += part.length;
  }
  if (at !== image.length) throw new Error(`${at} bytes were written, ${image.length} announced`);
  return image;
}
