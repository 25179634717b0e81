/**
 * The arguments of one command. citty parses; it ignores what it does not know and lets an option
 * swallow the next one, so both are refused here first.
 */
import { type ArgsDef, parseArgs } from "citty";
import { usageInvalid } from "./cli-error.ts";

/** Values by name: a string, a switch, or undefined where it was not given. */
export type Arguments = Readonly<Record<string, string | boolean | undefined>>;

/** Throws `usage_invalid`. */
export function parseArguments(given: readonly string[], definition: ArgsDef): Arguments {
  const positionals = countPositionals(given, definition);
  const names = Object.keys(definition).filter((name) => definition[name].type === "positional");
  if (positionals > names.length) {
    throw usageInvalid(
      `Found ${positionals} arguments, expected at most ${names.length}: ${shown(names)}. ` +
        "Quote an argument that has spaces in it.",
    );
  }
  const needed = names.filter((name) => definition[name].required !== false);
  if (positionals < needed.length) {
    throw usageInvalid(`${shown(needed.slice(positionals))} is missing.`);
  }
  const parsed = parseArgs([...given], definition);
  const result: Record<string, string | boolean | undefined> = {};
  for (const name of Object.keys(definition)) {
    result[name] = parsed[name] as string | boolean | undefined;
  }
  return result;
}

/** Goes through the arguments as citty does, and refuses what it would let pass. */
function countPositionals(given: readonly string[], definition: ArgsDef): number {
  let positionals = 0;
  const seen = new Set<string>();
  for (let index = 0; index < given.length; index++) {
    const argument = given[index];
    if (argument === "--") return positionals + given.length - index - 1;
    if (!argument.startsWith("-") || argument === "-") {
      positionals++;
      continue;
    }
    const [option, value] = splitOption(argument);
    const type = optionType(option, definition);
    if (seen.has(option)) throw usageInvalid(`${option} is given twice.`);
    seen.add(option);
    if (type === "boolean") {
      if (value !== undefined) throw usageInvalid(`${option} takes no value.`);
      continue;
    }
    const found = value ?? given[++index];
    if (found === undefined || (value === undefined && found.startsWith("-"))) {
      throw usageInvalid(
        `${option} needs a value. Write ${option}=VALUE if the value begins with a dash.`,
      );
    }
    checkChoice(option, found, definition);
  }
  return positionals;
}

function checkChoice(option: string, value: string, definition: ArgsDef): void {
  const found = definition[option.slice(2)];
  if (found.type !== "enum" || found.options?.includes(value)) return;
  throw usageInvalid(`${option} is none of ${found.options?.join(", ")}.`);
}

function splitOption(argument: string): [option: string, value: string | undefined] {
  const at = argument.indexOf("=");
  return at < 0 ? [argument, undefined] : [argument.slice(0, at), argument.slice(at + 1)];
}

function optionType(option: string, definition: ArgsDef): string {
  const name = option.startsWith("--") ? option.slice(2) : "";
  const found = Object.hasOwn(definition, name) ? definition[name] : undefined;
  if (found !== undefined && found.type !== "positional") return found.type ?? "boolean";
  throw usageInvalid(
    `The option ${option} is unknown. Put -- before arguments that begin with a dash.`,
  );
}

function shown(names: readonly string[]): string {
  return names.map((name) => name.toUpperCase()).join(" ");
}
