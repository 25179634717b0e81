/**
 * Money is neither lost nor made: 64 clients transfer between a few accounts, more than there is,
 * send some transfers twice at once, and the process dies or its storage fails at some call. On
 * whatever is left, all acknowledged transfers are there, each one once; all are sent again, with
 * the same keys, and then each one is there once at most.
 */
import { describe, expect, test } from "vitest";
import { type Database, isCairnError, MemoryMedium, MemoryStorage, t } from "../../src/index.ts";
import type { Storage } from "../../src/storage/port.ts";
import { turns } from "../crash/explore.ts";
import { withoutLogSync } from "../crash/mistakes.ts";
import { seed } from "../seed.ts";
import { type Personality, personalities } from "../storage/effects.ts";
import { CrashError, FaultStorage } from "../storage/fault-storage.ts";
import { Random } from "../storage/random.ts";
import { openOn } from "../vector/places.ts";

const clients = 64;
const perClient = 6;
const accountCount = 6;
const firstBalance = 100n;
const crashes = Number(process.env.CRASH_COUNT ?? 12);

interface Transfer {
  readonly id: string;
  readonly from: number;
  readonly to: number;
  readonly amount: bigint;
}

const engine = {
  memoryBudget: 4 << 20,
  checkpointLogBytes: 24_000,
  checkpointIdleMs: 0,
  segmentBytes: { first: 8_192, max: 32_768 },
};

function transfersOf(random: Random): Transfer[] {
  return Array.from({ length: clients * perClient }, (_none, number) => {
    const from = random.integer(accountCount);
    const to = (from + 1 + random.integer(accountCount - 1)) % accountCount;
    return { id: `transfer ${number}`, from, to, amount: BigInt(1 + random.integer(90)) };
  });
}

async function ledgerOf(db: Database) {
  const accounts = await db.table("accounts", {
    columns: { id: t.integer().primaryKey(), balance: t.i64().notNull() },
  });
  const made = await db.keyspace("made", { value: "u64" });
  await db.commit({
    mutations: Array.from({ length: accountCount }, (_none, id) =>
      accounts.mutations.insert({ id, balance: firstBalance }, { onConflict: "nothing" }),
    ),
  });
  const send = ({ id, from, to, amount }: Transfer) =>
    db.commit({
      mutations: [
        accounts.mutations.decrement(from, "balance", amount),
        accounts.mutations.increment(to, "balance", amount),
        made.mutations.add(id, 1n),
      ],
      after: [accounts.row(from).column("balance").gte(0n)],
      idempotencyKey: id,
    });
  return { accounts, made, send };
}

type Ledger = Awaited<ReturnType<typeof ledgerOf>>;

/** All clients at once; what was acknowledged goes to `done`, one by one. */
async function work(
  { send }: Ledger,
  transfers: readonly Transfer[],
  done: Set<string>,
): Promise<void> {
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < transfers.length) {
      const transfer = transfers[next++];
      const isTwice = next % 5 === 0;
      const tries = isTwice ? [send(transfer), send(transfer)] : [send(transfer)];
      const outcomes = await Promise.allSettled(tries);
      for (const outcome of outcomes) {
        if (outcome.status === "fulfilled") done.add(transfer.id);
        else if (!isCairnError(outcome.reason, "assertion_failed")) throw outcome.reason;
      }
    }
  };
  const all = await Promise.allSettled(Array.from({ length: clients }, client));
  for (const one of all) if (one.status === "rejected") throw one.reason;
}

async function requireSound(
  { accounts, made }: Ledger,
  transfers: readonly Transfer[],
  done: ReadonlySet<string>,
): Promise<void> {
  const balances = new Map<number, bigint>();
  for (let id = 0; id < accountCount; id++) balances.set(id, firstBalance);
  for (const { id, from, to, amount } of transfers) {
    const times = (await made.get(id)) ?? 0n;
    expect(times, `times that ${id} was made`).toBeLessThanOrEqual(1n);
    if (done.has(id)) expect(times, `${id} was acknowledged`).toBe(1n);
    if (times === 0n) continue;
    balances.set(from, (balances.get(from) ?? 0n) - amount);
    balances.set(to, (balances.get(to) ?? 0n) + amount);
  }
  let total = 0n;
  for await (const { id, balance } of accounts.rows()) {
    expect(balance, `balance of ${id}`).toBe(balances.get(id));
    expect(balance >= 0n).toBe(true);
    total += balance;
  }
  expect(total).toBe(BigInt(accountCount) * firstBalance);
}

interface Setup {
  readonly seed: number;
  readonly isAsync: boolean;
  readonly wrap?: (storage: Storage) => Storage;
}

function storageOf({ seed: from, isAsync }: Setup): FaultStorage {
  const medium = new MemoryMedium();
  return new FaultStorage(isAsync ? { medium, latency: turns(from) } : { medium });
}

async function runOn(
  storage: FaultStorage,
  setup: Setup,
  transfers: readonly Transfer[],
  done: Set<string>,
): Promise<void> {
  const db = await openOn(setup.wrap?.(storage) ?? storage, { engine });
  try {
    await work(await ledgerOf(db), transfers, done);
    await db.checkpoint();
  } finally {
    await db.close();
  }
}

/** True for what a client may be told when the storage dies under it. */
function isExpected(error: unknown): boolean {
  if (error instanceof CrashError) return true;
  const codes = ["outcome_unknown", "poisoned", "storage_failed", "disk_full", "closed"] as const;
  return codes.some((code) => isCairnError(error, code));
}

async function settled(): Promise<void> {
  for (let left = 20; left > 0; left--) await new Promise((resolve) => setImmediate(resolve));
}

async function crashOnce(setup: Setup, call: number, personality: Personality): Promise<boolean> {
  const random = new Random(setup.seed);
  const transfers = transfersOf(random);
  const storage = storageOf(setup);
  const isCrash = random.chance(0.7);
  const bytes = random.pick([undefined, 2 ** 31, random.integer(4_096)]);
  if (isCrash) storage.crashAt(call, bytes);
  else storage.failAt(call, random.pick(["disk_full", "storage_failed"]), bytes);
  const done = new Set<string>();
  try {
    await runOn(storage, setup, transfers, done);
  } catch (error) {
    if (!isExpected(error)) throw error;
  }
  await settled();
  storage.crash();
  const medium = storage.survivors(setup.seed * 1_000 + call, personality);
  for (let round = 0; round < 2; round++) {
    const db = await openOn(new MemoryStorage(medium), { engine });
    const ledger = await ledgerOf(db);
    await requireSound(ledger, transfers, done);
    await work(ledger, transfers, done);
    await requireSound(ledger, transfers, done);
    expect((await db.verify()).findings).toEqual([]);
    await db.close();
  }
  return done.size > transfers.length / 4;
}

async function explore(setup: Setup): Promise<number> {
  const whole = storageOf(setup);
  const random = new Random(setup.seed);
  await runOn(whole, setup, transfersOf(random), new Set());
  const calls = whole.trace.length;
  let many = 0;
  for (let crash = 0; crash < crashes; crash++) {
    const call = 8 + random.integer(calls - 8);
    const personality = personalities[crash % personalities.length] as Personality;
    const where = `seed ${setup.seed}, call ${call} of ${calls}, ${personality}`;
    try {
      if (await crashOnce({ ...setup, seed: setup.seed + crash }, call, personality)) many++;
    } catch (cause) {
      throw new Error(`${where}: ${(cause as Error).message}`, { cause });
    }
  }
  return many;
}

describe("no cent is lost or made, and no transfer is made twice", () => {
  test.each([false, true])("(storage answers later: %s)", { timeout: 600_000 }, async (isAsync) => {
    expect(await explore({ seed: seed % 1_000_000, isAsync })).toBeGreaterThan(0);
  });

  test("and a storage that forgets to sync is found out", { timeout: 600_000 }, async () => {
    const found = (async () => {
      for (let from = 1; from < 20; from++) {
        await explore({ seed: from * 100, isAsync: false, wrap: withoutLogSync });
      }
    })();
    await expect(found).rejects.toThrow(/acknowledged|balance of/);
  });
});
