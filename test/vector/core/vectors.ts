/** Vectors for tests, drawn from a seed, and distances computed in plain f64. */
import type { VectorMetric } from "../../../bindings/vector.ts";
import { Random } from "../../storage/random.ts";

/** Uniform numbers from 0 to 1. */
export function randomOf(seed: number): () => number {
  const random = new Random(seed);
  return () => random.fraction();
}

export function normalOf(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** A vector near one of `clusters` centres, as data in the world are. */
export function vectorsOf(
  seed: number,
  count: number,
  dimensions: number,
  clusters = 16,
): Float32Array[] {
  const random = randomOf(seed);
  const centre = Array.from({ length: clusters }, () =>
    Float32Array.from({ length: dimensions }, () => normalOf(random)),
  );
  return Array.from({ length: count }, () => {
    const near = centre[Math.floor(random() * clusters)];
    return near.map((value) => value + 0.5 * normalOf(random));
  });
}

export function distanceOf(metric: VectorMetric, left: Float32Array, right: Float32Array): number {
  let dot = 0;
  let squares = 0;
  let apart = 0;
  let differing = 0;
  let otherSquares = 0;
  for (let index = 0; index < left.length; index++) {
    dot += left[index] * right[index];
    squares += left[index] * left[index];
    otherSquares += right[index] * right[index];
    apart += (left[index] - right[index]) ** 2;
    differing += Number(left[index] > 0 !== right[index] > 0);
  }
  if (metric === "l2") return apart;
  if (metric === "cosine") return 1 - dot / Math.sqrt(squares * otherSquares);
  return metric === "ip" ? -dot : differing;
}

/** All vectors in one array, one after the other. */
export function joined(vectors: readonly Float32Array[]): Float32Array {
  const dimensions = vectors[0]?.length ?? 0;
  const all = new Float32Array(vectors.length * dimensions);
  for (const [index, vector] of vectors.entries()) all.set(vector, index * dimensions);
  return all;
}
