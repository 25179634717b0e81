import { Core } from "../../bindings/core.ts";
import { loadCore } from "../../bindings/load.ts";
import { readRoots, rootVersion } from "../engine/root.ts";
import { CairnError } from "../errors.ts";
import { openNodeStorage } from "../storage/node-fs/index.ts";
import { bytesToHex } from "./forms.ts";

/** What never changes about a database. */
export interface Identity {
  readonly path: string;
  /** 32 hexadecimal digits, drawn when the database was created. Its backups have the same. */
  readonly id: string;
  /** Unix milliseconds. */
  readonly createdAt: number;
  /** Of the root record, which decides who can read the rest. */
  readonly formatVersion: number;
}

/** Reads the root of the database in folder `path`, without a lock. */
export async function identityOf(path: string): Promise<Identity> {
  const storage = openNodeStorage(path);
  const claim = await storage.acquire("read-only", { create: false });
  try {
    const slots = storage.root.read();
    if (slots === undefined) {
      throw new CairnError("database_not_found", `Cannot read ${path}: there is no database.`);
    }
    const { newest } = readRoots(slots, new Core(loadCore()).checksum);
    const id = bytesToHex(newest.databaseId);
    return { path: storage.name, id, createdAt: newest.createdAt, formatVersion: rootVersion };
  } finally {
    storage.close();
    await claim.release();
  }
}
