/**
 * What the process ends with. The numbers are part of the CLI's interface (docs/cli.md): scripts
 * branch on them, so they are never reused for anything else.
 */
import { CairnError, type ErrorCode } from "../errors.ts";
import { CliError } from "./cli-error.ts";

export const exitCode = {
  ok: 0,
  /** `verify` looked and found something. */
  problems: 1,
  /** The command line, a key or a value is not as it has to be. */
  usage: 2,
  /** Another process has the database open for writing. */
  locked: 3,
  /** The database is damaged. */
  corrupt: 4,
  /** No such database, keyspace or key. */
  notFound: 5,
  /** Something is there already, where a new one was to be made. */
  exists: 6,
  /** The storage, its permissions or its format's version are in the way. */
  storage: 7,
  /** Something else came between; the same command may succeed when repeated. */
  retry: 8,
  /** A fault in CairnDB itself. */
  internal: 70,
  interrupted: 130,
} as const;

const ofCode: { readonly [code in ErrorCode]?: number } = {
  aborted: exitCode.interrupted,
  core_failed: exitCode.internal,
  database_exists: exitCode.exists,
  database_not_found: exitCode.notFound,
  generation_lost: exitCode.locked,
  invariant_broken: exitCode.internal,
  keyspace_dropped: exitCode.notFound,
  keyspace_exists: exitCode.exists,
  keyspace_not_found: exitCode.notFound,
  lock_held: exitCode.locked,
  lock_invalid: exitCode.locked,
  not_a_database: exitCode.notFound,
  project_not_found: exitCode.notFound,
  scope_not_found: exitCode.notFound,
  table_not_found: exitCode.notFound,
  target_exists: exitCode.exists,
};

const ofClass: { readonly [name in CairnError["class"]]: number } = {
  conflict: exitCode.retry,
  integrity: exitCode.corrupt,
  permission: exitCode.storage,
  retryable: exitCode.retry,
  unavailable: exitCode.storage,
  validation: exitCode.usage,
};

export function exitCodeOf(error: unknown): number {
  if (error instanceof CliError) return error.exitCode;
  if (!(error instanceof CairnError)) return exitCode.internal;
  return ofCode[error.code] ?? ofClass[error.class];
}
