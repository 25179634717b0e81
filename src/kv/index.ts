export { type RecordAssertion, RecordAssertions } from "./assertions.ts";
export { Batch, commitBatch, commitBatchSync, requireSame } from "./batch.ts";
export { Keyspaces } from "./catalogue.ts";
export type { ValueCodec } from "./codec.ts";
export { Context } from "./context.ts";
export type { CountOptions } from "./count.ts";
export {
  type BuiltInValue,
  checkName,
  type KeyOf,
  type KeyOption,
  type KeyspaceInfo,
  type KeyspaceKind,
  type KeyspaceOptions,
  type ValueOf,
  type ValueOption,
  valueName,
} from "./descriptor.ts";
export { Focus } from "./focus.ts";
export { Keyspace, type ReadOptions } from "./keyspace.ts";
export {
  type BatchOperation,
  checkWriteOptions,
  type LifetimeOptions,
  type PutOptions,
  receiptOfNothing,
  type WriteOptions,
} from "./keyspace-core.ts";
export { type KeyspaceMutation, KeyspaceMutations } from "./mutations.ts";
export type { NumberOption } from "./number-codec.ts";
export type { NumberChange, NumberOptions, NumberPolicies, NumberResult } from "./numbers.ts";
export { checkOneOf, checkOptions, checkWhole, describeValue, invalid } from "./options.ts";
export type { RangeOptions, ScanOptions } from "./range.ts";
export { AsyncRows, SyncRows } from "./rows.ts";
export type { Entry } from "./scan.ts";
export type { WritableOptions } from "./streams.ts";
export { type SweepOptions, sweep } from "./sweep.ts";
export { decodeText } from "./text.ts";
export {
  checkTransactionOptions,
  type Joinable,
  type SyncTransaction,
  type SyncTransactionKeyspace,
  Transaction,
  TransactionKeyspace,
  type TransactionScanOptions,
} from "./transaction.ts";
