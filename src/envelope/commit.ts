/**
 * Commits envelopes. Everything happens in the commit's own turn, over the newest state: nobody
 * comes between a check and a write, so there is nothing to try again, and envelopes of many
 * callers share a sync.
 */
import type { EffectBuffer, Steps, Turn } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import {
  type Context,
  checkWriteOptions,
  invalid,
  receiptOfNothing,
  type WriteOptions,
} from "../kv/index.ts";
import type { Table, Tables } from "../tables/index.ts";
import { Attempt, throwIfAborted } from "../transaction/index.ts";
import { Assertions, assertionCount } from "./assertion.ts";
import {
  type ActionEnvelope,
  type CommitResult,
  checkEnvelope,
  type EffectBatch,
  type Envelope,
  envelopeBytesMax,
  finalityOf,
  type MutationResult,
  tooLarge,
} from "./envelope.ts";
import {
  type EarlierCommit,
  Idempotency,
  type IdempotencyRecord,
  type IdempotencyWindow,
  idempotencyOf,
} from "./idempotency.ts";
import { type ChangedRows, mutateReturning, type RowsChange } from "./mutate-returning.ts";
import { type Preflight, type PreflightPlan, preflight } from "./preflight.ts";
import { hasRows, inMutation, type Prepared, prepare, prepareAsync } from "./prepare.ts";
import { beginReads, type Reads } from "./reads.ts";

/** An envelope that is ready for its turn. */
export interface Ready {
  readonly envelope: Envelope;
  readonly mutations: readonly Prepared[];
  readonly before: Assertions;
  readonly after: Assertions;
  readonly idempotency: IdempotencyRecord | undefined;
}

/** What a turn has made of an envelope. */
type Decided =
  | { readonly earlier: EarlierCommit }
  | { readonly earlier?: undefined; readonly results: readonly MutationResult[] };

/** Commits the envelopes of one open database. */
export class Envelopes {
  readonly context: Context;
  readonly tables: Tables;
  readonly #idempotency: Idempotency;
  /** Resolves when whoever tries again now has done so. */
  #retrying: Promise<unknown> = Promise.resolve();

  constructor(context: Context, tables: Tables, window: IdempotencyWindow | undefined) {
    this.context = context;
    this.tables = tables;
    this.#idempotency = new Idempotency(context.engine, window);
  }

  /** Begins a read set. */
  read(): Reads {
    return beginReads(this.context, false);
  }

  /** Tries an envelope over the newest published state. */
  async preflightPlan(envelope: Envelope): Promise<PreflightPlan> {
    const ready = await this.readyAsync(envelope);
    const reads = beginReads(this.context, true);
    try {
      return await preflight(ready, reads);
    } catch (error) {
      reads.release();
      throw error;
    }
  }

  async preflight(envelope: Envelope): Promise<Preflight> {
    const plan = await this.preflightPlan(envelope);
    plan.release();
    const { valid, estimatedAffectedRows, errors } = plan;
    return { valid, estimatedAffectedRows, errors };
  }

  /** Commits what was tried, if all that was read for it still is as it was. */
  async commitPlan(plan: PreflightPlan, options: WriteOptions | undefined): Promise<CommitResult> {
    checkWriteOptions("commit a plan", options);
    const [error] = plan.errors;
    if (error !== undefined) throw error;
    return await this.commit({ ...plan.envelope, ...options, readSet: plan.readSet });
  }

  /** Commits an envelope that must have an idempotency key. */
  async commitAction(envelope: ActionEnvelope): Promise<CommitResult> {
    if (envelope?.idempotencyKey === undefined) {
      throw invalid("commit an action", "the idempotency key", "undefined", "text or bytes");
    }
    return await this.commit(envelope);
  }

  /** Commits the effects of a step of some work. */
  async commitEffects({ effects, ...rest }: EffectBatch): Promise<CommitResult> {
    return await this.commit({ ...rest, mutations: effects });
  }

  mutateReturning<Select>(
    table: Table<Select, unknown>,
    change: RowsChange<Select>,
  ): Promise<ChangedRows<Select>> {
    return mutateReturning(this.context, this.tables, table, change);
  }

  /**
   * Tries something again: one caller after the other, or they would only get in each other's way,
   * and when readers see what came in between.
   */
  async again<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#retrying.then(async () => {
      await this.context.engine.commit(decideNothing);
      return await run();
    });
    this.#retrying = result.catch(() => undefined);
    return await result;
  }

  async commit(envelope: Envelope): Promise<CommitResult> {
    const needsValidator = isArray(envelope?.mutations) && envelope.mutations.some(hasRows);
    const ready = needsValidator ? await this.readyAsync(envelope) : this.ready(envelope);
    const { context } = this;
    context.requireIdle();
    const finality = finalityOf(envelope);
    const { receipt, result } = await context.engine.commit(
      (effects, turn) => this.#decide(ready, effects, turn),
      { finality, signal: envelope.signal },
    );
    if (result.earlier !== undefined && finality === "durable") await this.#flushTo(result.earlier);
    return this.#resultOf(ready, result, receipt);
  }

  commitSync(envelope: Envelope): CommitResult {
    const ready = this.ready(envelope);
    const { context } = this;
    context.requireIdle();
    const finality = finalityOf(envelope);
    const { receipt, result } = context.engine.commitSync(
      (effects, turn) => this.#decide(ready, effects, turn),
      { finality, signal: envelope.signal },
    );
    if (
      result.earlier !== undefined &&
      finality === "durable" &&
      !this.#isDurable(result.earlier)
    ) {
      throw new CairnError(
        "synchronous_unavailable",
        "Cannot make a duplicate's commit durable in this turn. Use the awaited form.",
      );
    }
    return this.#resultOf(ready, result, receipt);
  }

  /** Checks and encodes everything that does not depend on what is stored. */
  ready(envelope: Envelope): Ready {
    checkEnvelope(envelope);
    const mutations = envelope.mutations.map((mutation, index) => {
      try {
        return prepare(this.context, mutation);
      } catch (error) {
        throw inMutation(error, index);
      }
    });
    return this.#ready(envelope, mutations);
  }

  /** The same, where validators of tables may answer later. */
  async readyAsync(given: Envelope): Promise<Ready> {
    checkEnvelope(given);
    // What the caller changes while a validator thinks does not count.
    const envelope = { ...given, mutations: [...given.mutations] };
    const mutations: Prepared[] = [];
    for (const [index, mutation] of envelope.mutations.entries()) {
      try {
        mutations.push(await prepareAsync(this.context, mutation));
      } catch (error) {
        throw inMutation(error, index);
      }
    }
    throwIfAborted(envelope.signal);
    return this.#ready(envelope, mutations);
  }

  #ready(envelope: Envelope, mutations: readonly Prepared[]): Ready {
    const count = assertionCount();
    const { before, after } = envelope;
    const { context } = this;
    const { none } = Assertions;
    return {
      envelope,
      mutations,
      before: before === undefined ? none : new Assertions(context, "before", before, count),
      after: after === undefined ? none : new Assertions(context, "after", after, count),
      idempotency: idempotencyOf(envelope),
    };
  }

  *#decide(ready: Ready, effects: EffectBuffer, turn: Turn): Steps<Decided> {
    const { context, tables } = this;
    const { idempotency } = ready;
    tables.adopt();
    if (idempotency !== undefined) {
      const earlier = yield* this.#idempotency.find(idempotency, turn);
      if (earlier !== undefined) return { earlier };
    }
    const { readSet } = ready.envelope;
    if (readSet !== undefined) yield* readSet.requireCurrent(context, turn.time);
    const attempt = new Attempt(context.engine, context.expiry, "newest", turn.time, "snapshot");
    try {
      const results = yield* apply(ready, attempt, turn.seq);
      yield* attempt.decide(effects, turn);
      if (effects.length > envelopeBytesMax) {
        throw tooLarge("bytes to write", effects.length, envelopeBytesMax);
      }
      if (idempotency !== undefined) yield* this.#idempotency.put(effects, idempotency, turn);
      return { results };
    } finally {
      attempt.end();
    }
  }

  #resultOf(
    { mutations }: Ready,
    decided: Decided,
    receipt: { seq: bigint; durable: boolean; time: number } | undefined,
  ): CommitResult {
    const { earlier } = decided;
    if (earlier !== undefined) {
      const seq = BigInt(earlier.seq);
      const durable = this.#isDurable(earlier);
      const { time } = earlier;
      return { outcome: "duplicate", seq, canonicalCommitSeq: seq, durable, time, results: [] };
    }
    for (const { committed } of mutations) committed?.();
    const { seq, durable, time } = receipt ?? receiptOfNothing(this.context);
    const { results } = decided;
    return { outcome: "applied", seq, canonicalCommitSeq: seq, durable, time, results };
  }

  #isDurable({ seq }: EarlierCommit): boolean {
    return this.context.engine.stats().durableSeq >= BigInt(seq);
  }

  async #flushTo(earlier: EarlierCommit): Promise<void> {
    if (!this.#isDurable(earlier)) await this.context.engine.flush();
  }
}

/** A commit without effects, which ends after those before it. */
function* decideNothing(): Steps<void> {}

/** Judges and makes what an envelope says, in an attempt: what each mutation has done. */
export function* apply(ready: Ready, attempt: Attempt, seq: number): Steps<MutationResult[]> {
  const { before, after, mutations } = ready;
  before.check();
  after.check();
  for (const mutation of mutations) mutation.check?.();
  const view = { attempt, seq };
  if (!before.isEmpty) yield* before.judge(view);
  const results: MutationResult[] = [];
  for (let index = 0; index < mutations.length; index++) {
    const mutation = mutations[index];
    try {
      const done = mutation.run(attempt);
      results.push("changed" in done ? done : yield* done);
    } catch (error) {
      throw inMutation(error, index);
    }
  }
  yield* after.judge(view);
  return results;
}

function isArray(value: unknown): boolean {
  return Array.isArray(value);
}
