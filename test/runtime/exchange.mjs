/**
 * Databases that one runtime writes and another continues. run.mjs runs each step on all runtimes:
 *
 *     RUNTIME exchange.mjs write FOLDER DATABASE…     creates each, and holds it until killed
 *     RUNTIME exchange.mjs refused FOLDER DATABASE…   may not open what another holds
 *     RUNTIME exchange.mjs append FOLDER DATABASE…    recovers after the kill, checks, appends
 *     RUNTIME exchange.mjs check FOLDER DATABASE…     sees both parts
 */
import process from "node:process";
import { CairnError, open } from "cairndb";
import { equal, failsWith, runCases } from "./runner.mjs";

const [step, folder, ...databases] = process.argv.slice(2);
const rowCount = 500;

/** Row `id` of a part; lengths around the inline limit and above it, text beyond ASCII. */
const rowKey = (part, id) => `${part} ${String(id).padStart(4, "0")} é😀`;
const rowValue = (part, id) => ({ part, id, text: `${id}ß`.repeat((id * 37) % 600) });

async function put(keyspaces, part, from, to) {
  const operations = [];
  for (let id = from; id < to; id++) {
    operations.push({ type: "put", key: rowKey(part, id), value: rowValue(part, id) });
  }
  for (const keyspace of keyspaces) await keyspace.batch(operations);
}

async function keyspacesOf(db) {
  return [
    await db.keyspace("ordered", { kind: "ordered", value: "json" }),
    await db.keyspace("hashed", { kind: "hashed", value: "json" }),
  ];
}

/** Half of the part ends up in a checkpoint, half in the log behind it. */
async function putPart(db, part) {
  const keyspaces = await keyspacesOf(db);
  await put(keyspaces, part, 0, rowCount / 2);
  await db.checkpoint();
  await put(keyspaces, part, rowCount / 2, rowCount);
}

async function checkParts(db, parts) {
  const [ordered, hashed] = await keyspacesOf(db);
  const expected = parts.flatMap((part) =>
    Array.from({ length: rowCount }, (_, id) => [rowKey(part, id), rowValue(part, id)]),
  );
  const found = [];
  for await (const { key, value } of ordered.entries()) found.push([key, value]);
  equal(found.length, expected.length, "the number of rows differs");
  equal(found, expected, "rows differ");
  for (const [key, value] of expected) equal(await hashed.get(key), value, "a hashed row differs");
}

const steps = {
  /** Stays open: the kill that ends the process is the crash that `append` recovers from. */
  async write(path) {
    await putPart(await open(path), "first");
  },
  async refused(path) {
    await failsWith(CairnError, "lock_held", () => open(path));
  },
  async append(path) {
    const db = await open(path);
    await checkParts(db, ["first"]);
    await putPart(db, "second");
    await db.close();
  },
  async check(path) {
    const db = await open(path);
    await checkParts(db, ["first", "second"]);
    await db.close();
  },
};

const cases = databases.map((name) => ({
  name: `${step} ${name}`,
  run: () => steps[step](`${folder}/${name}`),
}));
const { failed } = await runCases(cases, {}, console.log);
process.exitCode = failed === 0 ? 0 : 1;
// Whoever holds databases waits here for the kill.
if (step === "write" && failed === 0) setInterval(() => undefined, 60_000);
