/** Runs transactions: attempts, retries, and the commit at the end. */
import type { CommitOptions, Engine, Finality, Snapshot, Steps, Timers } from "../engine/index.ts";
import { CairnError, isCairnError } from "../errors.ts";
import type { ExpiryTree } from "./expiry.ts";
import { RetryQueue } from "./retry-queue.ts";
import { Attempt, type Isolation } from "./transaction.ts";

/** How a transaction is isolated, run again and answered. */
export interface TransactionOptions {
  /** `snapshot` by default. */
  readonly isolation?: Isolation;
  /** How often a transaction that met a `conflict` is run again; 8 by default. */
  readonly retries?: number;
  /** Ends the transaction before it commits; a commit that has begun is never taken back. */
  readonly signal?: AbortSignal;
  /** When the commit is answered; the database's durability decides by default. */
  readonly finality?: Finality;
}

const retriesDefault = 8;

export class TransactionRunner {
  readonly #engine: Engine;
  readonly #expiry: ExpiryTree;
  readonly #queue: RetryQueue;
  readonly #pin: () => Snapshot;

  /** `pin` takes a snapshot of the newest state, with the lease of the database. */
  constructor(engine: Engine, expiry: ExpiryTree, timers: Timers, pin: () => Snapshot) {
    this.#engine = engine;
    this.#expiry = expiry;
    this.#queue = new RetryQueue(timers);
    this.#pin = pin;
  }

  /** Runs `body` until it commits without a conflict; what it returns, or throws. */
  async run<R>(
    body: (attempt: Attempt) => R | Promise<R>,
    options: TransactionOptions,
  ): Promise<R> {
    const retries = options.retries ?? retriesDefault;
    for (let attempt = 0; ; attempt++) {
      const endTurn = attempt === 0 ? undefined : await this.#queue.turn();
      try {
        throwIfAborted(options.signal);
        if (attempt > 0) await this.#published();
        return await this.#attempt(body, options);
      } catch (error) {
        if (!(error instanceof Conflicted)) throw error;
        if (attempt >= retries) throw error.conflict;
      } finally {
        endTurn?.();
      }
    }
  }

  async #attempt<R>(
    body: (attempt: Attempt) => R | Promise<R>,
    options: TransactionOptions,
  ): Promise<R> {
    const engine = this.#engine;
    const snapshot = this.#pin();
    const isolation = options.isolation ?? "snapshot";
    const attempt = new Attempt(engine, this.#expiry, snapshot, snapshot.time, isolation);
    try {
      const result = await body(attempt);
      attempt.end();
      if (attempt.isReadOnly) return result;
      throwIfAborted(options.signal);
      await this.#commit(attempt, options);
      return result;
    } catch (error) {
      throw attempt.isOutdated && isCairnError(error, "conflict") ? new Conflicted(error) : error;
    } finally {
      attempt.end();
      snapshot.release();
    }
  }

  async #commit(attempt: Attempt, { finality, signal }: TransactionOptions): Promise<void> {
    try {
      await this.#engine.commit((effects, turn) => attempt.decide(effects, turn), {
        finality,
        signal,
      });
    } catch (error) {
      // The callback may have failed with a conflict of its own, which is not to be tried again.
      throw isCairnError(error, "conflict") ? new Conflicted(error) : error;
    }
  }

  /** Waits until readers see the commits that are under way: the conflict is with one of them. */
  async #published(): Promise<void> {
    await this.#engine.commit(decideNothing);
  }

  /** Runs `body` within a commit, in one turn: nobody can come between. */
  runSync<R>(body: (attempt: Attempt) => R, options: CommitOptions): R {
    const engine = this.#engine;
    const expiry = this.#expiry;
    const { result } = engine.commitSync(function* (effects, turn): Steps<R> {
      const attempt = new Attempt(engine, expiry, "newest", turn.time, "snapshot");
      try {
        const value = body(attempt);
        refusePromise(value);
        attempt.end();
        yield* attempt.decide(effects, turn);
        return value;
      } finally {
        attempt.end();
      }
    }, options);
    return result;
  }
}

/** Carries a conflict of the commit itself. */
class Conflicted extends Error {
  readonly conflict: CairnError;

  constructor(conflict: CairnError) {
    super(conflict.message, { cause: conflict });
    this.conflict = conflict;
  }
}

/** A commit without effects, which ends after those before it. */
function* decideNothing(): Steps<void> {}

function refusePromise(value: unknown): void {
  if (typeof value !== "object" || value === null || !("then" in value)) return;
  if (typeof value.then !== "function") return;
  // Nobody will wait for it: its failure must not become an unhandled rejection.
  Promise.resolve(value as PromiseLike<unknown>).catch(() => undefined);
  throw new CairnError(
    "asynchronous_callback",
    "Cannot run an asynchronous callback in one turn: found a promise, expected a plain result. " +
      "Nothing was applied. Use transaction(), or make the callback synchronous.",
  );
}

/** @throws CairnError `aborted` with the signal's reason as cause. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal === undefined || !signal.aborted) return;
  throw new CairnError("aborted", "The operation was aborted by its signal.", {
    cause: signal.reason,
  });
}
