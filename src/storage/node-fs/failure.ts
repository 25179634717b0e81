import { CairnError, type ErrorCode } from "../../errors.ts";

const codeOfErrno: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: "disk_full",
  EDQUOT: "disk_full",
  EFBIG: "disk_full",
  EROFS: "storage_read_only",
  EACCES: "storage_permission",
  EPERM: "storage_permission",
  ERR_ACCESS_DENIED: "storage_permission",
  NotCapable: "storage_permission",
};

const adviceOfCode: Partial<Record<ErrorCode, string>> = {
  disk_full: "Free some space (or raise the quota) and open the database again.",
  storage_read_only: "Mount the file system writable, or open the database read-only.",
  storage_permission: "Give this process read and write access to the folder.",
};

/** The errno name of a failed call, such as `ENOSPC`; a runtime's own refusal goes by its name. */
export function errnoOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  if (error instanceof CairnError) return String(error.details.errno ?? error.code);
  const code = (error as NodeJS.ErrnoException).code;
  return typeof code === "string" ? code : error.name;
}

/** Says which operation failed on which path, with the code that its errno stands for. */
export function storageFailure(operation: string, path: string, cause: unknown): CairnError {
  if (cause instanceof CairnError) return cause;
  const errno = errnoOf(cause);
  const code = codeOfErrno[errno] ?? "storage_failed";
  const advice = adviceOfCode[code] ?? "See the cause; the database must be opened again.";
  return new CairnError(code, `Cannot ${operation} ${path}: ${errno}. ${advice}`, {
    cause,
    details: { operation, path, errno },
  });
}

/** Runs `work`; whatever it throws becomes a {@link storageFailure}. */
export function attempt<T>(operation: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw storageFailure(operation, path, error);
  }
}

/** Like {@link attempt}, but answers undefined when the file or folder does not exist. */
export function attemptIfExists<T>(operation: string, path: string, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw storageFailure(operation, path, error);
  }
}
