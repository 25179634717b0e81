/**
 * The seed of every property: `SEED` from the environment, else a fresh one for each. fast-check
 * prints the seed of a property that fails.
 */
import process from "node:process";
import fc from "fast-check";

const { SEED } = process.env;

/** For tests that draw numbers themselves; what fails must print the seed it had. */
export const seed: number = SEED === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(SEED);

if (SEED !== undefined) {
  if (SEED.trim() === "" || !Number.isSafeInteger(seed)) {
    throw new Error(`SEED is "${SEED}". Pass the whole number that the failure printed.`);
  }
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
}
