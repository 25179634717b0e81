/**
 * Images: what a layer above has derived from a tree (the graph of a vector index), kept as a blob
 * so that it need not be derived again.
 *
 *     image-TREE-GENERATION-RANDOM    the bytes as the layer above wrote them, nothing else
 *
 * The catalogue of a checkpoint names a tree's image, with its length and its checksum (CRC-32C of
 * all of it, seeded with the database id) and with what the layer above says of it. An image is
 * written and sealed before the checkpoint that names it, and is removed when neither root names
 * it. A crash in between leaves an image that nobody names, which the next writing open removes.
 * An image that is missing or damaged costs time, never data.
 */
import { CairnError } from "../errors.ts";
import type { Storage } from "../storage/port.ts";
import { blobFile } from "./blob.ts";
import type { Checksum } from "./checksum.ts";
import { nextTurn } from "./event-loop.ts";

/** What the layer above says of its image: plain JSON. */
export type ImageNote = Readonly<Record<string, number | string>>;

/** One image as the catalogue names it. */
export interface CatalogueImage {
  readonly tree: number;
  readonly generation: number;
  /** 16 hexadecimal digits. */
  readonly random: string;
  readonly bytes: number;
  readonly checksum: number;
  readonly note: ImageNote;
}

/** Somebody who keeps images. */
export interface ImageKeeper {
  /** Writes images that are worth it; called before each checkpoint. Never throws. */
  prepare(occasion: "upkeep" | "compact" | "close"): Promise<void>;
}

/** Read and written in one go. */
const bytesPerSlice = 1024 * 1024;

export function imageFile(image: CatalogueImage): string {
  const { tree, generation, random } = image;
  return blobFile("image", { number: tree, generation, random: BigInt(`0x${random}`) });
}

export interface ImagesSetup {
  readonly storage: Storage;
  readonly checksum: Checksum;
  readonly databaseId: Uint8Array;
  readonly generation: number;
  readonly random64: () => bigint;
  /** Those of both roots. */
  readonly rooted: readonly CatalogueImage[];
  /** Those of the newest root. */
  readonly newest: readonly CatalogueImage[];
}

export class Images {
  readonly #setup: ImagesSetup;
  /** What the next checkpoint names, by tree. */
  readonly #current: Map<number, CatalogueImage> = new Map();
  /** Files of images on the medium, as far as this open knows. */
  readonly #files: Set<string> = new Set();

  constructor(setup: ImagesSetup) {
    this.#setup = setup;
    for (const image of setup.newest) this.#current.set(image.tree, image);
    for (const image of setup.rooted) this.#files.add(imageFile(image));
  }

  get(tree: number): CatalogueImage | undefined {
    return this.#current.get(tree);
  }

  /** Those of trees that exist, for a checkpoint. Images of dropped trees are forgotten. */
  freeze(exists: (tree: number) => boolean): CatalogueImage[] {
    for (const tree of this.#current.keys()) if (!exists(tree)) this.#current.delete(tree);
    return [...this.#current.values()];
  }

  /** True when a checkpoint would name other images than these. */
  differFrom(rooted: readonly CatalogueImage[]): boolean {
    if (rooted.length !== this.#current.size) return true;
    return rooted.some((image) => this.#current.get(image.tree)?.random !== image.random);
  }

  /** Gives up an image that is not what it should be. */
  forget(image: CatalogueImage): void {
    if (this.#current.get(image.tree)?.random === image.random) this.#current.delete(image.tree);
  }

  /** Writes and seals an image; the next checkpoint names it. */
  async write(tree: number, note: ImageNote, pieces: Iterable<Uint8Array>): Promise<void> {
    const { storage, generation, random64, checksum, databaseId } = this.#setup;
    const random = random64().toString(16).padStart(16, "0");
    const draft = { tree, generation, random, bytes: 0, checksum: 0, note };
    const file = imageFile(draft);
    const staged = await storage.blobs.stage(file);
    let at = 0;
    let sum = checksum(databaseId, 0);
    try {
      for (const piece of pieces) {
        for (let from = 0; from < piece.length; from += bytesPerSlice) {
          const slice = piece.slice(from, from + bytesPerSlice);
          sum = checksum(slice, sum);
          await staged.write(at, slice);
          at += slice.length;
          await nextTurn();
        }
      }
      await staged.sealAsync();
    } catch (error) {
      await Promise.resolve(staged.abort()).catch(() => undefined);
      throw error;
    }
    this.#files.add(file);
    this.#current.set(tree, { ...draft, bytes: at, checksum: sum });
  }

  /**
   * Hands out the bytes of an image in order. @throws CairnError `corruption` when it is missing,
   * shorter, or not what was written.
   */
  async read(
    image: CatalogueImage,
    take: (at: number, bytes: Uint8Array) => void | Promise<void>,
  ): Promise<void> {
    const { storage, checksum, databaseId } = this.#setup;
    const file = imageFile(image);
    const buffer = new Uint8Array(Math.min(image.bytes, bytesPerSlice));
    let sum = checksum(databaseId, 0);
    for (let at = 0; at < image.bytes; at += buffer.length) {
      const piece = buffer.subarray(0, Math.min(buffer.length, image.bytes - at));
      let got: number;
      try {
        got = await storage.blobs.read(file, at, piece);
      } catch (cause) {
        throw imageDamaged(file, "it cannot be read", cause);
      }
      if (got < piece.length) throw imageDamaged(file, "it is shorter than it was");
      sum = checksum(piece, sum);
      await take(at, piece);
      await nextTurn();
    }
    if (sum !== image.checksum) throw imageDamaged(file, "its checksum is another");
  }

  /** Files that none of the given images, and no image of the next checkpoint, need any more. */
  takeUnneeded(needed: Iterable<CatalogueImage>): string[] {
    const kept = new Set<string>();
    for (const image of needed) kept.add(imageFile(image));
    for (const image of this.#current.values()) kept.add(imageFile(image));
    const files = [...this.#files].filter((file) => !kept.has(file));
    for (const file of files) this.#files.delete(file);
    return files;
  }
}

function imageDamaged(file: string, what: string, cause?: unknown): CairnError {
  return new CairnError(
    "corruption",
    `Reading the image ${file}: ${what}. Nothing is lost: what it holds is derived, and is ` +
      "derived again.",
    { cause, details: { blob: file, reason: what } },
  );
}
