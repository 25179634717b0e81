/** What a keyspace should contain: a Map, sorted by UTF-8 when order is asked for. */

export interface Held {
  readonly value: unknown;
  /** Unix milliseconds; null for never. */
  readonly expiresAt: number | null;
}

export interface OracleRange {
  readonly gt?: string;
  readonly gte?: string;
  readonly lt?: string;
  readonly lte?: string;
  readonly prefix?: string;
  readonly reverse?: boolean;
  readonly limit?: number;
}

export const compareUtf8 = (left: string, right: string): number =>
  Buffer.compare(Buffer.from(left), Buffer.from(right));

export class Oracle {
  readonly records: Map<string, Held>;

  constructor(records: ReadonlyMap<string, Held> = new Map()) {
    this.records = new Map(records);
  }

  copy(): Oracle {
    return new Oracle(this.records);
  }

  get(key: string, now: number): Held | undefined {
    const held = this.records.get(key);
    if (held === undefined) return undefined;
    return held.expiresAt !== null && held.expiresAt <= now ? undefined : held;
  }

  live(now: number): string[] {
    return [...this.records.keys()].filter((key) => this.get(key, now) !== undefined);
  }

  /** Keys in order within a range. */
  keys(range: OracleRange, now: number): string[] {
    const { gt, gte, lt, lte, prefix, reverse, limit } = range;
    const keys = this.live(now)
      .filter((key) => gt === undefined || compareUtf8(key, gt) > 0)
      .filter((key) => gte === undefined || compareUtf8(key, gte) >= 0)
      .filter((key) => lt === undefined || compareUtf8(key, lt) < 0)
      .filter((key) => lte === undefined || compareUtf8(key, lte) <= 0)
      .filter((key) => prefix === undefined || key.startsWith(prefix))
      .sort(compareUtf8);
    if (reverse) keys.reverse();
    return keys.slice(0, limit);
  }

  entries(range: OracleRange, now: number): { key: string; value: unknown }[] {
    return this.keys(range, now).map((key) => ({ key, value: this.get(key, now)?.value }));
  }

  /** Deletes what had expired when the last period of 1,024 ms ended; how many. */
  sweep(now: number): number {
    const before = this.records.size;
    const periodEnd = now - (now % 1_024);
    for (const [key, { expiresAt }] of [...this.records]) {
      if (expiresAt !== null && expiresAt <= periodEnd) this.records.delete(key);
    }
    return before - this.records.size;
  }
}
