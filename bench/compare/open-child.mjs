// Opens a database once, in a fresh process: milliseconds from the call to the first value.
import { performance } from "node:perf_hooks";
import { job, report } from "../harness/child.mjs";

const { engine: name, options, folder, key } = job();
const module = await import(`./engines/${name}.mjs`);
const start = performance.now();
const engine = await module.openEngine(folder, "durable", options);
const value = engine.getSync(key);
const openMs = performance.now() - start;
if (value?.length !== 100) throw new Error("open: the record is missing");
await engine.close();
report({ openMs });
