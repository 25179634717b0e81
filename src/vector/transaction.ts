/** A vector index within a transaction. */
import { runAsync, runSync, type Steps } from "../engine/index.ts";
import { type Attempt, ownedBytes } from "../transaction/index.ts";
import type { Id } from "./id.ts";
import type { IndexCore } from "./index-core.ts";
import { recordOf, type VectorRecord } from "./result.ts";
import { labelKey, type Row } from "./row.ts";
import type { VectorInput } from "./vector.ts";

const labelBytes = 4;

/**
 * A vector index within a transaction: puts and deletions are applied with everything else in it,
 * or not at all. Searches see what is committed: use `Vectors.search` for them.
 */
export class TransactionVectors<Meta, I extends Id> {
  readonly #core: IndexCore;
  readonly #attempt: Attempt;

  /** Not for applications: `transaction.vectors` makes it. */
  constructor(core: IndexCore, attempt: Attempt) {
    this.#core = core;
    this.#attempt = attempt;
  }

  /** Puts a vector when the transaction commits. @throws CairnError as {@link Vectors.put}. */
  put(id: I, vector: VectorInput, metadata?: Meta): void {
    this.#core.requireTree();
    const key = this.#core.idCodec.encode(id);
    const row = this.#core.encode(key, vector, metadata);
    this.#attempt.put(this.#core.trees.tree, key, row, undefined);
  }

  /** Deletes a vector when the transaction commits: true when it is there now. */
  async delete(id: I): Promise<boolean> {
    const key = this.#core.idCodec.encode(id);
    this.#attempt.requireOpen();
    const found = runAsync(this.#has(key));
    // Staged at once, so that it counts although nobody waits for the answer.
    this.#attempt.delete(this.#core.trees.tree, key);
    return await found;
  }

  deleteSync(id: I): boolean {
    const key = this.#core.idCodec.encode(id);
    const found = runSync(this.#has(key));
    this.#attempt.delete(this.#core.trees.tree, key);
    return found;
  }

  async get(id: I): Promise<VectorRecord<Meta, I> | undefined> {
    return await runAsync(this.#get(this.#core.idCodec.encode(id)));
  }

  getSync(id: I): VectorRecord<Meta, I> | undefined {
    return runSync(this.#get(this.#core.idCodec.encode(id)));
  }

  async has(id: I): Promise<boolean> {
    return await runAsync(this.#has(this.#core.idCodec.encode(id)));
  }

  hasSync(id: I): boolean {
    return runSync(this.#has(this.#core.idCodec.encode(id)));
  }

  *#has(key: Uint8Array): Steps<boolean> {
    this.#core.requireTree();
    const { tree } = this.#core.trees;
    return (yield* this.#attempt.read(tree, key, () => true)) === true;
  }

  /** What is staged is the whole row; what is stored under the id is the row's label. */
  *#get(key: Uint8Array): Steps<VectorRecord<Meta, I> | undefined> {
    this.#core.requireTree();
    const { trees } = this.#core;
    const found = yield* this.#attempt.read(trees.tree, key, (memory, at, length) =>
      ownedBytes(memory.subarray(at, at + length)),
    );
    if (found === undefined) return undefined;
    let row: Row | undefined;
    if (found.length > labelBytes) row = trees.decoder.whole(found, 0, found.length);
    else {
      const label = new DataView(found.buffer).getUint32(0, true);
      row = yield* this.#attempt.readBeside(trees.ids.rows, labelKey(label), trees.decoder.whole);
    }
    return row === undefined ? undefined : recordOf(row);
  }
}
