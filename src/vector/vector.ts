/** Vectors as callers pass them. */
import type { VectorMetric } from "../../bindings/vector.ts";
import { CairnError } from "../errors.ts";

/** A vector: any array of numbers, plain or typed. It is stored as 32-bit floats. */
export type VectorInput =
  | readonly number[]
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array;

/** Larger ones would overflow when they are squared and added up. */
const componentMax = 1e15;
/** The square of a length below this is lost among 32-bit floats. */
const lengthSquaredMin = 1e-30;

/** A copy as 32-bit floats. @throws CairnError `vector_dimensions`, `vector_invalid`. */
export function vectorOf(input: unknown, dimensions: number, metric: VectorMetric): Float32Array {
  const vector = copyOf(input);
  if (vector.length !== dimensions) throw wrongLength(vector.length, dimensions);
  let squares = 0;
  for (let index = 0; index < dimensions; index++) {
    const component = vector[index];
    // Also when it is not a number.
    if (!(Math.abs(component) <= componentMax)) throw wrongComponent(index);
    squares += component * component;
  }
  if (metric === "cosine" && squares < lengthSquaredMin) throw zeroVector();
  return vector;
}

function copyOf(input: unknown): Float32Array {
  if (input instanceof Float32Array) return input.slice();
  if (Array.isArray(input)) {
    // A text or null would become a number.
    for (const [index, component] of input.entries()) {
      if (typeof component !== "number") throw wrongComponent(index);
    }
    return Float32Array.from(input as number[]);
  }
  const isTyped = ArrayBuffer.isView(input) && !(input instanceof DataView);
  if (isTyped && !(input instanceof BigInt64Array) && !(input instanceof BigUint64Array)) {
    return Float32Array.from(input as unknown as ArrayLike<number>);
  }
  throw new CairnError(
    "vector_invalid",
    `Cannot use this vector: found ${input === null ? "null" : `a ${typeof input}`}, expected ` +
      "an array of numbers or a typed array.",
  );
}

function wrongLength(found: number, expected: number): CairnError {
  return new CairnError(
    "vector_dimensions",
    `Cannot use this vector: it has ${found} components, expected ${expected}. Use the model ` +
      "that the index was made for, or create another index.",
    { details: { found, expected } },
  );
}

function wrongComponent(component: number): CairnError {
  return new CairnError(
    "vector_invalid",
    `Cannot use this vector: its component ${component} is no finite number up to 1e15. Check ` +
      "what made it.",
    { details: { component } },
  );
}

function zeroVector(): CairnError {
  return new CairnError(
    "vector_invalid",
    "Cannot use this vector: all of it is zero, or next to it, and nothing has an angle to that. " +
      "Leave it out, or use an index with another metric.",
  );
}
