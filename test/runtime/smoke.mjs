/**
 * Runs the cases on the runtime that runs this file: Node, Deno or Bun.
 *
 *     RUNTIME smoke.mjs NAME VERSION FOLDER
 *
 * NAME and VERSION say which runtime this has to be, so that a wrong binary on PATH cannot pass for
 * another. FOLDER is an empty folder for the databases.
 */
import process from "node:process";
import * as cairn from "cairndb";
import { fileCases, portableCases } from "./cases.mjs";
import { equal, runCases } from "./runner.mjs";

const [name, version, folder] = process.argv.slice(2);

const identity = {
  name: `this is ${name} ${version}`,
  run() {
    const { Deno, Bun } = globalThis;
    const found = Deno
      ? ["deno", Deno.version.deno]
      : Bun
        ? ["bun", Bun.version]
        : ["node", process.versions.node];
    equal(found, [name, version], "the runtime differs");
  },
};

const cases = [identity, ...portableCases, ...fileCases];
const { failed } = await runCases(cases, { cairn, folder }, console.log);
process.exitCode = failed === 0 ? 0 : 1;
