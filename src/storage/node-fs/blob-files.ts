import { closeAll, type OpenFile } from "./open-file.ts";

/**
 * The open files of sealed blobs, at most `filesMax` of them.
 *
 * Reading marks a file as used and moves nothing; when there are too many, the oldest that was not
 * used since the last search is closed.
 */
export class BlobFiles {
  readonly #filesMax: number;
  readonly #files = new Map<string, OpenFile>();

  constructor(filesMax: number) {
    this.#filesMax = filesMax;
  }

  /** The open file of blob `name`, if it is open. */
  get(name: string): OpenFile | undefined {
    const file = this.#files.get(name);
    if (file !== undefined) file.used = true;
    return file;
  }

  adopt(name: string, file: OpenFile): void {
    if (this.#files.size >= this.#filesMax) this.#closeOne();
    this.#files.set(name, file);
  }

  forget(name: string): void {
    this.#files.get(name)?.close();
    this.#files.delete(name);
  }

  close(): void {
    const files = [...this.#files.values()];
    this.#files.clear();
    closeAll(files);
  }

  #closeOne(): void {
    // A used file goes to the end of the map, unmarked; so the walk ends within two rounds.
    for (const [name, file] of this.#files) {
      this.#files.delete(name);
      if (!file.used) {
        file.close();
        return;
      }
      file.used = false;
      this.#files.set(name, file);
    }
  }
}
