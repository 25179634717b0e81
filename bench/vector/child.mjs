// One engine on one data set, in a process of its own: build, curve, filters, image, churn.
import { job, report } from "../harness/child.mjs";
import { k, labelsOf, load, nearest, queryCount } from "./data.mjs";

const { engine, data, count: asked, options, passes, curveOnly, efs: askedEfs } = job();
const { dimensions, base, queries, truth } = load(data, asked);
const count = base.length / dimensions;
const { create } = await import(`./engines/${engine}.mjs`);

const residentBefore = await resident();
const index = await create({ dimensions, count, options });
const prepare = index.prepare ?? ((query) => query);
const used = Math.min(queryCount, index.queriesMax ?? queryCount);
const asQueries = Array.from({ length: used }, (_, at) =>
  prepare(queries.slice(at * dimensions, (at + 1) * dimensions)),
);

const begin = performance.now();
index.build(base);
const buildSeconds = (performance.now() - begin) / 1_000;
const bytes = index.memory?.() ?? (await resident()) - residentBefore;
report({
  count,
  dimensions,
  settings: index.settings,
  buildSeconds,
  vectorsPerSecond: count / buildSeconds,
  bytesPerVector: bytes / count,
});
report({ curve: curve((query, ef) => index.search(query, k, ef), truth) });
if (!curveOnly) {
  if (index.filter !== undefined) report({ filters: [0.01, 0.1, 0.5].map(filtered) });
  if (index.save !== undefined) report({ image: measureImage() });
  if (index.load !== undefined) {
    report({ curveReopened: curve((query, ef) => index.search(query, k, ef), truth) });
  }
  if (index.churn !== undefined) report({ churn: measureChurn() });
}

/** Resident bytes, once what is not used any more has gone; buffers go a little later. */
async function resident() {
  for (let time = 0; time < 3; time++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return process.memoryUsage().rss;
}

/** Recall and queries a second for each ef: the best of some passes over all queries. */
function curve(search, expected) {
  const points = [];
  for (const ef of askedEfs ?? index.efs) {
    index.setEf?.(ef);
    let hits = 0;
    for (const [at, query] of asQueries.entries()) {
      const right = expected.subarray(at * k, (at + 1) * k);
      for (const label of search(query, ef)) if (right.includes(Number(label))) hits++;
    }
    const recall = hits / (used * k);
    points.push({ ef, recall, qps: queriesPerSecond((query) => search(query, ef)) });
    if (recall > 0.998) break;
  }
  return points;
}

function queriesPerSecond(search) {
  const rates = [];
  for (let pass = 0; pass < passes; pass++) {
    const start = performance.now();
    for (const query of asQueries) search(query);
    rates.push((used * 1_000) / (performance.now() - start));
  }
  rates.sort((left, right) => left - right);
  return rates[rates.length >> 1];
}

function filtered(share) {
  const labels = labelsOf(count, share);
  const expected = nearest({ dimensions, base, queries }, labels);
  const filter = index.filter(labels);
  const points = curve((query, ef) => filter.search(query, k, ef), expected);
  filter.end();
  return { share, matches: labels.length, points };
}

function measureImage() {
  let start = performance.now();
  const image = index.save();
  const writeMs = performance.now() - start;
  start = performance.now();
  index.load(image);
  return { bytesPerVector: image.length / count, writeMs, loadMs: performance.now() - start };
}

/** Recall at one ef before and after all vectors were replaced in five rounds. */
function measureChurn() {
  const ef = 80;
  const recall = (indexOf) => {
    let hits = 0;
    for (const [at, query] of asQueries.entries()) {
      const right = truth.subarray(at * k, (at + 1) * k);
      for (const label of index.search(query, k, ef)) if (right.includes(indexOf(label))) hits++;
    }
    return hits / (used * k);
  };
  const before = recall((label) => label);
  const { indexOf, ...figures } = index.churn(base, 5);
  return { ef, before, after: recall(indexOf), ...figures };
}
