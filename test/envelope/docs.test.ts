/** docs/envelopes.md is one program: it is run, and answers what its comments say. */
import { test } from "vitest";
import { runPage } from "../run-page.ts";

test("the examples run, and answer what their comments say", async () => {
  await runPage("docs/envelopes.md", "./ledger.cairn");
});
