/** The types of columns: what JavaScript values they take and hand out, and how wide they are. */
import { CairnError } from "../errors.ts";
import { ownedBytes } from "../transaction/index.ts";

/** What a column holds. `integer` and `i64` are stored alike: safe integers, or bigints. */
export type ColumnType =
  | "text"
  | "u8"
  | "u64"
  | "integer"
  | "i64"
  | "float"
  | "boolean"
  | "u256"
  | "i256"
  | "blob"
  | "timestamp"
  | "json"
  | "vector";

/** Values of one family can be compared with each other. */
export type Family = "number" | "text" | "boolean" | "blob" | "timestamp" | "json" | "vector";

/** A column's type with what belongs to it. */
export interface TypeSpec {
  readonly type: ColumnType;
  /** Of a vector. */
  readonly dimensions?: number;
}

/** Longest text, blob or JSON text of one cell, in bytes. */
export const cellBytesMax: number = 1024 * 1024;
/** Most numbers of a vector. */
export const dimensionsMax = 16_384;

interface TypeFacts {
  readonly family: Family;
  /** Bytes in a row; 0 where the length varies. */
  readonly widthBytes: number;
  /** Has an order, so it can be part of a key. */
  readonly isOrdered: boolean;
  /** What is expected, for messages. */
  readonly expected: string;
}

const facts: Readonly<Record<ColumnType, TypeFacts>> = {
  text: { family: "text", widthBytes: 0, isOrdered: true, expected: "a string" },
  u8: { family: "number", widthBytes: 1, isOrdered: true, expected: "a number, 0 to 255" },
  u64: { family: "number", widthBytes: 8, isOrdered: true, expected: "a bigint, 0 to 2^64 - 1" },
  integer: { family: "number", widthBytes: 8, isOrdered: true, expected: "a safe integer" },
  i64: { family: "number", widthBytes: 8, isOrdered: true, expected: "a bigint of 64 bits" },
  float: { family: "number", widthBytes: 8, isOrdered: true, expected: "a finite number" },
  boolean: { family: "boolean", widthBytes: 1, isOrdered: true, expected: "true or false" },
  u256: { family: "number", widthBytes: 32, isOrdered: true, expected: "a bigint, 0 to 2^256 - 1" },
  i256: { family: "number", widthBytes: 32, isOrdered: true, expected: "a bigint of 256 bits" },
  blob: { family: "blob", widthBytes: 0, isOrdered: true, expected: "a Uint8Array" },
  timestamp: { family: "timestamp", widthBytes: 8, isOrdered: true, expected: "a valid Date" },
  json: { family: "json", widthBytes: 0, isOrdered: false, expected: "a JSON value" },
  vector: {
    family: "vector",
    widthBytes: 0,
    isOrdered: false,
    expected: "a Float32Array or an array of finite numbers, as many as the column has",
  },
};

export function familyOf(type: ColumnType): Family {
  return facts[type].family;
}

/** Bytes in a row; 0 where the length varies. */
export function widthBytes(spec: TypeSpec): number {
  return spec.type === "vector" ? 4 * (spec.dimensions ?? 0) : facts[spec.type].widthBytes;
}

/** False for json and vector: they have no order. */
export function isOrdered(type: ColumnType): boolean {
  return facts[type].isOrdered;
}

/** True where values are bigints. */
export function isBigint(type: ColumnType): boolean {
  return type === "u64" || type === "i64" || type === "u256" || type === "i256";
}

const bounds: Readonly<Partial<Record<ColumnType, readonly [low: bigint, high: bigint]>>> = {
  u64: [0n, 2n ** 64n - 1n],
  i64: [-(2n ** 63n), 2n ** 63n - 1n],
  u256: [0n, 2n ** 256n - 1n],
  i256: [-(2n ** 255n), 2n ** 255n - 1n],
};

/** The least and the greatest value of a whole-number type; undefined for others. */
export function boundsOf(type: ColumnType): readonly [low: bigint, high: bigint] | undefined {
  if (type === "u8") return [0n, 255n];
  if (type === "integer") return [BigInt(Number.MIN_SAFE_INTEGER), BigInt(Number.MAX_SAFE_INTEGER)];
  return bounds[type];
}

/**
 * Checks a value that is not null and makes it what the codecs take; a JSON value becomes its text.
 * @throws CairnError `type_mismatch` for another kind of value, `value_invalid` for one that is out
 * of range, `value_too_large`.
 */
export type CheckValue = (value: unknown) => unknown;

/** The check of one column; `name` is for messages. */
export function checkerOf(spec: TypeSpec, name: string): CheckValue {
  const { type } = spec;
  const mismatch = (value: unknown): CairnError => typeMismatch(name, type, value);
  const outside = (): CairnError => valueInvalid(name, type);
  const limits = bounds[type];
  if (limits !== undefined) {
    const [low, high] = limits;
    return (value) => {
      if (typeof value !== "bigint") throw mismatch(value);
      if (value < low || value > high) throw outside();
      return value;
    };
  }
  const check = checks[type];
  if (check !== undefined) {
    return (value) => {
      const found = check(value);
      if (found === undefined) throw mismatch(value);
      if (found === invalidValue) throw outside();
      return found;
    };
  }
  if (type === "vector") return vectorChecker(spec.dimensions ?? 0, name);
  if (type === "json") return (value) => jsonText(value, name);
  return (value) => {
    if (type === "text" ? typeof value !== "string" : !(value instanceof Uint8Array)) {
      throw mismatch(value);
    }
    // Characters of text may take three bytes; the codec counts them when they are written.
    const { length } = value as string | Uint8Array;
    if (length > cellBytesMax) throw cellTooLarge(name, length);
    // Bytes may be changed by whoever owns them.
    return type === "text" ? value : ownedBytes(value as Uint8Array);
  };
}

const invalidValue: unique symbol = Symbol("invalid");

/** Undefined for another kind of value. */
const checks: Readonly<Partial<Record<ColumnType, (value: unknown) => unknown>>> = {
  boolean: (value) => (typeof value === "boolean" ? value : undefined),
  integer: (value) => {
    if (typeof value !== "number") return undefined;
    // -0 is stored as 0, so it is 0 from the start.
    return Number.isSafeInteger(value) ? value + 0 : invalidValue;
  },
  u8: (value) => {
    if (typeof value !== "number") return undefined;
    return Number.isInteger(value) && value >= 0 && value <= 255 ? value + 0 : invalidValue;
  },
  float: (value) => {
    if (typeof value !== "number") return undefined;
    return Number.isFinite(value) ? value : invalidValue;
  },
  timestamp: (value) => {
    if (!(value instanceof Date)) return undefined;
    const time = value.getTime();
    return Number.isNaN(time) ? invalidValue : new Date(time);
  },
};

function vectorChecker(dimensions: number, name: string): CheckValue {
  return (value) => {
    if (!Array.isArray(value) && !(value instanceof Float32Array)) {
      throw typeMismatch(name, "vector", value);
    }
    if (value.length !== dimensions) {
      throw new CairnError(
        "value_invalid",
        `Cannot store a vector in the column "${name}": it has ${value.length} numbers, expected ` +
          `${dimensions}. Pass as many as the column was declared with.`,
        { details: { column: name, found: value.length, expected: dimensions } },
      );
    }
    const vector = new Float32Array(value);
    for (const number of vector) if (!Number.isFinite(number)) throw valueInvalid(name, "vector");
    return vector;
  };
}

/** The JSON text of a value. */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

function jsonText(value: unknown, name: string): JsonText {
  if (value instanceof JsonText) return value;
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw new CairnError(
      "value_invalid",
      `Cannot store this value in the column "${name}": JSON cannot express it. Pass plain data.`,
      { cause, details: { column: name } },
    );
  }
  if (text === undefined) throw typeMismatch(name, "json", value);
  if (text.length > cellBytesMax) throw cellTooLarge(name, text.length);
  return new JsonText(text);
}

export function typeMismatch(name: string, type: ColumnType, value: unknown): CairnError {
  return new CairnError(
    "type_mismatch",
    `Cannot use this value for the column "${name}" of type ${type}: found ${kindOf(value)}, ` +
      `expected ${facts[type].expected}.`,
    { details: { column: name, type } },
  );
}

function valueInvalid(name: string, type: ColumnType): CairnError {
  return new CairnError(
    "value_invalid",
    `Cannot use this value for the column "${name}" of type ${type}: it is out of range, ` +
      `expected ${facts[type].expected}. Change the value, or declare a wider column.`,
    { details: { column: name, type } },
  );
}

export function cellTooLarge(name: string, found: number): CairnError {
  return new CairnError(
    "value_too_large",
    `Cannot store a value of ${found} bytes in the column "${name}": at most ${cellBytesMax} are ` +
      "allowed. Store it in pieces, or in a keyspace.",
    { details: { column: name, found, expected: cellBytesMax } },
  );
}

/** What kind of value it is, without telling the value. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "an array";
  if (value instanceof Date) return "a Date";
  if (value instanceof Uint8Array) return "a Uint8Array";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
