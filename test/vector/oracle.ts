/** What an index should say: a Map, and comparing everything. */
import type { VectorMetric } from "../../bindings/vector.ts";
import type { SearchResult } from "../../src/index.ts";
import type { Random } from "../storage/random.ts";
import { distanceOf } from "./brute-force-graph.ts";

export interface Known<M> {
  readonly vector: Float32Array;
  readonly metadata: M;
}

export type Oracle<M> = Map<string, Known<M>>;

export function randomVector(random: Random, dimensions: number): Float32Array {
  return Float32Array.from({ length: dimensions }, () => random.fraction() * 2 - 1);
}

/** The distances of the nearest, nearest first. */
export function nearestDistances<M>(
  oracle: Oracle<M>,
  metric: VectorMetric,
  query: Float32Array,
  k: number,
  isIn: (id: string, known: Known<M>) => boolean = () => true,
): number[] {
  return [...oracle]
    .filter(([id, known]) => isIn(id, known))
    .map(([, { vector }]) => distanceOf(metric, query, vector))
    .sort((left, right) => left - right)
    .slice(0, k);
}

/** What is wrong with results; undefined when they are the nearest and all of it is right. */
export function faultOf<M>(
  found: readonly SearchResult<M>[],
  oracle: Oracle<M>,
  metric: VectorMetric,
  query: Float32Array,
  k: number,
  isIn: (id: string, known: Known<M>) => boolean = () => true,
): string | undefined {
  const expected = nearestDistances(oracle, metric, query, k, isIn);
  if (found.length !== expected.length) return `${found.length} of ${expected.length} results`;
  const seen = new Set<string>();
  for (const [index, { id, distance, metadata }] of found.entries()) {
    const known = oracle.get(id);
    if (known === undefined) return `${id} should not be there`;
    if (seen.has(id)) return `${id} comes twice`;
    seen.add(id);
    if (!isIn(id, known)) return `${id} does not pass`;
    const exact = distanceOf(metric, query, known.vector);
    const slack = 1e-4 * Math.max(1, Math.abs(exact));
    if (Math.abs(distance - exact) > slack) return `${id} is at ${exact}, found ${distance}`;
    if (Math.abs(distance - expected[index]) > slack) {
      return `result ${index} is at ${distance}, expected ${expected[index]}`;
    }
    if (JSON.stringify(metadata) !== JSON.stringify(known.metadata)) return `metadata of ${id}`;
  }
  return undefined;
}
