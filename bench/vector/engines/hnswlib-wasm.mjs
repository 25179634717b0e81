import "fake-indexeddb/auto";

// It is made for browsers and looks for one.
globalThis.window ??= globalThis;

export async function create({ dimensions, count }) {
  const { loadHnswlib } = await import("./../node_modules/hnswlib-wasm/dist/hnswlib.js");
  const library = await loadHnswlib();
  const index = new library.HierarchicalNSW("ip", dimensions, "");
  return {
    settings: { M: 16, efConstruction: 200 },
    efs: [16, 24, 32, 48, 64, 96, 128, 192, 256, 320, 400, 512],
    build(base) {
      index.initIndex(count, 16, 200, 100);
      for (let label = 0; label < count; label++) {
        const from = label * dimensions;
        index.addPoint(base.subarray(from, from + dimensions), label, false);
      }
    },
    search(query, k, ef) {
      index.setEfSearch(ef);
      return index.searchKnn(query, k, undefined).neighbors;
    },
  };
}
