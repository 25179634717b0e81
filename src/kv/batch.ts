/** Writes that are applied together, over one keyspace or several. */
import type { EffectBuffer, Receipt } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import type { Key } from "../transaction/index.ts";
import type { Context } from "./context.ts";
import { coreOf, type Keyspace } from "./keyspace.ts";
import {
  type BatchOperation,
  checkWriteOptions,
  type LifetimeOptions,
  receiptOfNothing,
  type WriteOptions,
} from "./keyspace-core.ts";
import { invalid } from "./options.ts";

/** Collects the writes of a batch. Good only while the callback that received it runs. */
export class Batch {
  readonly #context: Context;
  #effects: EffectBuffer | undefined;
  readonly #now: number;

  /** Not for applications: `db.batch` makes it. */
  constructor(context: Context, effects: EffectBuffer, now: number) {
    this.#context = context;
    this.#effects = effects;
    this.#now = now;
  }

  /** @throws CairnError as {@link Keyspace.put}, and `transaction_closed`. */
  put<K extends Key, V>(
    keyspace: Keyspace<K, V>,
    key: K,
    value: NoInfer<V>,
    options: LifetimeOptions = {},
  ): this {
    this.#add(keyspace, { ...options, type: "put", key, value });
    return this;
  }

  /** @throws CairnError as {@link Keyspace.delete}, and `transaction_closed`. */
  delete<K extends Key, V>(keyspace: Keyspace<K, V>, key: K): this {
    this.#add(keyspace, { type: "delete", key });
    return this;
  }

  #add<K extends Key, V>(keyspace: Keyspace<K, V>, operation: BatchOperation<K, V>): void {
    if (this.#effects === undefined) {
      throw new CairnError(
        "transaction_closed",
        "Cannot add to this batch: its callback has ended. Use it only in there.",
      );
    }
    const core = coreOf(keyspace);
    requireSame(core.context, this.#context);
    core.addTo(this.#effects, operation, this.#now);
  }

  /** Not for applications. */
  end(): void {
    this.#effects = undefined;
  }
}

/** Encodes what the callback adds: true when there is anything to submit. */
function buildBatch(context: Context, build: (batch: Batch) => undefined | Batch): boolean {
  let hasAny = false;
  context.build(() => {
    const effects = context.engine.beginCommit();
    const before = effects.count;
    const batch = new Batch(context, effects, context.now());
    try {
      refuseAsynchronous(build(batch));
    } finally {
      batch.end();
    }
    hasAny = effects.count > before;
  });
  return hasAny;
}

export async function commitBatch(
  context: Context,
  build: (batch: Batch) => undefined | Batch,
  options: WriteOptions | undefined,
): Promise<Receipt> {
  checkWriteOptions("write a batch", options);
  if (!buildBatch(context, build)) return receiptOfNothing(context);
  return await context.engine.submit(options);
}

export function commitBatchSync(
  context: Context,
  build: (batch: Batch) => undefined | Batch,
  options: WriteOptions | undefined,
): Receipt {
  checkWriteOptions("write a batch", options);
  if (!buildBatch(context, build)) return receiptOfNothing(context);
  return context.engine.submitSync(options);
}

/** Refuses a keyspace of another database: `argument_invalid`. */
export function requireSame(found: Context, expected: Context): void {
  if (found === expected) return;
  throw invalid("use this keyspace", "its database", "another one", "the one at hand");
}

function refuseAsynchronous(result: unknown): void {
  if (!(result instanceof Promise)) return;
  result.catch(() => undefined);
  throw new CairnError(
    "asynchronous_callback",
    "Cannot build a batch in an asynchronous callback: found a promise. Nothing was applied. " +
      "Collect what is needed first, or use transaction().",
  );
}
