/** What `db.commit` takes and answers. */
import type { Finality, Receipt } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import {
  checkOneOf,
  checkOptions,
  describeValue,
  invalid,
  type KeyspaceMutation,
  type RecordAssertion,
  type WriteOptions,
} from "../kv/index.ts";
import type { TableAssertion, TableMutation } from "../tables/index.ts";
import type { VectorMutation } from "../vector/index.ts";
import type { Reads } from "./reads.ts";

/** A change of a table, a keyspace or a vector index, as the `mutations` of their handles make. */
export type Mutation = TableMutation | KeyspaceMutation | VectorMutation;

/** What must be true: of a row, of rows, of a record, or a combination of such assertions. */
export type Assertion =
  | TableAssertion
  | RecordAssertion
  /** All of them; true of none. */
  | { readonly all: readonly Assertion[] }
  /** One of them; false of none. */
  | { readonly any: readonly Assertion[] }
  | { readonly not: Assertion };

/**
 * `standard`; `economic` makes the commit durable before it is answered, whatever the database's
 * durability says; `volatile`, which AEDB has, is refused: see docs/envelopes.md.
 */
export type WriteClass = "standard" | "economic" | "volatile";

/** Changes of tables, keyspaces and vector indexes: all of them are made, or none. */
export interface Envelope extends WriteOptions {
  /** Made one after the other; each sees what those before it have done. 1 to 16,384. */
  readonly mutations: readonly Mutation[];
  /** What must be true before them, of the newest state, when the envelope has its turn. */
  readonly before?: readonly Assertion[];
  /** What must be true after them; otherwise nothing is applied. */
  readonly after?: readonly Assertion[];
  /** What was read for it, from `db.read()`: a `conflict` when that has changed since. */
  readonly readSet?: Reads;
  /**
   * Makes it once: within the window, the same envelope under the same key is not made again but
   * answered as a `duplicate`. 1 to 256 bytes.
   */
  readonly idempotencyKey?: string | Uint8Array;
  /** Whose idempotency key it is; every caller has keys of its own. 1 to 256 bytes. */
  readonly caller?: string;
  readonly writeClass?: WriteClass;
}

/** An envelope that is made once, however often it is sent. */
export interface ActionEnvelope extends Omit<Envelope, "readSet"> {
  readonly idempotencyKey: string | Uint8Array;
}

/** The effects of one step of some work: all of them, or none. */
export interface EffectBatch extends Omit<Envelope, "mutations"> {
  readonly effects: readonly Mutation[];
}

/** What one mutation has done. */
export interface MutationResult {
  /** Rows, records or vectors that it has changed. */
  readonly changed: number;
  /** With `returning`: rows as they are now, deleted ones as they were; otherwise empty. */
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** Of a change of a number in a keyspace: the number now, and before (undefined for none). */
  readonly value?: bigint;
  readonly previous?: bigint | undefined;
}

/** What has become of an envelope. */
export interface CommitResult extends Receipt {
  /** `duplicate`: it had been made before, and nothing was done. */
  readonly outcome: "applied" | "duplicate";
  /** The commit that has made it: `seq`, whichever call made it. */
  readonly canonicalCommitSeq: bigint;
  /** One for each mutation; none for a duplicate. */
  readonly results: readonly MutationResult[];
}

/** Most mutations of an envelope. */
export const mutationsMax = 16_384;
/** Most assertions of an envelope, those within others included. */
export const assertionsMax = 32_768;
/** Deepest nesting of assertions. */
export const assertionDepthMax = 16;
/** Most bytes that an envelope may write. */
export const envelopeBytesMax: number = 16 * 1024 * 1024;
/** Longest idempotency key and caller. */
export const nameBytesMax = 256;

const action = "commit an envelope";
const envelopeNames: ReadonlySet<string> = new Set([
  "mutations",
  "before",
  "after",
  "readSet",
  "idempotencyKey",
  "caller",
  "writeClass",
  "finality",
  "signal",
]);

/** Refuses what is no envelope, or one that is too large. */
export function checkEnvelope(envelope: Envelope): void {
  if (typeof envelope !== "object") {
    throw invalid(action, "it", describeValue(envelope), "an object with mutations");
  }
  checkOptions(action, envelope, envelopeNames);
  checkOneOf(action, "finality", envelope.finality, ["visible", "durable"]);
  checkOneOf(action, "writeClass", envelope.writeClass, ["standard", "economic", "volatile"]);
  if (envelope.writeClass === "volatile") throw volatileUnavailable();
  const { mutations, before, after } = envelope;
  if (!Array.isArray(mutations)) {
    throw invalid(action, "mutations", describeValue(mutations), "an array of mutations");
  }
  if (mutations.length === 0) {
    throw invalid(action, "mutations", "an empty array", "one mutation at least");
  }
  if (mutations.length > mutationsMax) {
    throw tooLarge("mutations", mutations.length, mutationsMax);
  }
  for (const [name, list] of [["before", before] as const, ["after", after] as const]) {
    if (list === undefined || Array.isArray(list)) continue;
    throw invalid(action, name, describeValue(list), "an array of assertions");
  }
}

/** When an envelope is answered. */
export function finalityOf({ writeClass, finality }: Envelope): Finality | undefined {
  return writeClass === "economic" ? "durable" : finality;
}

/** What is too much for one envelope: mutations, assertions, bytes. */
export function tooLarge(what: string, found: number, expected: number): CairnError {
  return new CairnError(
    "envelope_too_large",
    `Cannot commit an envelope with ${found} ${what}: at most ${expected} are allowed. Nothing ` +
      "was applied. Split it into several.",
    { details: { what, found, expected } },
  );
}

function volatileUnavailable(): CairnError {
  return new CairnError(
    "write_class_unavailable",
    'Cannot commit an envelope of the class "volatile": every commit is in the log, in the order ' +
      "of commits. Open the database with the durability that you need instead.",
  );
}
