/** Compiled, never run: what the types of tables accept, answer and refuse. */
import { z } from "zod";
import {
  add,
  column,
  type Database,
  excluded,
  type StandardSchema,
  type StatementResult,
  type Table,
  t,
} from "../../../src/index.ts";

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_proof: Same<A, B>): void {}

export async function rows(db: Database): Promise<void> {
  const table = await db.table("accounts", {
    columns: {
      id: t.integer().primaryKey(),
      owner: t.text().notNull(),
      balance: t.u256().notNull().default(0n),
      note: t.text(),
      extra: t.json<{ a: number }>(),
      place: t.vector(3).notNull(),
    },
    indexes: [{ columns: ["owner"] }],
  });
  interface Account {
    id: number;
    owner: string;
    balance: bigint;
    note: string | null;
    extra: { a: number } | null;
    place: Float32Array;
  }
  const found = await table.get(1);
  same<NonNullable<typeof found>["id"], number>(true);
  const account: Account | undefined = found;
  const list: Account[] = table.rowsSync().toArray();
  const result: StatementResult<Account> = await table.insert({
    id: 1,
    owner: "ada",
    place: [1, 2, 3],
  });
  await table.insert({ id: 1, owner: "ada", place: new Float32Array(3), note: null, balance: 5n });
  // @ts-expect-error: owner is not nullable and has no default
  await table.insert({ id: 1, place: [1, 2, 3] });
  // @ts-expect-error: a u256 is a bigint
  await table.insert({ id: 1, owner: "ada", place: [], balance: 5 });
  // @ts-expect-error: there is no such column
  await table.insert({ id: 1, owner: "ada", place: [], other: 5 });
  const [match] = await table.search("place", [1, 2, 3], { k: 1, where: { owner: "ada" } });
  same<typeof match.distance, number>(true);
  const nearest: Account = match.row;
  // @ts-expect-error: the column holds no vectors
  await table.search("owner", [1, 2, 3]);
  await table.createIndex({ columns: ["place"], kind: "vector", metric: "l2" });
  await table.addConstraint({ notNull: "note" });
  await table.addConstraint({ unique: ["owner", "note"], where: { balance: { gt: 0n } } });
  await table.addConstraint({ foreignKey: { columns: ["note"], references: { table: "notes" } } });
  // @ts-expect-error: there is no such column
  await table.addConstraint({ notNull: "other" });
  // @ts-expect-error: a check has a name
  await table.addConstraint({ check: { owner: "ada" } });
  await table.update(1, { balance: add(column("balance"), 1n), note: null });
  // @ts-expect-error: owner is not nullable
  await table.update(1, { owner: null });
  // @ts-expect-error: there is no such column
  await table.increment(1, "other", 1n);
  await table.insert(
    { id: 1, owner: "ada", place: [] },
    { onConflict: { target: ["id"], update: { note: excluded("note") } } },
  );
  // @ts-expect-error: there is no such column
  await db.table("more", { columns: { id: t.integer() }, primaryKey: ["other"] });
  await db.transaction(async (tx) => {
    const inside: Account | undefined = await tx.table(table).get(1);
    return inside;
  });
  void [account, list, result, nearest];
}

export async function validated(
  db: Database,
  schema: StandardSchema<{ id: string }, { id: number }>,
): Promise<void> {
  const columns = { id: t.integer().primaryKey() };
  const table = await db.project("p").scope().table("things", { columns, schema });
  same<typeof table, Table<{ id: number }, { id: string }>>(true);
}

/** Columns that a schema says. */
export async function fromSchemas(db: Database): Promise<void> {
  const schema = z.object({
    id: z.int(),
    name: z.string().default("x"),
    weight: z.number().optional(),
    extra: z.object({ x: z.number() }).nullish(),
  });
  const table = await db.table("people", {
    schema,
    primaryKey: ["id"],
    indexes: [{ columns: ["name"] }],
  });
  interface Person {
    id: number;
    name: string;
    weight: number | null;
    extra: { x: number } | null;
  }
  const person = await table.get(1);
  same<NonNullable<typeof person>["weight"], number | null>(true);
  same<NonNullable<typeof person>["extra"], { x: number } | null>(true);
  const found: Person | undefined = person;
  await table.insert({ id: 1 });
  await table.insert({ id: 1, name: "ada", weight: 5, extra: null });
  // @ts-expect-error: there is no such property
  await table.insert({ id: 1, other: 5 });
  // @ts-expect-error: a property has another type
  await table.insert({ id: "1" });
  // @ts-expect-error: no property has this name
  await db.table("people", { schema, primaryKey: ["nothing"] });
  // @ts-expect-error: columns have no markers here, so the key must be said
  await db.table("people", { schema });
  const scoped = await db
    .project("p")
    .scope("s")
    .table("people", { schema, primaryKey: ["id"] });
  const same2: Person | undefined = await scoped.get(1);
  void [found, same2];
}
