import { usageInvalid } from "../cli-error.ts";
import { type Command, type Context, isSet, needed, text } from "../command.ts";
import { withWriter } from "../database.ts";
import { exitCode } from "../exit-code.ts";
import type { Forms } from "../forms.ts";
import { keyspaceArg, openKeyspace } from "../keyspace.ts";
import { dbArg } from "./arguments.ts";
import { wholeNumber } from "./number.ts";

export const put: Command = {
  name: "put",
  summary: "Store a value under a key",
  args: {
    ...dbArg,
    key: { type: "positional", description: "The key", required: true },
    value: {
      type: "positional",
      description: "The value; read from standard input if absent",
      required: false,
    },
    ...keyspaceArg,
    ttl: { type: "string", description: "Milliseconds until it expires", valueHint: "ms" },
    string: { type: "boolean", description: "Store VALUE as a string, even if it is JSON" },
  },
  async run(context) {
    const { args, output, surroundings } = context;
    const ttl = wholeNumber(args, "ttl");
    const given = text(args, "value");
    if (given === undefined && surroundings.stdin.isTerminal) {
      throw usageInvalid("VALUE is missing. Give it as an argument or on standard input.");
    }
    // Before the database is locked: whoever writes to the pipe may take its time.
    const input = given === undefined ? await surroundings.stdin.read() : undefined;
    return await withWriter(context, needed(args, "db"), async (db) => {
      const { records, forms } = await openKeyspace(db, args);
      const key = forms.key(needed(args, "key"));
      const value = storedValue(context, forms, input);
      const { signal } = surroundings;
      const options = ttl === undefined ? { signal } : { signal, ttl };
      const { seq, durable } = await records.put(key, value, { ...options, finality: "durable" });
      await output.result({ seq, durable }, () => []);
      return exitCode.ok;
    });
  },
};

function storedValue({ args }: Context, forms: Forms, input: Uint8Array | undefined): unknown {
  const given = text(args, "value");
  if (isSet(args, "string") && forms.kind === "json") {
    return given ?? forms.inputText(input ?? new Uint8Array(0));
  }
  return input === undefined ? forms.value(given ?? "") : forms.input(input);
}
