/**
 * The idempotency keys of envelopes that were made, as records of one hidden ordered tree, which
 * the commits themselves write: a key is there if, and only if, its envelope was made.
 *
 *     key      01, u16 bytes of the caller (ffff without one), caller, idempotency key
 *     value    16 bytes fingerprint, f64 time of the commit; its seq is the record's own
 *
 *     key      02, u64 seq                                  in the order of commits
 *     value    the key above
 *
 * Numbers are big-endian. A record outside of the window counts as absent at once; some commits
 * remove what has left it, oldest first.
 */
import type { DecodeRecord, EffectBuffer, Engine, Steps, Turn } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import { checkOptions, checkWhole, describeValue, invalid } from "../kv/index.ts";
import { compareBytes, ownedBytes } from "../transaction/index.ts";
import { type Envelope, nameBytesMax } from "./envelope.ts";
import { fingerprintBytes, fingerprintOf } from "./fingerprint.ts";

/** How long an idempotency key is remembered: while both hold. 0 is no bound. */
export interface IdempotencyWindow {
  /** Commits since; 100,000 by default. */
  readonly commits?: number;
  /** Seconds since, by commit times; 300 by default. */
  readonly seconds?: number;
}

/** One envelope's key, ready for its turn. */
export interface IdempotencyRecord {
  readonly key: Uint8Array;
  readonly fingerprint: Uint8Array;
}

/** The commit that has made the same envelope before. */
export interface EarlierCommit {
  readonly seq: number;
  readonly time: number;
}

interface Stored extends EarlierCommit {
  readonly fingerprint: Uint8Array;
}

const action = "open a database";
const windowNames: ReadonlySet<string> = new Set(["commits", "seconds"]);
const descriptor = { kind: "ordered", type: "internal", name: "internal: idempotency" } as const;
const textEncoder = new TextEncoder();
const commitsDefault = 100_000;
const secondsDefault = 300;
/** Every so many records, up to twice as many that have left the window are removed. */
const pruneEvery = 64;
const noCaller = 0xffff;

/** @throws CairnError `option_unknown`, `argument_invalid`. */
export function checkWindow(window: IdempotencyWindow | undefined): void {
  checkOptions(action, window, windowNames);
  checkWhole(action, "idempotency.commits", window?.commits, 0);
  checkWhole(action, "idempotency.seconds", window?.seconds, 0);
}

/** The key of an envelope; undefined where it has none. @throws CairnError `argument_invalid`. */
export function idempotencyOf(envelope: Envelope): IdempotencyRecord | undefined {
  const { idempotencyKey, caller } = envelope;
  const callerBytes = caller === undefined ? undefined : nameBytes("the caller", caller);
  if (idempotencyKey === undefined) return undefined;
  const name = nameBytes("the idempotency key", idempotencyKey);
  const key = new Uint8Array(3 + (callerBytes?.length ?? 0) + name.length);
  key[0] = 1;
  new DataView(key.buffer).setUint16(1, callerBytes?.length ?? noCaller);
  if (callerBytes !== undefined) key.set(callerBytes, 3);
  key.set(name, key.length - name.length);
  return { key, fingerprint: fingerprintOf(envelope) };
}

function nameBytes(what: string, name: unknown): Uint8Array {
  const isBytes = name instanceof Uint8Array && what !== "the caller";
  if (typeof name !== "string" && !isBytes) {
    throw invalid("commit an envelope", what, describeValue(name), "text");
  }
  const bytes = typeof name === "string" ? textEncoder.encode(name) : ownedBytes(name);
  if (bytes.length > 0 && bytes.length <= nameBytesMax) return bytes;
  const expected = `1 to ${nameBytesMax} bytes`;
  throw invalid("commit an envelope", what, `${bytes.length} bytes long`, expected);
}

const decodeStored: DecodeRecord<Stored> = (memory, at, _length, { seq }) => ({
  fingerprint: ownedBytes(memory.subarray(at, at + fingerprintBytes)),
  time: new DataView(memory.buffer, memory.byteOffset + at).getFloat64(fingerprintBytes),
  seq,
});

export class Idempotency {
  readonly #engine: Engine;
  readonly #commits: number;
  readonly #milliseconds: number;
  #tree = 0;
  #sincePruned = 0;

  constructor(engine: Engine, window: IdempotencyWindow = {}) {
    const { commits = commitsDefault, seconds = secondsDefault } = window;
    this.#engine = engine;
    this.#commits = commits === 0 ? Number.POSITIVE_INFINITY : commits;
    this.#milliseconds = seconds === 0 ? Number.POSITIVE_INFINITY : seconds * 1_000;
  }

  /**
   * The commit that made the envelope before, at a commit's turn; undefined for none in the window.
   * @throws CairnError `idempotency_key_reused` where the key was used for another request.
   */
  *find(record: IdempotencyRecord, turn: Turn): Steps<EarlierCommit | undefined> {
    const tree = this.#treeId();
    if (tree === 0) return undefined;
    const found = yield* this.#engine.readSteps(tree, record.key, "newest", 0, decodeStored);
    if (found === undefined || !this.#isWithin(found, turn)) return undefined;
    if (compareBytes(found.fingerprint, record.fingerprint) === 0) return found;
    throw reused(found.seq);
  }

  #isWithin({ seq, time }: EarlierCommit, turn: Turn): boolean {
    return turn.seq - seq <= this.#commits && turn.time - time <= this.#milliseconds;
  }

  /** Notes the envelope as made, in its own commit. */
  *put(effects: EffectBuffer, record: IdempotencyRecord, turn: Turn): Steps<void> {
    const tree = this.#treeId() || this.#create(effects);
    if (++this.#sincePruned >= pruneEvery && this.#tree !== 0) {
      this.#sincePruned = 0;
      // First, because an old record may have this very key.
      yield* this.#prune(effects, tree, turn);
    }
    const value = new Uint8Array(fingerprintBytes + 8);
    value.set(record.fingerprint);
    new DataView(value.buffer).setFloat64(fingerprintBytes, turn.time);
    effects.put(tree, record.key, value);
    effects.put(tree, orderKey(turn.seq), record.key);
  }

  *#prune(effects: EffectBuffer, tree: number, turn: Turn): Steps<void> {
    const engine = this.#engine;
    const range = { low: orderKey(0), high: orderKey(turn.seq) };
    const columns = { keys: true, values: true, meta: false };
    const most = 2 * pruneEvery;
    const oldest = yield* engine.scanSteps(tree, range, "newest", 0, most, columns);
    let end: number | undefined;
    for (let row = 0; row < oldest.count; row++) {
      const key = ownedBytes(oldest.value(row));
      const seq = seqOfOrder(oldest.key(row));
      const stored = yield* engine.readSteps(tree, key, "newest", 0, decodeStored);
      // The key may have been used again since.
      const isOwn = stored?.seq === seq;
      if (isOwn && this.#isWithin(stored, turn)) break;
      if (isOwn) effects.delete(tree, key);
      end = seq;
    }
    if (end !== undefined) effects.deleteRange(tree, orderKey(0), orderKey(end + 1));
  }

  #treeId(): number {
    const engine = this.#engine;
    // A commit that created the tree may have failed.
    if (this.#tree !== 0 && engine.tree(this.#tree) !== undefined) return this.#tree;
    this.#tree = 0;
    for (const tree of engine.newestTrees()) {
      if (tree.descriptor.type === descriptor.type && tree.descriptor.name === descriptor.name) {
        this.#tree = tree.id;
      }
    }
    return this.#tree;
  }

  #create(effects: EffectBuffer): number {
    const id = this.#engine.nextTreeId();
    effects.createTree(id, textEncoder.encode(JSON.stringify(descriptor)));
    return id;
  }
}

function orderKey(seq: number): Uint8Array {
  const key = new Uint8Array(9);
  key[0] = 2;
  new DataView(key.buffer).setBigUint64(1, BigInt(seq));
  return key;
}

function seqOfOrder(key: Uint8Array): number {
  return Number(new DataView(key.buffer, key.byteOffset).getBigUint64(1));
}

function reused(seq: number): CairnError {
  return new CairnError(
    "idempotency_key_reused",
    `Cannot commit the envelope: its idempotency key was used by commit ${seq} for another ` +
      "request. Nothing was applied. Use a new key for a new request.",
    { details: { seq } },
  );
}
