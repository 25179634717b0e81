/** A keyspace as the command line sees it: keys and values are text, whatever they are inside. */
import { CairnError } from "../errors.ts";
import type { Database, Keyspace, KeyspaceInfo, ValueCodec } from "../index.ts";
import { text } from "./command.ts";
import { type Forms, formsOf } from "./forms.ts";
import type { Arguments } from "./parse.ts";

export interface OpenKeyspace {
  readonly info: KeyspaceInfo;
  readonly records: Keyspace<string | Uint8Array, unknown>;
  readonly forms: Forms;
}

export const keyspaceArg = {
  keyspace: {
    type: "string",
    description: "The keyspace; the default one if absent",
    valueHint: "name",
  },
} as const;

/** The keyspace that the arguments name. @throws CairnError `keyspace_not_found`. */
export async function openKeyspace(db: Database, args: Arguments): Promise<OpenKeyspace> {
  const name = text(args, "keyspace") ?? "";
  const info = db.keyspaces().find((candidate) => candidate.name === name);
  if (info === undefined) throw keyspaceNotFound(name);
  // A codec of the application is not at hand here; its bytes are.
  const records = await db.keyspace(name, {
    key: info.key,
    value: info.isBuiltIn ? (info.value as "json" | "utf8" | "bytes") : bytesOf(info.value),
  });
  return { info, records: records as OpenKeyspace["records"], forms: formsOf(info) };
}

function bytesOf(name: string): ValueCodec<Uint8Array> {
  return { name, encode: (value) => value, decode: (bytes) => bytes };
}

function keyspaceNotFound(name: string): CairnError {
  const which = name === "" ? "no default keyspace" : "no keyspace of this name";
  return new CairnError(
    "keyspace_not_found",
    `Cannot open the keyspace: there is ${which}. List them with "cairn keyspaces DB", or create ` +
      'it with "cairn keyspaces DB --create NAME".',
  );
}
