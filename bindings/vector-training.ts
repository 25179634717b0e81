/**
 * Learns from a sample how components become codes. Plain arithmetic in one order, so the same
 * sample gives the same bounds on every platform.
 */
import type { VectorGraphOptions } from "./vector.ts";

export interface VectorBounds {
  /** What the lowest code stands for, after the mean was taken off. */
  readonly low: number;
  /** What a step of the code stands for. */
  readonly scale: number;
  /** The mean of each component; zeros under `ip`. */
  readonly means: Float32Array;
}

/** The highest code: 7 bits. */
const codeMax = 127;
/** So many of all components may lie outside the bounds, on either side. */
const outsideShare = 0.001;
/** Vectors that are looked at, and how many of their components: sorting those takes 2 ms. */
const sampleMax = 1_024;
const valuesMax = 32_768;

/** The bounds for a sample of whole vectors, one after the other. */
export function boundsOf(
  vectors: Float32Array,
  options: Required<VectorGraphOptions>,
): VectorBounds {
  const { dimensions, metric, precision } = options;
  const means = new Float32Array(dimensions);
  const sample = sampleOf(vectors, dimensions, metric === "cosine");
  // Differences do not change when a constant is taken off, inner products do.
  if (metric === "l2" || metric === "cosine") takeMeans(sample, means);
  if (precision !== "int8") return { low: 0, scale: 1, means };
  const values = spread(sample).sort();
  const outside = Math.floor(values.length * outsideShare);
  let low = values[outside] ?? 0;
  let high = values[values.length - 1 - outside] ?? 0;
  if (metric === "ip") {
    // Zero must have a code: that of the zero point.
    low = Math.min(low, 0);
    high = Math.max(high, 0);
  }
  if (!(high > low)) high = low + Math.max(1, Math.abs(low));
  const scale = Math.fround((high - low) / codeMax);
  return { low: Math.fround(low), scale, means };
}

/** At most `valuesMax` of the sample's components, evenly spread over vectors and components. */
function spread(sample: Float32Array): Float32Array {
  if (sample.length <= valuesMax) return sample;
  const step = sample.length / valuesMax;
  const values = new Float32Array(valuesMax);
  for (let at = 0; at < valuesMax; at++) values[at] = sample[Math.floor(at * step)];
  return values;
}

/** At most `sampleMax` vectors, evenly spread; unit vectors, where that is asked for. */
function sampleOf(vectors: Float32Array, dimensions: number, isNormalised: boolean): Float32Array {
  const all = Math.floor(vectors.length / dimensions);
  const count = Math.min(all, sampleMax);
  const sample = new Float32Array(count * dimensions);
  for (let index = 0; index < count; index++) {
    const from = Math.floor((index * all) / count) * dimensions;
    let factor = 1;
    if (isNormalised) {
      let squares = 0;
      for (let at = 0; at < dimensions; at++) squares += vectors[from + at] * vectors[from + at];
      if (squares > 0) factor = 1 / Math.sqrt(squares);
    }
    for (let at = 0; at < dimensions; at++) {
      sample[index * dimensions + at] = vectors[from + at] * factor;
    }
  }
  return sample;
}

/** Computes the means and takes them off the sample. */
function takeMeans(sample: Float32Array, means: Float32Array): void {
  const dimensions = means.length;
  const count = sample.length / dimensions;
  if (count === 0) return;
  for (let at = 0; at < dimensions; at++) {
    let sum = 0;
    for (let index = 0; index < count; index++) sum += sample[index * dimensions + at];
    means[at] = sum / count;
    for (let index = 0; index < count; index++) sample[index * dimensions + at] -= means[at];
  }
}
