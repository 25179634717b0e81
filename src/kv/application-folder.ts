/** Where the operating system keeps the data of applications. */
import { describeValue, invalid } from "./options.ts";

/** A database that is named, not placed. */
export interface ApplicationTarget {
  /** The application's folder; "cairndb" when it is empty. */
  readonly application: string;
  /** The database in it; "default.cairn" when it is empty or absent. */
  readonly database?: string;
  /** Instead of the operating system's folder for data. */
  readonly dataRoot?: string;
}

/** What the answer depends on. */
export interface PlatformFacts {
  /** As `process.platform`. */
  readonly platform: string;
  /** As `process.env`. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const applicationDefault = "cairndb";
const databaseDefault = "default.cairn";

/**
 * The database's folder: under `$XDG_DATA_HOME` or `~/.local/share` (Linux), `~/Library/Application
 * Support` (macOS), `%LOCALAPPDATA%` or `%APPDATA%` (Windows); under the working directory where
 * the environment says nothing. @throws CairnError `argument_invalid` for names that lead
 * elsewhere.
 */
export function applicationFolder(target: ApplicationTarget, facts: PlatformFacts): string {
  const application = checkName("application", target.application) || applicationDefault;
  const database = checkName("database", target.database ?? "") || databaseDefault;
  const root = target.dataRoot?.trim() || dataRoot(facts);
  const separator = facts.platform === "win32" ? "\\" : "/";
  return [root, application, database].join(separator);
}

function checkName(option: string, name: unknown): string {
  const action = "open a database by its application's name";
  if (typeof name !== "string") {
    throw invalid(action, `the option ${option}`, describeValue(name), "a string");
  }
  const trimmed = name.trim();
  const leadsElsewhere = /[/\\\0]/.test(trimmed) || trimmed.includes("..") || trimmed === ".";
  if (!leadsElsewhere) return trimmed;
  throw invalid(action, `the option ${option}`, "a path", 'a name without "/", "\\" and ".."');
}

function dataRoot({ platform, environment }: PlatformFacts): string {
  if (platform === "win32") {
    const { LOCALAPPDATA, APPDATA, USERPROFILE } = environment;
    if (LOCALAPPDATA) return LOCALAPPDATA;
    if (APPDATA) return APPDATA;
    return USERPROFILE ? `${USERPROFILE}\\AppData\\Local` : ".";
  }
  const { HOME, XDG_DATA_HOME } = environment;
  if (platform === "darwin") return HOME ? `${HOME}/Library/Application Support` : ".";
  if (XDG_DATA_HOME) return XDG_DATA_HOME;
  return HOME ? `${HOME}/.local/share` : ".";
}
