import { type Access, forbidden, requireBlobName } from "../access.ts";
import type { Awaitable, BlobStorage, StagedBlob } from "../port.ts";
import type { Answers } from "./answers.ts";
import { copyFrom, failed } from "./log.ts";
import type { MemoryMedium } from "./medium.ts";

export class MemoryBlobs implements BlobStorage {
  readonly #access: Access;
  readonly #medium: MemoryMedium;
  readonly #answers: Answers;
  readonly #staged = new Set<string>();

  constructor(access: Access, medium: MemoryMedium, answers: Answers) {
    this.#access = access;
    this.#medium = medium;
    this.#answers = answers;
  }

  stage(name: string): Awaitable<StagedBlob> {
    return this.#answers.give(() => {
      this.#access.requireWritable("stage a blob");
      requireBlobName("stage a blob", name);
      if (this.#medium.blobs.has(name) || this.#staged.has(name)) {
        throw failed("create", `blob ${name}`, "EEXIST");
      }
      this.#staged.add(name);
      return new MemoryStagedBlob(name, this.#answers, (bytes) => this.#end(name, bytes));
    });
  }

  read(name: string, at: number, into: Uint8Array): Awaitable<number> {
    if (this.#answers.atOnce) return copyFrom(this.#blob(name), at, into);
    return this.#answers.give(() => copyFrom(this.#blob(name), at, into));
  }

  size(name: string): Awaitable<number> {
    return this.#answers.give(() => this.#blob(name).byteLength);
  }

  list(): Awaitable<string[]> {
    return this.#answers.give(() => {
      this.#access.requireOpen("list blobs");
      return [...this.#medium.blobs.keys()];
    });
  }

  remove(names: readonly string[]): Awaitable<void> {
    const wanted = [...names];
    return this.#answers.give(() => {
      this.#access.requireWritable("remove blobs");
      for (const name of wanted) {
        requireBlobName("remove a blob", name);
        this.#medium.blobs.delete(name);
      }
    });
  }

  /** Gives up what is staged. */
  close(): void {
    this.#staged.clear();
  }

  #end(name: string, bytes: Uint8Array | undefined): void {
    const wasStaged = this.#staged.delete(name);
    if (bytes === undefined) return;
    this.#access.requireWritable("seal a blob");
    if (!wasStaged) throw forbidden(`seal blob ${name}`, "it given up", "it staged");
    this.#medium.blobs.set(name, bytes);
  }

  #blob(name: string): Uint8Array {
    this.#access.requireOpen("read a blob");
    requireBlobName("read a blob", name);
    const bytes = this.#medium.blobs.get(name);
    if (bytes === undefined) throw failed("open", `blob ${name}`, "ENOENT");
    return bytes;
  }
}

class MemoryStagedBlob implements StagedBlob {
  readonly name: string;
  readonly #answers: Answers;
  readonly #ended: (bytes: Uint8Array | undefined) => void;
  #bytes: Uint8Array = new Uint8Array(65_536);
  #size = 0;
  #done = false;
  #isSealed = false;

  constructor(name: string, answers: Answers, ended: (bytes: Uint8Array | undefined) => void) {
    this.name = name;
    this.#answers = answers;
    this.#ended = ended;
  }

  write(at: number, bytes: Uint8Array): Awaitable<void> {
    return this.#answers.giveWith(bytes, (given) => this.#write(at, given));
  }

  read(at: number, into: Uint8Array): Awaitable<number> {
    return this.#answers.give(() => {
      if (!this.#isSealed) this.#requireStaged("read");
      return copyFrom(this.#bytes.subarray(0, this.#size), at, into);
    });
  }

  sync(): Promise<void> {
    return this.#answers.promise(() => this.#requireStaged("sync"));
  }

  seal(): Awaitable<void> {
    return this.#answers.give(() => this.#seal());
  }

  sealAsync(): Promise<void> {
    return this.#answers.promise(() => this.#seal());
  }

  abort(): Awaitable<void> {
    return this.#answers.give(() => {
      if (this.#done) return;
      this.#done = true;
      this.#ended(undefined);
    });
  }

  #write(at: number, bytes: Uint8Array): void {
    this.#requireStaged("write");
    const end = at + bytes.byteLength;
    if (end > this.#bytes.byteLength) {
      const larger = new Uint8Array(Math.max(end, 2 * this.#bytes.byteLength));
      larger.set(this.#bytes.subarray(0, this.#size));
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, at);
    if (end > this.#size) this.#size = end;
  }

  #seal(): void {
    this.#requireStaged("seal");
    this.#done = true;
    this.#isSealed = true;
    this.#ended(this.#bytes.slice(0, this.#size));
  }

  #requireStaged(operation: string): void {
    if (!this.#done) return;
    throw forbidden(`${operation} staged blob ${this.name}`, "it sealed or aborted", "it open");
  }
}
