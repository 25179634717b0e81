import { expect } from "vitest";
import { CairnError, type ErrorCode } from "../../src/index.ts";

/** The error of a call, synchronous or not, which must be a CairnError with this code. */
export async function fails(code: ErrorCode, run: () => unknown): Promise<CairnError> {
  const found = await outcome(run);
  expect(found).toBeInstanceOf(CairnError);
  expect((found as CairnError).code).toBe(code);
  return found as CairnError;
}

async function outcome(run: () => unknown): Promise<unknown> {
  try {
    return await run();
  } catch (error) {
    return error;
  }
}
