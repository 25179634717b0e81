/** Tables as the command line sees them: where one is, and what its cells look like in JSON. */
import type { Database, Table, TableDescription, TableInfo } from "../index.ts";
import { usageInvalid } from "./cli-error.ts";
import { text } from "./command.ts";
import { bytesToHex, hexToBytes } from "./forms.ts";
import type { PlainObject } from "./output.ts";
import type { Arguments } from "./parse.ts";

export const namespaceArgs = {
  project: { type: "string", description: "The project; none if absent", valueHint: "name" },
  scope: {
    type: "string",
    description: "A scope of the project; app if absent",
    valueHint: "name",
  },
} as const;

/** The table that the arguments name. @throws CairnError `table_not_found`. */
export async function openTable(db: Database, args: Arguments, name: string): Promise<Table> {
  const project = text(args, "project");
  const scope = text(args, "scope");
  if (project !== undefined) {
    return await db
      .project(project)
      .scope(scope ?? "app")
      .table(name);
  }
  if (scope !== undefined) throw usageInvalid("--scope goes with --project only.");
  return await db.table(name);
}

/** A table and where it is; project and scope are empty for the root scope. */
export interface ListedTable extends TableInfo {
  readonly project: string;
  readonly scope: string;
}

/** The tables of all scopes, those of the root first. */
export async function listTables(db: Database): Promise<ListedTable[]> {
  const all = (await db.tables()).map((info) => ({ project: "", scope: "", ...info }));
  for (const project of await db.projects()) {
    for (const scope of await db.project(project).scopes()) {
      const found = await db.project(project).scope(scope).tables();
      all.push(...found.map((info) => ({ project, scope, ...info })));
    }
  }
  return all;
}

/** Whole numbers of 64 bits and more as digits, times as ISO 8601, bytes in hexadecimal. */
export function rowJson(row: PlainObject): PlainObject {
  return Object.fromEntries(Object.entries(row).map(([name, cell]) => [name, cellJson(cell)]));
}

function cellJson(cell: unknown): unknown {
  if (typeof cell === "bigint") return String(cell);
  if (cell instanceof Date) return cell.toISOString();
  if (cell instanceof Uint8Array) return bytesToHex(cell);
  return cell instanceof Float32Array ? [...cell] : cell;
}

/**
 * A condition on rows from its JSON, `{"owner": "ada", "balance": {"gte": "100"}}`: cells are
 * written as {@link rowJson} prints them. @throws CliError `usage_invalid`.
 */
export function conditionOf(json: string, columns: TableDescription["columns"]): PlainObject {
  const given = parsed(json);
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw usageInvalid('--where needs an object, such as {"owner": "ada"}.');
  }
  const types = new Map(columns.map(({ name, type }) => [name, type]));
  return Object.fromEntries(
    Object.entries(given).map(([name, operand]) => [name, operandOf(operand, types.get(name))]),
  );
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw usageInvalid("--where is no JSON.", { cause });
  }
}

function operandOf(operand: unknown, type: string | undefined): unknown {
  if (Array.isArray(operand)) return operand.map((each) => operandOf(each, type));
  if (typeof operand === "object" && operand !== null) {
    return Object.fromEntries(
      Object.entries(operand).map(([name, each]) => [name, operandOf(each, type)]),
    );
  }
  return cellOf(operand, type);
}

const bigTypes: ReadonlySet<string> = new Set(["u64", "i64", "u256", "i256"]);

/** What is not of the column's form stays as it is: the database says what it expected. */
function cellOf(cell: unknown, type = ""): unknown {
  if (bigTypes.has(type) && /^-?\d+$/.test(String(cell))) return BigInt(String(cell));
  if (typeof cell !== "string") return cell;
  if (type === "timestamp" && !Number.isNaN(Date.parse(cell))) return new Date(cell);
  return type === "blob" ? hexToBytes(cell) : cell;
}
