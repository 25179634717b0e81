/** Codes of what only the command line knows; all others are those of the database. */
export type CliErrorCode = "interrupted" | "key_not_found" | "usage_invalid";

/** A command that cannot be done, for a reason that is not the database's. */
export class CliError extends Error {
  override readonly name: string = "CliError";
  readonly code: CliErrorCode;
  readonly exitCode: number;

  constructor(code: CliErrorCode, exitCode: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.exitCode = exitCode;
  }
}

/** The command line is not as it has to be. */
export function usageInvalid(message: string, options?: ErrorOptions): CliError {
  return new CliError("usage_invalid", 2, message, options);
}
