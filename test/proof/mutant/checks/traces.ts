/** The golden traces: which calls of the storage are made, in which order. */
import { readFileSync } from "node:fs";
import { traced } from "../../../golden/traced.ts";

export async function checkTraces(): Promise<void> {
  for (const [name, tell] of Object.entries(traced)) {
    const found = `${(await tell()).join("\n")}\n`;
    // The sources are compiled into one text: files are found from the root of the repository.
    if (found !== readFileSync(`test/golden/traces/${name}.txt`, "utf8")) {
      throw new Error(`the calls of "${name}" are others`);
    }
  }
}
