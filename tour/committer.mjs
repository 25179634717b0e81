/**
 * A process that commits until it is killed: `committer.mjs DATABASE`. It prints the number of a
 * commit only when the commit has been answered, and a default commit is answered when it is
 * durable.
 */
import { writeSync } from "node:fs";
import { open } from "cairndb";

const db = await open(process.argv[2], { create: false });
const commits = await db.keyspace("commits");
for (let number = 1; ; number++) {
  await commits.put(String(number).padStart(8, "0"), { number, square: number * number });
  writeSync(1, `${number}\n`);
}
