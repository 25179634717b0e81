/** CairnDB: an embedded database in TypeScript on a WebAssembly core. */
export {
  Database,
  type KeyOf,
  type SnapshotOptions,
  type SyncCallback,
  type ValueOf,
} from "./database.ts";
export type {
  Durability,
  EngineStats,
  Finality,
  Finding,
  LongOptions,
  Progress,
  Receipt,
  RecoveryReport,
  Snapshot,
  VerifyReport,
} from "./engine/index.ts";
export {
  CairnError,
  type ErrorClass,
  type ErrorCode,
  type ErrorDetails,
  errorCodes,
  isCairnError,
} from "./errors.ts";
export type { ApplicationTarget } from "./kv/application-folder.ts";
export {
  AsyncRows,
  Batch,
  type BatchOperation,
  type BuiltInValue,
  type CountOptions,
  type Entry,
  Focus,
  type KeyOption,
  Keyspace,
  type KeyspaceInfo,
  type KeyspaceKind,
  type KeyspaceOptions,
  type LifetimeOptions,
  type PutOptions,
  type RangeOptions,
  type ReadOptions,
  type ScanOptions,
  type SweepOptions,
  SyncRows,
  type SyncTransaction,
  type SyncTransactionKeyspace,
  Transaction,
  TransactionKeyspace,
  type TransactionScanOptions,
  type ValueCodec,
  type ValueOption,
  type WritableOptions,
  type WriteOptions,
} from "./kv/index.ts";
export { type OpenOptions, type OpenTarget, open } from "./open.ts";
export { MemoryMedium, MemoryStorage, type MemoryStorageOptions } from "./storage/memory/index.ts";
export type {
  AccessMode,
  Awaitable,
  BlobStorage,
  Claim,
  Durable,
  LockHolder,
  LogStorage,
  RootStorage,
  StagedBlob,
  Storage,
  StorageCapabilities,
} from "./storage/port.ts";
export type { Isolation, Key, TransactionOptions } from "./transaction/index.ts";
