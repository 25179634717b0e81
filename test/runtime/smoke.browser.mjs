/**
 * Runs the cases on dist/index.browser.js with what a browser lacks taken away. Not a browser, but
 * it finds every use of `process`, `Buffer` and the like that a bundler would let through.
 */
import { noFileCases, portableCases } from "./cases.mjs";
import { equal, runCases } from "./runner.mjs";

const { process, console } = globalThis;
// Node's message ports make one when the first message comes, and load it with Buffer's help.
void globalThis.MessageEvent;
for (const name of ["process", "Buffer", "global", "setImmediate", "clearImmediate"]) {
  delete globalThis[name];
}

const identity = {
  name: "nothing of Node is in reach",
  run() {
    equal([typeof globalThis.process, typeof globalThis.Buffer], ["undefined", "undefined"]);
  },
};

const cairn = await import("../../dist/index.browser.js");
const cases = [identity, ...portableCases, ...noFileCases];
const { failed } = await runCases(cases, { cairn }, (line) => console.log(line));
process.exitCode = failed === 0 ? 0 : 1;
