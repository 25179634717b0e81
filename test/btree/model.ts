import type { Row } from "./store.ts";

/** An ordered map of byte strings as anybody would write it: the oracle of these tests. */
export class Model {
  readonly #records: Map<string, Row>;
  #sorted: Row[] | undefined;

  constructor(records: Map<string, Row> = new Map()) {
    this.#records = records;
  }

  copy(): Model {
    return new Model(new Map(this.#records));
  }

  get size(): number {
    return this.#records.size;
  }

  put(row: Row): void {
    this.#records.set(row.key.toString("latin1"), row);
    this.#sorted = undefined;
  }

  /** How many records were removed. */
  delete(key: Buffer): number {
    this.#sorted = undefined;
    return this.#records.delete(key.toString("latin1")) ? 1 : 0;
  }

  /** Deletes low <= key < high, an empty high being no bound; how many records were removed. */
  deleteRange(low: Buffer, high: Buffer): number {
    const inside = this.range(low, high);
    for (const row of inside) this.delete(row.key);
    return inside.length;
  }

  clear(): number {
    const { size } = this;
    this.#records.clear();
    this.#sorted = undefined;
    return size;
  }

  get(key: Buffer, now = 0): Row | undefined {
    const row = this.#records.get(key.toString("latin1"));
    return row && isAlive(row, now) ? row : undefined;
  }

  /** All records in byte order, expired ones too. */
  sorted(): Row[] {
    this.#sorted ??= [...this.#records.values()].sort((a, b) => Buffer.compare(a.key, b.key));
    return this.#sorted;
  }

  range(low: Buffer, high: Buffer): Row[] {
    return this.sorted().filter(
      ({ key }) =>
        Buffer.compare(key, low) >= 0 && (high.length === 0 || Buffer.compare(key, high) < 0),
    );
  }
}

export function isAlive(row: Row, now: number): boolean {
  return row.expiresAt === 0 || row.expiresAt > now;
}
