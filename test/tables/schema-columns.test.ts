/** Columns that come from validators of other packages, the real ones. */
import { toStandardJsonSchema } from "@valibot/to-json-schema";
import { type } from "arktype";
import * as v from "valibot";
import { expect, test } from "vitest";
import { z } from "zod";
import { MemoryMedium, MemoryStorage, open, type StandardSchema } from "../../src/index.ts";
import { fails } from "../kv/fails.ts";

const zodPerson = z.object({
  id: z.int(),
  name: z.string().min(1),
  weight: z.number().optional(),
  isOn: z.boolean().default(false),
  kind: z.enum(["a", "b"]),
  at: z.iso.datetime().nullable(),
  tags: z.array(z.string()),
  extra: z.object({ x: z.number() }).nullish(),
});
const valibotPerson = toStandardJsonSchema(
  v.object({
    id: v.pipe(v.number(), v.integer()),
    name: v.pipe(v.string(), v.minLength(1)),
    weight: v.optional(v.number()),
    isOn: v.optional(v.boolean(), false),
    kind: v.picklist(["a", "b"]),
    at: v.nullable(v.pipe(v.string(), v.isoTimestamp())),
    tags: v.array(v.string()),
    extra: v.nullish(v.object({ x: v.number() })),
  }),
);
const arktypePerson = type({
  id: "number.integer",
  name: "string > 0",
  "weight?": "number",
  isOn: "boolean = false",
  kind: "'a' | 'b'",
  at: "string.date.iso | null",
  tags: "string[]",
  "extra?": type({ x: "number" }).or("null"),
});

const expected = {
  id: ["integer", false],
  name: ["text", false],
  weight: ["float", true],
  isOn: ["boolean", false],
  kind: ["text", false],
  at: ["text", true],
  tags: ["json", false],
  extra: ["json", true],
};

test.each<[string, StandardSchema]>([
  ["zod", zodPerson],
  ["arktype", arktypePerson as StandardSchema],
])("a schema says the columns: %s", checkPerson);

test("a schema says the columns: valibot, with its description", async () => {
  // It leaves out of the required properties what it fills in by itself.
  await checkPerson("valibot", valibotPerson, { ...expected, isOn: ["boolean", true] });
});

async function checkPerson(_name: string, schema: StandardSchema, columns: object = expected) {
  const medium = new MemoryMedium();
  const db = await open(new MemoryStorage(medium));
  const definition = {
    schema: schema as typeof zodPerson,
    primaryKey: ["id"] as const,
    indexes: [{ columns: ["name"] as const, unique: true }],
    checks: { heavy: { weight: { gt: 0 } } },
  };
  const table = await db.table("people", definition);
  const described = table.describe();
  expect(
    Object.fromEntries(
      described.columns.map(({ name, type, isNullable }) => [name, [type, isNullable]]),
    ),
  ).toEqual(columns);
  expect(described.primaryKey).toEqual(["id"]);
  await table.insert({ id: 1, name: "ada", kind: "a", at: null, tags: ["x"] });
  expect(table.getSync(1)).toEqual({
    id: 1,
    name: "ada",
    weight: null,
    isOn: false,
    kind: "a",
    at: null,
    tags: ["x"],
    extra: null,
  });
  const at = "2026-01-02T03:04:05.000Z";
  const other = { id: 2, name: "bob", weight: 2.5, isOn: true, kind: "b", at, tags: [] } as const;
  await table.insert({ ...other, tags: [], extra: { x: 1 } });
  await fails("schema_rejected", () => table.insert({ ...other, tags: [], id: 3, name: "" }));
  await fails("schema_rejected", () =>
    table.insert({ ...other, tags: [], id: 3, kind: "c" as never }),
  );
  await fails("unique_violation", () => table.insert({ ...other, tags: [], id: 3 }));
  await db.close();
  const again = await open(new MemoryStorage(medium));
  const reopened = await again.table("people", definition);
  expect(reopened.getSync(2)).toEqual({ ...other, extra: { x: 1 } });
  await fails("table_already_exists", () =>
    again.table("people", { schema: z.object({ id: z.int() }), primaryKey: ["id"] }),
  );
  await again.close();
}

test("kinds of values are columns", async () => {
  const db = await open("memory:");
  const schema = z.object({
    id: z.string(),
    literal: z.literal("x"),
    literals: z.union([z.literal(1), z.literal(2), z.null()]),
    both: z.union([z.string(), z.number()]),
    numbers: z.union([z.int(), z.number()]),
    record: z.record(z.string(), z.number()),
    pair: z.tuple([z.string(), z.number()]),
    email: z.email(),
    both2: z.intersection(z.object({ a: z.string() }), z.object({ b: z.string() })),
    filled: z.string().default("x"),
    caught: z.number().catch(0),
    coerced: z.coerce.number(),
  });
  const table = await db.table("kinds", { schema, primaryKey: ["id"] });
  const { columns } = table.describe();
  expect(Object.fromEntries(columns.map(({ name, type }) => [name, type]))).toEqual({
    id: "text",
    literal: "text",
    literals: "integer",
    both: "json",
    numbers: "float",
    record: "json",
    pair: "json",
    email: "text",
    both2: "json",
    filled: "text",
    caught: "float",
    coerced: "float",
  });
  const nullable = columns.filter(({ isNullable }) => isNullable);
  expect(nullable.map(({ name }) => name)).toEqual(["literals"]);
  await db.close();
});

const custom = {
  "~standard": { version: 1, vendor: "x", validate: (value: unknown) => ({ value }) },
};
const noObject = z.array(z.string());

test.each<[string, StandardSchema]>([
  ["valibot without a description", v.object({ id: v.string() })],
  ["one of nobody", custom as StandardSchema],
  ["dates of zod", z.object({ id: z.string(), at: z.date() })],
  ["dates of arktype", type({ id: "string", at: "Date" }) as StandardSchema],
  ["bigints", z.object({ id: z.bigint() })],
  ["anything", z.object({ id: z.string(), what: z.any() })],
  ["only null", z.object({ id: z.string(), what: z.null() })],
  ["a transformation", z.object({ id: z.string().transform((id) => id.length) })],
  ["no object", noObject as StandardSchema],
])("what does not say its columns is refused: %s", async (_name, schema) => {
  const db = await open("memory:");
  const error = await fails("schema_invalid", () =>
    db.table("t", { schema, primaryKey: ["id"] } as never),
  );
  expect(error.message).toContain("Give columns beside the schema");
  expect(await db.tables()).toEqual([]);
  await db.close();
});

test("references within a description are followed, also in circles", async () => {
  const db = await open("memory:");
  const tree: z.ZodType = z.lazy(() => z.object({ children: z.array(tree) }));
  const table = await db.table("trees", {
    schema: z.object({ id: z.int(), tree }) as z.ZodObject,
    primaryKey: ["id"],
  });
  expect(table.describe().columns.map(({ type }) => type)).toEqual(["integer", "json"]);
  await table.insert({ id: 1, tree: { children: [{ children: [] }] } });
  expect(table.getSync(1)).toEqual({ id: 1, tree: { children: [{ children: [] }] } });
  await db.close();
});

test("a declaration with neither columns nor a schema is refused", async () => {
  const db = await open("memory:");
  await fails("schema_invalid", () => db.table("t", {} as never));
  await db.close();
});
