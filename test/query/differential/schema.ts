/** Random tables: columns, keys, indexes and rows that both databases can hold. */
import type { Expression } from "../../../src/index.ts";
import type { Random } from "../../storage/random.ts";

export type Type =
  | "integer"
  | "u8"
  | "i64"
  | "u64"
  | "float"
  | "boolean"
  | "text"
  | "blob"
  | "timestamp";
/** Values of one family can be compared. */
export type Family = "number" | "boolean" | "text" | "blob" | "timestamp";

export interface TableColumn {
  readonly name: string;
  readonly type: Type;
  readonly isNullable: boolean;
}

export interface RandomIndex {
  readonly name: string;
  readonly columns: string[];
  readonly kind: "ordered" | "hashed";
  /** Of a partial index, over the table's own column names. */
  readonly where?: Expression;
}

export interface RandomTable {
  readonly name: string;
  readonly columns: readonly TableColumn[];
  readonly primaryKey: readonly string[];
  readonly indexes: readonly RandomIndex[];
  readonly rows: readonly Record<string, unknown>[];
}

const types: readonly Type[] = [
  "integer",
  "integer",
  "u8",
  "i64",
  "u64",
  "float",
  "boolean",
  "text",
  "text",
  "blob",
  "timestamp",
];
const texts = ["", "a", "A", "ab", "abc", "b", "ba", "é", "z", "\uffff", "\u{1f600}", "a%", "a_b"];

export function familyOf(type: Type): Family {
  if (type === "text" || type === "boolean" || type === "blob" || type === "timestamp") return type;
  return "number";
}

/** A value of a type; few different ones, so that they meet. */
export function randomValue(random: Random, type: Type): unknown {
  switch (type) {
    case "integer":
      return random.chance(0.02) ? 2 ** 40 + random.whole(0, 2) : random.whole(-12, 12);
    case "u8":
      return random.chance(0.1) ? random.whole(250, 255) : random.whole(0, 9);
    case "i64":
      return random.chance(0.05)
        ? 2n ** 53n + BigInt(random.whole(0, 2))
        : BigInt(random.whole(-9, 9));
    case "u64":
      return random.chance(0.05)
        ? 2n ** 53n + BigInt(random.whole(0, 2))
        : BigInt(random.whole(0, 9));
    case "float":
      return random.chance(0.05)
        ? random.pick([1e300, -1e-300, 2 ** 53, 0.1])
        : random.whole(-40, 40) / 8;
    case "boolean":
      return random.chance(0.5);
    case "text":
      return random.pick(texts);
    case "blob":
      return Uint8Array.from({ length: random.whole(0, 3) }, () =>
        random.pick([0, 1, 127, 128, 255]),
      );
    default:
      return new Date(random.whole(-5, 5) * 86_400_000);
  }
}

const keyTypes: readonly Type[] = [
  "integer",
  "integer",
  "text",
  "i64",
  "u8",
  "timestamp",
  "float",
  "blob",
];

/** Which rows a partial index holds. */
function partOf(random: Random, columns: readonly TableColumn[]): Expression {
  const { name, type, isNullable } = random.pick(columns);
  const of: Expression = { op: "column", name };
  if (isNullable && random.chance(0.4)) return { op: "isNotNull", of };
  const right: Expression = { op: "value", value: randomValue(random, type) };
  return { op: random.pick(["eq", "gt", "gte", "lt", "lte", "ne"] as const), left: of, right };
}

export function tableOf(random: Random, name: string, rowsMost: number): RandomTable {
  const keys = random.chance(0.75) ? 1 : 2;
  const columns: TableColumn[] = [];
  for (let at = 0; at < keys; at++) {
    columns.push({ name: `k${at}`, type: random.pick(keyTypes), isNullable: false });
  }
  const others = random.whole(1, 5);
  for (let at = 0; at < others; at++) {
    columns.push({ name: `c${at}`, type: random.pick(types), isNullable: random.chance(0.75) });
  }
  const primaryKey = columns.slice(0, keys).map((column) => column.name);
  const indexes = Array.from({ length: random.whole(0, 3) }, () => {
    const names = random.some(
      columns.map((column) => column.name),
      random.whole(1, 3),
    );
    const kind = random.chance(0.2) ? ("hashed" as const) : ("ordered" as const);
    const name = `${names.join("_")}_index`;
    if (random.chance(0.6)) return { name, columns: names, kind };
    return { name: `partial_${name}`, columns: names, kind, where: partOf(random, columns) };
  });
  const seen = new Set<string>();
  const rows: Record<string, unknown>[] = [];
  const count = random.chance(0.1) ? 0 : random.whole(0, rowsMost);
  for (let at = 0; at < count; at++) {
    const row: Record<string, unknown> = {};
    for (const { name: column, type, isNullable } of columns) {
      row[column] = isNullable && random.chance(0.25) ? null : randomValue(random, type);
    }
    // Wider keys, so that there are more rows.
    const key = String(
      primaryKey
        .map((column) => (row[column] instanceof Date ? Number(row[column]) : row[column]))
        .join("|"),
    );
    if (seen.has(key)) continue;
    seen.add(key);
    rows.push(row);
  }
  const names = new Set<string>();
  const named = indexes.filter(({ name: label }) => {
    if (names.has(label)) return false;
    names.add(label);
    return true;
  });
  return { name, columns, primaryKey, indexes: named, rows };
}
