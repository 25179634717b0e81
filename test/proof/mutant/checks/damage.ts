/**
 * Damage at rest: flipped bits, foreign, swapped, stale and made-up records. Whatever it is,
 * opening answers with a typed error or with everything that was certain, and `verify` names
 * damaged pages.
 */
import { type Engine, openEngine } from "../../../../src/engine/index.ts";
import { frameBytes, frameKind, readFrame, sealFrame } from "../../../../src/engine/log/frame.ts";
import { CairnError } from "../../../../src/errors.ts";
import { MemoryMedium, MemoryStorage } from "../../../../src/storage/memory/index.ts";
import { surroundings, tiny } from "../../../crash/explore.ts";
import { descriptorOf, difference, readState, type State, utf8 } from "../../../crash/model.ts";
import { tableChecksum } from "../../../engine/log/reference-checksum.ts";
import { Random } from "../../../storage/random.ts";

const options = {
  ...tiny,
  checkpointLogBytes: 1 << 30,
  segmentBytes: { first: 8192, max: 16_384 },
};
const firstFrame = 4608;

interface Sample {
  readonly medium: MemoryMedium;
  /** What it holds, and what it held one commit before. */
  readonly state: State;
  readonly before: State;
}

export async function checkDamage(seed: number): Promise<void> {
  const unclosed = await sampleOf(seed, false);
  const foreign = await sampleOf(seed + 1, false);
  const closed = await sampleOf(seed, true);
  requireSalts(unclosed.medium);
  for (const sample of [closed, unclosed]) {
    await checkRoots(sample);
    await checkCatalogue(sample);
  }
  await checkPages(closed.medium, foreign.medium);
  await checkEnd(unclosed, foreign.medium);
  await checkMadeUpFrames(unclosed);
  await checkLastFrames(unclosed);
  await checkFlips(unclosed, seed, 90);
  await checkFlips(closed, seed + 1, 30);
}

/** Two checkpoints and 40 commits after them, in several segments. */
async function sampleOf(seed: number, isClosed: boolean): Promise<Sample> {
  const medium = new MemoryMedium();
  const engine = await openEngine(new MemoryStorage(medium), options, surroundings(seed));
  const random = new Random(seed);
  const state = new Map<string, string>();
  let before: State = state;
  for (let step = 0; step < 80; step++) {
    before = new Map(state);
    const effects = engine.beginCommit();
    if (step === 0) {
      for (const [tree, kind] of [
        [1, "ordered"],
        [2, "hashed"],
      ] as const) {
        effects.createTree(tree, descriptorOf(kind));
        state.set(`#${tree}`, kind);
      }
    }
    for (let left = 1 + random.integer(4); left > 0; left--) {
      const tree = 1 + random.integer(2);
      const key = `key ${random.integer(300)}`;
      const value = `${step} ${"v".repeat(random.integer(300))}`;
      effects.put(tree, key, utf8(value));
      state.set(`${tree}/${key}`, value);
    }
    await engine.submit();
    if (step === 20 || step === 40) await engine.checkpoint();
  }
  if (isClosed) await engine.close();
  else {
    await engine.log.settled();
    medium.loseHolder();
  }
  return { medium: medium.copy(), state, before };
}

async function open(medium: MemoryMedium): Promise<Engine> {
  return await openEngine(new MemoryStorage(medium), options, surroundings(7));
}

/** Opens a changed copy; undefined when it was refused with a typed error. */
async function opened(
  { medium, state, before }: Sample,
  change: (copy: MemoryMedium) => void,
  what: string,
): Promise<Engine | undefined> {
  const copy = medium.copy();
  change(copy);
  let engine: Engine;
  try {
    engine = await open(copy);
  } catch (error) {
    if (error instanceof CairnError && error.code !== "core_failed") return undefined;
    throw new Error(`${what}: ${String(error)}`, { cause: error });
  }
  try {
    const found = await readState(engine);
    const isOneBefore = difference(found, before) === undefined;
    const wrong = isOneBefore ? undefined : difference(found, state);
    if (wrong !== undefined) throw new Error(`${what}: silently wrong, ${wrong}`);
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
  }
  return engine;
}

/** Opening must succeed, with all that there was. */
async function requireAll(
  sample: Sample,
  change: (copy: MemoryMedium) => void,
  what: string,
): Promise<Engine> {
  const engine = await opened(sample, change, what);
  if (engine === undefined) throw new Error(`${what}: refused`);
  const wrong = difference(await readState(engine), sample.state);
  if (wrong !== undefined) throw new Error(`${what}: ${wrong}`);
  return engine;
}

async function requireRefused(
  sample: Sample,
  change: (copy: MemoryMedium) => void,
  what: string,
): Promise<void> {
  const engine = await opened(sample, change, what);
  if (engine !== undefined) throw new Error(`${what}: opened as if nothing had happened`);
}

function rootsOf(medium: MemoryMedium): [Uint8Array, Uint8Array] {
  const slots = medium.root;
  if (slots === undefined) throw new Error("there is no root");
  medium.root = [slots[0].slice(), slots[1].slice()];
  return medium.root as [Uint8Array, Uint8Array];
}

/** Every byte in use of the newest slot, flipped; and the slot zeroed. */
async function checkRoots(sample: Sample): Promise<void> {
  const recordOf = (slot: Uint8Array): number => new DataView(slot.buffer).getUint32(32, true);
  const [zero, one] = rootsOf(sample.medium.copy());
  const newest = recordOf(zero) > recordOf(one) ? 0 : 1;
  for (let at = 4; at < 200; at += 13) {
    const flip = (copy: MemoryMedium): void => {
      rootsOf(copy)[newest][at] ^= 1 << (at % 8);
    };
    const engine = await requireAll(sample, flip, `root byte ${at} flipped`);
    if (!engine.recovery.rootDamaged) throw new Error(`root byte ${at} flipped: not reported`);
  }
  await requireAll(sample, (copy) => rootsOf(copy)[newest].fill(0), "newest root slot zeroed");
}

async function checkCatalogue(sample: Sample): Promise<void> {
  const names = [...sample.medium.blobs.keys()].filter((name) => name.startsWith("catalogue-"));
  const numberOf = (name: string): number => Number(name.split("-")[1]);
  const name = names.sort((a, b) => numberOf(b) - numberOf(a))[0] ?? "";
  const size = sample.medium.blobs.get(name)?.length ?? 0;
  for (let at = 40; at < size; at += 29) {
    const flip = (copy: MemoryMedium): void => flipIn(copy.blobs, name, at, 1);
    const engine = await requireAll(sample, flip, `catalogue byte ${at} flipped`);
    if (!engine.recovery.rootDamaged) throw new Error(`catalogue byte ${at}: not reported`);
  }
  await requireAll(sample, (copy) => copy.blobs.delete(name), "newest catalogue removed");
}

function flipIn<K>(files: Map<K, Uint8Array>, name: K, at: number, bits: number): void {
  const bytes = (files.get(name) ?? new Uint8Array(0)).slice();
  bytes[at] ^= bits;
  files.set(name, bytes);
}

/** A page of another place, and one of another database: found out by their checksums. */
async function checkPages(medium: MemoryMedium, foreign: MemoryMedium): Promise<void> {
  const names = [...medium.blobs.keys()].filter((name) => name.startsWith("pages-"));
  for (const name of names) {
    const bytes = medium.blobs.get(name) ?? new Uint8Array(0);
    const [one, two] = pagesIn(bytes);
    if (one === undefined || two === undefined) continue;
    const swapped = bytes.slice();
    swapped.set(bytes.subarray(one, one + 4096), two);
    swapped.set(bytes.subarray(two, two + 4096), one);
    await requireFound(medium, name, swapped, "two pages swapped");
    const flipped = bytes.slice();
    flipped[one + 2000] ^= 4;
    await requireFound(medium, name, flipped, "a flipped bit in a page");
    // The same place in both: nothing but the database can tell them apart.
    const number = name.split("-")[1] ?? "";
    const twin = [...foreign.blobs.keys()].find((other) => other.startsWith(`pages-${number}-`));
    const other = foreign.blobs.get(twin ?? "");
    if (other === undefined || other[one] !== bytes[one]) continue;
    const mixed = bytes.slice();
    mixed.set(other.subarray(one, one + 4096), one);
    await requireFound(medium, name, mixed, "a page of another database");
  }
}

/** Where pages stand in a blob; slots that were never written are zero. */
function pagesIn(blob: Uint8Array): number[] {
  const places = Array.from({ length: blob.length / 4096 - 1 }, (_, slot) => (slot + 1) * 4096);
  return places.filter((at) => blob[at] !== 0);
}

async function requireFound(
  medium: MemoryMedium,
  name: string,
  bytes: Uint8Array,
  what: string,
): Promise<void> {
  const copy = medium.copy();
  copy.blobs.set(name, bytes);
  const engine = await open(copy);
  const { findings } = await engine.verify();
  if (findings.some(({ reason }) => reason === "checksum")) return;
  throw new Error(`${what}: verify found ${JSON.stringify(findings)}`);
}

/** Where the frames of the newest segment end. */
function endOf(medium: MemoryMedium): { segment: number; last: number; end: number } {
  const begun = [...medium.segments].filter(([, bytes]) => bytes[0] !== 0);
  const [segment, bytes] = begun.sort(([a], [b]) => b - a)[0] ?? [0, new Uint8Array(0)];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = firstFrame;
  let last = at;
  for (;;) {
    const frame = at + 80 <= bytes.length ? readFrame(view, at) : undefined;
    if (frame === undefined) return { segment, last, end: at };
    last = at;
    at += frame.bytes;
  }
}

/** Whole frames behind the end that do not belong there: dropped, and nothing else is harmed. */
async function checkEnd(sample: Sample, foreign: MemoryMedium): Promise<void> {
  const { segment, last, end } = endOf(sample.medium);
  const paste = (from: Uint8Array, at: number, bytes: number) => (copy: MemoryMedium) => {
    const target = (copy.segments.get(segment) ?? new Uint8Array(0)).slice();
    target.set(from.subarray(at, Math.min(at + bytes, at + target.length - end)), end);
    copy.segments.set(segment, target);
  };
  const own = sample.medium.segments.get(segment) ?? new Uint8Array(0);
  await requireDropped(sample, paste(own, last, end - last), "the last frame once more");
  for (const bytes of foreign.segments.values()) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = firstFrame; at + 80 < bytes.length; ) {
      const frame = readFrame(view, at);
      if (frame === undefined) break;
      if (at === end)
        await requireDropped(sample, paste(bytes, at, frame.bytes), "a foreign frame");
      at += frame.bytes;
    }
    const first = readFrame(view, firstFrame)?.bytes ?? 0;
    if (first > 0) await requireDropped(sample, paste(bytes, firstFrame, first), "foreign bytes");
  }
}

async function requireDropped(
  sample: Sample,
  change: (copy: MemoryMedium) => void,
  what: string,
): Promise<void> {
  const engine = await requireAll(sample, change, what);
  if (engine.recovery.droppedBytes === 0) throw new Error(`${what}: not reported`);
}

/** Intact frames, checksums and all, that no writer would have put there. */
async function checkMadeUpFrames(sample: Sample): Promise<void> {
  const { segment, last, end } = endOf(sample.medium);
  const bytes = (sample.medium.segments.get(segment) ?? new Uint8Array(0)).slice();
  const view = new DataView(bytes.buffer);
  const before = readFrame(view, last);
  if (before === undefined) throw new Error("the segment has no frame");
  const seed = (view.getUint32(4, true) ^ end) >>> 0;
  const next = {
    ...before,
    kind: frameKind.commits,
    payloadBytes: 0,
    groupBytes: 0,
    previousChecksum: before.checksum,
    firstSeq: before.lastSeq + 1,
    lastSeq: before.lastSeq + 1,
    part: 0,
    parts: 1,
  };
  const wrong = [
    { firstSeq: next.firstSeq + 1, lastSeq: next.lastSeq + 1 },
    { firstSeq: before.firstSeq, lastSeq: before.lastSeq },
    { previousChecksum: before.checksum ^ 1 },
    { generation: next.generation + 1 },
    { part: 1, parts: 2 },
    { durableSeq: next.lastSeq + 5 },
  ];
  for (const fields of wrong) {
    const change = (copy: MemoryMedium): void => {
      const target = bytes.slice();
      if (end + frameBytes(0) > target.length) throw new Error("the segment is full");
      const made = { ...next, ...fields };
      sealFrame(target, new DataView(target.buffer), end, made, tableChecksum, seed);
      copy.segments.set(segment, target);
    };
    await requireRefused(sample, change, `a frame with ${JSON.stringify(fields)}`);
  }
}

/** The last frame of a segment that was left: only later segments know that it was durable. */
async function checkLastFrames(sample: Sample): Promise<void> {
  const { segment: newest } = endOf(sample.medium);
  for (const [segment, bytes] of sample.medium.segments) {
    if (segment === newest || bytes[0] === 0) continue;
    const at = bytes.findLastIndex((byte) => byte !== 0);
    const flip = (copy: MemoryMedium): void => flipIn(copy.segments, segment, at, 1);
    const what = `the last frame of segment ${segment}`;
    const engine = await opened(sample, flip, what);
    const wrong = engine && difference(await readState(engine), sample.state);
    if (wrong !== undefined) throw new Error(`${what}: shortened, ${wrong}`);
  }
}

/** Flips in all that is in use: refused, or right. */
async function checkFlips(sample: Sample, seed: number, count: number): Promise<void> {
  const random = new Random(seed);
  const { segment: newest, last } = endOf(sample.medium);
  const segments = [...sample.medium.segments].filter(([, bytes]) => bytes[0] !== 0);
  for (let left = count; left > 0; left--) {
    const [segment, bytes] = random.pick(segments);
    const used = bytes.findLastIndex((byte) => byte !== 0) + 1;
    const at = random.integer(used);
    const bits = 1 << random.integer(8);
    const what = `segment ${segment}, byte ${at} xor ${bits}`;
    const flip = (copy: MemoryMedium): void => flipIn(copy.segments, segment, at, bits);
    const engine = await opened(sample, flip, what);
    // The header has a copy; zeros between frames and the last group of all cannot be told.
    const isLast = segment === newest && at >= last;
    if (engine === undefined || isLast || at < firstFrame) continue;
    const wrong = difference(await readState(engine), sample.state);
    if (wrong !== undefined) throw new Error(`${what}: shortened, ${wrong}`);
  }
}

/** No two segments share a salt: old bytes can never look like new ones. */
function requireSalts(medium: MemoryMedium): void {
  const salts = [...medium.segments.values()]
    .filter((bytes) => bytes[0] !== 0)
    .map((bytes) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(12, true));
  if (salts.length < 2 || new Set(salts).size !== salts.length) {
    throw new Error(`${salts.length} segments have the salts ${salts.join(", ")}`);
  }
}
