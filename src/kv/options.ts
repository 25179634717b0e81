/** Checks of what callers pass in. */
import { CairnError } from "../errors.ts";

/** Refuses an option that does not exist: `option_unknown`. A misspelt one is never ignored. */
export function checkOptions(
  action: string,
  options: object | undefined,
  known: ReadonlySet<string>,
): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null) {
    throw invalid(action, "the options", describeValue(options), "an object");
  }
  for (const option in options) {
    if (known.has(option)) continue;
    throw new CairnError(
      "option_unknown",
      `Cannot ${action}: there is no option "${option}". Known are ${[...known].join(", ")}.`,
      { details: { option } },
    );
  }
}

/** Refuses a value that is none of the given ones: `argument_invalid`. */
export function checkOneOf(
  action: string,
  option: string,
  value: unknown,
  allowed: readonly unknown[],
): void {
  if (value === undefined || allowed.includes(value)) return;
  const expected = allowed.map((one) => JSON.stringify(one)).join(" or ");
  throw invalid(action, `the option ${option}`, describeValue(value), expected);
}

/** Refuses what is no whole number from `least` on: `argument_invalid`. */
export function checkWhole(action: string, option: string, value: unknown, least: number): void {
  if (value === undefined) return;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= least) return;
  const expected = `a whole number, ${least} or more`;
  throw invalid(action, `the option ${option}`, describeValue(value), expected);
}

/** An `argument_invalid` that says what was found and what was expected. */
export function invalid(action: string, what: string, found: string, expected: string): CairnError {
  return new CairnError(
    "argument_invalid",
    `Cannot ${action}: ${what} is ${found}, expected ${expected}.`,
    { details: { argument: what, expected } },
  );
}

/** A value for messages, without telling what a caller stores. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value === "string") return value === "" ? "an empty string" : "another string";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
