/**
 * Takes the place of node-fs in the bundles for workerd and browsers (build/build.mjs), which have
 * no files to keep a database in. workerd does offer `node:fs`, but over memory: writes and syncs
 * succeed there and the data is gone with the request, so a path is refused and never opened.
 */
import { CairnError } from "../errors.ts";

/** Refuses the path. @throws CairnError `argument_invalid`, always. */
export function openNodeStorage(_path: string): never {
  throw noFiles("open a database in a folder");
}

/** @throws CairnError `argument_invalid`, always. */
export async function lockHolder(_path: string): Promise<never> {
  throw noFiles("ask for the lock of a folder");
}

/** @throws CairnError `argument_invalid`, always. */
export async function breakLock(_path: string): Promise<never> {
  throw noFiles("break the lock of a folder");
}

function noFiles(action: string): CairnError {
  return new CairnError(
    "argument_invalid",
    `Cannot ${action}: found a path, but this platform has no durable files. ` +
      'Open "memory:" or pass a storage; paths work on Node, Deno and Bun.',
  );
}
