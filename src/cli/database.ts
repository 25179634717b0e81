/** Opening a database for one command, and closing it whatever happens. */
import { resolve } from "node:path";
import { CairnError } from "../errors.ts";
import { type Database, open } from "../index.ts";
import { lockHolder } from "../storage/node-fs/index.ts";
import { throwIfAborted } from "../transaction/index.ts";
import type { Context } from "./command.ts";
import { count } from "./format.ts";

type Use = (db: Database, context: Context) => Promise<number>;

/**
 * Reads without a lock. While another process writes, that shows its newest checkpoint, because
 * only the writer can tell which part of the log counts; a note says so.
 */
export async function withReader(context: Context, path: string, use: Use): Promise<number> {
  const db = await openExisting(path, { readOnly: true }, context);
  try {
    const holder = await lockHolder(path);
    if (holder !== undefined) {
      await context.output.note(
        `process ${holder.pid} has the database open; this is its last checkpoint, ` +
          `seq ${count(db.stats().seq)}`,
      );
    }
    return await use(db, context);
  } finally {
    await db.close();
  }
}

/** Opens for writing, which locks the database and recovers it if it was not closed. */
export async function withWriter(context: Context, path: string, use: Use): Promise<number> {
  const db = await openExisting(path, { create: false }, context);
  try {
    return await use(db, context);
  } finally {
    await db.close();
  }
}

async function openExisting(
  path: string,
  options: { readOnly: true } | { create: false },
  { surroundings }: Context,
): Promise<Database> {
  throwIfAborted(surroundings.signal);
  if (path === "" || path.startsWith("memory:")) {
    throw new CairnError(
      "argument_invalid",
      "Cannot open this database: expected the path of a folder. A database in memory belongs to " +
        "the process that opened it.",
    );
  }
  return await open(resolve(path), options);
}
