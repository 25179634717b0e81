/** A vector index within a transaction. */
import { runAsync, runSync, type Steps } from "../engine/index.ts";
import { invalid } from "../kv/index.ts";
import { type Attempt, ownedBytes, throwIfAborted } from "../transaction/index.ts";
import type { StagedSearchOptions } from "./calls.ts";
import type { Id } from "./id.ts";
import type { IndexCore } from "./index-core.ts";
import { recordOf, resultsOf, type SearchResult, type VectorRecord } from "./result.ts";
import { labelKey, type Row } from "./row.ts";
import type { Hit } from "./search.ts";
import { StagedSearcher } from "./staged.ts";
import type { VectorInput } from "./vector.ts";

const labelBytes = 4;
const action = "search vectors in a transaction";

/**
 * A vector index within a transaction: puts and deletions are applied with everything else in it,
 * or not at all. Reads and searches see what this transaction has written so far.
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

  /**
   * The nearest vectors of the transaction's state, what it has put and deleted included; as
   * {@link Vectors.search}. What is put here is compared one by one, so that some thousands cost
   * as much as an exact search. Serializable, the transaction commits only if no vector of the
   * index was put or deleted since.
   */
  async search(
    vector: VectorInput,
    options?: StagedSearchOptions<Meta, I>,
  ): Promise<SearchResult<Meta, I>[]> {
    return (await this.searchMany([vector], options))[0];
  }

  searchSync(
    vector: VectorInput,
    options?: Omit<StagedSearchOptions<Meta, I>, "signal">,
  ): SearchResult<Meta, I>[] {
    return this.searchManySync([vector], options)[0];
  }

  /** Searches for several vectors; the answers in their order. */
  async searchMany(
    vectors: Iterable<VectorInput>,
    options?: StagedSearchOptions<Meta, I>,
  ): Promise<SearchResult<Meta, I>[][]> {
    const signal = options?.signal;
    throwIfAborted(signal);
    return this.#results(await runAsync(this.#search(vectors, options, false, signal)));
  }

  searchManySync(
    vectors: Iterable<VectorInput>,
    options?: Omit<StagedSearchOptions<Meta, I>, "signal">,
  ): SearchResult<Meta, I>[][] {
    return this.#results(runSync(this.#search(vectors, options, true, undefined)));
  }

  #results(all: readonly Hit[][]): SearchResult<Meta, I>[][] {
    return all.map((hits) => resultsOf<Meta, I>(this.#core, hits));
  }

  #search(
    vectors: Iterable<VectorInput>,
    options: StagedSearchOptions<Meta, I> | undefined,
    isSync: boolean,
    signal: AbortSignal | undefined,
  ): Steps<Hit[][]> {
    const core = this.#core;
    if (options !== undefined && "snapshot" in options) {
      throw invalid(action, "the option snapshot", "one", "none: a transaction has its own state");
    }
    const queries = Array.from(vectors, (vector) => core.query(vector));
    const request = core.request(options);
    return new StagedSearcher(core, this.#attempt).search(queries, request, isSync, signal);
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
