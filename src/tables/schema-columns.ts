/**
 * Columns from a validator that describes what it makes, through the interface that validators
 * share for it (Standard JSON Schema, https://standardschema.dev): JSON Schema, draft 2020-12.
 *
 *     string, whatever its format                 text
 *     integer · number                            integer · float
 *     boolean                                     boolean
 *     enum and const                              as their values
 *     object, array, or values of several kinds   json
 *     null among them, or not required            nullable
 *
 * What the JSON Schema leaves open (dates of some packages, anything) is refused: then a definition
 * needs `columns` beside its `schema`.
 */
import { CairnError } from "../errors.ts";
import { type Column, type Columns, t } from "./column.ts";
import type { StandardSchema } from "./standard-schema.ts";

type Json = Readonly<Record<string, unknown>>;
type Kind = "string" | "integer" | "number" | "boolean" | "null" | "object" | "array";

const target = "draft-2020-12";
const kinds: ReadonlySet<unknown> = new Set([
  "string",
  "integer",
  "number",
  "boolean",
  "null",
  "object",
  "array",
]);
const depthMax = 32;

/** The columns of what a validator makes. @throws CairnError `schema_invalid`. */
export function columnsOfSchema(schema: StandardSchema): Columns {
  const root = describe(schema);
  const whole = resolve(root, root, 0);
  const properties = whole.properties as Json | undefined;
  if (whole.type !== "object" || !isObject(properties)) {
    throw unknown(schema, "it does not make objects with known properties");
  }
  const required = new Set(Array.isArray(whole.required) ? whole.required : []);
  return Object.fromEntries(
    Object.entries(properties).map(([name, property]) => {
      const found = new Set<Kind>();
      const isKnown = collect(property, root, found, 0);
      const isNullable = found.delete("null") || !required.has(name);
      const column = isKnown ? columnOf(found) : undefined;
      if (column === undefined) {
        throw unknown(schema, `it does not say what the property "${name}" is`);
      }
      return [name, isNullable ? column : column.notNull()];
    }),
  );
}

function describe(schema: StandardSchema): Json {
  const standard = schema["~standard"] as { readonly jsonSchema?: Json; readonly vendor: string };
  const convert = standard.jsonSchema?.output;
  if (typeof convert !== "function") {
    throw unknown(schema, "it does not describe itself as Standard JSON Schema does");
  }
  let described: unknown;
  try {
    described = convert({ target });
  } catch (cause) {
    throw unknown(schema, "it makes something that JSON Schema cannot express", cause);
  }
  if (isObject(described)) return described;
  throw unknown(schema, "its description is no object");
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What a reference within the description leads to. */
function resolve(node: unknown, root: Json, depth: number): Json {
  if (!isObject(node)) return {};
  const { $ref } = node;
  if (typeof $ref !== "string" || depth > depthMax) return node;
  let found: unknown = root;
  for (const part of $ref.split("/").slice(1)) {
    const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
    found = isObject(found) ? found[name] : undefined;
  }
  return resolve(found, root, depth + 1);
}

/** Adds the kinds of values that a description allows: false where it leaves that open. */
function collect(property: unknown, root: Json, found: Set<Kind>, depth: number): boolean {
  if (depth > depthMax) return false;
  const node = resolve(property, root, 0);
  const values = Array.isArray(node.enum) ? node.enum : "const" in node ? [node.const] : undefined;
  if (values !== undefined) {
    for (const value of values) found.add(kindOf(value));
    return values.length > 0;
  }
  const types: unknown[] = Array.isArray(node.type) ? node.type : [node.type];
  if (node.type !== undefined) {
    for (const type of types) if (kinds.has(type)) found.add(type as Kind);
    return types.every((type) => kinds.has(type));
  }
  const choices = node.anyOf ?? node.oneOf;
  if (Array.isArray(choices)) {
    return choices.length > 0 && choices.every((one) => collect(one, root, found, depth + 1));
  }
  // Each of them narrows: one that says what it is is enough.
  const parts = Array.isArray(node.allOf) ? node.allOf : [];
  return parts.some((one) => collect(one, root, found, depth + 1));
}

function kindOf(value: unknown): Kind {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isSafeInteger(value) ? "integer" : "number";
  if (typeof value === "string" || typeof value === "boolean") return typeof value as Kind;
  return "object";
}

function columnOf(found: ReadonlySet<Kind>): Column | undefined {
  const is = (...kinds: Kind[]): boolean => [...found].every((kind) => kinds.includes(kind));
  if (found.size === 0) return undefined;
  if (is("string")) return t.text();
  if (is("integer")) return t.integer();
  if (is("integer", "number")) return t.float();
  if (is("boolean")) return t.boolean();
  return t.json();
}

function unknown(schema: StandardSchema, why: string, cause?: unknown): CairnError {
  const { vendor } = schema["~standard"];
  return new CairnError(
    "schema_invalid",
    `Cannot take the columns of a table from its schema, made by ${vendor}: ${why}. Give columns ` +
      "beside the schema, or, with valibot, what toStandardJsonSchema of " +
      "@valibot/to-json-schema answers.",
    { ...(cause === undefined ? {} : { cause }), details: { vendor } },
  );
}
