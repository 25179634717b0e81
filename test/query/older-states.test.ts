/**
 * Queries and tables at older states, beside the rows after each commit: of every state that is
 * kept and of the last checkpoint, while indexes come and go, columns are added, and the process is
 * killed and started again.
 */
import { expect, test } from "vitest";
import { type Database, open, type Snapshot, t } from "../../src/index.ts";
import { MemoryMedium, MemoryStorage } from "../../src/storage/memory/index.ts";
import { seed } from "../seed.ts";
import { Random } from "../storage/random.ts";

interface Row {
  readonly id: number;
  readonly team: string | null;
  readonly n: number;
}

const commitsKept = 6;
const columns = { id: t.integer().primaryKey(), team: t.text(), n: t.integer().notNull() };

async function requireSame(
  db: Database,
  at: Snapshot,
  rows: ReadonlyMap<number, Row>,
): Promise<void> {
  const table = await db.table("rows");
  const all = [...rows.values()].sort((left, right) => left.id - right.id);
  const plain = (found: readonly unknown[]): Row[] =>
    (found as readonly Row[]).map(({ id, team, n }) => ({ id, team, n }));
  expect(plain(await db.from(table).orderBy("id").all({ snapshot: at }))).toEqual(all);
  expect(table.count({ snapshot: at })).toBe(all.length);
  for (const team of ["red", "blue", null]) {
    const query = db.from(table).where({ team }).orderBy("id");
    const expected = all.filter((row) => row.team === team);
    expect(plain(await query.all({ snapshot: at }))).toEqual(expected);
    expect(await query.count({ snapshot: at })).toBe(expected.length);
  }
  const some = db
    .from(table)
    .where({ n: { gte: 3, lt: 7 } })
    .orderBy("id");
  expect(plain(some.allSync({ snapshot: at }))).toEqual(all.filter(({ n }) => n >= 3 && n < 7));
  for (const id of [0, 7, 14]) {
    expect(plain([table.getSync(id, { snapshot: at })].filter((row) => row !== undefined))).toEqual(
      all.filter((row) => row.id === id),
    );
  }
}

test("every state that can be read answers its rows", { timeout: 180_000 }, async () => {
  const random = new Random(seed);
  const options = { retain: { commits: commitsKept } };
  let medium = new MemoryMedium();
  let db = await open(new MemoryStorage(medium), options);
  const opened: Database[] = [db];
  let table = await db.table("rows", { columns });
  let rows: ReadonlyMap<number, Row> = new Map();
  const after = new Map<bigint, ReadonlyMap<number, Row>>([[db.stats().seq, rows]]);
  let first = db.stats().seq;
  let added = 0;
  try {
    for (let step = 0; step < 100; step++) {
      const next = new Map(rows);
      const way = random.integer(10);
      if (way < 5) {
        const fresh = Array.from({ length: random.whole(1, 4) }, (): Row => {
          const team = random.pick(["red", "blue", null]);
          return { id: random.integer(20), team, n: random.integer(10) };
        });
        for (const row of fresh) next.set(row.id, row);
        await table.upsertMany(fresh as never[]);
      } else if (way < 7) {
        const n = random.integer(10);
        for (const [id, row] of next) if (row.n === n) next.delete(id);
        await table.deleteWhere({ n });
      } else if (way < 8) {
        const { indexes } = table.describe();
        const wanted = random.pick([["team"], ["n"], ["team", "n"]]);
        const name = `${wanted.join("_")}_index`;
        if (indexes.some((index) => index.name === name)) await table.dropIndex(name);
        else await table.createIndex({ columns: wanted });
      } else if (way < 9 && added < 5) {
        await table.alter({ add: { [`more${added++}`]: t.text().default("x") } });
      } else if (random.chance(0.5)) await db.checkpoint();
      else {
        // The process is gone; what it has written is there.
        medium = medium.copy();
        db = await open(new MemoryStorage(medium), options);
        opened.push(db);
        table = await db.table("rows");
        first = db.stats().seq;
      }
      rows = next;
      const { seq, checkpointSeq } = db.stats();
      // Several commits of one step say the same.
      for (let one = seq; one >= 0n && !after.has(one); one--) after.set(one, rows);
      const rooted = db.snapshot({ at: "checkpoint" });
      expect(rooted.seq).toBe(checkpointSeq);
      const then = after.get(rooted.seq);
      if (then !== undefined && rooted.seq > 0n) await requireSame(db, rooted, then);
      rooted.release();
      for (let one = seq; one >= first && one >= seq - BigInt(commitsKept); one--) {
        const snapshot = db.snapshot({ at: one });
        await requireSame(db, snapshot, after.get(one) as ReadonlyMap<number, Row>);
        snapshot.release();
      }
    }
  } catch (error) {
    throw new Error(`Failed with SEED=${seed}`, { cause: error });
  } finally {
    for (const one of opened) await one.close();
  }
});
