/**
 * Counters that many transactions can add to at once: a number that is kept in parts, so that two
 * transactions seldom write the same record. The parts lie in a keyspace of numbers, beside its
 * other records, under keys that begin with a zero byte:
 *
 *     00 "counter" 00 key 00 "0000" to "0fff"   the parts, by their number in hexadecimal digits
 *     00 "counter" 00 key 00 "size"             how many parts there are, or once were
 */
import type { Receipt } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import {
  checkOptions,
  checkWhole,
  invalid,
  type Keyspace,
  type KeyspaceMutation,
  type ReadOptions,
  type SyncTransaction,
  type Transaction,
  type TransactionKeyspace,
  type WriteOptions,
} from "../kv/index.ts";
import { coreOf } from "../kv/keyspace.ts";
import { isNumberOption, type NumberOption, numberLimits } from "../kv/number-codec.ts";
import type { Key } from "../transaction/index.ts";

/** How a counter is kept. */
export interface CounterOptions {
  /**
   * Parts, 1 to 4,096: so many transactions can add at once. 16 by default, and never fewer than it
   * was once opened with.
   */
  readonly shards?: number;
}

/** Makes mutations of a counter for `db.commit`. */
export interface CounterMutations {
  /** Adds to the counter, at the commit's turn. */
  add(amount: bigint): KeyspaceMutation;
}

const shardsDefault = 16;
const shardsMax = 4_096;
const action = "open a counter";
const optionNames: ReadonlySet<string> = new Set(["shards"]);
const readOptionNames: ReadonlySet<string> = new Set(["snapshot"]);

/** Whose turn it is: transactions that run at the same time write different parts. */
export class Turns {
  readonly #byTransaction: WeakMap<object, number> = new WeakMap();
  #next = 0;

  next(): number {
    this.#next = (this.#next + 1) % Number.MAX_SAFE_INTEGER;
    return this.#next;
  }

  /** The same for everything that a transaction adds to. */
  of(transaction: object): number {
    const known = this.#byTransaction.get(transaction);
    if (known !== undefined) return known;
    const turn = this.next();
    this.#byTransaction.set(transaction, turn);
    return turn;
  }
}

/** Opens a counter; notes how many parts it has, where that is new. */
export async function openCounter<K extends Key>(
  keyspace: Keyspace<K, bigint>,
  key: K,
  options: CounterOptions,
  turns: Turns,
): Promise<Counter<K>> {
  checkOptions(action, options, optionNames);
  checkWhole(action, "shards", options.shards, 1);
  const { shards: wanted } = options;
  if (wanted !== undefined && wanted > shardsMax) {
    throw invalid(action, "the option shards", String(wanted), `${shardsMax} at most`);
  }
  const { descriptor, lifetime, context } = coreOf(keyspace);
  const { value: type } = descriptor;
  if (!isNumberOption(type)) {
    throw invalid(action, "the keyspace's value option", String(type), "u64, i64 or u256");
  }
  // Parts would expire one by one.
  if (lifetime !== undefined)
    throw invalid(action, "the keyspace", "one with a ttl", "one without");
  const keys = new CounterKeys(key);
  const stored = Number((await keyspace.get(keys.size)) ?? 0n);
  const shards = Math.max(stored, wanted ?? (stored === 0 ? shardsDefault : 1));
  if (shards > stored && !context.engine.readOnly) await keyspace.max(keys.size, BigInt(shards));
  return new Counter({ keyspace, keys, type, turns }, shards);
}

interface CounterParts<K extends Key> {
  readonly keyspace: Keyspace<K, bigint>;
  readonly keys: CounterKeys<K>;
  readonly type: NumberOption;
  readonly turns: Turns;
}

/**
 * A number in parts. Methods may answer `keyspace_dropped` and what those of {@link Keyspace} do;
 * those with `Sync` in their name also `synchronous_unavailable`.
 */
export class Counter<K extends Key> {
  readonly #parts: CounterParts<K>;
  #shards: number;

  /** Not for applications: `db.counter` makes it. */
  constructor(parts: CounterParts<K>, shards: number) {
    this.#parts = parts;
    this.#shards = shards;
  }

  /** How many parts it has. */
  get shards(): number {
    return this.#shards;
  }

  /** Adds, at the commit's turn. @throws CairnError `overflow`, `underflow`, `value_invalid`. */
  async add(amount: bigint, options?: WriteOptions): Promise<Receipt> {
    const { keyspace, turns } = this.#parts;
    const { seq, durable, time } = await keyspace.add(this.#key(turns.next()), amount, options);
    return { seq, durable, time };
  }

  addSync(amount: bigint, options?: WriteOptions): Receipt {
    const { keyspace, turns } = this.#parts;
    const { seq, durable, time } = keyspace.addSync(this.#key(turns.next()), amount, options);
    return { seq, durable, time };
  }

  /** The sum, 0 when nothing was added. @throws CairnError `overflow`, `underflow`. */
  async read(options?: ReadOptions): Promise<bigint> {
    checkRead(options);
    const { keyspace } = this.#parts;
    for (;;) {
      const sum = this.#sum(await keyspace.getMany(this.#keys(), options));
      if (sum !== undefined) return sum;
    }
  }

  readSync(options?: ReadOptions): bigint {
    checkRead(options);
    const { keyspace } = this.#parts;
    for (;;) {
      const sum = this.#sum(keyspace.getManySync(this.#keys(), options));
      if (sum !== undefined) return sum;
    }
  }

  /** The counter within a transaction, which adds when it commits. */
  within(transaction: Transaction): TransactionCounter<K>;
  within(transaction: SyncTransaction): SyncTransactionCounter<K>;
  within(transaction: Transaction | SyncTransaction): TransactionCounter<K> {
    const { keyspace, turns } = this.#parts;
    const inside = transaction.keyspace(keyspace) as TransactionKeyspace<K, bigint>;
    return new TransactionCounter(inside, this.#key(turns.of(transaction)), {
      keys: () => this.#keys(),
      sum: (values) => this.#sum(values),
    });
  }

  /** Makes mutations for `db.commit`. */
  get mutations(): CounterMutations {
    const { keyspace, turns } = this.#parts;
    return { add: (amount) => keyspace.mutations.add(this.#key(turns.next()), amount) };
  }

  #key(turn: number): K {
    return this.#parts.keys.shard(turn % this.#shards);
  }

  #keys(): K[] {
    const { keys } = this.#parts;
    return [keys.size, ...Array.from({ length: this.#shards }, (_none, at) => keys.shard(at))];
  }

  /** The sum of the parts; undefined when there are more of them than were read. */
  #sum([size = 0n, ...values]: readonly (bigint | undefined)[]): bigint | undefined {
    if (Number(size) > this.#shards) {
      this.#shards = Number(size);
      return undefined;
    }
    let sum = 0n;
    for (const value of values) sum += value ?? 0n;
    const { type } = this.#parts;
    const [low, high] = numberLimits[type];
    if (sum >= low && sum <= high) return sum;
    throw new CairnError(
      sum > high ? "overflow" : "underflow",
      `Cannot read a counter: the sum of its parts is ${sum > high ? "more" : "less"} than a ` +
        `${type} may be. Keep it in a keyspace of wider numbers.`,
      { details: { type } },
    );
  }
}

interface Summing<K extends Key> {
  readonly keys: () => K[];
  readonly sum: (values: readonly (bigint | undefined)[]) => bigint | undefined;
}

/** A counter within a transaction. Methods may answer `transaction_closed`. */
export class TransactionCounter<K extends Key> {
  readonly #keyspace: TransactionKeyspace<K, bigint>;
  readonly #key: K;
  readonly #summing: Summing<K>;

  /** Not for applications: {@link Counter.within} makes it. */
  constructor(keyspace: TransactionKeyspace<K, bigint>, key: K, summing: Summing<K>) {
    this.#keyspace = keyspace;
    this.#key = key;
    this.#summing = summing;
  }

  /** Adds, when the transaction commits. @throws CairnError `overflow`, `underflow`. */
  async add(amount: bigint): Promise<void> {
    await this.#keyspace.add(this.#key, amount);
  }

  addSync(amount: bigint): void {
    this.#keyspace.addSync(this.#key, amount);
  }

  /** The sum as the transaction sees it, with what it has added. */
  async read(): Promise<bigint> {
    for (;;) {
      const sum = this.#summing.sum(await this.#keyspace.getMany(this.#summing.keys()));
      if (sum !== undefined) return sum;
    }
  }

  readSync(): bigint {
    for (;;) {
      const sum = this.#summing.sum(this.#keyspace.getManySync(this.#summing.keys()));
      if (sum !== undefined) return sum;
    }
  }
}

/** The methods of a {@link TransactionCounter} that answer at once. */
export type SyncTransactionCounter<K extends Key> = Pick<
  TransactionCounter<K>,
  "addSync" | "readSync"
>;

/** The keys of a counter's records. */
class CounterKeys<K extends Key> {
  readonly size: K;
  readonly #key: K;

  constructor(key: K) {
    this.#key = key;
    this.size = this.#of("size");
  }

  shard(at: number): K {
    return this.#of(at.toString(16).padStart(4, "0"));
  }

  #of(end: string): K {
    const key: Key = this.#key;
    const [before, after] = ["\u0000counter\u0000", `\u0000${end}`];
    if (typeof key === "string") return (before + key + after) as K;
    const encoder = new TextEncoder();
    const bytes = new Uint8Array(before.length + key.length + after.length);
    bytes.set(encoder.encode(before));
    bytes.set(key, before.length);
    bytes.set(encoder.encode(after), before.length + key.length);
    return bytes as K;
  }
}

function checkRead(options: ReadOptions | undefined): void {
  if (options !== undefined) checkOptions("read a counter", options, readOptionNames);
}
