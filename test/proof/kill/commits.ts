/** What commit number n consists of: both processes work it out from the number alone. */
import type { EffectBuffer } from "../../../src/engine/index.ts";
import { Random } from "../../storage/random.ts";

type Put = (tree: number, key: string, value: string) => void;

/** Where the effects of a commit go: to an effect buffer, or to a model. */
interface Target {
  create(tree: number, kind: "ordered" | "hashed"): void;
  put: Put;
  delete(tree: number, key: string): void;
  deleteRange(tree: number, low: string, high: string): void;
  clear(tree: number): void;
}

const keys = 4000;

export function describeCommit(seq: number, target: Target): void {
  if (seq === 1) {
    target.create(1, "ordered");
    target.create(2, "hashed");
    return;
  }
  const random = new Random(seq * 2_654_435_761);
  target.put(1, "newest", String(seq));
  if (seq % 211 === 0) target.clear(2);
  if (seq % 97 === 0) {
    const from = random.integer(keys);
    target.deleteRange(1, keyOf(from), keyOf(from + keys / 8));
  }
  for (let left = 1 + random.integer(10); left > 0; left--) {
    const tree = 1 + random.integer(2);
    const key = keyOf(random.integer(keys));
    if (random.chance(0.2)) target.delete(tree, key);
    else {
      const bytes = random.integer(80) === 0 ? 60_000 : 300;
      target.put(tree, key, `${seq} ${"v".repeat(random.integer(bytes))}`);
    }
  }
}

function keyOf(number: number): string {
  return `key ${String(number).padStart(6, "0")}`;
}

const encoder = new TextEncoder();

export function encodeCommit(seq: number, effects: EffectBuffer): void {
  describeCommit(seq, {
    create: (tree, kind) => effects.createTree(tree, encoder.encode(JSON.stringify({ kind }))),
    put: (tree, key, value) => effects.put(tree, key, encoder.encode(value)),
    delete: (tree, key) => effects.delete(tree, key),
    deleteRange: (tree, low, high) => effects.deleteRange(tree, low, high),
    clear: (tree) => effects.clear(tree),
  });
}

/** What the database must hold after commit `seq`. */
export class Model {
  readonly state: Map<string, string>;
  seq: number;

  constructor(state: Iterable<[string, string]> = [], seq = 0) {
    this.state = new Map(state);
    this.seq = seq;
  }

  /** The model as it is after commit `seq`, which must not be an earlier one. */
  advance(seq: number): this {
    while (this.seq < seq) this.#apply(++this.seq);
    return this;
  }

  #apply(seq: number): void {
    const { state } = this;
    const drop = (tree: number, isMeant: (key: string) => boolean): void => {
      const prefix = `${tree}/`;
      for (const name of [...state.keys()]) {
        if (name.startsWith(prefix) && isMeant(name.slice(prefix.length))) state.delete(name);
      }
    };
    describeCommit(seq, {
      create: (tree, kind) => state.set(`#${tree}`, kind),
      put: (tree, key, value) => state.set(`${tree}/${key}`, value),
      delete: (tree, key) => state.delete(`${tree}/${key}`),
      deleteRange: (tree, low, high) => drop(tree, (key) => key >= low && key < high),
      clear: (tree) => drop(tree, () => true),
    });
  }
}
