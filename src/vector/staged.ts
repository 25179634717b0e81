/**
 * Searches within a transaction: its state, with what it has staged laid over it. What is staged
 * is compared one by one; what it replaces or deletes is denied to the search of the state.
 */
import type { Steps } from "../engine/index.ts";
import { type Attempt, keyBytes, type Staged } from "../transaction/index.ts";
import { passes } from "./filter/evaluate.ts";
import { normalise } from "./filter/filter.ts";
import type { IndexCore } from "./index-core.ts";
import type { Hit, Request } from "./search.ts";
import { View } from "./view.ts";

export class StagedSearcher {
  readonly #core: IndexCore;
  readonly #attempt: Attempt;

  constructor(core: IndexCore, attempt: Attempt) {
    this.#core = core;
    this.#attempt = attempt;
  }

  /** Searches for several vectors in one state; what they found, in their order. */
  *search(
    queries: readonly Float32Array[],
    request: Request,
    isSync: boolean,
    signal: AbortSignal | undefined,
  ): Steps<Hit[][]> {
    const core = this.#core;
    const attempt = this.#attempt;
    core.requireTree();
    const staged = attempt.staged(core.trees.tree);
    const { at } = attempt;
    if (at !== "newest") {
      attempt.noteRead((base) => core.isUnchangedSince(base));
      const view = yield* core.view(at, isSync, signal);
      return yield* this.#searchAll(queries, request, staged, view);
    }
    // Within a commit nobody can come between, and nobody may be let in.
    const pin = core.context.pin();
    try {
      const isPublished = yield* core.isUnchangedSince(pin);
      const view = isPublished ? yield* core.view(pin, true, signal) : yield* this.#newest(signal);
      return yield* this.#searchAll(queries, request, staged, view);
    } finally {
      pin.release();
    }
  }

  /** What an earlier commit of the same group has changed is in no graph: rows are compared. */
  *#newest(signal: AbortSignal | undefined): Steps<View> {
    const next = yield* this.#core.trees.next("newest");
    // No number is the same as this one, so that no filter's labels are kept for others.
    const state = {
      at: "newest",
      seq: Number.MAX_SAFE_INTEGER,
      next,
      version: Number.NaN,
    } as const;
    return new View(state, true, signal);
  }

  *#searchAll(
    queries: readonly Float32Array[],
    request: Request,
    staged: readonly Staged[],
    view: View,
  ): Steps<Hit[][]> {
    if (staged.length === 0) return yield* this.#core.searchMany(queries, request, view);
    const keys = staged.map(({ key }) => keyBytes(key));
    const deny = [...(request.deny ?? []), ...keys];
    const found = yield* this.#core.searchMany(queries, { ...request, deny }, view);
    this.#attempt.requireOpen();
    const rows = this.#matching(staged, keys, request);
    return queries.map((query, index) => this.#merge(query, found[index], rows, request.k));
  }

  /** The staged rows that the search may answer. */
  #matching(staged: readonly Staged[], keys: readonly Uint8Array[], request: Request): StagedRows {
    const { decoder } = this.#core.trees;
    const allow = request.allow && new Set(request.allow.map(nameOf));
    const deny = new Set(request.deny?.map(nameOf));
    const node = request.filter === undefined ? undefined : normalise(request.filter);
    const rows = staged.flatMap(({ value }, index) => {
      const name = nameOf(keys[index]);
      if (value === undefined || deny.has(name) || allow?.has(name) === false) return [];
      const { id, metadata } = decoder.head(value, 0, value.length);
      return node === undefined || passes(node, metadata) ? [{ id, metadata, value }] : [];
    });
    const { dimensions } = this.#core.descriptor;
    const vectors = new Float32Array(rows.length * dimensions);
    const bytes = new Uint8Array(vectors.buffer);
    for (const [index, { value }] of rows.entries()) decoder.copyVector(value, 0, bytes, index);
    return { heads: rows, vectors };
  }

  #merge(query: Float32Array, found: readonly Hit[], rows: StagedRows, k: number): Hit[] {
    const distances = this.#core.measurer.measure(query, rows.vectors);
    const hits = rows.heads.map(({ id, metadata }, index) => ({
      id,
      metadata,
      distance: distances[index],
    }));
    return [...found, ...hits].sort((left, right) => left.distance - right.distance).slice(0, k);
  }
}

interface StagedRows {
  readonly heads: readonly Pick<Hit, "id" | "metadata">[];
  /** One after the other. */
  readonly vectors: Float32Array;
}

/** A key of ids, as a key of sets. */
function nameOf(key: Uint8Array): string {
  return String.fromCharCode(...key);
}
