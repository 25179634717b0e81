import { readFileSync, rmSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const { HierarchicalNSW } = createRequire(import.meta.url)(
  process.env.CAIRN_BENCH_HNSWLIB ?? "hnswlib-node",
);

export async function create({ dimensions, count }) {
  let index = new HierarchicalNSW("ip", dimensions);
  const path = join(tmpdir(), `cairn-bench-${process.pid}.hnsw`);
  return {
    settings: { M: 16, efConstruction: 200 },
    efs: [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 320, 400, 512],
    build(base) {
      index.initIndex({ maxElements: count, m: 16, efConstruction: 200, randomSeed: 100 });
      for (let label = 0; label < count; label++) {
        const from = label * dimensions;
        index.addPoint(Array.from(base.subarray(from, from + dimensions)), label);
      }
    },
    /** Its queries are arrays; making one is not part of its search. */
    prepare: (query) => Array.from(query),
    search(query, k, ef) {
      index.setEf(ef);
      return index.searchKnn(query, k).neighbors;
    },
    filter(labels) {
      const allowed = new Set(labels);
      return {
        search(query, k, ef) {
          index.setEf(ef);
          return index.searchKnn(query, k, (label) => allowed.has(label)).neighbors;
        },
        end() {},
      };
    },
    save() {
      index.writeIndexSync(path);
      return { length: statSync(path).size };
    },
    load() {
      readFileSync(path);
      index = new HierarchicalNSW("ip", dimensions);
      index.readIndexSync(path);
      rmSync(path);
    },
  };
}
