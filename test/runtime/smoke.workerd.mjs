/** Runs the cases as a test of workerd (workerd.capnp). A test fails there by throwing. */
import * as cairn from "cairndb";
import { noFileCases, portableCases } from "./cases.mjs";
import { equal, runCases } from "./runner.mjs";

const identity = {
  name: "this is workerd",
  run() {
    equal(globalThis.navigator?.userAgent, "Cloudflare-Workers", "the runtime differs");
  },
};

export default {
  async test() {
    const cases = [identity, ...portableCases, ...noFileCases];
    const { failed } = await runCases(cases, { cairn }, console.log);
    if (failed > 0) throw new Error(`${failed} failed`);
  },
};
