import { CairnError } from "../../errors.ts";
import { type Access, forbidden, requireRootBytes } from "../access.ts";
import type { Awaitable, RootStorage } from "../port.ts";
import type { Answers } from "./answers.ts";
import type { MemoryMedium } from "./medium.ts";

export class MemoryRoot implements RootStorage {
  readonly #access: Access;
  readonly #medium: MemoryMedium;
  readonly #answers: Answers;

  constructor(access: Access, medium: MemoryMedium, answers: Answers) {
    this.#access = access;
    this.#medium = medium;
    this.#answers = answers;
  }

  read(): Awaitable<readonly [Uint8Array, Uint8Array] | undefined> {
    return this.#answers.give(() => {
      this.#access.requireOpen("read the root");
      const root = this.#medium.root;
      return root === undefined ? undefined : ([root[0].slice(), root[1].slice()] as const);
    });
  }

  create(bytes: Uint8Array): Awaitable<void> {
    return this.#answers.giveWith(bytes, (given) => {
      this.#access.requireWritable("create the root");
      requireRootBytes(given);
      if (this.#medium.root !== undefined) {
        throw new CairnError(
          "database_exists",
          "Cannot create a database in memory: it has a root already. Open it instead.",
        );
      }
      this.#medium.root = [given.slice(), given.slice()];
    });
  }

  compareAndSet(expected: number, bytes: Uint8Array): Awaitable<"ok"> {
    return this.#answers.giveWith(bytes, (given) => this.#replace(expected + 1, given));
  }

  async compareAndSetAsync(expected: number, bytes: Uint8Array): Promise<"ok"> {
    return this.compareAndSet(expected, bytes);
  }

  #replace(record: number, bytes: Uint8Array): "ok" {
    this.#access.requireWritable("write the root");
    requireRootBytes(bytes);
    const root = this.#medium.root;
    if (root === undefined) throw forbidden("write the root", "no root", "one to replace");
    root[record % 2].set(bytes);
    return "ok";
  }
}
