/** Compiled, never run: what the types of migrations allow and refuse. */
import {
  type Database,
  type Migration,
  type MigrationReport,
  migration,
  type Step,
  step,
  stepsBetween,
  t,
} from "../../../src/index.ts";

const people = { id: t.integer().primaryKey(), name: t.text(), born: t.timestamp().notNull() };

export async function use(db: Database): Promise<MigrationReport> {
  const steps: Step[] = [
    step.createTable("people", { columns: people, indexes: [{ columns: ["name"] }] }),
    step.transaction("rows", async ({ table, transaction }) => {
      const inside = await table("people", people);
      await inside.insert({ id: 1, born: new Date(0) });
      // @ts-expect-error: a column without a default that is not null
      await inside.insert({ id: 1 });
      // @ts-expect-error: no such column
      await inside.insert({ id: 1, born: new Date(0), other: 1 });
      const found = await inside.get(1);
      const name: string | null | undefined = found?.name;
      const time: number = transaction.time;
      return void [name, time];
    }),
    step.backfill("fill", {
      table: "people",
      columns: people,
      up: ({ id, name, born }) => {
        const all: [number, string | null, Date] = [id, name, born];
        return all[1] === null ? { name: `number ${id}` } : undefined;
      },
      // @ts-expect-error: of another type
      down: () => ({ name: 1 }),
    }),
    // @ts-expect-error: no such column
    step.createTable("people", { columns: people, indexes: [{ columns: ["other"] }] }),
  ];
  const first: Migration = migration({ version: 1, name: "people", up: steps });
  // @ts-expect-error: what is done must be said
  migration({ version: 1, name: "people" });
  // @ts-expect-error: steps are made with step
  migration({ version: 1, name: "people", up: [() => undefined] });
  const between: Step[] = stepsBetween({}, { people: { columns: people } });
  const planned = await db.planMigration({ people: { columns: people } }, { name: "x" });
  const list = [first, migration({ version: 2, name: "more", up: between }), planned];
  await db.migrate(list, { scope: db.project("a").scope(), dryRun: true });
  // @ts-expect-error: a version is a number
  await db.migrate(list, { to: "1" });
  return await db.migrate(list, { to: 1, signal: new AbortController().signal });
}
