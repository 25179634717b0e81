import { type LockHolder, rootBytes } from "../port.ts";

/**
 * What a memory database consists of, apart from the storages that open it: like a disk, it stays
 * when a storage is closed, and another one can be opened on it.
 */
export class MemoryMedium {
  readonly segments: Map<number, Uint8Array> = new Map();
  readonly blobs: Map<string, Uint8Array> = new Map();
  root: [Uint8Array, Uint8Array] | undefined;
  /** Of the newest exclusive claim; 0 before the first. */
  generation = 0;
  /** Who holds the exclusive claim. */
  holder: LockHolder | undefined;

  /** The same contents, held by nobody. */
  copy(): MemoryMedium {
    const copy = new MemoryMedium();
    for (const [segment, bytes] of this.segments) copy.segments.set(segment, bytes.slice());
    // Sealed blobs never change, so both can share their bytes.
    for (const [name, bytes] of this.blobs) copy.blobs.set(name, bytes);
    if (this.root !== undefined) copy.root = [this.root[0].slice(), this.root[1].slice()];
    copy.generation = this.generation;
    return copy;
  }

  /** Ends the exclusive claim, as if the process that holds it had been killed. */
  loseHolder(): void {
    this.holder = undefined;
  }

  usedBytes(): number {
    let bytes = this.root === undefined ? 0 : 2 * rootBytes;
    for (const segment of this.segments.values()) bytes += segment.byteLength;
    for (const blob of this.blobs.values()) bytes += blob.byteLength;
    return bytes;
  }
}
