/** Whole databases, opened, read, backed up and restored. */
import { MemoryMedium, MemoryStorage } from "../../../src/storage/memory/index.ts";
import type { Random } from "../../storage/random.ts";
import { type Guard, Violation } from "./guard.ts";
import { mutate, resize } from "./mutate.ts";
import { Endless, type ImageSample, openImage, stateOf } from "./sample.ts";
import { checksum, signBlobHeader, signPage, signRoot } from "./sign.ts";
import type { Target } from "./target.ts";
import { forgeCatalogue } from "./target-state.ts";

/** What opening allocates whatever the input is: windows, buffers, and what was measured. */
const fixedBytes = 24 << 20;

function changed(medium: MemoryMedium, file: string, change: (bytes: Uint8Array) => Uint8Array) {
  const bytes = change((medium.blobs.get(file) as Uint8Array).slice());
  medium.blobs.set(file, bytes);
}

/**
 * Damage at one place, as a medium does it. Two may hide each other: without the newest root and
 * the newest segment nothing tells that there was more.
 */
function damage(random: Random, medium: MemoryMedium): void {
  const dice = random.integer(10);
  const times = 1 + random.integer(2);
  if (random.chance(0.03)) {
    if (random.chance(0.5)) medium.blobs.delete(random.pick([...medium.blobs.keys()]));
    else medium.segments.delete(random.pick([...medium.segments.keys(), 0]));
    return;
  }
  if (dice < 2) {
    const slots = medium.root as [Uint8Array, Uint8Array];
    mutate(random, slots[random.integer(2)], times, 0, 204);
  } else if (dice < 5 && medium.segments.size > 0) {
    const number = random.pick([...medium.segments.keys()]);
    const segment = medium.segments.get(number) as Uint8Array;
    mutate(
      random,
      segment,
      times,
      0,
      random.chance(0.7) ? Math.min(segment.length, 7_000) : undefined,
    );
  } else {
    const file = random.pick([...medium.blobs.keys()]);
    changed(medium, file, (bytes) => {
      if (random.chance(0.1)) return resize(random, bytes);
      mutate(random, bytes, times);
      return bytes;
    });
  }
}

async function runDamaged(
  samples: readonly ImageSample[],
  random: Random,
  guard: Guard,
): Promise<void> {
  const sample = random.pick(samples);
  const medium = sample.medium.copy();
  damage(random, medium);
  const readOnly = random.chance(0.3);
  const withBackup = random.chance(0.2);
  const found = await guard.runAsync(
    async () => {
      const opened = await openImage(new MemoryStorage(medium), { readOnly });
      try {
        const seq = Number(opened.engine.recovery.seq);
        const state = await stateOf(opened);
        const checkpoint = Number(opened.db.stats().checkpointSeq);
        const copy = withBackup ? await backedUp(opened) : undefined;
        return { seq, state, checkpoint, copy };
      } finally {
        await closeAnyhow(opened);
      }
    },
    sample.bytes,
    fixedBytes,
  );
  if (found === undefined) return;
  const { seq, state, checkpoint, copy } = found;
  if (sample.isClosed && seq !== sample.lastSeq) {
    throw new Violation(
      `a database closed at ${sample.lastSeq} was opened at ${seq}, without error`,
    );
  }
  if (state !== sample.states.get(seq)) {
    throw new Violation(`a damaged database was read as what it never was, at ${seq}`);
  }
  // Whoever only reads copies the checkpoint, without the log after it.
  const copied = readOnly ? sample.states.get(checkpoint) : state;
  if (copy !== undefined && copied !== undefined && copy !== copied) {
    throw new Violation("the backup of a damaged database says something else");
  }
}

async function backedUp(opened: Awaited<ReturnType<typeof openImage>>): Promise<string> {
  const target = new MemoryMedium();
  await opened.db.backup(new MemoryStorage(target));
  const copy = await openImage(new MemoryStorage(target));
  try {
    return await stateOf(copy);
  } finally {
    await copy.db.close();
  }
}

/** What close says of a damaged database does not matter, but it must say it in a known way. */
async function closeAnyhow({ db }: { db: { close(): Promise<void> } }): Promise<void> {
  await db.close();
}

/** A file with a page, a root or a catalogue of somebody who knows the checksums. */
function forge(random: Random, sample: ImageSample, medium: MemoryMedium): void {
  const slots = medium.root as [Uint8Array, Uint8Array];
  const dice = random.integer(10);
  if (dice < 2) {
    const slot = slots[random.integer(2)];
    mutate(random, slot, 1 + random.integer(3), 32, 204);
    signRoot(slot);
    return;
  }
  const files = [...medium.blobs.keys()];
  if (dice < 6) {
    const newest = newestOf(slots);
    const number = new DataView(newest.buffer, newest.byteOffset).getUint32(120, true);
    const file = files.find((name) => name.startsWith(`catalogue-${number}-`));
    if (file === undefined) return;
    changed(medium, file, (bytes) => {
      const forged = forgeCatalogue(random, bytes);
      const view = new DataView(newest.buffer, newest.byteOffset);
      view.setUint32(152, forged.length, true);
      view.setUint32(160, checksum(forged, 0), true);
      signRoot(newest);
      return forged;
    });
    return;
  }
  const file = random.pick(files.filter((name) => name.startsWith("pages-")));
  const number = Number(file.split("-")[1]);
  changed(medium, file, (bytes) => {
    for (let left = 1 + random.integer(3); left > 0; left--) {
      const slot = random.integer(bytes.length / 4_096);
      const page = bytes.subarray(slot * 4_096, (slot + 1) * 4_096);
      const from = random.chance(0.5) ? 0 : random.integer(3_800);
      mutate(random, page, 1 + random.integer(3), from, Math.min(4_080, from + 280));
      if (slot === 0) signBlobHeader(page, sample.databaseId);
      else signPage(page, number * 65_536 + slot, sample.databaseId);
    }
    return bytes;
  });
}

function newestOf(slots: readonly [Uint8Array, Uint8Array]): Uint8Array {
  const [zero, one] = slots.map((slot) =>
    new DataView(slot.buffer, slot.byteOffset).getUint32(32, true),
  );
  return slots[zero > one ? 0 : 1];
}

async function runForged(
  samples: readonly ImageSample[],
  random: Random,
  guard: Guard,
): Promise<void> {
  const sample = random.pick(samples);
  const medium = sample.medium.copy();
  forge(random, sample, medium);
  const readOnly = random.chance(0.3);
  try {
    await guard.runAsync(
      async () => {
        const opened = await openImage(new MemoryStorage(medium), { readOnly });
        try {
          await stateOf(opened);
          await opened.db.verify();
          if (!readOnly) {
            const keyspace = await opened.db.keyspace("text", { value: "utf8" });
            await keyspace.put("k1", "x".repeat(random.integer(6_000)));
            await keyspace.deleteGroup("k");
          }
        } finally {
          await closeAnyhow(opened);
        }
      },
      sample.bytes,
      fixedBytes,
    );
  } catch (error) {
    if (error instanceof Endless) throw new Violation(error.message);
    throw error;
  }
}

export function imageTargets(samples: readonly ImageSample[]): Target[] {
  return [
    {
      name: "image damaged",
      weight: 2,
      run: (random, guard) => runDamaged(samples, random, guard),
    },
    { name: "image forged", weight: 1, run: (random, guard) => runForged(samples, random, guard) },
  ];
}
