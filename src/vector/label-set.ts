/** Sets of labels as bitmaps: bit `label & 31` of word `label >>> 5`. */

export class LabelSet {
  #words: Uint32Array;
  /** It may hold labels of vectors that are gone: the complement of something does. */
  mayHoldDead = false;

  constructor(labels: number) {
    this.#words = new Uint32Array(Math.ceil(labels / 32));
  }

  /** All labels below `end`. */
  static below(end: number): LabelSet {
    const set = new LabelSet(end);
    set.#words.fill(0xffff_ffff);
    set.#trim(end);
    set.mayHoldDead = true;
    return set;
  }

  /** The bitmap itself. */
  get words(): Uint32Array {
    return this.#words;
  }

  add(label: number): void {
    const word = label >>> 5;
    if (word >= this.#words.length) this.#grow(word + 1);
    this.#words[word] |= 1 << (label & 31);
  }

  has(label: number): boolean {
    const word = label >>> 5;
    return word < this.#words.length && (this.#words[word] & (1 << (label & 31))) !== 0;
  }

  get count(): number {
    let count = 0;
    for (const word of this.#words) count += ones(word);
    return count;
  }

  and(other: LabelSet): this {
    const words = this.#words;
    const others = other.#words;
    const shared = Math.min(words.length, others.length);
    for (let index = 0; index < shared; index++) words[index] &= others[index];
    words.fill(0, shared);
    this.mayHoldDead = this.mayHoldDead && other.mayHoldDead;
    return this;
  }

  or(other: LabelSet): this {
    const others = other.#words;
    if (others.length > this.#words.length) this.#grow(others.length);
    const words = this.#words;
    for (let index = 0; index < others.length; index++) words[index] |= others[index];
    this.mayHoldDead = this.mayHoldDead || other.mayHoldDead;
    return this;
  }

  andNot(other: LabelSet): this {
    const words = this.#words;
    const others = other.#words;
    const shared = Math.min(words.length, others.length);
    for (let index = 0; index < shared; index++) words[index] &= ~others[index];
    return this;
  }

  clone(): LabelSet {
    const set = new LabelSet(0);
    set.#words = this.#words.slice();
    set.mayHoldDead = this.mayHoldDead;
    return set;
  }

  /** The labels, ascending. */
  *labels(): Generator<number> {
    for (const [index, word] of this.#words.entries()) {
      for (let rest = word; rest !== 0; rest &= rest - 1) {
        yield index * 32 + (31 - Math.clz32(rest & -rest));
      }
    }
  }

  #grow(words: number): void {
    const grown = new Uint32Array(Math.max(words, this.#words.length * 2));
    grown.set(this.#words);
    this.#words = grown;
  }

  #trim(end: number): void {
    if ((end & 31) !== 0) this.#words[end >>> 5] &= (1 << (end & 31)) - 1;
  }
}

function ones(word: number): number {
  let bits = word - ((word >>> 1) & 0x5555_5555);
  bits = (bits & 0x3333_3333) + ((bits >>> 2) & 0x3333_3333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}
