/**
 * What the engine asks of its storage, call by call. A change here is a change of what a crash can
 * leave behind, or of what an operation costs: look at it, then write the files anew with
 *
 *     UPDATE=1 npx vitest run test/golden
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { traced } from "./traced.ts";

const folder = fileURLToPath(new URL("traces/", import.meta.url));

test.each(Object.entries(traced))("%s", async (name, tell) => {
  const path = `${folder}${name}.txt`;
  const found = `${(await tell()).join("\n")}\n`;
  if (process.env.UPDATE === "1") {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path, found);
  }
  expect(found).toBe(readFileSync(path, "utf8"));
});
