/** The long run: `npm run query-differential -- --queries 100000 [--seed 7]`. */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { queries: { type: "string", default: "100000" }, seed: { type: "string" } },
});
const environment = { ...process.env, QUERIES: values.queries };
if (values.seed !== undefined) environment.SEED = values.seed;
const { status } = spawnSync(
  "npx",
  ["vitest", "run", "test/query/differential/differential.test.ts"],
  { stdio: "inherit", env: environment },
);
process.exit(status ?? 1);
