import type { DecodeRecord, EffectBuffer, Finality, Receipt } from "../engine/index.ts";
import {
  checkExpiresAt,
  checkTtl,
  expiryOf,
  type Key,
  type Lifetime,
  type Tree,
} from "../transaction/index.ts";
import type { Codec } from "./codec.ts";
import type { Context } from "./context.ts";
import type { KeyspaceDescriptor } from "./descriptor.ts";
import { checkKey, dropped } from "./key-check.ts";
import { checkOneOf, checkOptions, invalid } from "./options.ts";

/** How a write is committed. */
export interface WriteOptions {
  /** When the commit is answered; the database's durability decides by default. */
  readonly finality?: Finality;
  /** Ends the commit before it has begun, never afterwards. */
  readonly signal?: AbortSignal;
}

/** How long a record lives; without any of them, as the keyspace says. */
export interface LifetimeOptions {
  /** Milliseconds from now; 0 expires at once, null never. */
  readonly ttl?: number | null;
  /** Unix milliseconds; null for never. */
  readonly expiresAt?: number | null;
}

/** How a record is put: how long it lives, and when the call is answered. */
export interface PutOptions extends WriteOptions, LifetimeOptions {}

/** One write of a batch. */
export type BatchOperation<K extends Key, V> =
  | ({ readonly type: "put"; readonly key: K; readonly value: V } & LifetimeOptions)
  | { readonly type: "delete"; readonly key: K };

const writeOptionNames: ReadonlySet<string> = new Set(["finality", "signal"]);
const putOptionNames: ReadonlySet<string> = new Set(["ttl", "expiresAt", "finality", "signal"]);

/** @throws CairnError `option_unknown`, `argument_invalid`. */
export function checkWriteOptions(
  action: string,
  options: WriteOptions | undefined,
  known: ReadonlySet<string> = writeOptionNames,
): void {
  if (options === undefined) return;
  checkOptions(action, options, known);
  checkOneOf(action, "finality", options.finality, ["visible", "durable"]);
}

/** When a record expires, Unix milliseconds; 0 for never. */
export const expiresAtOf: DecodeRecord<number> = (_memory, _at, _length, record) =>
  record.expiresAt;
export const isThere: DecodeRecord<true> = () => true;
/** The commit that changed the record last. */
export const seqOf: DecodeRecord<bigint> = (_memory, _at, _length, { seq }) => BigInt(seq);

/** What a keyspace, its iterators and transactions over it work with. */
export class KeyspaceCore<K extends Key, V> {
  readonly context: Context;
  readonly tree: Tree;
  readonly descriptor: KeyspaceDescriptor;
  readonly codec: Codec<V>;
  /** Of records whose put says nothing else. */
  readonly lifetime: Lifetime;

  constructor(context: Context, tree: Tree, descriptor: KeyspaceDescriptor, codec: Codec<V>) {
    this.context = context;
    this.tree = tree;
    this.descriptor = descriptor;
    this.codec = codec;
    this.lifetime = descriptor.ttl === undefined ? undefined : { ttl: descriptor.ttl };
  }

  /** @throws CairnError `keyspace_dropped`. */
  requireTree(): void {
    if (this.tree.isDropped) throw dropped();
  }

  /** The time at which reads of the newest state judge expiry; 0 where nothing expires. */
  now(): number {
    return this.tree.expires ? this.context.now() : 0;
  }

  lifetimeOf(action: string, options: LifetimeOptions): Lifetime {
    const { ttl, expiresAt } = options;
    if (ttl === undefined && expiresAt === undefined) return this.lifetime;
    if (ttl !== undefined && expiresAt !== undefined) {
      throw invalid(action, "the lifetime", "given twice", "either ttl or expiresAt");
    }
    if (ttl === null || expiresAt === null) return undefined;
    if (ttl !== undefined) return { ttl: checkTtl(ttl) };
    return { expiresAt: checkExpiresAt(expiresAt) };
  }

  /** Encodes the effects of a put; the engine has them when it is submitted. */
  beginPut(key: K, value: V, options: PutOptions | undefined): void {
    let { lifetime } = this;
    if (options !== undefined) {
      checkWriteOptions("put a record", options, putOptionNames);
      lifetime = this.lifetimeOf("put a record", options);
    }
    const { context } = this;
    checkKey(this.tree, key);
    // Code of the application runs in there, so it comes before `beginCommit`.
    const bytes = this.codec.encode(value);
    context.requireIdle();
    const effects = context.engine.beginCommit();
    if (lifetime === undefined) effects.put(this.tree.id, key, bytes);
    else {
      const expiresAt = expiryOf(lifetime, context.now());
      context.expiry.put(effects, this.tree, key, bytes, expiresAt);
    }
  }

  /** Encodes the effect of one write among others; within {@link Context.build}. */
  addTo(effects: EffectBuffer, operation: BatchOperation<K, V>, now: number): void {
    const { key, type } = operation;
    checkKey(this.tree, key);
    if (type === "delete") effects.delete(this.tree.id, key);
    else if (type === "put") {
      const expiresAt = expiryOf(this.lifetimeOf("put a record", operation), now);
      const bytes = this.codec.encode(operation.value);
      this.context.expiry.put(effects, this.tree, key, bytes, expiresAt);
    } else throw invalid("write a batch", "an operation's type", "unknown", '"put" or "delete"');
  }
}

/** Encodes operations on one keyspace: true when there are any. */
export function buildOperations<K extends Key, V>(
  core: KeyspaceCore<K, V>,
  operations: Iterable<BatchOperation<K, V>>,
): boolean {
  const { context } = core;
  let hasAny = false;
  context.build(() => {
    const effects = context.engine.beginCommit();
    const before = effects.count;
    const now = context.now();
    for (const operation of operations) core.addTo(effects, operation, now);
    hasAny = effects.count > before;
  });
  return hasAny;
}

/** What a batch without operations answers: nothing is committed, so it is the newest commit's. */
export function receiptOfNothing(context: Context): Receipt {
  const { seq, time } = context.engine.published;
  return { seq: BigInt(seq), durable: context.engine.stats().durableSeq >= BigInt(seq), time };
}
