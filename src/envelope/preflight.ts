/** What an envelope would do, found out over a snapshot: nothing is written. */
import { runAsync, type Steps } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import { invalid } from "../kv/index.ts";
import type { Ready } from "./commit.ts";
import type { Envelope, Mutation } from "./envelope.ts";
import { pathOf } from "./fingerprint.ts";
import { inMutation } from "./prepare.ts";
import { attemptOf, type Reads } from "./reads.ts";

/** What would come of an envelope. */
export interface Preflight {
  /** Nothing stands in its way. */
  readonly valid: boolean;
  /** Rows, records and vectors that would change. */
  readonly estimatedAffectedRows: number;
  /** Everything that stands in its way, as its commit would throw it. */
  readonly errors: readonly CairnError[];
}

/** One write of a plan. */
export interface PlannedWrite {
  readonly model: Mutation["model"];
  /** Project, scope and name; without those of the root scope. */
  readonly target: string;
  readonly operation: Mutation["operation"];
  /** The key or id; undefined where a predicate or rows say what is written. */
  readonly key: unknown;
}

/**
 * An envelope that was tried over a snapshot, with all that it has read there: its commit is a
 * `conflict` when any of that has changed. It holds the snapshot: release it, or commit it.
 */
export class PreflightPlan implements Preflight, Disposable {
  readonly envelope: Envelope;
  readonly readSet: Reads;
  readonly writes: readonly PlannedWrite[];
  readonly estimatedAffectedRows: number;
  readonly errors: readonly CairnError[];

  /** Not for applications: `db.preflightPlan` makes it. */
  constructor(
    envelope: Envelope,
    readSet: Reads,
    found: { readonly affected: number; readonly errors: readonly CairnError[] },
  ) {
    this.envelope = envelope;
    this.readSet = readSet;
    this.writes = envelope.mutations.map(writeOf);
    this.estimatedAffectedRows = found.affected;
    this.errors = found.errors;
  }

  get valid(): boolean {
    return this.errors.length === 0;
  }

  /** The commit whose state it was tried over. */
  get baseSeq(): bigint {
    return this.readSet.seq;
  }

  /** Lets go of the snapshot. Releasing twice does nothing. */
  release(): void {
    this.readSet.release();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/** Tries an envelope over the state of `reads`, which notes what it reads. */
export async function preflight(ready: Ready, reads: Reads): Promise<PreflightPlan> {
  const { envelope } = ready;
  if (envelope.readSet !== undefined) {
    const expected = "none: a plan has one of its own";
    throw invalid("try an envelope", "readSet", "a read set", expected);
  }
  return new PreflightPlan(envelope, reads, await runAsync(tryOut(ready, reads)));
}

function* tryOut(
  { before, after, mutations }: Ready,
  reads: Reads,
): Steps<{ affected: number; errors: CairnError[] }> {
  const attempt = attemptOf(reads);
  const view = { attempt, seq: Number(reads.seq) + 1 };
  before.check();
  after.check();
  const errors = yield* before.failures(view);
  let affected = 0;
  for (const [index, mutation] of mutations.entries()) {
    try {
      mutation.check?.();
      const done = mutation.run(attempt);
      const { changed } = "changed" in done ? done : yield* done;
      affected += changed;
    } catch (error) {
      const inPlace = inMutation(error, index);
      if (!(inPlace instanceof CairnError)) throw inPlace;
      errors.push(inPlace);
    }
  }
  // Behind a mutation that fails there is nothing to be judged.
  if (errors.length === 0) errors.push(...(yield* after.failures(view)));
  return { affected, errors };
}

function writeOf(mutation: Mutation): PlannedWrite {
  const { model, names } = pathOf(mutation.target);
  const { operation } = mutation;
  const target = names.filter((name) => name !== "").join("/");
  const key = "key" in mutation ? mutation.key : "id" in mutation ? mutation.id : undefined;
  return { model, target, operation, key };
}
