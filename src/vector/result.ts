/** What searches answer. */
import type { VectorMetric } from "../../bindings/vector.ts";
import type { Id } from "./id.ts";
import type { IndexCore } from "./index-core.ts";
import type { Row } from "./row.ts";
import type { Hit } from "./search.ts";

/** One result of a search. */
export interface SearchResult<Meta, I extends Id = string> {
  readonly id: I;
  /**
   * Smaller is nearer. `cosine`: 1 - cosine, 0 to 2; `l2`: the squared Euclidean distance; `ip`:
   * minus the inner product; `hamming`: components whose signs differ.
   */
  readonly distance: number;
  /**
   * Larger is nearer. `cosine`: the cosine, -1 to 1; `l2`: 1 / (1 + distance), 0 to 1; `ip`: the
   * inner product; `hamming`: the share of components whose signs agree, 0 to 1.
   */
  readonly score: number;
  /** As it was put; undefined where there is none. */
  readonly metadata: Meta;
}

/** A stored vector. */
export interface VectorRecord<Meta, I extends Id = string> {
  readonly id: I;
  /** As it was put, as 32-bit floats. */
  readonly vector: Float32Array;
  readonly metadata: Meta;
}

/** Larger is nearer; see {@link SearchResult.score}. */
export function scoreOf(metric: VectorMetric, distance: number, dimensions: number): number {
  switch (metric) {
    case "cosine":
      return 1 - distance;
    case "l2":
      return 1 / (1 + distance);
    case "ip":
      return -distance;
    case "hamming":
      return 1 - distance / dimensions;
  }
}

export function resultsOf<Meta, I extends Id>(
  core: IndexCore,
  hits: readonly Hit[],
): SearchResult<Meta, I>[] {
  const { metric, dimensions } = core.descriptor;
  return hits.map(({ id, distance, metadata }) => ({
    id: id as I,
    distance,
    score: scoreOf(metric, distance, dimensions),
    metadata: metadata as Meta,
  }));
}

export function recordOf<Meta, I extends Id>(row: Row): VectorRecord<Meta, I> {
  return {
    id: row.id as I,
    vector: row.vector,
    metadata: row.metadata as Meta,
  };
}
