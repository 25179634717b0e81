/**
 * Online backup: a consistent state as a database of its own, at another storage.
 *
 * A checkpoint is written first; the blobs that its root names are then copied while a pin keeps
 * them from being removed. The copy begins a history of its own: its root is written last, so that
 * a backup that was interrupted is no database.
 */
import { CairnError } from "../errors.ts";
import type { Storage } from "../storage/port.ts";
import { blobCorrupt, blobFile } from "./blob.ts";
import type { RootedState } from "./checkpoint.ts";
import type { Engine } from "./engine.ts";
import { imageFile } from "./images.ts";
import { logStart } from "./log/position.ts";
import { throwIfAborted } from "./maintenance.ts";
import type { LongOptions } from "./options.ts";
import { encodeRoot, firstRecord } from "./root.ts";

const bytesPerCopy = 1024 * 1024;

export async function backup(engine: Engine, target: Storage, options: LongOptions): Promise<void> {
  throwIfAborted(options.signal);
  const claim = await target.acquire("exclusive", { create: true });
  try {
    if ((await target.root.read()) !== undefined) {
      throw new CairnError(
        "target_exists",
        `Cannot back up to ${target.name}: there is a database already. Choose an empty place.`,
        { details: { target: target.name } },
      );
    }
    if (!engine.readOnly) await engine.maintenance.checkpoint({ signal: options.signal });
    const state = engine.checkpointer.hold();
    try {
      await copyState(engine, target, state, options);
    } finally {
      engine.checkpointer.letGo(state);
    }
  } finally {
    await target.close();
    await claim.release();
  }
}

async function copyState(
  engine: Engine,
  target: Storage,
  state: RootedState,
  options: LongOptions,
): Promise<void> {
  const { root } = state;
  const files: string[] = [];
  for (const number of state.blobs) {
    const blob = engine.pager.blobs.get(number);
    if (blob === undefined)
      throw blobCorrupt(`number ${number}`, "the root names it, it is unknown");
    files.push(blob.file);
  }
  if (root.catalogue !== undefined) files.push(blobFile("catalogue", root.catalogue));
  for (const image of state.images) {
    // One that is missing is derived again from the copy, as it would be from here.
    if (await isThere(engine.storage, imageFile(image))) files.push(imageFile(image));
  }
  const sizes = await Promise.all(files.map((file) => engine.storage.blobs.size(file)));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  let done = 0;
  const copied = (bytes: number): void => {
    throwIfAborted(options.signal);
    done += bytes;
    options.onProgress?.({ phase: "backup", done, total, unit: "bytes" });
  };
  for (const [index, file] of files.entries()) {
    await copyBlob(engine.storage, target, file, sizes[index], copied);
  }
  const first = {
    ...root,
    record: firstRecord,
    generation: 0,
    position: { ...logStart, seq: root.seq },
  };
  await target.root.create(encodeRoot(first, engine.core.checksum));
}

async function isThere(storage: Storage, file: string): Promise<boolean> {
  try {
    await storage.blobs.size(file);
    return true;
  } catch (error) {
    if (error instanceof CairnError && error.details.errno === "ENOENT") return false;
    throw error;
  }
}

async function copyBlob(
  source: Storage,
  target: Storage,
  file: string,
  bytes: number,
  copied: (bytes: number) => void,
): Promise<void> {
  const staged = await target.blobs.stage(file);
  try {
    const buffer = new Uint8Array(Math.min(bytes, bytesPerCopy));
    for (let at = 0; at < bytes; at += bytesPerCopy) {
      const piece = buffer.subarray(0, Math.min(bytesPerCopy, bytes - at));
      const got = await source.blobs.read(file, at, piece);
      if (got < piece.length) throw blobCorrupt(file, `it ends at byte ${at + got} of ${bytes}`);
      await staged.write(at, piece);
      await staged.sync();
      copied(got);
    }
    await staged.sealAsync();
  } catch (error) {
    await staged.abort();
    throw error;
  }
}
