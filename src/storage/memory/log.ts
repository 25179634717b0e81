import { CairnError } from "../../errors.ts";
import { type Access, forbidden } from "../access.ts";
import type { Awaitable, LogStorage } from "../port.ts";
import type { Answers } from "./answers.ts";
import type { MemoryMedium } from "./medium.ts";

export class MemoryLog implements LogStorage {
  readonly #access: Access;
  readonly #medium: MemoryMedium;
  readonly #answers: Answers;

  constructor(access: Access, medium: MemoryMedium, answers: Answers) {
    this.#access = access;
    this.#medium = medium;
    this.#answers = answers;
  }

  list(): Awaitable<number[]> {
    return this.#answers.give(() => {
      this.#access.requireOpen("list segments");
      return [...this.#medium.segments.keys()].sort((a, b) => a - b);
    });
  }

  create(segment: number, bytes: number): Awaitable<void> {
    return this.#answers.give(() => this.#create(segment, bytes));
  }

  createAhead(segment: number, bytes: number): Promise<void> {
    return this.#answers.promise(() => this.#create(segment, bytes));
  }

  size(segment: number): Awaitable<number> {
    return this.#answers.give(() => this.#segment(segment).byteLength);
  }

  append(segment: number, at: number, bytes: Uint8Array): Awaitable<void> {
    if (this.#answers.atOnce) return this.#append(segment, at, bytes);
    return this.#answers.giveWith(bytes, (copy) => this.#append(segment, at, copy));
  }

  sync(segment: number): Promise<void> {
    return this.#answers.promise(() => void this.#segment(segment));
  }

  syncSync(segment: number): void {
    if (!this.#answers.atOnce) {
      throw new CairnError(
        "synchronous_unavailable",
        "Cannot sync in one turn: this storage answers asynchronously. Use the awaited form.",
      );
    }
    this.#segment(segment);
  }

  read(segment: number, at: number, into: Uint8Array): Awaitable<number> {
    if (this.#answers.atOnce) return copyFrom(this.#segment(segment), at, into);
    return this.#answers.give(() => copyFrom(this.#segment(segment), at, into));
  }

  remove(segments: readonly number[]): Awaitable<void> {
    const numbers = [...segments];
    return this.#answers.give(() => {
      this.#access.requireWritable("remove segments");
      for (const segment of numbers) this.#medium.segments.delete(segment);
    });
  }

  #create(segment: number, bytes: number): void {
    this.#access.requireWritable("create a segment");
    if (this.#medium.segments.has(segment)) throw failed("create", `segment ${segment}`, "EEXIST");
    this.#medium.segments.set(segment, new Uint8Array(bytes));
  }

  #append(segment: number, at: number, bytes: Uint8Array): void {
    this.#access.requireWritable("append");
    const target = this.#segment(segment);
    const end = at + bytes.byteLength;
    if (end > target.byteLength) {
      throw forbidden(
        `append to segment ${segment}`,
        `an end at ${end}`,
        `at most ${target.byteLength}`,
      );
    }
    target.set(bytes, at);
  }

  #segment(segment: number): Uint8Array {
    this.#access.requireOpen("use a segment");
    const bytes = this.#medium.segments.get(segment);
    if (bytes === undefined) throw failed("open", `segment ${segment}`, "ENOENT");
    return bytes;
  }
}

/** Copies what there is of `from` at `at`, and says how much. */
export function copyFrom(from: Uint8Array, at: number, into: Uint8Array): number {
  const bytes = Math.max(0, Math.min(into.byteLength, from.byteLength - at));
  into.set(from.subarray(at, at + bytes));
  return bytes;
}

/** The failure that a file system would report with this errno. */
export function failed(operation: string, what: string, errno: "EEXIST" | "ENOENT"): CairnError {
  return new CairnError(
    "storage_failed",
    `Cannot ${operation} ${what} in memory: ${errno}. Open the database again.`,
    { details: { operation, what, errno } },
  );
}
