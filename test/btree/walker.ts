import { pageBytes, type Store } from "./store.ts";

export interface WalkedPage {
  readonly id: number;
  readonly level: number;
  readonly firstKey: Buffer;
}

/** What a walk over the pages of a tree found. */
export interface Walk {
  readonly pages: readonly WalkedPage[];
  readonly records: number;
  readonly leaves: number;
  /** Bytes in use in all leaves, headers included. */
  readonly leafBytes: number;
}

interface Cell {
  readonly key: Buffer;
  /** Offset of the tail. */
  readonly tail: number;
}

function fail(id: number, what: string): never {
  throw new Error(`Page ${id}: ${what}`);
}

/** The entries of a leaf or branch, with every byte accounted for: page/slotted.ts, header.ts. */
export function readPage(id: number, page: Buffer): { cells: Cell[]; used: number } {
  const level = page[1];
  const count = page.readUInt16LE(2);
  const heapStart = page.readUInt16LE(8);
  const [prefixLength, prefixAt] = [page.readUInt16LE(12), page.readUInt16LE(14)];
  if (page[0] !== (level === 0 ? 1 : 2)) fail(id, `is of kind ${page[0]} at level ${level}`);
  if (page.readUInt16LE(10) !== 0) fail(id, "has garbage");
  if (prefixAt + prefixLength !== 4080) fail(id, "has its prefix somewhere else");
  const prefix = page.subarray(prefixAt, prefixAt + prefixLength);
  let end = prefixAt;
  const cells: Cell[] = [];
  for (let index = 0; index < count; index++) {
    const slot = 32 + 8 * index;
    const [at, length] = [page.readUInt16LE(slot + 4), page.readUInt16LE(slot + 6)];
    const suffix = page.subarray(at, at + length);
    const head = Buffer.concat([suffix.subarray(0, 4)], 4).readUInt32BE();
    if (page.readUInt32LE(slot) !== head) fail(id, `entry ${index} has a wrong head`);
    const tail = at + length;
    const flags = page[tail];
    const valueAt = tail + 9 + (flags & 1 ? 6 : 0);
    const tailEnd = level > 0 ? tail + 12 : valueAt + page.readUInt16LE(valueAt - 2);
    if (tailEnd !== end) fail(id, `entry ${index} ends at ${tailEnd}, not at ${end}`);
    end = at;
    cells.push({ key: Buffer.concat([prefix, suffix]), tail });
  }
  if (end !== heapStart) fail(id, "has cells that no entry owns");
  const gap = page.subarray(32 + 8 * count, heapStart);
  if (gap.some((byte) => byte !== 0)) fail(id, "has bytes in its gap");
  return { cells, used: 4096 - gap.length };
}

/**
 * Reads a tree from the bytes that would be written, by the byte maps, without the core's own code,
 * and throws at the first thing that is not as they say.
 */
export function readTree(store: Store, tree: number): Walk {
  const pages: WalkedPage[] = [];
  let leaves = 0;
  let leafBytes = 0;
  const images = imagesOf(store);
  const root = store.core.treeRoot(tree, 0);
  const total = root === 0 ? 0 : visit(root, -1, Buffer.alloc(0), undefined);
  return { pages, records: total, leaves, leafBytes };

  /** Records below the page, whose keys lie in [low, high). */
  function visit(id: number, level: number, low: Buffer, high: Buffer | undefined): number {
    const page = images.get(id) ?? fail(id, "is not on the medium");
    if (level >= 0 && page[1] !== level) fail(id, `is at level ${page[1]}, not ${level}`);
    if (page.readUInt32LE(4) !== tree) fail(id, "belongs to another tree");
    const { cells, used } = readPage(id, page);
    if (cells.length === 0) fail(id, "is empty");
    cells.forEach(({ key }, index) => {
      const isFirst = index === 0;
      if (!isFirst && Buffer.compare(cells[index - 1].key, key) >= 0) fail(id, "is out of order");
      if (Buffer.compare(key, low) < 0) fail(id, "has a key below its range");
      if (high && Buffer.compare(key, high) >= 0) fail(id, "has a key beyond its range");
    });
    pages.push({ id, level: page[1], firstKey: cells[0].key });
    if (page[1] === 0) {
      leaves++;
      leafBytes += used;
      return cells.length;
    }
    let sum = 0;
    cells.forEach(({ key, tail }, index) => {
      const below = visit(
        page.readUIntLE(tail, 6),
        page[1] - 1,
        key,
        cells[index + 1]?.key ?? high,
      );
      if (page.readUIntLE(tail + 6, 6) !== below) fail(id, `entry ${index} counts wrongly`);
      sum += below;
    });
    return sum;
  }
}

/** All pages as the medium would have them, whether they have been written or not. */
function imagesOf(store: Store): Map<number, Buffer> {
  for (let blob = 1; blob <= store.core.currentBlob(); blob++) store.writeBlob(blob);
  const images = new Map<number, Buffer>();
  for (const [id, bytes] of store.medium) images.set(id, Buffer.from(bytes.subarray(0, pageBytes)));
  return images;
}
