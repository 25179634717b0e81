export { Envelopes } from "./commit.ts";
export {
  type RecordNumberChange,
  type RecordSwap,
  type RowNumberChange,
  type RowSwap,
  recordNumberEnvelope,
  rowNumberEnvelope,
  swapEnvelope,
} from "./compare-and.ts";
export type {
  ActionEnvelope,
  Assertion,
  CommitResult,
  EffectBatch,
  Envelope,
  Mutation,
  MutationResult,
  WriteClass,
} from "./envelope.ts";
export { checkWindow, type IdempotencyWindow } from "./idempotency.ts";
export { KeyedState, type KeyedStateQuery, type KeyedStateUpdateOptions } from "./keyed-state.ts";
export type { ChangedRow, ChangedRows, RowsChange } from "./mutate-returning.ts";
export { type PlannedWrite, type Preflight, PreflightPlan } from "./preflight.ts";
export { type ReadKeyspace, Reads, type ReadTable, type ReadVectors } from "./reads.ts";
