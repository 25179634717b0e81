import { rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const { Index } = createRequire(import.meta.url)("usearch");

export async function create({ dimensions, count, options }) {
  const settings = {
    metric: "cos",
    dimensions,
    connectivity: 16,
    expansion_add: 200,
    expansion_search: 64,
    ...options,
  };
  const path = join(tmpdir(), `cairn-bench-${process.pid}.usearch`);
  process.on("exit", () => rmSync(path, { force: true }));
  let index = new Index(settings);
  return {
    settings,
    efs: [16, 24, 32, 48, 64, 96, 128, 192, 256, 320, 400, 512],
    build(base) {
      for (let label = 0; label < count; label++) {
        index.add(BigInt(label), base.subarray(label * dimensions, (label + 1) * dimensions), 1);
      }
    },
    /** The expansion is fixed when an index is made, so each one loads the same file. */
    setEf(ef) {
      if (index !== undefined) index.save(path);
      index = undefined;
      const loaded = new Index({ ...settings, expansion_search: ef });
      loaded.load(path);
      this.search = (query, k) => loaded.search(query, k, 1).keys;
    },
  };
}
