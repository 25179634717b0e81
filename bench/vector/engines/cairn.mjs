// CairnDB's graph, as the engine uses it: appended, then linked in slices.
import { VectorGraph } from "../../../build/out/bench/vector.mjs";

export async function create({ dimensions, count, options }) {
  const shape = { dimensions, metric: "cosine", efConstruction: 100, ...options };
  let graph = new VectorGraph(shape);
  return {
    settings: shape,
    efs: [10, 16, 24, 32, 40, 48, 56, 64, 80, 96, 128, 160, 192, 256, 320, 400, 512],
    build(base) {
      graph.train(base.subarray(0, Math.min(count, 10_000) * dimensions));
      for (let label = 0; label < count; label++) {
        graph.append(label, label + 1, base.subarray(label * dimensions, (label + 1) * dimensions));
      }
      while (graph.link(50_000) > 0);
    },
    search(query, k, ef) {
      const found = graph.search(query, { k, ef });
      return graph.labels.subarray(0, found);
    },
    filter(labels) {
      const bitmap = new Uint32Array((count >>> 5) + 1);
      for (const label of labels) bitmap[label >>> 5] |= 1 << (label & 31);
      graph.setFilter(bitmap);
      const share = labels.length / count;
      const strategyOf = (ef) => {
        // The planner's rule: docs/decisions/0021-filtered-search.md.
        const scanMax = 90 * ef * (share <= 0.25 ? 1 : 0.5);
        if (labels.length <= scanMax || share <= 0.02) return "scan";
        return share <= 0.25 ? "hop" : "walk";
      };
      return {
        search(query, k, ef) {
          const found = graph.search(query, { k, ef, strategy: strategyOf(ef) });
          return graph.labels.subarray(0, found);
        },
        end: () => graph.clearFilter(),
      };
    },
    memory: () => graph.stats().memoryBytes,
    save() {
      const writer = graph.write();
      const image = new Uint8Array(writer.bytes);
      let at = 0;
      for (let part = writer.read(65_536); part !== undefined; part = writer.read(65_536)) {
        image.set(part, at);
        at += part.length;
      }
      return image;
    },
    load(image) {
      const reader = VectorGraph.read(shape);
      reader.write(image);
      while (!reader.verify(10_000));
      graph = reader.graph;
    },
    /** Five rounds of a fifth of the vectors replaced by themselves under new labels. */
    churn(base, rounds) {
      return churn(graph, { base, dimensions, count, rounds });
    },
  };
}

function churn(graph, { base, dimensions, count, rounds }) {
  const labels = Array.from({ length: count }, (_, label) => label);
  let next = count;
  let seq = count + 1;
  let removed = 0;
  let ms = 0;
  for (let round = 0; round < rounds; round++) {
    const begin = performance.now();
    for (let index = round; index < count; index += rounds) graph.kill(labels[index], seq);
    while (!graph.purge(seq, 1_000));
    ms += performance.now() - begin;
    seq++;
    for (let index = round; index < count; index += rounds) {
      removed++;
      labels[index] = next;
      graph.append(next++, seq, base.subarray(index * dimensions, (index + 1) * dimensions));
    }
    while (graph.link(50_000) > 0);
  }
  const indexOf = new Map(labels.map((label, index) => [label, index]));
  return { usPerDelete: (ms * 1_000) / removed, ...graph.check(), indexOf: (l) => indexOf.get(l) };
}
