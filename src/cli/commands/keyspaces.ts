import type { Database, KeyspaceInfo } from "../../index.ts";
import { usageInvalid } from "../cli-error.ts";
import { type Command, type Context, needed, text } from "../command.ts";
import { withReader, withWriter } from "../database.ts";
import { exitCode } from "../exit-code.ts";
import { count } from "../format.ts";
import { columns } from "../output.ts";
import { dbArg } from "./arguments.ts";
import { wholeNumber } from "./number.ts";

const creating = ["kind", "key", "value", "ttl"] as const;

export const keyspaces: Command = {
  name: "keyspaces",
  summary: "List the keyspaces, or create one",
  args: {
    ...dbArg,
    create: { type: "string", description: "Create a keyspace", valueHint: "name" },
    kind: { type: "enum", options: ["ordered", "hashed"], description: "ordered if absent" },
    key: { type: "enum", options: ["utf8", "bytes"], description: "utf8 if absent" },
    value: { type: "enum", options: ["json", "utf8", "bytes"], description: "json if absent" },
    ttl: { type: "string", description: "Milliseconds that its records live", valueHint: "ms" },
  },
  async run(context) {
    const { args } = context;
    const path = needed(args, "db");
    const name = text(args, "create");
    if (name !== undefined)
      return await withWriter(context, path, (db) => create(db, context, name));
    const stray = creating.find((option) => args[option] !== undefined);
    if (stray !== undefined) throw usageInvalid(`--${stray} goes with --create only.`);
    return await withReader(context, path, (db) => list(db, context));
  },
};

async function create(db: Database, { args, output }: Context, name: string): Promise<number> {
  const options: Record<string, unknown> = {};
  for (const option of creating) if (args[option] !== undefined) options[option] = args[option];
  const ttl = wholeNumber(args, "ttl");
  if (ttl !== undefined) options.ttl = ttl;
  await db.keyspace(name, options);
  const info = db.keyspaces().find((candidate) => candidate.name === name);
  await output.result({ ...info }, () => []);
  return exitCode.ok;
}

async function list(db: Database, { output }: Context): Promise<number> {
  const all = [...db.keyspaces()].sort((left, right) => (left.name < right.name ? -1 : 1));
  if (output.isJson) {
    for (const info of all) await output.result({ ...info }, () => []);
    return exitCode.ok;
  }
  const head = ["name", "kind", "key", "value", "ttl", "records"];
  for (const line of columns([head, ...all.map(row)])) await output.text(`${line}\n`);
  return exitCode.ok;
}

function row({ name, kind, key, value, ttl, records }: KeyspaceInfo): string[] {
  const shownName = name === "" ? "(default)" : name;
  return [shownName, kind, key, value, ttl === null ? "-" : `${ttl} ms`, count(records)];
}
