// One engine, one repetition, in a process of its own. See rows.mjs.
import { mkdirSync, rmSync } from "node:fs";
import { job, report } from "../harness/child.mjs";
import { Data } from "../harness/data.mjs";
import { selection } from "../harness/results.mjs";
import { runRows } from "./rows.mjs";

const { engine, options, records, rows, folder } = job();
const module = await import(`./engines/${engine}.mjs`);
const data = new Data(records, module.Bytes);

/** From keys to their records; made when the first scan is checked. */
let index;
const byKey = {
  get(key) {
    index ??= indexByKey();
    return index.get(key);
  },
};

function indexByKey() {
  const map = new Map();
  for (let at = 0; at < records; at++) map.set(data.key(at), at);
  return map;
}

function makeFolder(path) {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  return path;
}

report({ settings: module.settings });
await runRows({
  module,
  options,
  data,
  byKey,
  folder,
  makeFolder,
  job: { engine, options, key: data.key(0) },
  isWanted: selection(rows),
  report,
});
rmSync(folder, { recursive: true, force: true });
