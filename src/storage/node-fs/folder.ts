import { dirname, join } from "node:path";
import { attempt, attemptIfExists } from "./failure.ts";
import { type FileSystem, nodeFileSystem } from "./file-system.ts";
import { OpenFile } from "./open-file.ts";

/** Mode of every folder of a database: its user only. */
const folderMode = 0o700;

/** Ends the names of files that are not finished; the next exclusive opener removes them. */
export const stagedSuffix = ".staged";

/** One folder of a database, open so that its names can be made durable. */
export class Folder {
  readonly path: string;
  readonly #fs: FileSystem;
  #handle: OpenFile | undefined;

  constructor(path: string, fs: FileSystem = nodeFileSystem) {
    this.path = path;
    this.#fs = fs;
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** Opens a file of the folder. */
  open(name: string, flags: string): OpenFile {
    return new OpenFile(this.file(name), flags, this.#fs);
  }

  exists(name: string): boolean {
    return this.#fs.existsSync(this.file(name));
  }

  /** Creates the folder and those above it, each durable with its name. */
  create(): void {
    const first = attempt("create folder", this.path, () =>
      this.#fs.mkdirSync(this.path, { recursive: true, mode: folderMode }),
    );
    if (first === undefined) return;
    const top = dirname(first);
    let parent = dirname(this.path);
    while (true) {
      syncFolder(parent, this.#fs);
      if (parent === top || parent === dirname(parent)) return;
      parent = dirname(parent);
    }
  }

  /** Makes the folder's own name durable: whoever created it may not have come to that. */
  syncName(): void {
    syncFolder(dirname(this.path), this.#fs);
  }

  /** Names in the folder, in any order; none when it does not exist. */
  names(): string[] {
    return attemptIfExists("list", this.path, () => this.#fs.readdirSync(this.path)) ?? [];
  }

  /** Bytes in all files of the folder. */
  usedBytes(): number {
    let bytes = 0;
    for (const name of this.names()) {
      const path = this.file(name);
      bytes += attemptIfExists("look at", path, () => this.#fs.statSync(path).size) ?? 0;
    }
    return bytes;
  }

  /** Gives a finished file its name. The caller makes the name durable. */
  rename(from: string, to: string): void {
    attempt("rename", this.file(from), () => this.#fs.renameSync(this.file(from), this.file(to)));
  }

  /** Gives a finished file a second name; fails with `EEXIST` when that is taken. */
  link(from: string, to: string): void {
    attempt("link", this.file(to), () => this.#fs.linkSync(this.file(from), this.file(to)));
  }

  /** True when there was such a file. */
  remove(name: string): boolean {
    const path = this.file(name);
    const removed = attemptIfExists("remove", path, () => {
      this.#fs.unlinkSync(path);
      return true;
    });
    return removed ?? false;
  }

  /**
   * The same for a large file: it is held open while its name goes, so that its space is given back
   * by a close off the caller's turn.
   */
  removeLarge(name: string): void {
    const path = this.file(name);
    const held = attemptIfExists("open", path, () => this.open(name, "r"));
    if (held === undefined) return;
    try {
      this.remove(name);
    } finally {
      held.closeLater();
    }
  }

  removeStaged(): void {
    for (const name of this.names()) if (name.endsWith(stagedSuffix)) this.remove(name);
  }

  syncSync(): void {
    this.#self().fullSyncSync();
  }

  sync(): Promise<void> {
    return this.#self().fullSync();
  }

  close(): void {
    this.#handle?.close();
    this.#handle = undefined;
  }

  #self(): OpenFile {
    this.#handle ??= new OpenFile(this.path, "r", this.#fs);
    return this.#handle;
  }
}

function syncFolder(path: string, fs: FileSystem): void {
  const handle = new OpenFile(path, "r", fs);
  try {
    handle.fullSyncSync();
  } finally {
    handle.close();
  }
}
