/** Long work in slices: each does about as much as it may, and all of them what one call does. */
import { expect, test } from "vitest";
import { VectorGraph, type VectorGraphOptions } from "../../../bindings/vector.ts";
import { bitmapOf, hitsOf, Model } from "./model.ts";
import { joined, vectorsOf } from "./vectors.ts";

const options: VectorGraphOptions = { dimensions: 24, metric: "cosine", efConstruction: 60 };
const vectors = vectorsOf(5, 3_000, 24);
const sound = { unreachable: 0, badLinks: 0, badCounts: 0 };
/** Links of a node on the lowest level. */
const rowLinks = 32;

function appended(count: number): VectorGraph {
  const graph = new VectorGraph(options);
  graph.train(joined(vectors));
  for (const [label, vector] of vectors.slice(0, count).entries()) {
    graph.append(label, label + 1, vector);
  }
  return graph;
}

function linked(count: number): VectorGraph {
  const graph = appended(count);
  while (graph.link(100_000) > 0);
  return graph;
}

test.each([1, 500, 20_000])(
  "linking stops one vector behind a budget of %i distances",
  (budget) => {
    const graph = appended(1_500);
    // One vector's walk expands little more than its candidates, each with a row of links.
    const vectorMost = 3 * 60 * rowLinks;
    let slices = 0;
    for (let left = 1; left > 0; slices++) {
      const before = graph.stats().distances;
      left = graph.link(budget);
      expect(graph.stats().distances - before).toBeLessThan(budget + vectorMost);
    }
    expect(slices).toBeGreaterThanOrEqual(
      Math.ceil(graph.stats().distances / (budget + vectorMost)),
    );
  },
);

test("purging in slices computes little in each of them", () => {
  const graph = linked(3_000);
  for (let label = 0; label < 3_000; label += 4) graph.kill(label, 5_000);
  const budget = 64;
  let slices = 0;
  for (let isDone = false; !isDone; slices++) {
    const before = graph.stats().distances;
    isDone = graph.purge(5_000, budget);
    // A repaired row costs eight nodes of the budget, and at most the candidates of its links.
    expect(graph.stats().distances - before).toBeLessThan((budget / 8 + 2) * 64 * rowLinks);
  }
  expect(slices).toBeGreaterThan(3_000 / budget);
  expect(graph.check()).toEqual(sound);
});

test("a check in slices finds what one in a single call does, whatever comes between", () => {
  const graph = linked(2_000);
  let slices = 0;
  for (let found = graph.checkSlice(50); ; found = graph.checkSlice(50)) {
    slices++;
    if (found !== undefined) {
      expect(found).toEqual(sound);
      break;
    }
    graph.search(vectors[slices], { k: 5, ef: 20 });
    graph.kill(slices, 5_000);
    graph.append(2_000 + slices, 5_000, vectors[2_000 + slices]);
  }
  expect(slices).toBeGreaterThan(80);
  expect(slices).toBeLessThan(100);
});

test("linking begins a check anew", () => {
  const graph = linked(1_000);
  for (let slice = 0; slice < 10; slice++) expect(graph.checkSlice(100)).toBeUndefined();
  graph.insert(5_000, 5_000, vectors[2_999]);
  let slices = 0;
  while (graph.checkSlice(100) === undefined) slices++;
  expect(slices).toBeGreaterThanOrEqual(20);
  expect(graph.check()).toEqual(sound);
});

test.each([
  ["all", undefined],
  ["some", new Set(Array.from({ length: 300 }, (_none, index) => index * 7))],
  ["few", new Set([3, 1_700])],
])("the parts of an exact search among %s have what the whole one has", (_which, allowed) => {
  const graph = linked(2_000);
  const model = new Model("cosine");
  for (const [label, vector] of vectors.slice(0, 2_000).entries()) {
    model.put(label, label + 1, vector);
  }
  for (let label = 0; label < 2_000; label += 3) {
    graph.kill(label, 3_000);
    model.kill(label, 3_000);
  }
  if (allowed !== undefined) graph.setFilter(bitmapOf(allowed));
  for (const query of vectors.slice(2_000, 2_010)) {
    for (const atSeq of [1_500, 2_999, 3_000]) {
      const found: { label: number; distance: number }[] = [];
      for (let first = 0; first < graph.slots; first += 333) {
        const count = graph.searchSlots(query, { k: 10, atSeq }, first, first + 333);
        for (let index = 0; index < count; index++) {
          found.push({ label: graph.labels[index], distance: graph.distances[index] });
        }
      }
      found.sort((left, right) => left.distance - right.distance || left.label - right.label);
      const expected = model.search(query, atSeq, allowed).slice(0, 10);
      expect(found.slice(0, 10).map(({ label }) => label)).toEqual(
        expected.map(({ label }) => label),
      );
      const whole = hitsOf(graph, query, { k: 10, ef: 10, atSeq, strategy: "exact" });
      expect(found.slice(0, 10)).toEqual(whole);
    }
  }
});
