/** What a checkpoint consists of: roots, catalogues, headers of blobs, pages. */

import { type BlobName, checkBlobHeader } from "../../../src/engine/blob.ts";
import { decodeCatalogue } from "../../../src/engine/catalogue.ts";
import { type CatalogueReference, readRoots } from "../../../src/engine/root.ts";
import type { MemoryMedium } from "../../../src/storage/memory/index.ts";
import type { Random } from "../../storage/random.ts";
import { type Guard, Violation } from "./guard.ts";
import { mutate, mutateData, resize } from "./mutate.ts";
import type { ImageSample } from "./sample.ts";
import { checkingCore, checksum, signBlobHeader, signPage, signRoot } from "./sign.ts";
import type { Target } from "./target.ts";

type Slots = [Uint8Array, Uint8Array];

function slotsOf(medium: MemoryMedium): Slots {
  const [zero, one] = medium.root as Slots;
  return [zero.slice(), one.slice()];
}

function runRoot(samples: readonly ImageSample[], random: Random, guard: Guard): void {
  const sample = random.pick(samples);
  const slots = slotsOf(sample.medium);
  const index = random.integer(2);
  mutate(random, slots[index], 1 + random.integer(3), 0, random.chance(0.9) ? 204 : 4_096);
  const isForged = random.chance(0.6);
  if (isForged) signRoot(slots[index]);
  if (random.chance(0.1)) mutate(random, slots[1 - index], 1, 0, 204);
  if (random.chance(0.03)) slots[index] = resize(random, slots[index]);
  const found = guard.run(() => readRoots(slots, checksum), 8_192, 16_384);
  if (found === undefined || isForged) return;
  // An undamaged slot is left as it was; nothing else may count.
  const originals = slotsOf(sample.medium).map((slot) => slot.subarray(8, 200));
  const newest = found.newest.record;
  const isKnown = originals.some(
    (slot) => new DataView(slot.buffer, slot.byteOffset).getUint32(24, true) === newest,
  );
  if (!isKnown) throw new Violation(`a damaged root was taken for record ${newest}`);
}

/** The blobs of one kind, with the parts of their names. */
function blobsOf(medium: MemoryMedium, kind: "pages" | "catalogue"): [BlobName, Uint8Array][] {
  const found: [BlobName, Uint8Array][] = [];
  for (const [file, bytes] of medium.blobs) {
    const [type, number, generation, random] = file.split("-");
    if (type !== kind) continue;
    const name = { number: +number, generation: +generation, random: BigInt(`0x${random}`) };
    found.push([name, bytes]);
  }
  return found;
}

function runCatalogue(samples: readonly ImageSample[], random: Random, guard: Guard): void {
  const sample = random.pick(samples);
  const [name, original] = random.pick(blobsOf(sample.medium, "catalogue"));
  let bytes = original.slice();
  const isForged = random.chance(0.7);
  if (isForged && random.chance(0.6)) bytes = forgeCatalogue(random, bytes);
  else mutate(random, bytes, 1 + random.integer(3));
  if (random.chance(0.05)) bytes = resize(random, bytes);
  const reference: CatalogueReference = {
    ...name,
    offset: 0,
    bytes: isForged ? bytes.length : original.length,
    checksum: checksum(isForged ? bytes : original, 0),
  };
  const isSame = bytes.length === original.length && Buffer.compare(bytes, original) === 0;
  const read = guard.run(
    () => decodeCatalogue(bytes, reference, sample.databaseId, checksum),
    bytes.length,
    65_536,
  );
  if (read !== undefined && !isForged && !isSame) {
    throw new Violation("a damaged catalogue was read");
  }
}

/** A catalogue whose body was changed by somebody who knows what it is. */
export function forgeCatalogue(random: Random, bytes: Uint8Array): Uint8Array {
  const body: unknown = JSON.parse(Buffer.from(bytes.subarray(40)).toString());
  const changed = Buffer.from(JSON.stringify(mutateData(random, body)) ?? "");
  const forged = new Uint8Array(40 + changed.length);
  forged.set(bytes.subarray(0, 40));
  forged.set(changed, 40);
  new DataView(forged.buffer).setUint32(12, changed.length, true);
  return forged;
}

function runBlobHeader(samples: readonly ImageSample[], random: Random, guard: Guard): void {
  const sample = random.pick(samples);
  const [name, original] = random.pick(blobsOf(sample.medium, "pages"));
  const slots = new DataView(original.buffer, original.byteOffset).getUint32(48, true);
  let header = original.slice(0, 4_096);
  mutate(random, header, 1 + random.integer(3), 0, random.chance(0.8) ? 60 : 4_096);
  const isForged = random.chance(0.6);
  if (isForged) signBlobHeader(header, sample.databaseId);
  if (random.chance(0.05)) header = resize(random, header);
  const isSame = Buffer.compare(header, original.subarray(0, 4_096)) === 0;
  const accepted = guard.run(
    () => {
      checkBlobHeader(header, name, slots, sample.databaseId, checksum);
      return true;
    },
    4_096,
    8_192,
  );
  if (accepted === true && !isForged && !isSame) {
    throw new Violation("a damaged header of a blob was accepted");
  }
}

/** Configured with the database id of `sign.ts`. */
function runPage(samples: readonly ImageSample[], random: Random, guard: Guard): void {
  const sample = random.pick(samples);
  const [name, blob] = random.pick(blobsOf(sample.medium, "pages"));
  const slot = 1 + random.integer(blob.length / 4_096 - 1);
  const page = blob.slice(slot * 4_096, (slot + 1) * 4_096);
  const id = name.number * 65_536 + slot;
  signPage(page, id, ownId);
  const before = page.slice();
  mutate(random, page, 1 + random.integer(3), 0, random.chance(0.7) ? 80 : 4_080);
  const isForged = random.chance(0.7);
  if (isForged) signPage(page, id, ownId);
  const result = guard.run(
    () => {
      checkingCore.input.set(page);
      return checkingCore.exports.verifyImage(0, id);
    },
    4_096,
    0,
  );
  const isSame = Buffer.compare(page, before) === 0;
  if (!isForged && !isSame && result !== undefined && result >= 0) {
    throw new Violation("a damaged page was accepted");
  }
}

const ownId: Uint8Array = Uint8Array.from({ length: 16 }, (_, at) => at * 11 + 3);

export function stateTargets(samples: readonly ImageSample[]): Target[] {
  return [
    { name: "root", weight: 130, run: (random, guard) => runRoot(samples, random, guard) },
    { name: "catalogue", weight: 80, run: (random, guard) => runCatalogue(samples, random, guard) },
    { name: "blob", weight: 110, run: (random, guard) => runBlobHeader(samples, random, guard) },
    { name: "page", weight: 180, run: (random, guard) => runPage(samples, random, guard) },
  ];
}
