/** Vectors from all parts of an index, to train codes with. */
import type { Snapshot, Steps } from "../engine/index.ts";
import type { VectorTrees } from "./trees.ts";

const sampleRows = 1_024;
const places = 32;

/** Up to 1,024 vectors, one after the other; the same rows give the same ones. */
export function* sample(trees: VectorTrees, at: Snapshot, dimensions: number): Steps<Float32Array> {
  const vectors = new Float32Array(sampleRows * dimensions);
  const bytes = new Uint8Array(vectors.buffer);
  const end = yield* trees.next(at);
  let count = 0;
  const take = (_label: number, memory: Uint8Array, from: number): void => {
    trees.decoder.copyVector(memory, from, bytes, count++);
  };
  for (let place = 0; place < places; place++) {
    const low = Math.floor((end * place) / places);
    const high = Math.floor((end * (place + 1)) / places);
    yield* trees.rowsFrom(low, high, at, sampleRows / places, take);
  }
  if (count < Math.min(sampleRows, trees.engine.records(trees.ids.ids, at))) {
    // Most labels are gone: what is left stands close together.
    count = 0;
    yield* trees.rowsFrom(0, end, at, sampleRows, take);
  }
  return vectors.subarray(0, count * dimensions);
}
