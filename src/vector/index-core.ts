/** One open vector index: what its handles and transactions work with. */
import { VECTOR_RESULTS_MAX } from "../../bindings/vector.ts";
import {
  type At,
  nextTurn,
  runAsync,
  runSync,
  type Snapshot,
  type Steps,
} from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import { type Context, checkOptions, checkWhole, describeValue, invalid } from "../kv/index.ts";
import { throwIfAborted } from "../transaction/index.ts";
import { type Id, type IdCodec, idCodecs, type RawId } from "./id.ts";
import { type Graph, type GraphMaker, Keeper, type KeeperLimits } from "./keeper.ts";
import { graphOptions, type VectorsDescriptor, vectorsDropped } from "./options.ts";
import { encodeRow, type Row } from "./row.ts";
import { type Hit, type Request, Searcher, type Trace } from "./search.ts";
import type { VectorTrees } from "./trees.ts";
import { vectorOf } from "./vector.ts";
import { View } from "./view.ts";

/** How a search is asked for, with ids and metadata untyped. */
export interface RawSearchOptions {
  readonly k?: number;
  readonly ef?: number;
  readonly filter?: unknown;
  readonly allow?: Iterable<unknown>;
  readonly deny?: Iterable<unknown>;
  readonly exact?: boolean;
  readonly snapshot?: Snapshot;
  readonly signal?: AbortSignal;
}

const action = "search vectors";
const kDefault = 10;
const metadataBytesMax = 1024 * 1024;
const searchOptionNames: ReadonlySet<string> = new Set([
  "k",
  "ef",
  "filter",
  "allow",
  "deny",
  "exact",
  "snapshot",
  "signal",
]);

export class IndexCore {
  readonly context: Context;
  readonly descriptor: VectorsDescriptor;
  readonly trees: VectorTrees;
  readonly keeper: Keeper;
  readonly idCodec: IdCodec<Id | RawId>;
  readonly #searcher: Searcher;
  readonly #maker: GraphMaker;
  #measurer: Graph | undefined;

  constructor(
    context: Context,
    trees: VectorTrees,
    descriptor: VectorsDescriptor,
    maker: GraphMaker,
    limits: KeeperLimits,
  ) {
    this.context = context;
    this.trees = trees;
    this.descriptor = descriptor;
    this.#maker = maker;
    this.idCodec = idCodecs[descriptor.id];
    const options = graphOptions(descriptor);
    this.keeper = new Keeper(context, trees, maker, options, limits);
    this.#searcher = new Searcher(trees, this.keeper, descriptor, () => this.measurer);
  }

  /** Compares vectors outside of any graph. */
  get measurer(): Graph {
    this.#measurer ??= this.#maker.create(graphOptions(this.descriptor));
    return this.#measurer;
  }

  /** @throws CairnError `vectors_dropped`. */
  requireTree(): void {
    if (this.trees.tree.isDropped) throw vectorsDropped();
  }

  // ---- writing

  /** The bytes of a row. @throws CairnError `vector_dimensions`, `vector_invalid`, …. */
  encode(id: Uint8Array, vector: unknown, metadata: unknown): Uint8Array {
    const { dimensions, metric } = this.descriptor;
    return encodeRow(vectorOf(vector, dimensions, metric), id, encodeMetadata(metadata));
  }

  // ---- reading

  /** Reads a vector with its id and metadata by its id. */
  *get(key: Uint8Array, at: At): Steps<Row | undefined> {
    const { engine, ids, decoder } = this.trees;
    const label = yield* engine.readSteps(ids.ids, key, at, 0, copyBytes);
    if (label === undefined) return undefined;
    // Labels are stored little-endian as values, big-endian as keys.
    return yield* engine.readSteps(ids.rows, label.reverse(), at, 0, decoder.whole);
  }

  /**
   * Runs a read of several steps over one state: the snapshot that is given, or the newest, which
   * is pinned while it lasts. One that `isShort` needs no pin where the storage answers at once.
   */
  async read<T>(
    snapshot: Snapshot | undefined,
    signal: AbortSignal | undefined,
    steps: (view: View) => Steps<T>,
    isShort = false,
  ): Promise<T> {
    this.requireTree();
    throwIfAborted(signal);
    const isOneTurn = isShort && this.context.engine.storage.capabilities.sync;
    const pin = snapshot ?? (isOneTurn ? undefined : this.context.pin());
    try {
      return await runAsync(this.#over(pin, false, signal, steps));
    } finally {
      if (snapshot === undefined) pin?.release();
    }
  }

  /** The same in this turn. */
  readSync<T>(snapshot: Snapshot | undefined, steps: (view: View) => Steps<T>): T {
    this.requireTree();
    return runSync(this.#over(snapshot, true, undefined, steps));
  }

  *#over<T>(
    at: Snapshot | undefined,
    isSync: boolean,
    signal: AbortSignal | undefined,
    steps: (view: View) => Steps<T>,
  ): Steps<T> {
    return yield* steps(yield* this.view(at, isSync, signal));
  }

  /** What a read of several steps sees: a snapshot, or the newest state. */
  *view(at: Snapshot | undefined, isSync: boolean, signal: AbortSignal | undefined): Steps<View> {
    const seq = at === undefined ? this.context.engine.published.seq : Number(at.seq);
    const next = yield* this.keeper.learn(at, seq);
    const version = this.keeper.versionAt(seq);
    return new View({ at, seq, next, version }, isSync, signal);
  }

  /** At a commit's turn: whether no commit since `base` has put or deleted a vector. */
  *isUnchangedSince(base: Snapshot): Steps<boolean> {
    const { trees } = this;
    if ((yield* trees.next(base)) !== (yield* trees.next("newest"))) return false;
    // The commit that forgets deaths puts or deletes, and is seen by that.
    return !(yield* trees.hasDeathsAfter(Number(base.seq), "newest"));
  }

  /** Only the graph is walked: less than a millisecond, and nobody needs to come in between. */
  isShort({ exact, filter, allow, deny }: Request): boolean {
    const isPlain = !exact && filter === undefined && allow === undefined && deny === undefined;
    const { state, backlog, limits } = this.keeper;
    return isPlain && state === "ready" && backlog <= limits.searchRowsMax;
  }

  *search(query: Float32Array, request: Request, view: View): Steps<{ hits: Hit[]; trace: Trace }> {
    return yield* this.#searcher.search(query, request, view);
  }

  /** Several searches over one state, with others in between. */
  *searchMany(queries: readonly Float32Array[], request: Request, view: View): Steps<Hit[][]> {
    const all: Hit[][] = [];
    for (const query of queries) {
      all.push((yield* this.#searcher.search(query, request, view)).hits);
      if (all.length % 16 === 0) yield* view.breathe();
    }
    return all;
  }

  query(vector: unknown): Float32Array {
    return vectorOf(vector, this.descriptor.dimensions, this.descriptor.metric);
  }

  /** @throws CairnError `option_unknown`, `argument_invalid`, `search_too_large`. */
  request(options: RawSearchOptions = {}, isExplained = false): Request {
    checkOptions(action, options, searchOptionNames);
    checkWhole(action, "k", options.k, 1);
    checkWhole(action, "ef", options.ef, 1);
    const { k = kDefault, ef, exact = false } = options;
    if (typeof exact !== "boolean") {
      throw invalid(action, "the option exact", describeValue(exact), "a boolean");
    }
    for (const [option, value] of [["k", k] as const, ["ef", ef ?? 1] as const]) {
      if (value > VECTOR_RESULTS_MAX) throw tooLarge(option, value);
    }
    return {
      k,
      ef,
      exact,
      isExplained,
      filter: options.filter,
      allow: this.#keys("allow", options.allow),
      deny: this.#keys("deny", options.deny),
    };
  }

  #keys(option: string, ids: Iterable<unknown> | undefined): Uint8Array[] | undefined {
    if (ids === undefined) return undefined;
    const isIterable = typeof ids === "object" && ids !== null && Symbol.iterator in ids;
    if (!isIterable) throw invalid(action, `the option ${option}`, describeValue(ids), "ids");
    return Array.from(ids, (id) => this.idCodec.encode(id));
  }

  /**
   * The share of the truly nearest that searches of some stored vectors find; undefined for none.
   */
  async recall(samples: number, signal: AbortSignal | undefined): Promise<number | undefined> {
    const k = kDefault;
    return await this.read(undefined, signal, (view) => this.#recall(samples, k, view));
  }

  *#recall(samples: number, k: number, view: View): Steps<number | undefined> {
    const request = this.request({ k });
    let wanted = 0;
    let found = 0;
    for (let index = 0; index < samples; index++) {
      const low = Math.floor((view.next * index) / samples);
      const queries: Float32Array[] = [];
      yield* this.trees.rowsFrom(low, view.next, view.at, 1, (_label, memory, at, length) => {
        queries.push(this.trees.decoder.vector(memory, at, length));
      });
      for (const query of queries) {
        const truth = yield* this.search(query, { ...request, exact: true }, view);
        const answer = yield* this.search(query, { ...request, exact: false }, view);
        // By distances: of equally near ones any will do.
        const farthest = truth.hits.at(-1)?.distance ?? 0;
        wanted += truth.hits.length;
        found += answer.hits.filter(({ distance }) => distance <= farthest).length;
      }
      yield* view.breathe();
    }
    return wanted === 0 ? undefined : Math.min(1, found / wanted);
  }

  /** Lets others come first. */
  async breathe(signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal);
    await nextTurn();
  }
}

function copyBytes(memory: Uint8Array, at: number, length: number): Uint8Array {
  return new Uint8Array(memory.subarray(at, at + length));
}

/** JSON; "" for no metadata. @throws CairnError `value_invalid`, `value_too_large`. */
function encodeMetadata(metadata: unknown): string {
  if (metadata === undefined) return "";
  const isObject = typeof metadata === "object" && metadata !== null && !Array.isArray(metadata);
  let text: string | undefined;
  try {
    text = isObject ? JSON.stringify(metadata) : undefined;
  } catch (cause) {
    throw metadataInvalid("JSON cannot express it", cause);
  }
  if (text === undefined) throw metadataInvalid(`found ${describeValue(metadata)}`);
  if (text.length <= metadataBytesMax) return text;
  throw new CairnError(
    "value_too_large",
    `Cannot store metadata of ${text.length} characters of JSON: at most ${metadataBytesMax} are ` +
      "allowed. Keep the rest in a keyspace, under the same id.",
    { details: { found: text.length, expected: metadataBytesMax } },
  );
}

function metadataInvalid(what: string, cause?: unknown): CairnError {
  return new CairnError(
    "value_invalid",
    `Cannot store this metadata: ${what}, expected a plain object of JSON values.`,
    { cause },
  );
}

function tooLarge(option: string, found: number): CairnError {
  return new CairnError(
    "search_too_large",
    `Cannot search with ${option} ${found}: at most ${VECTOR_RESULTS_MAX} are allowed. Ask for ` +
      "fewer, or filter by ranges of an indexed field to visit everything.",
    { details: { option, found, expected: VECTOR_RESULTS_MAX } },
  );
}
