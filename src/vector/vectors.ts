import type { VectorMetric } from "../../bindings/vector.ts";
import type { At, LongOptions, Receipt, Snapshot, Steps, Turn } from "../engine/index.ts";
import {
  type Context,
  checkOptions,
  checkWhole,
  checkWriteOptions,
  invalid,
  type Joinable,
  receiptOfNothing,
  type WriteOptions,
} from "../kv/index.ts";
import { type Attempt, throwIfAborted } from "../transaction/index.ts";
import type {
  Explanation,
  SearchOptions,
  SyncSearchOptions,
  VectorEntry,
  VectorsCheck,
  VectorsReadOptions,
  VectorsStats,
  VectorsStatsOptions,
} from "./calls.ts";
import type { Id } from "./id.ts";
import type { IndexCore } from "./index-core.ts";
import { VectorMutations } from "./mutations.ts";
import { recordOf, resultsOf, type SearchResult, type VectorRecord } from "./result.ts";
import type { Trace } from "./search.ts";
import { TransactionVectors } from "./transaction.ts";
import type { VectorInput } from "./vector.ts";

const readOptionNames: ReadonlySet<string> = new Set(["snapshot"]);
const statsOptionNames: ReadonlySet<string> = new Set(["sample", "signal"]);
const longOptionNames: ReadonlySet<string> = new Set(["signal", "onProgress"]);

let coreOfVectors: (index: Vectors<unknown, Id>) => IndexCore;

/** The inner side of a vector index, for envelopes. */
export function vectorsInside(index: unknown): IndexCore {
  if (index instanceof Vectors) return coreOfVectors(index);
  throw invalid("use this vector index", "it", `a ${typeof index}`, "what db.vectors() answers");
}

/**
 * An index of vectors: ids, vectors of one length, and metadata. A vector is found from the moment
 * its commit is visible, and not any more from the moment its deletion is. Every method may answer
 * `closed`, `vectors_dropped` and, where an id is given, `key_invalid` and `key_too_large`; those
 * that write also `read_only`, `poisoned` and `outcome_unknown`. Every method with `Sync` in its
 * name answers in this turn, or `synchronous_unavailable` where the storage cannot.
 */
export class Vectors<Meta = unknown, I extends Id = string>
  implements Joinable<TransactionVectors<Meta, I>>
{
  readonly #core: IndexCore;

  static {
    coreOfVectors = (index) => index.#core;
  }

  /** Not for applications: `db.vectors` makes it. */
  constructor(core: IndexCore) {
    this.#core = core;
  }

  get name(): string {
    return this.#core.descriptor.name;
  }
  get dimensions(): number {
    return this.#core.descriptor.dimensions;
  }
  get metric(): VectorMetric {
    return this.#core.descriptor.metric;
  }

  /** Makes mutations for `db.commit`, by the names of the methods here that do the same. */
  get mutations(): VectorMutations<Meta, I> {
    return new VectorMutations(this);
  }

  // ---- writing

  /**
   * Puts a vector, in place of the one under the same id. Waits while too many are not linked yet.
   * @throws CairnError `vector_dimensions`, `vector_invalid`, `value_invalid`, `value_too_large`.
   */
  async put(id: I, vector: VectorInput, metadata?: Meta, options?: WriteOptions): Promise<Receipt> {
    return await this.putMany(
      [{ id, vector, ...(metadata === undefined ? {} : { metadata }) }],
      options,
    );
  }

  putSync(id: I, vector: VectorInput, metadata?: Meta, options?: WriteOptions): Receipt {
    return this.putManySync(
      [{ id, vector, ...(metadata === undefined ? {} : { metadata }) }],
      options,
    );
  }

  /**
   * Puts vectors in one commit; of several with one id, the last one. A thousand is a good number.
   */
  async putMany(entries: Iterable<VectorEntry<Meta, I>>, options?: WriteOptions): Promise<Receipt> {
    const core = this.#core;
    const decide = this.#decide(this.#puts(entries, options));
    if (decide === undefined) return receiptOfNothing(core.context);
    core.context.requireIdle();
    const { receipt } = await core.context.engine.commit(decide, options);
    core.keeper.wake();
    await core.keeper.room();
    return receipt as Receipt;
  }

  putManySync(entries: Iterable<VectorEntry<Meta, I>>, options?: WriteOptions): Receipt {
    const core = this.#core;
    const decide = this.#decide(this.#puts(entries, options));
    if (decide === undefined) return receiptOfNothing(core.context);
    core.context.requireIdle();
    const { receipt } = core.context.engine.commitSync(decide, options);
    core.keeper.roomSync();
    return receipt as Receipt;
  }

  #puts(
    entries: Iterable<VectorEntry<Meta, I>>,
    options: WriteOptions | undefined,
  ): Map<string, Write> {
    const core = this.#core;
    core.requireTree();
    checkWriteOptions("put vectors", options);
    const writes = new Map<string, Write>();
    for (const { id, vector, metadata } of entries) {
      const key = core.idCodec.encode(id);
      writes.set(String.fromCharCode(...key), { key, value: core.encode(key, vector, metadata) });
    }
    return writes;
  }

  /** Deletes a vector: true when it was there. */
  async delete(id: I, options?: WriteOptions): Promise<boolean> {
    return (await this.deleteMany([id], options)) === 1;
  }

  deleteSync(id: I, options?: WriteOptions): boolean {
    return this.deleteManySync([id], options) === 1;
  }

  /** Deletes vectors in one commit: how many were there. */
  async deleteMany(ids: Iterable<I>, options?: WriteOptions): Promise<number> {
    const core = this.#core;
    const decide = this.#decide(this.#deletions(ids, options));
    if (decide === undefined) return 0;
    const found = await core.context.commit(decide, options);
    core.keeper.wake();
    return countOf(found);
  }

  deleteManySync(ids: Iterable<I>, options?: WriteOptions): number {
    const core = this.#core;
    const decide = this.#decide(this.#deletions(ids, options));
    if (decide === undefined) return 0;
    const found = core.context.commitSync(decide, options);
    core.keeper.wake();
    return countOf(found);
  }

  #deletions(ids: Iterable<I>, options: WriteOptions | undefined): Map<string, Write> {
    this.#core.requireTree();
    checkWriteOptions("delete vectors", options);
    const writes = new Map<string, Write>();
    for (const id of ids) {
      const key = this.#core.idCodec.encode(id);
      writes.set(String.fromCharCode(...key), { key, value: undefined });
    }
    return writes;
  }

  #decide(writes: Map<string, Write>) {
    if (writes.size === 0) return undefined;
    const { trees } = this.#core;
    const all = [...writes.values()];
    return (effects: Parameters<typeof trees.write>[0], turn: Turn) =>
      trees.write(effects, turn, all);
  }

  // ---- reading

  /** The vector under an id with its metadata, or undefined. */
  async get(id: I, options?: VectorsReadOptions): Promise<VectorRecord<Meta, I> | undefined> {
    const key = this.#core.idCodec.encode(id);
    const snapshot = snapshotOf(options);
    return await this.#core.read(snapshot, undefined, ({ at }) => this.#get(key, at), true);
  }

  getSync(id: I, options?: VectorsReadOptions): VectorRecord<Meta, I> | undefined {
    const key = this.#core.idCodec.encode(id);
    return this.#core.readSync(snapshotOf(options), ({ at }) => this.#get(key, at));
  }

  *#get(key: Uint8Array, at: At): Steps<VectorRecord<Meta, I> | undefined> {
    const row = yield* this.#core.get(key, at);
    return row === undefined ? undefined : recordOf<Meta, I>(row);
  }

  async has(id: I, options?: VectorsReadOptions): Promise<boolean> {
    return (await this.get(id, options)) !== undefined;
  }

  hasSync(id: I, options?: VectorsReadOptions): boolean {
    return this.getSync(id, options) !== undefined;
  }

  /** How many vectors there are. */
  async count(options?: VectorsReadOptions): Promise<number> {
    return this.countSync(options);
  }

  countSync(options?: VectorsReadOptions): number {
    const { engine, ids } = this.#core.trees;
    this.#core.requireTree();
    return Math.max(0, engine.records(ids.ids, snapshotOf(options)));
  }

  // ---- searching

  /**
   * The nearest vectors, nearest first: always as many as `k` or as match. Ids and metadata are
   * those of the state that is searched.
   * @throws CairnError `vector_dimensions`, `vector_invalid`, `filter_invalid`, `search_too_large`,
   * `snapshot_expired`, `aborted`.
   */
  async search(
    vector: VectorInput,
    options?: SearchOptions<Meta, I>,
  ): Promise<SearchResult<Meta, I>[]> {
    const core = this.#core;
    const query = core.query(vector);
    const request = core.request(options);
    const { hits } = await core.read(
      options?.snapshot,
      options?.signal,
      (view) => core.search(query, request, view),
      core.isShort(request),
    );
    return resultsOf(core, hits);
  }

  searchSync(vector: VectorInput, options?: SyncSearchOptions<Meta, I>): SearchResult<Meta, I>[] {
    const core = this.#core;
    const query = core.query(vector);
    const request = core.request(options);
    const { hits } = core.readSync(options?.snapshot, (view) => core.search(query, request, view));
    return resultsOf(core, hits);
  }

  /** Searches for several vectors in one state; the answers in their order. */
  async searchMany(
    vectors: Iterable<VectorInput>,
    options?: SearchOptions<Meta, I>,
  ): Promise<SearchResult<Meta, I>[][]> {
    const core = this.#core;
    const queries = Array.from(vectors, (vector) => core.query(vector));
    const request = core.request(options);
    const all = await core.read(options?.snapshot, options?.signal, (view) =>
      core.searchMany(queries, request, view),
    );
    return all.map((hits) => resultsOf<Meta, I>(core, hits));
  }

  searchManySync(
    vectors: Iterable<VectorInput>,
    options?: SyncSearchOptions<Meta, I>,
  ): SearchResult<Meta, I>[][] {
    const core = this.#core;
    const queries = Array.from(vectors, (vector) => core.query(vector));
    const request = core.request(options);
    const all = core.readSync(options?.snapshot, (view) => core.searchMany(queries, request, view));
    return all.map((hits) => resultsOf<Meta, I>(core, hits));
  }

  /** Searches, and says how it was done instead of what was found. */
  async explain(vector: VectorInput, options?: SearchOptions<Meta, I>): Promise<Explanation> {
    const core = this.#core;
    const query = core.query(vector);
    const request = core.request(options, true);
    const { hits, trace } = await core.read(options?.snapshot, options?.signal, (view) =>
      core.search(query, request, view),
    );
    return explanationOf(trace, hits.length);
  }

  // ---- upkeep

  /** Figures; with `sample`, recall is measured by that many searches beside exact ones. */
  async stats(options: VectorsStatsOptions = {}): Promise<VectorsStats> {
    const core = this.#core;
    checkOptions("read the figures of a vector index", options, statsOptionNames);
    checkWhole("read the figures of a vector index", "sample", options.sample, 0);
    const sample = options.sample ?? 0;
    const recall = sample === 0 ? undefined : await core.recall(sample, options.signal);
    const { keeper, context, trees } = core;
    const graph = keeper.serving?.graph.stats();
    const { done, total } = keeper.progress;
    return {
      count: this.countSync(),
      graph: keeper.state,
      linked: done,
      toLink: total,
      memoryBytes: graph?.memoryBytes ?? 0,
      bytesPerVector: graph?.bytesPerNode ?? 0,
      imageBytes: context.engine.images.get(trees.ids.rows)?.bytes ?? 0,
      deletedShare: graph === undefined || graph.nodes === 0 ? 0 : graph.dead / graph.nodes,
      recall,
      failure: keeper.failure,
    };
  }

  /**
   * Waits until the graph has everything that was put, looks at all of it, and compares with the
   * rows.
   */
  async check(options: LongOptions = {}): Promise<VectorsCheck> {
    const core = this.#core;
    core.requireTree();
    checkOptions("check a vector index", options, longOptionNames);
    await this.#settle(options);
    const links = await core.keeper.check(options.signal);
    const { serving } = core.keeper;
    const vectors = this.countSync();
    if (serving === undefined || links === undefined) {
      return { ok: true, vectors, missing: 0, surplus: 0, unreachable: 0, badLinks: 0 };
    }
    const { unreachable, badLinks, badCounts } = links;
    let missing = 0;
    let seen = 0;
    await core.read(undefined, options.signal, function* (view) {
      for (let from = 0; from < Math.min(view.next, serving.born); ) {
        from = yield* core.trees.rowsFrom(from, view.next, view.at, 4_096, (label) => {
          seen++;
          if (label < serving.born && !serving.graph.has(label)) missing++;
        });
        options.onProgress?.({ phase: "check", done: seen, total: vectors, unit: "records" });
        yield* view.breathe();
      }
    });
    const { nodes, dead } = serving.graph.stats();
    const surplus = Math.max(0, nodes - dead - (seen - missing));
    const ok =
      missing === 0 && surplus === 0 && unreachable === 0 && badLinks === 0 && badCounts === 0;
    return { ok, vectors, missing, surplus, unreachable, badLinks: badLinks + badCounts };
  }

  async #settle({ signal, onProgress }: LongOptions): Promise<void> {
    const { keeper } = this.#core;
    keeper.wake();
    while (keeper.isRunning) {
      throwIfAborted(signal);
      onProgress?.({ phase: "link", ...keeper.progress, unit: "records" });
      await this.#core.breathe(signal);
    }
  }

  /** Builds the graph anew from the rows, while the old one answers. */
  async rebuild(options: LongOptions = {}): Promise<void> {
    const { keeper } = this.#core;
    this.#core.requireTree();
    checkOptions("rebuild a vector index", options, longOptionNames);
    throwIfAborted(options.signal);
    try {
      await keeper.rebuild(() => {
        throwIfAborted(options.signal);
        options.onProgress?.({ phase: "rebuild", ...keeper.progress, unit: "records" });
      });
    } catch (error) {
      keeper.abandon();
      throw error;
    }
  }

  /** Not for applications: `transaction.vectors` calls it. */
  joinTransaction(context: Context, attempt: Attempt): TransactionVectors<Meta, I> {
    const core = this.#core;
    if (core.context !== context) {
      throw invalid("use this vector index", "its database", "another one", "the one at hand");
    }
    core.requireTree();
    return new TransactionVectors(core, attempt);
  }
}

interface Write {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
}

function countOf(found: readonly (number | undefined)[]): number {
  return found.filter((label) => label !== undefined).length;
}

function snapshotOf(options: VectorsReadOptions | undefined): Snapshot | undefined {
  checkOptions("read vectors", options, readOptionNames);
  return options?.snapshot;
}

function explanationOf(trace: Trace, results: number): Explanation {
  return { ...trace, results };
}
