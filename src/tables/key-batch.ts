/** Keys of a batch, one behind the other in one buffer, each of them once. */
import type { PackedKeys } from "../engine/index.ts";

const slotsPerKey = 2;

export class KeyBatch implements PackedKeys {
  #bytes: Uint8Array = new Uint8Array(1_024);
  #length = 0;
  /** Where each key begins, and behind the last one the end. */
  #starts: Int32Array = new Int32Array(65);
  #count = 0;
  /** A hash table of numbers of keys, counted from 1; a power of two long. */
  #slots: Int32Array = new Int32Array(128);

  get count(): number {
    return this.#count;
  }

  /** All keys. Good until the next `add`. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Where a key begins in `bytes`; for `count` the end. */
  start(index: number): number {
    return this.#starts[index];
  }

  key(index: number): Uint8Array {
    return this.#bytes.slice(this.#starts[index], this.#starts[index + 1]);
  }

  /** Adds a copy of the key; false when it is there already. */
  add(key: Uint8Array): boolean {
    if (this.#count * slotsPerKey >= this.#slots.length) this.#rehash();
    const mask = this.#slots.length - 1;
    let slot = hash(key, 0, key.length) & mask;
    for (let found = this.#slots[slot]; found !== 0; found = this.#slots[slot]) {
      if (this.#equals(found - 1, key)) return false;
      slot = (slot + 1) & mask;
    }
    this.#slots[slot] = this.#count + 1;
    this.#append(key);
    return true;
  }

  #append(key: Uint8Array): void {
    const from = this.#length;
    const end = from + key.length;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    const bytes = this.#bytes;
    for (let index = 0; index < key.length; index++) bytes[from + index] = key[index];
    this.#length = end;
    this.#count++;
    if (this.#count === this.#starts.length) {
      const starts = new Int32Array(this.#starts.length * 2);
      starts.set(this.#starts);
      this.#starts = starts;
    }
    this.#starts[this.#count] = end;
  }

  #equals(index: number, key: Uint8Array): boolean {
    const from = this.#starts[index];
    if (this.#starts[index + 1] - from !== key.length) return false;
    const bytes = this.#bytes;
    for (let at = 0; at < key.length; at++) if (bytes[from + at] !== key[at]) return false;
    return true;
  }

  #rehash(): void {
    const slots = new Int32Array(this.#slots.length * 4);
    const mask = slots.length - 1;
    for (let index = 0; index < this.#count; index++) {
      let slot = hash(this.#bytes, this.#starts[index], this.#starts[index + 1]) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = index + 1;
    }
    this.#slots = slots;
  }
}

function hash(bytes: Uint8Array, from: number, end: number): number {
  let result = 0x811c9dc5;
  for (let at = from; at < end; at++) result = Math.imul(result ^ bytes[at], 0x01000193);
  // The last byte must reach the low bits that choose the slot.
  return result ^ (result >>> 15);
}
