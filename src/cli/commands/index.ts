import type { Command } from "../command.ts";
import { backup } from "./backup.ts";
import { checkpoint } from "./checkpoint.ts";
import { compact } from "./compact.ts";
import { deleteKey } from "./delete.ts";
import { get } from "./get.ts";
import { info } from "./info.ts";
import { init } from "./init.ts";
import { keyspaces } from "./keyspaces.ts";
import { lock } from "./lock.ts";
import { put } from "./put.ts";
import { restore } from "./restore.ts";
import { rows } from "./rows.ts";
import { scan } from "./scan.ts";
import { stats } from "./stats.ts";
import { tables } from "./tables.ts";
import { vectors } from "./vectors.ts";
import { verify } from "./verify.ts";

/** In the order of the help. */
export const commands: readonly Command[] = [
  init,
  info,
  get,
  put,
  deleteKey,
  scan,
  keyspaces,
  tables,
  rows,
  vectors,
  stats,
  checkpoint,
  compact,
  backup,
  restore,
  verify,
  lock,
];
