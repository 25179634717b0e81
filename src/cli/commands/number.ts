import { usageInvalid } from "../cli-error.ts";
import { text } from "../command.ts";
import type { Arguments } from "../parse.ts";

/** An option that is a whole number, 0 or more. @throws CliError `usage_invalid`. */
export function wholeNumber(args: Arguments, name: string): number | undefined {
  const given = text(args, name);
  if (given === undefined) return undefined;
  const value = Number(given);
  if (/^[0-9]+$/.test(given) && Number.isSafeInteger(value)) return value;
  throw usageInvalid(`--${name} needs a whole number, 0 or more.`);
}
