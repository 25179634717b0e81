/** Commits to the database in the folder that its argument names, and is killed. */
import { open } from "../../src/index.ts";

const db = await open(process.argv[2]);
await (await db.keyspace()).put("last", "words");
process.kill(process.pid, "SIGKILL");
