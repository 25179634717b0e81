/** What died lately, in the order of the commits: what graphs must be told, and snapshots asked. */

export interface Death {
  readonly seq: number;
  readonly label: number;
}

export class Deaths {
  #all: Death[] = [];

  add(deaths: readonly Death[]): void {
    for (const death of deaths) this.#all.push(death);
  }

  /** Those after a commit. */
  after(seq: number): readonly Death[] {
    return this.#all.slice(this.#firstAfter(seq));
  }

  /** How many died after one commit, up to another. */
  countBetween(after: number, through: number): number {
    return Math.max(0, this.#firstAfter(through) - this.#firstAfter(after));
  }

  /** Forgets those up to a commit. */
  forget(through: number): void {
    const count = this.#firstAfter(through);
    if (count > 0) this.#all = this.#all.slice(count);
  }

  #firstAfter(seq: number): number {
    let low = 0;
    let high = this.#all.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#all[middle].seq > seq) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
