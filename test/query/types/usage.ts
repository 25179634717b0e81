/** Compiled, never run: what answers of queries are. */
import { z } from "zod";
import { type Database, type Snapshot, t } from "../../../src/index.ts";

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_proof: Same<A, B>): void {}

export async function answers(db: Database): Promise<void> {
  const table = await db.table("people", {
    columns: { id: t.integer().primaryKey(), name: t.text() },
  });
  const query = db.from(table);
  const upper = query.decode(({ id, name }) => `${id} ${name?.toUpperCase()}`);
  const valid = query.decode(z.object({ id: z.number(), name: z.string() }));
  const all = await upper.all();
  same<typeof all, string[]>(true);
  const first = valid.firstSync();
  same<typeof first, { id: number; name: string } | undefined>(true);
  // @ts-expect-error: the rows have no such column
  query.decode(({ other }) => other);
  const batch = await db.queryBatch([query, upper, valid]);
  same<
    typeof batch,
    [{ id: number; name: string | null }[], string[], { id: number; name: string }[]]
  >(true);
  const page = await query.page({ limit: 1, total: true });
  same<typeof page.total, number>(true);
  const plain = await upper.page({ limit: 1 });
  same<typeof plain.total, number | undefined>(true);
  const found: boolean = query.existsSync();
  const read = await db.readTransaction((snapshot: Snapshot) => query.first({ snapshot }));
  same<typeof read, { id: number; name: string | null } | undefined>(true);
  // @ts-expect-error: parameters are those of one query
  await db.queryBatch([query], { parameters: {} });
  // @ts-expect-error: not a state
  await db.readTransaction(() => found, { at: "newest" });
}
