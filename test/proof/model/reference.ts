/**
 * What a database should hold: an array of values for each keyspace, by number of the key.
 *
 * Every call that changes something makes a version. What a version has replaced is kept as long as
 * a crash may take the version back, so that a recovered state can be looked for among them.
 */

/** A keyspace. */
export class Shelf {
  exists = false;
  /** Raised when it is created, so that a snapshot can tell its successor from it. */
  incarnation = 0;
  /** Undefined where there is no record. */
  readonly values: unknown[];
  /** Unix milliseconds; infinite for never. */
  readonly expires: number[];

  constructor(count: number) {
    this.values = new Array(count).fill(undefined);
    this.expires = new Array(count).fill(Number.POSITIVE_INFINITY);
  }

  isLive(key: number, now: number): boolean {
    return this.values[key] !== undefined && this.expires[key] > now;
  }

  get(key: number, now: number): unknown {
    return this.expires[key] > now ? this.values[key] : undefined;
  }

  count(from: number, to: number, now: number): number {
    let count = 0;
    for (let key = from; key < to; key++) if (this.isLive(key, now)) count++;
    return count;
  }

  copy(): Shelf {
    const copy = new Shelf(0);
    copy.exists = this.exists;
    copy.incarnation = this.incarnation;
    for (let key = 0; key < this.values.length; key++) {
      copy.values.push(this.values[key]);
      copy.expires.push(this.expires[key]);
    }
    return copy;
  }
}

interface Change {
  readonly version: number;
  readonly shelf: number;
  /** Below 0: whether the keyspace exists. */
  readonly key: number;
  readonly value: unknown;
  readonly expires: number;
}

/** What one call would have changed whose outcome nobody knows. */
export type Redo = readonly Change[];

export class Reference {
  readonly shelves: readonly Shelf[];
  /** Of the newest change that readers see. */
  version = 0;
  /** The newest one that must survive a loss of power. */
  durable = 0;
  /** In order; some first ones of them may have happened. */
  maybe: Redo[] = [];
  /** What was there before, oldest first. */
  #journal: Change[] = [];
  #incarnation = 0;

  constructor(counts: readonly number[]) {
    this.shelves = counts.map((count) => new Shelf(count));
  }

  /** Begins a version; what is set from now on belongs to it. */
  begin(): void {
    this.version++;
  }

  set(shelf: number, key: number, value: unknown, expires: number): void {
    const { values, expires: expiries } = this.shelves[shelf];
    const before = { value: values[key], expires: expiries[key] };
    this.#journal.push({ version: this.version, shelf, key, ...before });
    values[key] = value;
    expiries[key] = expires;
  }

  delete(shelf: number, key: number): void {
    this.set(shelf, key, undefined, Number.POSITIVE_INFINITY);
  }

  deleteAll(shelf: number, from = 0, to = this.shelves[shelf].values.length): void {
    const { values } = this.shelves[shelf];
    for (let key = from; key < to; key++) if (values[key] !== undefined) this.delete(shelf, key);
  }

  setExists(shelf: number, exists: boolean): void {
    const found = this.shelves[shelf];
    this.#journal.push({
      version: this.version,
      shelf,
      key: -1,
      value: found.exists,
      expires: 0,
    });
    found.exists = exists;
    if (exists) found.incarnation = ++this.#incarnation;
  }

  /** Everything up to the newest version survives a loss of power. */
  settle(): void {
    this.durable = this.version;
    this.#journal.length = 0;
  }

  /** Takes the newest version back; what it would do again. */
  undo(): Redo {
    const redo: Change[] = [];
    const version = this.version--;
    while (this.#journal.at(-1)?.version === version) redo.unshift(this.#takeBack());
    return redo;
  }

  /** The newest version did not happen, or perhaps it did. */
  doubt(): void {
    this.maybe.push(this.undo());
  }

  /** The same for several calls at once, in their order. */
  doubtAll(applies: readonly (() => void)[]): void {
    for (const apply of applies) {
      this.begin();
      apply();
    }
    const redos = applies.map(() => this.undo());
    this.maybe.push(...redos.reverse());
  }

  redoAll(): void {
    for (const redo of this.maybe) {
      this.begin();
      for (const { shelf, key, value, expires } of redo) {
        if (key < 0) this.setExists(shelf, value === true);
        else this.set(shelf, key, value, expires);
      }
    }
    this.maybe = [];
  }

  /**
   * Goes back, version by version but not behind `oldest`, to the newest one that `differs` calls
   * equal. It is asked about all keys first, then about each key that a version has changed.
   */
  goBackTo(oldest: number, differs: (shelf: number, key: number) => boolean): boolean {
    this.redoAll();
    const wrong = new Set<string>();
    const look = (shelf: number, key: number): void => {
      const name = `${shelf} ${key}`;
      if (differs(shelf, key)) wrong.add(name);
      else wrong.delete(name);
    };
    for (const [index, shelf] of this.shelves.entries()) {
      for (let key = -1; key < shelf.values.length; key++) look(index, key);
    }
    while (wrong.size > 0 && this.version > oldest) {
      for (const { shelf, key } of this.undo()) look(shelf, key);
    }
    if (wrong.size > 0) return false;
    this.settle();
    return true;
  }

  #takeBack(): Change {
    const { version, shelf, key, value, expires } = this.#journal.pop() as Change;
    const found = this.shelves[shelf];
    if (key < 0) {
      const now = found.exists;
      found.exists = value === true;
      return { version, shelf, key, value: now, expires: 0 };
    }
    const redo = { version, shelf, key, value: found.values[key], expires: found.expires[key] };
    found.values[key] = value;
    found.expires[key] = expires;
    return redo;
  }
}
