/**
 * Keys and values between bytes, text and JSON.
 *
 *     utf8     text as it is
 *     json     a JSON text; a string is shown without quotes, and what is no JSON is a string
 *     bytes    hexadecimal, also in JSON; so are values of an application's own codec
 */
import type { KeyspaceInfo } from "../index.ts";
import { usageInvalid } from "./cli-error.ts";

export interface Forms {
  readonly kind: "bytes" | "json" | "utf8";
  readonly key: (argument: string) => string | Uint8Array;
  readonly keyText: (key: string | Uint8Array) => string;
  /** A value from the command line. */
  readonly value: (argument: string) => unknown;
  /** A value from standard input. */
  readonly input: (bytes: Uint8Array) => unknown;
  /** Standard input as text. */
  readonly inputText: (bytes: Uint8Array) => string;
  readonly valueText: (value: unknown) => string;
  /** What JSON.stringify is given. */
  readonly valueJson: (value: unknown) => unknown;
  readonly valueBytes: (value: unknown) => Uint8Array;
}

export function formsOf(info: KeyspaceInfo): Forms {
  const key =
    info.key === "utf8"
      ? { key: identity, keyText: (found: string | Uint8Array) => String(found) }
      : { key: hexToBytes, keyText: (found: string | Uint8Array) => bytesToHex(found) };
  return { ...key, inputText: decodeInput, ...valueForms(info.isBuiltIn ? info.value : "bytes") };
}

type ValueForms = Omit<Forms, "key" | "keyText" | "inputText">;

function valueForms(value: string): ValueForms {
  if (value === "json") return jsonForms;
  return value === "utf8" ? utf8Forms : bytesForms;
}

const identity = (argument: string): string => argument;
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

const utf8Forms: ValueForms = {
  kind: "utf8",
  value: identity,
  input: decodeInput,
  valueText: String,
  valueJson: (value) => value,
  valueBytes: (value) => utf8(String(value)),
};

const jsonForms: ValueForms = {
  kind: "json",
  value: jsonOf,
  input: (bytes) => {
    try {
      return JSON.parse(decodeInput(bytes));
    } catch (cause) {
      throw usageInvalid(
        "The input is no JSON, which this keyspace holds. Use --string to store it as a string.",
        { cause },
      );
    }
  },
  valueText: jsonText,
  valueJson: (value) => value,
  valueBytes: (value) => utf8(jsonText(value)),
};

const bytesForms: ValueForms = {
  kind: "bytes",
  value: hexToBytes,
  input: (bytes) => bytes,
  valueText: (value) => bytesToHex(value as Uint8Array),
  valueJson: (value) => bytesToHex(value as Uint8Array),
  valueBytes: (value) => value as Uint8Array,
};

function jsonText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** JSON if it is, else a string; also where reading it as a number would lose digits. */
export function jsonOf(argument: string): unknown {
  try {
    const value: unknown = JSON.parse(argument);
    return typeof value === "number" && String(value) !== argument ? argument : value;
  } catch {
    return argument;
  }
}

function decodeInput(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw usageInvalid("The input is no UTF-8, which this keyspace holds.", { cause });
  }
}

export function bytesToHex(bytes: Uint8Array | string): string {
  return Buffer.from(bytes as Uint8Array).toString("hex");
}

/** @throws CliError `usage_invalid` for anything but pairs of hexadecimal digits. */
export function hexToBytes(argument: string): Uint8Array {
  if (argument.length % 2 === 0 && /^[0-9a-fA-F]*$/.test(argument)) {
    return Uint8Array.from(Buffer.from(argument, "hex"));
  }
  throw usageInvalid(
    "This keyspace holds bytes: write them as pairs of hexadecimal digits, such as 00ff.",
  );
}
