/**
 * The expiry tree: one ordered tree per database that says what to look at when, so that a sweep
 * reads only what is due.
 *
 *     key     u48 moment, u32 tree, the record's key        big-endian: in order of time
 *     value   empty
 *
 * The moment is the record's expiry rounded up to {@link momentMs}; records that expire together
 * share pages. An entry is a hint, written by the commit that writes the record and never removed
 * by a later write: who finds it due looks at the record itself. A record with an expiry always
 * has the entry of its own moment.
 */
import type { EffectBuffer, Engine } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import type { Key } from "./key.ts";
import { expiresAtMax } from "./lifetime.ts";
import type { Tree } from "./tree.ts";

/** What moments are rounded up to. */
export const momentMs = 1_024;

const descriptor = { kind: "ordered", type: "internal", name: "internal: expiry" } as const;
const headBytes = 10;
const empty = new Uint8Array(0);
const textEncoder = new TextEncoder();

/** One entry of the expiry tree. */
export interface Hint {
  readonly moment: number;
  readonly tree: number;
  readonly key: Uint8Array;
}

/** The moment under which a record that expires at `expiresAt` is found. */
export function momentOf(expiresAt: number): number {
  return Math.min(Math.ceil(expiresAt / momentMs) * momentMs, expiresAtMax);
}

export function decodeHint(bytes: Uint8Array): Hint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    moment: view.getUint16(0) * 2 ** 32 + view.getUint32(2),
    tree: view.getUint32(6),
    key: bytes.subarray(headBytes),
  };
}

/** The key before which all entries are due at `now`. */
export function dueBefore(now: number): Uint8Array {
  const bytes = new Uint8Array(6);
  writeMoment(new DataView(bytes.buffer), now + 1);
  return bytes;
}

function writeMoment(view: DataView, moment: number): void {
  view.setUint16(0, Math.floor(moment / 2 ** 32));
  view.setUint32(2, moment % 2 ** 32);
}

export class ExpiryTree {
  readonly #engine: Engine;
  readonly #scratch: Uint8Array = new Uint8Array(headBytes + 3 * 1_040);
  readonly #view: DataView = new DataView(this.#scratch.buffer);
  #id = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** The tree's id; 0 while there is none. */
  get id(): number {
    if (this.#id === 0) this.#id = this.#find();
    return this.#id;
  }

  /** False when no record of the database can have an expiry. */
  get isInUse(): boolean {
    const { id } = this;
    return id !== 0 && this.#engine.records(id) > 0;
  }

  /** Creates the tree if there is none; for use in the commit that creates a tree of records. */
  createWithin(effects: EffectBuffer): void {
    if (this.id !== 0) return;
    const id = this.#engine.nextTreeId();
    effects.createTree(id, textEncoder.encode(JSON.stringify(descriptor)));
  }

  /** Puts a record and, where it expires (not 0), its entry in the expiry tree. */
  put(effects: EffectBuffer, tree: Tree, key: Key, value: Uint8Array, expiresAt: number): void {
    if (expiresAt === 0) {
      effects.put(tree.id, key, value);
      return;
    }
    const { id } = this;
    if (id === 0) {
      throw new CairnError(
        "invariant_broken",
        "Writing a record that expires: there is no expiry tree. This is a fault in CairnDB.",
      );
    }
    tree.expires = true;
    effects.put(tree.id, key, value, expiresAt);
    effects.put(id, this.#encodeHint(momentOf(expiresAt), tree.id, key), empty);
  }

  #encodeHint(moment: number, tree: number, key: Key): Uint8Array {
    const scratch = this.#scratch;
    writeMoment(this.#view, moment);
    this.#view.setUint32(6, tree);
    if (typeof key === "string") {
      const { written } = textEncoder.encodeInto(key, scratch.subarray(headBytes));
      return scratch.subarray(0, headBytes + written);
    }
    scratch.set(key, headBytes);
    return scratch.subarray(0, headBytes + key.length);
  }

  #find(): number {
    for (const tree of this.#engine.newestTrees()) {
      if (tree.descriptor.type === descriptor.type && tree.descriptor.name === descriptor.name) {
        return tree.id;
      }
    }
    return 0;
  }
}
