export { Envelopes } from "./commit.ts";
export type {
  Assertion,
  CommitResult,
  Envelope,
  Mutation,
  MutationResult,
  WriteClass,
} from "./envelope.ts";
export { checkWindow, type IdempotencyWindow } from "./idempotency.ts";
export { type ReadKeyspace, Reads, type ReadTable, type ReadVectors } from "./reads.ts";
