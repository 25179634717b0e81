export { decodeHint, dueBefore, ExpiryTree, type Hint, momentMs, momentOf } from "./expiry.ts";
export {
  checkKeyLength,
  compareBytes,
  type Key,
  keyBytes,
  keyBytesMax,
  ownedBytes,
  ownedKey,
} from "./key.ts";
export {
  checkExpiresAt,
  checkTtl,
  expiresAtMax,
  expiryOf,
  isExpired,
  type Lifetime,
} from "./lifetime.ts";
export type { Staged } from "./overlay.ts";
export { type At, type RowBatch, type RowSource, TreeRows } from "./rows.ts";
export { type TransactionOptions, TransactionRunner, throwIfAborted } from "./runner.ts";
export { Attempt, type Isolation } from "./transaction.ts";
export type { OverlayWrite, Tree } from "./tree.ts";
