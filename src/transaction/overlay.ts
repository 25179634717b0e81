import { compareBytes, type Key, keyBytes, mapKey, ownedKey } from "./key.ts";
import type { Lifetime } from "./lifetime.ts";
import type { Tree } from "./tree.ts";

/** What a transaction will do to one key. */
export interface Staged {
  readonly key: Key;
  /** Undefined where the record will be deleted. */
  readonly value: Uint8Array | undefined;
  readonly lifetime: Lifetime;
}

/** A staged key with its bytes, for merging in order. */
export interface OrderedStaged extends Staged {
  readonly bytes: Uint8Array;
}

/** What a transaction has written so far: the last write of every key, by tree. */
export class Overlay {
  readonly #trees: Map<Tree, Map<string, Staged>> = new Map();

  get isEmpty(): boolean {
    return this.#trees.size === 0;
  }

  get(tree: Tree, key: Key): Staged | undefined {
    const staged = this.#trees.get(tree);
    return staged === undefined ? undefined : staged.get(mapKey(key));
  }

  /** `value` must not change any more; the key may. */
  set(tree: Tree, key: Key, value: Uint8Array | undefined, lifetime: Lifetime): void {
    let staged = this.#trees.get(tree);
    if (staged === undefined) {
      staged = new Map();
      this.#trees.set(tree, staged);
    }
    staged.set(mapKey(key), { key: ownedKey(key), value, lifetime });
  }

  /** Everything staged, tree by tree. */
  trees(): IterableIterator<[Tree, Map<string, Staged>]> {
    return this.#trees.entries();
  }

  /** What is staged for a tree now, in the order in which the keys were first staged. */
  of(tree: Tree): Staged[] {
    return Array.from(this.#trees.get(tree)?.values() ?? []);
  }

  has(tree: Tree, name: string): boolean {
    return this.#trees.get(tree)?.has(name) ?? false;
  }

  /** What is staged for a tree now, in the order of the keys' bytes. */
  ordered(tree: Tree): OrderedStaged[] {
    const staged = this.#trees.get(tree);
    if (staged === undefined) return [];
    const all = Array.from(staged.values(), (entry) => ({ ...entry, bytes: keyBytes(entry.key) }));
    return all.sort((left, right) => compareBytes(left.bytes, right.bytes));
  }
}
