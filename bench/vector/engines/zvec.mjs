import { rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const zvec = createRequire(import.meta.url)("@zvec/zvec");

export async function create({ dimensions, count }) {
  const folder = join(tmpdir(), `cairn-bench-zvec-${process.pid}`);
  zvec.ZVecInitialize({ queryThreads: 1, optimizeThreads: 1 });
  const { ZVecDataType, ZVecIndexType, ZVecMetricType } = zvec;
  const schema = new zvec.ZVecCollectionSchema({
    name: "words",
    vectors: [
      {
        name: "e",
        dataType: ZVecDataType.VECTOR_FP32,
        dimension: dimensions,
        indexParams: {
          indexType: ZVecIndexType.HNSW,
          metricType: ZVecMetricType.IP,
          m: 16,
          efConstruction: 200,
        },
      },
    ],
  });
  const collection = zvec.ZVecCreateAndOpen(folder, schema);
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return {
    settings: { M: 16, efConstruction: 200 },
    efs: [16, 24, 32, 48, 64, 96, 128, 192, 256, 320, 400, 512],
    build(base) {
      for (let from = 0; from < count; from += 500) {
        const documents = [];
        for (let label = from; label < Math.min(count, from + 500); label++) {
          const vector = Array.from(base.subarray(label * dimensions, (label + 1) * dimensions));
          documents.push({ id: String(label), vectors: { e: vector } });
        }
        collection.insertSync(documents);
      }
      collection.optimizeSync?.();
    },
    prepare: (query) => Array.from(query),
    search(query, k, ef) {
      const params = { indexType: ZVecIndexType.HNSW, ef };
      const found = collection.querySync({ fieldName: "e", vector: query, topk: k, params });
      return found.map(({ id }) => Number(id));
    },
  };
}
