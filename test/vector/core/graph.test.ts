import { describe, expect, test } from "vitest";
import {
  VectorGraph,
  type VectorGraphOptions,
  type VectorStrategy,
} from "../../../bindings/vector.ts";
import { bitmapOf, hitsOf, imageOf, Model, recallOf } from "./model.ts";
import { joined, vectorsOf } from "./vectors.ts";

/** A graph and its oracle, with the same vectors in both. */
function filled(
  options: VectorGraphOptions,
  vectors: readonly Float32Array[],
): { graph: VectorGraph; model: Model } {
  const graph = new VectorGraph(options);
  graph.train(joined(vectors.slice(0, 1_000)));
  const model = new Model(options.metric);
  for (const [label, vector] of vectors.entries()) {
    graph.append(label, label + 1, vector);
    model.put(label, label + 1, vector);
  }
  while (graph.link(100_000) > 0);
  while (!graph.audit(100));
  return { graph, model };
}

const everything = Number.MAX_SAFE_INTEGER;
const sound = { unreachable: 0, badLinks: 0, badCounts: 0 };

const shapes: readonly [string, VectorGraphOptions, number][] = [
  ["cosine, int8", { dimensions: 24, metric: "cosine" }, 0.95],
  ["l2, int8", { dimensions: 24, metric: "l2" }, 0.95],
  ["cosine, int8, sketches", { dimensions: 100, metric: "cosine" }, 0.9],
  ["l2, int8, sketches", { dimensions: 130, metric: "l2" }, 0.9],
  ["ip, int8", { dimensions: 24, metric: "ip" }, 0.9],
  ["cosine, f32", { dimensions: 24, metric: "cosine", precision: "f32" }, 0.95],
  ["l2, f32", { dimensions: 24, metric: "l2", precision: "f32" }, 0.95],
  ["ip, f32", { dimensions: 24, metric: "ip", precision: "f32" }, 0.9],
  ["cosine, binary", { dimensions: 128, metric: "cosine", precision: "binary" }, 0.65],
  ["l2, binary", { dimensions: 128, metric: "l2", precision: "binary" }, 0.65],
  ["hamming", { dimensions: 128, metric: "hamming" }, 0.8],
  ["one dimension", { dimensions: 1, metric: "l2" }, 0.95],
  ["4,096 dimensions", { dimensions: 4_096, metric: "cosine" }, 0.95],
];

describe.each(shapes)("%s", (_name, options, recallMin) => {
  const count = options.dimensions > 1_000 ? 300 : 2_000;
  const vectors = vectorsOf(7, count, options.dimensions);
  const queries = vectorsOf(7, count + 50, options.dimensions).slice(count);
  const { graph, model } = filled(options, vectors);

  test("is sound after it was built", () => {
    expect(graph.check()).toEqual(sound);
    expect(graph.stats()).toMatchObject({ nodes: count, unlinked: 0, dead: 0, free: 0 });
  });

  test("an exact search answers the truth", () => {
    for (const query of queries) {
      const found = hitsOf(graph, query, { k: 10, ef: 10, strategy: "exact" });
      const truth = model.search(query, everything).slice(0, 10);
      expect(found).toHaveLength(10);
      for (const [place, { distance }] of found.entries()) {
        expect(distance).toBeCloseTo(truth[place].distance, 3);
      }
    }
  });

  test.each<VectorStrategy>(["walk", "hop", "scan"])("finds most by %s", (strategy) => {
    let recall = 0;
    for (const query of queries) {
      const found = hitsOf(graph, query, { k: 10, ef: 64, strategy });
      const expected = model.search(query, everything);
      // With equal distances any of them is right.
      const bound = expected[9].distance;
      const right = expected.filter(({ distance }) => distance <= bound);
      recall += recallOf(right, found);
    }
    expect(recall / queries.length).toBeGreaterThanOrEqual(recallMin);
  });

  test("sees what was alive at a seq, and only that", () => {
    for (const [index, query] of queries.slice(0, 5).entries()) {
      const atSeq = 20 + index;
      const found = hitsOf(graph, query, { k: 100, ef: 100, atSeq });
      expect(new Set(found.map(({ label }) => label))).toEqual(
        new Set(Array.from({ length: atSeq }, (_, label) => label)),
      );
    }
  });

  test.each<VectorStrategy>(["walk", "hop", "scan", "exact"])(
    "answers min(k, matches) rows of a filter by %s",
    (strategy) => {
      for (const share of [0, 0.002, 0.05, 0.5]) {
        const allowed = new Set(
          Array.from(vectors.keys()).filter(
            (label) => (label * 2_654_435_761) % 1_000 < share * 1_000,
          ),
        );
        expect(graph.setFilter(bitmapOf(allowed))).toBe(allowed.size);
        const found = hitsOf(graph, queries[0], { k: 20, ef: 20, strategy });
        expect(found).toHaveLength(Math.min(20, allowed.size));
        for (const { label } of found) expect(allowed).toContain(label);
      }
      graph.clearFilter();
    },
  );

  test("measures vectors outside as those inside", () => {
    const measured = graph.measure(queries[0], joined(vectors));
    const inside = new Float32Array(count);
    for (const { label, distance } of hitsOf(graph, queries[0], {
      k: count,
      ef: count,
      strategy: "exact",
    })) {
      inside[label] = distance;
    }
    expect(measured).toEqual(inside);
  });

  test("an image holds the same graph, and is the same when written again", () => {
    const image = imageOf(graph);
    const reader = VectorGraph.read(options);
    for (let at = 0; at < image.length; at += 1_000) reader.write(image.subarray(at, at + 1_000));
    while (!reader.verify(100));
    const loaded = reader.graph;
    expect(loaded.check()).toEqual(sound);
    expect(Buffer.compare(imageOf(loaded), image)).toBe(0);
    for (const query of queries.slice(0, 10)) {
      const request = { k: 10, ef: 64 };
      const expected = model.search(query, everything).slice(0, 10);
      const before = recallOf(hitsOf(graph, query, request), expected);
      expect(recallOf(hitsOf(loaded, query, request), expected)).toBeGreaterThan(before - 0.3);
    }
  });
});
