import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { VectorGraph, type VectorGraphOptions } from "../../../bindings/vector.ts";
import { isCairnError } from "../../../src/errors.ts";
import { imageOf } from "./model.ts";
import { joined, randomOf, vectorsOf } from "./vectors.ts";

const shapes: readonly VectorGraphOptions[] = [
  { dimensions: 12, metric: "cosine", connections: 4 },
  { dimensions: 7, metric: "ip", connections: 6, keepVectors: false },
  { dimensions: 5, metric: "l2", precision: "f32", connections: 4 },
  { dimensions: 30, metric: "hamming", connections: 4 },
];

function imageFor(options: VectorGraphOptions): Uint8Array {
  const vectors = vectorsOf(11, 300, options.dimensions);
  const graph = new VectorGraph(options);
  graph.train(joined(vectors));
  for (const [label, vector] of vectors.entries()) graph.append(label * 3, label, vector);
  while (graph.link(300_000) > 0);
  for (let label = 0; label < 60; label += 3) graph.kill(label, 400);
  // Some wait to be linked.
  for (const [label, vector] of vectors.slice(0, 20).entries()) {
    graph.append(5_000 + label, 500, vector);
  }
  return imageOf(graph);
}

/** Changes some bytes or words, cuts, repeats or adds. */
function damaged(image: Uint8Array, seed: number): Uint8Array {
  const random = randomOf(seed);
  const below = (count: number): number => Math.floor(random() * count);
  const kind = below(8);
  if (kind === 0) return image.slice(0, below(image.length));
  if (kind === 1) return Uint8Array.from([...image, ...image.slice(0, 1 + below(64))]);
  const bytes = image.slice();
  // Half of them in the header, where every field counts.
  const place = (): number => (random() < 0.5 ? below(96) : below(bytes.length));
  for (let count = 1 + below(4); count > 0; count--) {
    const at = place();
    if (kind < 5) bytes[at] ^= 1 << below(8);
    else if (kind < 7) bytes.fill(random() < 0.5 ? 0xff : below(256), at, at + 1 + below(8));
    else bytes.copyWithin(at, below(bytes.length), below(bytes.length));
  }
  return bytes;
}

describe.each(shapes)("a damaged image of %o", (options) => {
  const image = imageFor(options);
  const query = new Float32Array(options.dimensions).fill(0.5);

  test("loads as it is", () => {
    const reader = VectorGraph.read(options);
    reader.write(image);
    while (!reader.verify(10));
    expect(reader.graph.stats()).toMatchObject({ nodes: 320, unlinked: 20, dead: 20 });
  });

  test("is refused, or gives a graph that is sound and can be used", () => {
    let refused = 0;
    let loaded = 0;
    const load = (bytes: Uint8Array): void => {
      const reader = VectorGraph.read(options);
      reader.write(bytes);
      while (!reader.verify(100));
      const { graph } = reader;
      loaded++;
      expect(graph.check()).toMatchObject({ badLinks: 0, badCounts: 0 });
      for (const strategy of ["walk", "hop", "scan"] as const) {
        graph.search(query, { k: 10, ef: 50, strategy });
      }
      graph.insert(1_000_000, 600, query);
      while (!graph.purge(1_000, 1_000));
      while (!graph.audit(1_000));
      expect(graph.check()).toEqual({ unreachable: 0, badLinks: 0, badCounts: 0 });
    };
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        try {
          load(damaged(image, seed));
        } catch (error) {
          if (!isCairnError(error, "corruption")) throw error;
          refused++;
        }
      }),
      { numRuns: 1_500 },
    );
    expect(refused).toBeGreaterThan(0);
    expect(loaded).toBeGreaterThan(0);
  });

  test("every cut is refused", () => {
    for (let length = 0; length < image.length; length += 97) {
      const reader = VectorGraph.read(options);
      reader.write(image.subarray(0, length));
      expect(() => reader.verify(1_000_000)).toThrow(/contradicts itself/);
      expect(() => reader.graph).toThrow(/contradicts itself/);
    }
  });

  test("every flipped bit of the header is refused or harmless", () => {
    for (let bit = 0; bit < 256 * 8; bit++) {
      const bytes = image.slice();
      bytes[bit >>> 3] ^= 1 << (bit & 7);
      const reader = VectorGraph.read(options);
      try {
        reader.write(bytes);
        while (!reader.verify(1_000));
        expect(reader.graph.check()).toMatchObject({ badLinks: 0, badCounts: 0 });
      } catch (error) {
        if (!isCairnError(error, "corruption")) throw error;
      }
    }
  });

  test("of another shape is refused", () => {
    const reader = VectorGraph.read({ ...options, connections: 10 });
    expect(() => reader.write(image)).toThrow(/contradicts itself/);
  });
});
