/** What the keyspaces of one open database share. */
import type { CommitOptions, Decide, Engine, Snapshot, Timers } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import { ExpiryTree, TransactionRunner } from "../transaction/index.ts";

export class Context {
  readonly engine: Engine;
  readonly expiry: ExpiryTree;
  readonly transactions: TransactionRunner;
  readonly leaseMs: number | undefined;
  #isBuilding = false;

  constructor(engine: Engine, timers: Timers, leaseMs: number | undefined) {
    this.engine = engine;
    this.expiry = new ExpiryTree(engine);
    this.transactions = new TransactionRunner(engine, this.expiry, timers, () => this.pin());
    this.leaseMs = leaseMs;
  }

  /** Unix milliseconds, never before the newest commit: what has expired stays so. */
  now(): number {
    const now = this.engine.clock();
    const { time } = this.engine.published;
    return now > time ? now : time;
  }

  /** A snapshot of the newest state for an iterator or a read of several steps. */
  pin(): Snapshot {
    const { leaseMs } = this;
    return this.engine.snapshot(leaseMs === undefined ? {} : { leaseMs });
  }

  /**
   * Runs `encode`, which calls code of the application (getters, codecs, generators), between
   * `beginCommit` and `submit`. A write in there would throw away what is encoded so far.
   */
  build(encode: () => void): void {
    this.requireIdle();
    this.#isBuilding = true;
    try {
      encode();
    } finally {
      this.#isBuilding = false;
    }
  }

  /** A commit that is decided at its turn: what `decide` returns. */
  async commit<R>(decide: Decide<R>, options: CommitOptions | undefined): Promise<R> {
    this.requireIdle();
    const { result } = await this.engine.commit(decide, options);
    return result;
  }

  commitSync<R>(decide: Decide<R>, options: CommitOptions | undefined): R {
    this.requireIdle();
    return this.engine.commitSync(decide, options).result;
  }

  /** Refuses to write while a batch is being built: `argument_invalid`. */
  requireIdle(): void {
    if (!this.#isBuilding) return;
    throw new CairnError(
      "argument_invalid",
      "Cannot write while a batch is being built: found a write in its callback, its rows or a " +
        "value's own code, expected the batch's methods only. Nothing of this write was applied.",
    );
  }
}
