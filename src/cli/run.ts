/** One run of the CLI: finds the command, runs it, and turns whatever happens into an exit code. */
import { stripVTControlCharacters } from "node:util";
import { type ArgsDef, renderUsage } from "citty";
import { CliError, usageInvalid } from "./cli-error.ts";
import { type Command, sharedArgs } from "./command.ts";
import { commands } from "./commands/index.ts";
import { exitCode, exitCodeOf } from "./exit-code.ts";
import { Output } from "./output.ts";
import { parseArguments } from "./parse.ts";
import { ProgressLine } from "./progress.ts";
import { hasColours, type Surroundings, stopOf } from "./surroundings.ts";
import { packageVersion } from "./version.ts";

const summary = "Work with CairnDB databases from the command line.";

/** Runs `cairn` with the arguments after its name. Never throws; answers with the exit code. */
export async function run(given: readonly string[], surroundings: Surroundings): Promise<number> {
  const options = optionsOf(given);
  const output = new Output(surroundings, options.includes("--json"));
  const progress = new ProgressLine(surroundings, output.isJson);
  try {
    const name = given.find((argument) => !argument.startsWith("-"));
    if (options.includes("--help") || options.includes("-h") || given.length === 0) {
      await output.text(await helpText(name, surroundings));
      return given.length === 0 ? exitCode.usage : exitCode.ok;
    }
    if (name === undefined && options.includes("--version")) {
      await output.result({ version: packageVersion() }, () => [packageVersion()]);
      return exitCode.ok;
    }
    const command = findCommand(name);
    const rest = given.toSpliced(given.indexOf(command.name), 1);
    const args = parseArguments(rest, argsOf(command));
    return await command.run({ args, output, progress, surroundings });
  } catch (error) {
    return await failed(error, output, progress, surroundings.signal);
  } finally {
    await progress.end();
  }
}

async function failed(
  error: unknown,
  output: Output,
  progress: ProgressLine,
  signal: AbortSignal,
): Promise<number> {
  const stop = stopOf(signal);
  if (stop === "output_closed") return exitCode.ok;
  await progress.end();
  const code = exitCodeOf(error);
  if (stop === "interrupted" && code === exitCode.interrupted) {
    await output.error(new CliError("interrupted", code, "Interrupted; the database is closed."));
  } else await output.error(error);
  return code;
}

/** What comes before `--`, where options may be. */
function optionsOf(given: readonly string[]): readonly string[] {
  const end = given.indexOf("--");
  return end < 0 ? given : given.slice(0, end);
}

function findCommand(name: string | undefined): Command {
  const command = commands.find((candidate) => candidate.name === name);
  if (command !== undefined) return command;
  const known = commands.map((candidate) => candidate.name).join(", ");
  const found = name === undefined ? "No command is given" : "There is no such command";
  throw usageInvalid(`${found}. The commands are ${known}.`);
}

function argsOf(command: Command): ArgsDef {
  return { ...command.args, ...sharedArgs };
}

async function helpText(name: string | undefined, surroundings: Surroundings): Promise<string> {
  const command = commands.find((candidate) => candidate.name === name);
  const rendered =
    command === undefined
      ? await renderUsage({
          meta: { name: "cairn", version: packageVersion(), description: summary },
          args: sharedArgs,
          subCommands: Object.fromEntries(
            commands.map((each) => [each.name, { meta: { description: each.summary } }]),
          ),
        })
      : await renderUsage(
          { meta: { name: command.name, description: command.summary }, args: argsOf(command) },
          { meta: { name: "cairn" } },
        );
  const isPlain = !hasColours(surroundings.stdout, surroundings.env);
  return `${isPlain ? stripVTControlCharacters(rendered) : rendered}\n`;
}
