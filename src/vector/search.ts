/**
 * Searching: what is looked at, and how.
 *
 * The graph answers for what it has, as of the commit that is asked for. What it does not have yet
 * (labels from `born` on), or has no more because it died meanwhile, is compared one by one, as the
 * rows are in that state. The nearest of both are read from the rows, which have the last word.
 */
import { VECTOR_RESULTS_MAX, type VectorStrategy } from "../../bindings/vector.ts";
import type { Steps } from "../engine/index.ts";
import type { Graph, Keeper } from "./keeper.ts";
import type { LabelSet } from "./label-set.ts";
import type { Lagging } from "./lagging.ts";
import { batches, type Matches, MatchFinder, type Restriction } from "./matches.ts";
import { Nearest } from "./nearest.ts";
import type { VectorsDescriptor } from "./options.ts";
import { labelKey, type RowHead, writeLabelKey } from "./row.ts";
import type { VectorTrees } from "./trees.ts";
import type { View } from "./view.ts";

/** A search as callers ask for it. */
export interface Request extends Restriction {
  readonly k: number;
  readonly ef: number | undefined;
  readonly exact: boolean;
  /** Distances within the graph are counted, which takes time. */
  readonly isExplained: boolean;
}

/** What a search found, before ids and metadata have their types. */
export interface Hit extends RowHead {
  readonly distance: number;
}

/** What a search did: the choice and true counts. */
export interface Trace {
  strategy: VectorStrategy | "rows";
  reason: string;
  /** Vectors in the state. */
  count: number;
  /** Vectors that pass the filter; undefined without one. */
  matches: number | undefined;
  ef: number | undefined;
  /** Distances that the graph computed. */
  distances: number;
  /** Rows whose vectors were compared because the graph did not have them. */
  rowsCompared: number;
  /** Rows that were read for ids and metadata, and to rank by. */
  rowsRead: number;
  /** Entries of field indexes and rows that were read for the filter. */
  filterEntries: number;
  filterRows: number;
}

interface Candidate {
  readonly label: number;
  readonly distance: number;
}

interface Plan {
  readonly strategy: VectorStrategy | "rows";
  readonly reason: string;
}

const rowsPerBatch = 512;
const scanShareMax = 0.02;
/** Above it a plain walk meets enough that passes (docs/decisions/0021-filtered-search.md). */
const hopShareMax = 0.25;

/** By default about 0.98 of the truly nearest among 100,000 words that are searched for others. */
function efOf({ k, ef }: Request, count: number): number {
  if (ef !== undefined) return Math.max(k, ef);
  const forSize = 32 + 16 * Math.max(0, Math.log2(count / 1_000));
  return Math.min(VECTOR_RESULTS_MAX, Math.ceil(Math.max(2 * k, forSize)));
}

export class Searcher {
  readonly #trees: VectorTrees;
  readonly #keeper: Keeper;
  readonly #descriptor: VectorsDescriptor;
  readonly #finder: MatchFinder;
  readonly #keys: Uint8Array[] = [];
  /** Compares vectors that no graph has. */
  readonly #measurer: () => Graph;

  constructor(
    trees: VectorTrees,
    keeper: Keeper,
    descriptor: VectorsDescriptor,
    measurer: () => Graph,
  ) {
    this.#trees = trees;
    this.#keeper = keeper;
    this.#descriptor = descriptor;
    this.#measurer = measurer;
    this.#finder = new MatchFinder(trees);
  }

  *search(query: Float32Array, request: Request, view: View): Steps<{ hits: Hit[]; trace: Trace }> {
    const { engine, ids } = this.#trees;
    const count = Math.max(0, engine.records(ids.ids, view.at));
    const matches = yield* this.#finder.find(request, view);
    const trace = beginTrace(count, matches);
    if (count === 0 || matches?.count === 0) return { hits: [], trace };
    // What is not published yet is in no graph.
    const lagging = view.at === "newest" ? undefined : this.#keeper.serving;
    const plan = this.#plan(lagging, request, { count, next: view.next, matches });
    Object.assign(trace, plan);
    if (lagging === undefined || plan.strategy === "rows") {
      return { hits: yield* this.#compareRows(query, request.k, matches, view, trace), trace };
    }
    const nearest = new Nearest(this.#wanted(request.k, lagging, view));
    const sources = { lagging, labels: matches?.labels, nearest, view, trace };
    try {
      yield* this.#ask(query, request, plan.strategy, sources);
      const hits = yield* this.#finish(query, nearest.sorted(), request.k, view, trace);
      if (hits.length >= Math.min(request.k, matches?.count ?? count)) return { hits, trace };
      if (matches?.labels.mayHoldDead === true) return { hits, trace };
      this.#keeper.distrust("The graph had fewer vectors than the rows have.");
      trace.reason += "; found fewer than there are, so all were compared";
    } catch (error) {
      if (!this.#keeper.hasFailed(error)) throw error;
      trace.reason += "; the graph has failed, so all were compared";
    }
    trace.strategy = "rows";
    return { hits: yield* this.#compareRows(query, request.k, matches, view, trace), trace };
  }

  /** What the graph has, what it does not have yet, and what it has no more. */
  *#ask(
    query: Float32Array,
    request: Request,
    strategy: VectorStrategy,
    sources: Sources & { lagging: Lagging },
  ): Steps<void> {
    const { lagging, view } = sources;
    const { deaths, limits } = this.#keeper;
    const hasAll = yield* lagging.bring(this.#trees, deaths, view, limits.searchRowsMax);
    // What is brought later comes from the rows now, wherever in the graph it goes.
    const { born } = lagging;
    if (strategy === "exact") yield* this.#compareSlots(query, born, sources);
    else this.#walk(query, request, strategy, sources);
    if (!hasAll) yield* this.#compareTail(query, born, sources);
    yield* this.#compareMissed(query, born, sources);
  }

  #plan(
    lagging: Lagging | undefined,
    request: Request,
    { count, next, matches }: { count: number; next: number; matches: Matches | undefined },
  ): Plan {
    const { keepVectors, metric } = this.#descriptor;
    const isExactInside = keepVectors || metric === "hamming";
    if (lagging === undefined) {
      const reason = `the graph is ${this.#keeper.state}: rows are compared one by one`;
      return { strategy: "rows", reason };
    }
    if (request.exact) {
      if (!isExactInside) return { strategy: "rows", reason: "exact, and vectors are in rows" };
      return { strategy: "exact", reason: "exact was asked for" };
    }
    if (this.#keeper.state === "building") {
      const reason = "the graph is being built";
      return isExactInside ? { strategy: "exact", reason } : { strategy: "rows", reason };
    }
    if (matches === undefined) return { strategy: "walk", reason: "no filter" };
    const share = matches.count / (matches.labels.mayHoldDead ? next : count);
    const percent = `${(share * 100).toFixed(1)} % pass the filter`;
    const isHop = share <= hopShareMax;
    const scanMax = this.#keeper.limits.scanPerCandidate * efOf(request, count);
    if (matches.count <= (isHop ? scanMax : scanMax / 2) || share <= scanShareMax) {
      return { strategy: "scan", reason: percent };
    }
    return { strategy: isHop ? "hop" : "walk", reason: percent };
  }

  /** How many candidates are ranked: some may be dead, and codes may rank them wrongly. */
  #wanted(k: number, lagging: Lagging, view: View): number {
    const { keepVectors, metric, precision } = this.#descriptor;
    let wanted = k + this.#keeper.deaths.countBetween(lagging.killed, view.seq);
    if (!keepVectors && metric !== "hamming") {
      wanted = Math.max(wanted + 24, precision === "binary" ? 8 * k : 2 * k);
    }
    return Math.min(wanted, VECTOR_RESULTS_MAX);
  }

  #walk(
    query: Float32Array,
    request: Request,
    strategy: VectorStrategy,
    { lagging, labels, nearest, view, trace }: Sources & { lagging: Lagging },
  ): void {
    const { graph } = lagging;
    const k = nearest.most;
    const ef = Math.max(k, efOf(request, trace.count));
    trace.ef = strategy === "walk" || strategy === "hop" ? ef : undefined;
    const before = request.isExplained ? graph.stats().distances : 0;
    const found = lagging.search(query, labels, { k, ef, atSeq: view.seq, strategy });
    for (let index = 0; index < found; index++) {
      nearest.add(graph.labels[index], graph.distances[index]);
    }
    if (request.isExplained) trace.distances += graph.stats().distances - before;
  }

  /** Everything that the graph has, below a label: in pieces, between which others come. */
  *#compareSlots(
    query: Float32Array,
    born: number,
    { lagging, labels, nearest, view }: Sources & { lagging: Lagging },
  ): Steps<void> {
    const { graph } = lagging;
    const options = { k: nearest.most, atSeq: view.seq };
    const slotsPerPiece = this.#keeper.limits.exactSlots;
    for (let first = 0; first < graph.slots; first += slotsPerPiece) {
      if (first > 0) yield* view.breathe();
      const found = lagging.searchSlots(query, labels, options, first, first + slotsPerPiece);
      for (let index = 0; index < found; index++) {
        if (graph.labels[index] < born) nearest.add(graph.labels[index], graph.distances[index]);
      }
    }
  }

  /** Rows that the graph does not have yet. */
  *#compareTail(query: Float32Array, from: number, sources: Sources): Steps<void> {
    const { view } = sources;
    for (let low = from; low < view.next; ) {
      low = yield* this.#compareRange(query, low, sources);
      yield* view.breathe();
    }
  }

  *#compareRange(query: Float32Array, low: number, sources: Sources): Steps<number> {
    const { labels, view } = sources;
    const batch = new VectorBatch(query.length);
    const next = yield* this.#trees.rowsFrom(
      low,
      view.next,
      view.at,
      rowsPerBatch,
      (label, memory, at) => {
        if (labels !== undefined && !labels.has(label)) return;
        this.#trees.decoder.copyVector(memory, at, batch.bytes, batch.labels.length);
        batch.labels.push(label);
      },
    );
    this.#measure(query, batch, sources);
    return next;
  }

  #measure(query: Float32Array, batch: VectorBatch, { nearest, trace }: Sources): void {
    const count = batch.labels.length;
    if (count === 0) return;
    const vectors = batch.vectors.subarray(0, count * query.length);
    const distances = this.#measurer().measure(query, vectors);
    for (let index = 0; index < count; index++) nearest.add(batch.labels[index], distances[index]);
    trace.rowsCompared += count;
  }

  /**
   * What a snapshot sees and the graph has no more, or never had: it had died when its turn came,
   * which was before the search began.
   */
  *#compareMissed(
    query: Float32Array,
    born: number,
    sources: Sources & { lagging: Lagging },
  ): Steps<void> {
    const { lagging, labels, view } = sources;
    const missed = this.#keeper.deaths
      .after(view.seq)
      .filter(({ label }) => label < Math.min(born, view.next))
      .filter(({ label }) => labels === undefined || labels.has(label))
      .filter(({ label }) => !lagging.graph.has(label))
      .map(({ label }) => label);
    if (missed.length > 0) yield* this.#compareLabels(query, missed, sources);
  }

  /** Compares rows by their labels. */
  *#compareLabels(query: Float32Array, labels: Iterable<number>, sources: Sources): Steps<void> {
    const { engine, ids, decoder } = this.#trees;
    for (const some of batches(labels, rowsPerBatch)) {
      const batch = new VectorBatch(query.length);
      let row = -1;
      const take = (memory: Uint8Array, at: number): number => {
        decoder.copyVector(memory, at, batch.bytes, ++row);
        return row;
      };
      const keys = some.map(labelKey);
      const found = yield* engine.readManySteps(ids.rows, keys, sources.view.at, 0, take);
      for (const [index, at] of found.entries()) {
        if (at !== undefined) batch.labels[at] = some[index];
      }
      this.#measure(query, batch, sources);
      yield* sources.view.breathe();
    }
  }

  /** The truth, from the rows alone. */
  *#compareRows(
    query: Float32Array,
    k: number,
    matches: Matches | undefined,
    view: View,
    trace: Trace,
  ): Steps<Hit[]> {
    const nearest = new Nearest(k);
    const sources = { labels: matches?.labels, nearest, view, trace };
    // Many rows in a row cost less than single ones.
    if (matches !== undefined && matches.count * 8 < view.next) {
      yield* this.#compareLabels(query, matches.labels.labels(), sources);
    } else yield* this.#compareTail(query, 0, sources);
    return yield* this.#finish(query, nearest.sorted(), k, view, trace);
  }

  /** Reads the rows of candidates, ranks again where codes have ranked, and keeps k. */
  *#finish(
    query: Float32Array,
    candidates: readonly Candidate[],
    k: number,
    view: View,
    trace: Trace,
  ): Steps<Hit[]> {
    const { keepVectors, metric } = this.#descriptor;
    let ranked = candidates;
    const isRanked = keepVectors || metric === "hamming" || trace.strategy === "rows";
    if (!isRanked) {
      const nearest = new Nearest(k);
      const again = { ...trace, rowsCompared: 0 };
      const labels = candidates.map(({ label }) => label);
      const sources = { labels: undefined, nearest, view, trace: again };
      yield* this.#compareLabels(query, labels, sources);
      trace.rowsRead += again.rowsCompared;
      ranked = nearest.sorted();
    }
    const hits: Hit[] = [];
    for (let from = 0; hits.length < k && from < ranked.length; ) {
      const some = ranked.slice(from, from + k - hits.length);
      from += some.length;
      hits.push(...(yield* this.#read(some, view, trace)));
    }
    return hits;
  }

  /** Ids and metadata of candidates; those that are not there any more are left out. */
  *#read(candidates: readonly Candidate[], view: View, trace: Trace): Steps<Hit[]> {
    const { engine, ids, decoder } = this.#trees;
    const keys = this.#keysOf(candidates);
    const heads = yield* engine.readManySteps(ids.rows, keys, view.at, 0, decoder.head);
    trace.rowsRead += heads.length;
    const hits: Hit[] = [];
    for (const [index, head] of heads.entries()) {
      if (head === undefined) continue;
      hits.push({ id: head.id, metadata: head.metadata, distance: candidates[index].distance });
    }
    return hits;
  }

  #keysOf(candidates: readonly Candidate[]): Uint8Array[] {
    // Where reads may wait, another search comes in between and wants keys of its own.
    if (!this.#trees.engine.storage.capabilities.sync) {
      return candidates.map(({ label }) => labelKey(label));
    }
    const keys = this.#keys;
    while (keys.length < candidates.length) keys.push(new Uint8Array(4));
    return candidates.map(({ label }, index) => writeLabelKey(keys[index], label));
  }
}

interface Sources {
  readonly labels: LabelSet | undefined;
  readonly nearest: Nearest;
  readonly view: View;
  readonly trace: Trace;
}

class VectorBatch {
  readonly labels: number[] = [];
  readonly vectors: Float32Array;
  readonly bytes: Uint8Array;

  constructor(dimensions: number) {
    this.vectors = new Float32Array(rowsPerBatch * dimensions);
    this.bytes = new Uint8Array(this.vectors.buffer);
  }
}

function beginTrace(count: number, matches: Matches | undefined): Trace {
  return {
    strategy: "scan",
    reason: "nothing to compare",
    count,
    matches: matches?.count,
    ef: undefined,
    distances: 0,
    rowsCompared: 0,
    rowsRead: 0,
    filterEntries: matches?.entriesRead ?? 0,
    filterRows: matches?.rowsRead ?? 0,
  };
}
