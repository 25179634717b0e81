/** The nearest of many, kept in a heap whose top is the farthest of them. */

export class Nearest {
  readonly #k: number;
  readonly #labels: number[] = [];
  readonly #distances: number[] = [];

  constructor(k: number) {
    this.#k = k;
  }

  /** How many are kept at most. */
  get most(): number {
    return this.#k;
  }

  add(label: number, distance: number): void {
    const { length } = this.#labels;
    if (length < this.#k) {
      this.#labels.push(label);
      this.#distances.push(distance);
      this.#up(length);
    } else if (length > 0 && this.#isFarther(0, label, distance)) {
      this.#labels[0] = label;
      this.#distances[0] = distance;
      this.#down();
    }
  }

  /** Nearest first; of equal distances the lower label. */
  sorted(): { readonly label: number; readonly distance: number }[] {
    return this.#labels
      .map((label, index) => ({ label, distance: this.#distances[index] }))
      .sort((left, right) => left.distance - right.distance || left.label - right.label);
  }

  #isFarther(index: number, label: number, distance: number): boolean {
    const order = this.#distances[index] - distance;
    return order > 0 || (order === 0 && this.#labels[index] > label);
  }

  #swap(left: number, right: number): void {
    const label = this.#labels[left];
    const distance = this.#distances[left];
    this.#labels[left] = this.#labels[right];
    this.#distances[left] = this.#distances[right];
    this.#labels[right] = label;
    this.#distances[right] = distance;
  }

  #up(from: number): void {
    for (let index = from; index > 0; ) {
      const parent = (index - 1) >> 1;
      if (!this.#isFarther(index, this.#labels[parent], this.#distances[parent])) return;
      this.#swap(index, parent);
      index = parent;
    }
  }

  #down(): void {
    for (let index = 0; ; ) {
      let farthest = index;
      for (const child of [2 * index + 1, 2 * index + 2]) {
        if (child >= this.#labels.length) break;
        if (this.#isFarther(child, this.#labels[farthest], this.#distances[farthest])) {
          farthest = child;
        }
      }
      if (farthest === index) return;
      this.#swap(index, farthest);
      index = farthest;
    }
  }
}
