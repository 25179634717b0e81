/** What a command is made of. */
import type { ArgsDef } from "citty";
import type { Output } from "./output.ts";
import type { Arguments } from "./parse.ts";
import type { ProgressLine } from "./progress.ts";
import type { Surroundings } from "./surroundings.ts";

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Positionals in their order, then options. */
  readonly args: ArgsDef;
  /** Answers with the exit code; what it throws becomes an error message and a code. */
  readonly run: (context: Context) => Promise<number>;
}

export interface Context {
  readonly args: Arguments;
  readonly output: Output;
  readonly progress: ProgressLine;
  readonly surroundings: Surroundings;
}

/** The arguments that every command has. */
export const sharedArgs: ArgsDef = {
  json: { type: "boolean", description: "Print results and errors as JSON, one per line" },
  help: { type: "boolean", description: "Show this help" },
};

/** A positional or option that has a value. */
export function text(args: Arguments, name: string): string | undefined {
  const value = args[name];
  return typeof value === "string" ? value : undefined;
}

/** A positional that parsing has made sure of. */
export function needed(args: Arguments, name: string): string {
  return text(args, name) ?? "";
}

export function isSet(args: Arguments, name: string): boolean {
  return args[name] === true;
}
