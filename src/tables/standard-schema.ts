/**
 * Validators of other packages (zod, valibot, arktype and more), through the interface that they
 * share: https://standardschema.dev. Only the part of it that tables use.
 */
import { CairnError } from "../errors.ts";

/** A validator, as https://standardschema.dev describes it. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/**
 * What a validator answers: the value it makes of what it was given, or what is wrong with that.
 */
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string }[] };

/** What a validator takes. */
export type InputOf<S> = S extends StandardSchema<infer Input, infer _Output> ? Input : never;
/** What a validator makes of it. */
export type OutputOf<S> = S extends StandardSchema<infer _Input, infer Output> ? Output : never;

/** A row that a validator has made, as it is read: what it may leave out is null. */
export type StoredOf<Output> = {
  [K in keyof Output]-?: Record<never, never> extends Pick<Output, K>
    ? Exclude<Output[K], undefined> | null
    : undefined extends Output[K]
      ? Exclude<Output[K], undefined> | null
      : Output[K];
};

/** The rows as the validator makes them. @throws CairnError `schema_rejected`. */
export async function validateRows(
  schema: StandardSchema,
  rows: readonly unknown[],
): Promise<readonly unknown[]> {
  const valid: unknown[] = [];
  for (const row of rows) valid.push(valueIn(await schema["~standard"].validate(row)));
  return valid;
}

/** The same in this turn. @throws CairnError `schema_rejected`, `schema_asynchronous`. */
export function validateRowsSync(
  schema: StandardSchema | undefined,
  rows: readonly unknown[],
): readonly unknown[] {
  if (schema === undefined) return rows;
  return rows.map((row) => {
    const result = schema["~standard"].validate(row);
    if (!(result instanceof Promise)) return valueIn(result);
    result.catch(() => undefined);
    throw new CairnError(
      "schema_asynchronous",
      "Cannot validate a row in this turn: the table's validator answered with a promise. " +
        "Use the awaited form.",
    );
  });
}

function valueIn(result: StandardResult<unknown>): unknown {
  if (result.issues === undefined) return result.value;
  const { issues } = result;
  throw new CairnError(
    "schema_rejected",
    `Cannot write a row: the table's validator found ${issues.length} ` +
      `${issues.length === 1 ? "issue" : "issues"} with it. Nothing was applied; details has the ` +
      "first one.",
    { details: { issues: issues.length, issue: issues[0]?.message ?? "" } },
  );
}
