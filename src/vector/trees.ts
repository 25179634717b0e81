/** The trees of one index, and the writes that keep them in step. */
import type { At, Decode, EffectBuffer, Engine, Steps, Turn } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import type { OverlayWrite, Tree } from "../transaction/index.ts";
import { entriesOf } from "./field.ts";
import { idCodecs } from "./id.ts";
import type { VectorsDescriptor } from "./options.ts";
import {
  deathKey,
  decodeLabel,
  encodeLabel,
  labelKey,
  labelOfKey,
  labelsMax,
  nextKey,
  noBytes,
  RowDecoder,
} from "./row.ts";

/** The ids of an index's trees. */
export interface TreeIds {
  readonly ids: number;
  readonly rows: number;
  readonly pending: number;
  /** By path. */
  readonly fields: ReadonlyMap<string, number>;
}

export class VectorTrees {
  readonly engine: Engine;
  readonly ids: TreeIds;
  readonly decoder: RowDecoder;
  /** How transactions know the index: ids to staged rows. */
  readonly tree: Tree;
  /** Deaths up to this commit are needed by nobody; the next write removes them. */
  prunable = 0;
  /** The next label as far as anybody here knows; writers may be ahead of readers. */
  latestNext = 0;
  #pruned = 0;
  readonly #paths: readonly (readonly [path: readonly string[], tree: number])[];

  constructor(engine: Engine, ids: TreeIds, descriptor: VectorsDescriptor) {
    this.engine = engine;
    this.ids = ids;
    this.decoder = new RowDecoder(descriptor.dimensions, idCodecs[descriptor.id]);
    this.#paths = [...ids.fields].map(([path, tree]) => [path.split("."), tree]);
    this.tree = {
      id: ids.ids,
      kind: "hashed",
      isText: false,
      expires: false,
      isDropped: false,
      write: (effects, turn, writes) => this.write(effects, turn, writes),
    };
  }

  /** The label that the next vector gets. */
  *next(at: At): Steps<number> {
    const { engine, ids } = this;
    const next = (yield* engine.readSteps(ids.pending, nextKey, at, 0, decodeLabel)) ?? 0;
    this.latestNext = Math.max(this.latestNext, next);
    return next;
  }

  /**
   * Encodes puts and deletions of ids, each once: what was under them dies, what is put gets a new
   * label. For use in a commit's turn. Answers which of them were there.
   */
  *write(
    effects: EffectBuffer,
    turn: Turn,
    writes: readonly OverlayWrite[],
  ): Steps<(number | undefined)[]> {
    const { engine, ids } = this;
    const keys = writes.map(({ key }) => key);
    const before = yield* engine.readManySteps(ids.ids, keys, "newest", 0, decodeLabel);
    const first = yield* this.next("newest");
    yield* this.#kill(
      effects,
      turn.seq,
      before.filter((label) => label !== undefined),
    );
    let next = first;
    for (const [index, { key, value }] of writes.entries()) {
      if (value !== undefined) {
        if (next >= labelsMax) throw labelsUsedUp();
        this.#add(effects, next, value);
        effects.put(ids.ids, key, encodeLabel(next));
        next++;
      } else if (before[index] !== undefined) effects.delete(ids.ids, key);
    }
    if (next !== first) effects.put(ids.pending, nextKey, encodeLabel(next));
    this.latestNext = Math.max(this.latestNext, next);
    if (this.#pruned < this.prunable) {
      effects.deleteRange(ids.pending, deathKey(0, 0), deathKey(this.prunable + 1, 0));
      this.#pruned = this.prunable;
    }
    return before;
  }

  /** Whether something died after a commit; not all deaths of long ago are known. */
  *hasDeathsAfter(seq: number, at: At): Steps<boolean> {
    const range = { low: deathKey(seq + 1, 0), high: deathKey(Number.MAX_SAFE_INTEGER, 0) };
    const rows = yield* this.engine.scanSteps(this.ids.pending, range, at, 0, 1, keysOnly);
    return rows.count > 0;
  }

  #add(effects: EffectBuffer, label: number, row: Uint8Array): void {
    const key = labelKey(label);
    effects.put(this.ids.rows, key, row);
    if (this.#paths.length === 0) return;
    const metadata = this.decoder.metadata(row, 0, row.length);
    for (const [path, tree] of this.#paths) {
      for (const entry of entriesOf(metadata, path)) effects.put(tree, join(entry, key), noBytes);
    }
  }

  *#kill(effects: EffectBuffer, seq: number, labels: readonly number[]): Steps<void> {
    if (labels.length === 0) return;
    const { rows, pending } = this.ids;
    const keys = labels.map(labelKey);
    for (const [index, key] of keys.entries()) {
      effects.delete(rows, key);
      effects.put(pending, deathKey(seq, labels[index]), noBytes);
    }
    if (this.#paths.length === 0) return;
    const { metadata } = this.decoder;
    const known = yield* this.engine.readManySteps(rows, keys, "newest", 0, metadata);
    for (const [index, key] of keys.entries()) {
      for (const [path, tree] of this.#paths) {
        for (const entry of entriesOf(known[index], path)) effects.delete(tree, join(entry, key));
      }
    }
  }

  /** Rows from a label on, up to another one: at most so many, in order. */
  *rowsFrom(
    low: number,
    high: number,
    at: At,
    limit: number,
    each: (label: number, memory: Uint8Array, from: number, length: number, seq: number) => void,
  ): Steps<number> {
    if (low >= high) return high;
    const range = { low: labelKey(low), high: labelKey(high) };
    const rows = yield* this.engine.scanSteps(this.ids.rows, range, at, 0, limit, everything);
    for (let row = 0; row < rows.count; row++) {
      const label = labelOfKey(rows.key(row));
      const seq = rows.seq(row);
      const take: Decode<void> = (memory, from, length) => each(label, memory, from, length, seq);
      rows.decode(row, take);
    }
    return rows.resume === undefined ? high : labelOfKey(rows.resume) + 1;
  }
}

const keysOnly = { keys: true, values: false, meta: false } as const;
const everything = { keys: true, values: true, meta: true } as const;

function join(entry: Uint8Array, label: Uint8Array): Uint8Array {
  const key = new Uint8Array(entry.length + 4);
  key.set(entry);
  key.set(label, entry.length);
  return key;
}

function labelsUsedUp(): CairnError {
  return new CairnError(
    "memory_limit",
    "Cannot put a vector: all 4,294,967,295 versions of vectors that an index can have were " +
      "used. Copy its vectors into a new index.",
  );
}
