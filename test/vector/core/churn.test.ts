import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  VectorGraph,
  type VectorGraphOptions,
  type VectorStrategy,
} from "../../../bindings/vector.ts";
import { bitmapOf, hitsOf, imageOf, Model, recallOf } from "./model.ts";
import { joined, randomOf, vectorsOf } from "./vectors.ts";

const sound = { unreachable: 0, badLinks: 0, badCounts: 0 };
const everything = Number.MAX_SAFE_INTEGER;
const strategies: readonly VectorStrategy[] = ["walk", "hop", "scan", "exact"];

/** A graph and its oracle under random operations. */
class Churn {
  readonly options: VectorGraphOptions;
  readonly model: Model;
  readonly random: () => number;
  readonly vectors: Float32Array[];
  graph: VectorGraph;
  label = 0;
  seq = 1;
  isPurging = false;
  purgeSeq = 0;
  allowed: Set<number> | undefined;

  constructor(options: VectorGraphOptions, seed: number) {
    this.options = options;
    this.random = randomOf(seed);
    this.vectors = vectorsOf(seed, 400, options.dimensions, 5);
    // Some are equal, and some are the same for most of the run.
    for (let index = 0; index < 120; index++) this.vectors[index] = this.vectors[index % 7];
    this.model = new Model(options.metric);
    this.graph = new VectorGraph(options);
    this.graph.train(joined(this.vectors));
  }

  below(count: number): number {
    return Math.floor(this.random() * count);
  }

  vector(): Float32Array {
    return this.vectors[this.below(this.vectors.length)];
  }

  step(): void {
    const dice = this.random();
    if (dice < 0.45) this.append(1 + this.below(8));
    else if (dice < 0.6) this.graph.link(this.below(2_000));
    else if (dice < 0.75) this.kill(1 + this.below(6));
    else if (dice < 0.85) this.purge(this.below(60));
    else if (dice < 0.97) this.search();
    else if (dice < 0.98) this.killAll();
    else this.reload();
  }

  append(count: number): void {
    for (let index = 0; index < count; index++) {
      const vector = this.vector();
      this.graph.append(this.label, ++this.seq, vector);
      this.model.put(this.label++, this.seq, vector);
    }
  }

  kill(count: number): void {
    const alive = Array.from(this.model.stored.values()).filter(({ died }) => died > this.seq);
    for (let index = 0; index < count && alive.length > 0; index++) {
      const [one] = alive.splice(this.below(alive.length), 1);
      expect(this.graph.kill(one.label, ++this.seq)).toBe(true);
      this.model.kill(one.label, this.seq);
    }
  }

  killAll(): void {
    this.kill(everything);
  }

  purge(budget: number): void {
    if (!this.isPurging) this.purgeSeq = this.seq;
    this.isPurging = !this.graph.purge(this.purgeSeq, budget);
    if (!this.isPurging) this.model.purge(this.purgeSeq);
  }

  finish(): void {
    while (this.isPurging) this.purge(50);
    while (this.graph.link(1_000) > 0);
    while (!this.graph.audit(10));
  }

  reload(): void {
    this.finish();
    const reader = VectorGraph.read(this.options);
    reader.write(imageOf(this.graph));
    while (!reader.verify(7));
    this.graph = reader.graph;
    this.allowed = undefined;
  }

  search(): void {
    const k = 1 + this.below(12);
    const strategy = strategies[this.below(4)];
    const atSeq = this.random() < 0.7 ? undefined : this.seq - this.below(20);
    // A filter may hold while vectors come and go.
    if (this.random() < 0.6) this.restrict();
    const { allowed } = this;
    const query = this.vector();
    const request = { k, ef: k + this.below(40), strategy };
    const found = hitsOf(this.graph, query, atSeq === undefined ? request : { ...request, atSeq });
    // While a purge is under way, what it removes may be gone already: it is not visible now.
    const seq = Math.max(atSeq ?? everything, this.purgeSeq);
    if (atSeq !== undefined && atSeq < this.purgeSeq) return;
    const expected = this.model.search(query, seq, allowed);
    expect(found).toHaveLength(Math.min(k, expected.length));
    const distances = new Map(expected.map(({ label, distance }) => [label, distance]));
    for (const [place, { label, distance }] of found.entries()) {
      expect(distances.has(label), `label ${label} is no match`).toBe(true);
      expect(distance).toBeCloseTo(distances.get(label) ?? Number.NaN, 3);
      if (place > 0) expect(distance).toBeGreaterThanOrEqual(found[place - 1].distance);
      if (strategy === "exact") expect(distance).toBeCloseTo(expected[place].distance, 3);
    }
    expect(new Set(found.map(({ label }) => label)).size).toBe(found.length);
  }

  restrict(): void {
    this.allowed = this.random() < 0.5 ? undefined : this.someLabels();
    if (this.allowed === undefined) this.graph.clearFilter();
    else this.graph.setFilter(bitmapOf(this.allowed));
  }

  someLabels(): Set<number> {
    const share = this.random();
    const labels = new Set<number>();
    for (let label = 0; label < this.label + 60; label++) {
      if (this.random() < share) labels.add(label);
    }
    return labels;
  }
}

const shapes: readonly [string, VectorGraphOptions][] = [
  ["cosine, int8", { dimensions: 12, metric: "cosine", connections: 4, efConstruction: 16 }],
  ["l2, int8", { dimensions: 20, metric: "l2", connections: 8, efConstruction: 32 }],
  ["ip, int8", { dimensions: 8, metric: "ip", connections: 4, efConstruction: 16 }],
  ["long rows, sketches", { dimensions: 70, metric: "cosine", connections: 64 }],
  ["l2, f32", { dimensions: 3, metric: "l2", precision: "f32", connections: 4 }],
  ["cosine, binary", { dimensions: 40, metric: "cosine", precision: "binary", connections: 5 }],
  ["hamming", { dimensions: 9, metric: "hamming", connections: 4, efConstruction: 16 }],
];

describe.each(shapes)("%s", (_name, options) => {
  test("answers like a list under random operations", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const churn = new Churn(options, seed);
        for (let step = 0; step < 150; step++) churn.step();
        churn.finish();
        expect(churn.graph.check()).toEqual(sound);
        const alive = Array.from(churn.model.stored.values());
        expect(churn.graph.stats().nodes).toBe(alive.length);
        for (let index = 0; index < 5; index++) churn.search();
      }),
      { numRuns: 12 },
    );
  });
});

describe("deleting", () => {
  const options: VectorGraphOptions = { dimensions: 16, metric: "cosine" };
  const vectors = vectorsOf(3, 3_000, 16);
  const queries = vectorsOf(3, 3_100, 16).slice(3_000);

  function built(): VectorGraph {
    const graph = new VectorGraph(options);
    graph.train(joined(vectors));
    for (const [label, vector] of vectors.entries()) graph.append(label, 1, vector);
    while (graph.link(100_000) > 0);
    return graph;
  }

  function recall(graph: VectorGraph, labelOf: (index: number) => number): number {
    let sum = 0;
    for (const query of queries) {
      const model = new Model("cosine");
      for (const [index, vector] of vectors.entries()) model.put(labelOf(index), 0, vector);
      const expected = model.search(query, 1).slice(0, 10);
      sum += recallOf(hitsOf(graph, query, { k: 10, ef: 32 }), expected);
    }
    return sum / queries.length;
  }

  test("five rounds that replace a fifth each cost little recall and cut nothing off", () => {
    const graph = built();
    const labels = Array.from(vectors.keys());
    const before = recall(graph, (index) => labels[index]);
    for (let round = 0; round < 5; round++) {
      for (let index = round; index < vectors.length; index += 5)
        graph.kill(labels[index], 2 + round);
      while (!graph.purge(2 + round, 200));
      expect(graph.check()).toEqual(sound);
      for (let index = round; index < vectors.length; index += 5) {
        labels[index] += vectors.length;
        graph.append(labels[index], 3 + round, vectors[index]);
      }
      while (graph.link(100_000) > 0);
    }
    const after = recall(graph, (index) => labels[index]);
    expect(graph.check()).toEqual(sound);
    expect(graph.stats()).toMatchObject({ nodes: vectors.length, free: 0, dead: 0 });
    expect(after).toBeGreaterThan(before - 0.01);
  });

  test("everything, then the same again", () => {
    const graph = built();
    for (const label of vectors.keys()) graph.kill(label, 2);
    while (!graph.purge(2, 100));
    expect(graph.stats()).toMatchObject({ nodes: 0, free: vectors.length, levelMax: 0 });
    expect(graph.search(queries[0], { k: 5, ef: 10 })).toBe(0);
    const before = graph.stats().memoryBytes;
    for (const [index, vector] of vectors.entries()) graph.append(10_000 + index, 3, vector);
    while (graph.link(100_000) > 0);
    expect(graph.check()).toEqual(sound);
    expect(graph.stats().memoryBytes, "slots are used again").toBe(before);
    expect(recall(graph, (index) => 10_000 + index)).toBeGreaterThan(0.9);
  });

  test("the entry point", () => {
    const graph = built();
    for (let round = 0; round < 20; round++) {
      const image = imageOf(graph);
      const view = new DataView(image.buffer);
      // The entry point is the first node of an image, behind the header and the means.
      const at = 256 + 64;
      expect(view.getUint32(48, true)).toBe(0);
      expect(graph.kill(view.getUint32(at, true), 2)).toBe(true);
      while (!graph.purge(2, 1_000));
      expect(graph.check()).toEqual(sound);
      expect(graph.search(queries[0], { k: 10, ef: 20 })).toBe(10);
    }
  });

  test("leaves no byte of the vector", () => {
    const graph = built();
    const marker = Float32Array.from({ length: 16 }, (_, index) => (index % 2 ? 1 : -1) * 0.25);
    graph.insert(9_999, 2, marker);
    const bytesOf = (): Buffer => Buffer.from(imageOf(graph));
    const wanted = Buffer.from(marker.buffer);
    expect(bytesOf().includes(wanted)).toBe(true);
    graph.kill(9_999, 3);
    while (!graph.purge(3, 1_000));
    expect(bytesOf().includes(wanted)).toBe(false);
  });

  test("a label is never stored twice, and killing an unknown one says so", () => {
    const graph = built();
    expect(() => graph.append(5, 2, vectors[0])).toThrow(/there is a node of that label/);
    expect(graph.kill(123_456, 2)).toBe(false);
    expect(graph.has(5)).toBe(true);
    expect(graph.has(123_456)).toBe(false);
  });
});
