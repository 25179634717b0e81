/**
 * The seed of every property: `SEED` from the environment, else a fresh one for each. fast-check
 * prints the seed of a property that fails.
 */
import process from "node:process";
import fc from "fast-check";

const { SEED } = process.env;

if (SEED !== undefined) {
  const seed = Number(SEED);
  if (SEED.trim() === "" || !Number.isSafeInteger(seed)) {
    throw new Error(`SEED is "${SEED}". Pass the whole number that the failure printed.`);
  }
  fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
}
