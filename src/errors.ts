/**
 * Errors are part of the API: one class, and `code` from one closed union. Messages may change,
 * codes may not. Every code has a heading in `docs/errors.md` that says when, why and what to do.
 */

/** What a caller can do about an error, named as in AEDB. */
export type ErrorClass =
  | "retryable"
  | "conflict"
  | "permission"
  | "validation"
  | "integrity"
  | "unavailable";

const classOfCode = {
  aborted: "unavailable",
  argument_invalid: "validation",
  assertion_failed: "conflict",
  asynchronous_callback: "validation",
  check_constraint_failed: "validation",
  closed: "unavailable",
  codec_failed: "validation",
  conflict: "conflict",
  constraint_already_exists: "validation",
  constraint_not_found: "validation",
  core_failed: "integrity",
  corruption: "integrity",
  cursor_invalid: "validation",
  database_exists: "validation",
  database_not_found: "unavailable",
  disk_full: "unavailable",
  duplicate_primary_key: "validation",
  durability_invalid: "validation",
  envelope_too_large: "validation",
  expression_invalid: "validation",
  filter_invalid: "validation",
  foreign_key_violation: "validation",
  format_newer: "unavailable",
  format_older: "unavailable",
  generation_lost: "integrity",
  idempotency_key_reused: "validation",
  index_already_exists: "validation",
  index_not_found: "validation",
  invariant_broken: "integrity",
  key_invalid: "validation",
  key_not_found: "validation",
  key_too_large: "validation",
  keyspace_dropped: "validation",
  keyspace_exists: "validation",
  keyspace_not_found: "validation",
  lock_held: "unavailable",
  lock_invalid: "unavailable",
  log_corrupt: "integrity",
  memory_limit: "unavailable",
  migration_changed: "integrity",
  migration_invalid: "validation",
  migration_irreversible: "validation",
  not_a_database: "validation",
  not_null_violation: "validation",
  option_unknown: "validation",
  outcome_unknown: "unavailable",
  overflow: "validation",
  page_corrupt: "integrity",
  poisoned: "unavailable",
  project_already_exists: "validation",
  project_not_found: "validation",
  query_too_large: "validation",
  read_only: "permission",
  root_corrupt: "integrity",
  root_superseded: "retryable",
  row_decode_failed: "validation",
  row_not_found: "validation",
  schema_asynchronous: "validation",
  schema_invalid: "validation",
  schema_rejected: "validation",
  scope_already_exists: "validation",
  scope_not_found: "validation",
  search_too_large: "validation",
  seq_garbage_collected: "unavailable",
  snapshot_expired: "retryable",
  storage_failed: "unavailable",
  storage_permission: "permission",
  storage_read_only: "permission",
  synchronous_unavailable: "validation",
  table_already_exists: "validation",
  table_dropped: "validation",
  table_not_found: "validation",
  target_exists: "validation",
  transaction_closed: "validation",
  transaction_too_large: "validation",
  ttl_overflow: "validation",
  type_mismatch: "validation",
  underflow: "validation",
  unique_violation: "validation",
  unknown_column: "validation",
  unordered_keyspace: "validation",
  value_invalid: "validation",
  value_too_large: "validation",
  vector_dimensions: "validation",
  vector_invalid: "validation",
  vectors_dropped: "validation",
  vectors_exist: "validation",
  vectors_not_found: "validation",
  write_class_unavailable: "validation",
} as const;

/** What happened, as a code that stays the same; docs/errors.md says when, why and what to do. */
export type ErrorCode = keyof typeof classOfCode;

/** Every error code, in alphabetical order. */
export const errorCodes: readonly ErrorCode[] = Object.keys(classOfCode) as ErrorCode[];

/** Facts about an error as plain data: what was found, what was expected, where. */
export type ErrorDetails = Readonly<Record<string, string | number | bigint | boolean | null>>;

/**
 * The one error class of CairnDB.
 *
 * `message` says what was done, what was found and what to do; `details` holds the same facts as
 * data. Neither contains user keys or values, except that `assertion_failed` says what it has found
 * instead of what the caller asserted, as `details.actual`.
 */
export class CairnError extends Error {
  override readonly name: string = "CairnError";
  readonly code: ErrorCode;
  readonly class: ErrorClass;
  readonly details: ErrorDetails;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: ErrorDetails } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.class = classOfCode[code];
    this.details = options.details ?? {};
  }

  /** True when the same call may succeed if it is simply made again. */
  get retryable(): boolean {
    return this.class === "retryable" || this.class === "conflict";
  }
}

/** True when `error` is a {@link CairnError}, optionally with the given code. */
export function isCairnError(error: unknown, code?: ErrorCode): error is CairnError {
  return error instanceof CairnError && (code === undefined || error.code === code);
}
