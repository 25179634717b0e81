/** What passes a filter, as a set of labels; what was asked lately is kept. */
import type { Engine, Steps } from "../engine/index.ts";
import { Compiler } from "./filter/compile.ts";
import { passes } from "./filter/evaluate.ts";
import { type Node, normalise } from "./filter/filter.ts";
import { LabelSet } from "./label-set.ts";
import { decodeLabel, labelKey } from "./row.ts";
import type { VectorTrees } from "./trees.ts";
import type { View } from "./view.ts";

/** What a search is restricted to. */
export interface Restriction {
  /** Undefined for none. */
  readonly filter: unknown;
  /** Keys of ids. */
  readonly allow: readonly Uint8Array[] | undefined;
  readonly deny: readonly Uint8Array[] | undefined;
}

export interface Matches {
  readonly labels: LabelSet;
  /** How many; more than there are when the set may hold dead ones. */
  readonly count: number;
  /** Entries of field indexes, and rows, that were read for it. */
  readonly entriesRead: number;
  readonly rowsRead: number;
}

interface Kept {
  readonly version: number;
  readonly matches: Matches;
}

const keptMax = 16;
const rowsPerBatch = 1_024;

export class MatchFinder {
  readonly #trees: VectorTrees;
  readonly #kept: Map<string, Kept> = new Map();

  constructor(trees: VectorTrees) {
    this.#trees = trees;
  }

  /** Undefined when everything matches. @throws CairnError `filter_invalid`. */
  *find(restriction: Restriction, view: View): Steps<Matches | undefined> {
    const { filter, allow, deny } = restriction;
    let matches = filter === undefined ? undefined : yield* this.#filter(filter, view);
    if (allow === undefined && deny === undefined) return matches;
    let labels: LabelSet;
    if (allow === undefined) labels = matches?.labels.clone() ?? LabelSet.below(view.next);
    else {
      labels = yield* this.#labelsOf(allow, view);
      if (matches !== undefined) labels.and(matches.labels);
    }
    if (deny !== undefined) labels.andNot(yield* this.#labelsOf(deny, view));
    matches ??= { labels, count: 0, entriesRead: 0, rowsRead: 0 };
    return { ...matches, labels, count: labels.count };
  }

  *#filter(filter: unknown, view: View): Steps<Matches | undefined> {
    const node = normalise(filter);
    if (node.kind === "and" && node.nodes.length === 0) return undefined;
    const name = JSON.stringify(node, nameNumbers);
    const kept = this.#kept.get(name);
    if (kept?.version === view.version) {
      // The one used last stands last.
      this.#kept.delete(name);
      this.#kept.set(name, kept);
      return { ...kept.matches, entriesRead: 0, rowsRead: 0 };
    }
    const matches = yield* this.#compile(node, view);
    this.#kept.delete(name);
    this.#kept.set(name, { version: view.version, matches });
    for (const old of this.#kept.keys()) {
      if (this.#kept.size <= keptMax) break;
      this.#kept.delete(old);
    }
    return matches;
  }

  *#compile(node: Node, view: View): Steps<Matches> {
    const { engine, ids } = this.#trees;
    const compiler = new Compiler(engine, view, ids.fields);
    const { labels, rest } = yield* compiler.compile(node);
    const entriesRead = compiler.entries;
    if (rest === undefined) {
      const all = labels ?? LabelSet.below(view.next);
      return { labels: all, count: all.count, entriesRead, rowsRead: 0 };
    }
    const found = new LabelSet(view.next);
    const rowsRead =
      labels === undefined
        ? yield* this.#judgeAll(rest, found, view)
        : yield* this.#judge(engine, rest, labels, found, view);
    return { labels: found, count: found.count, entriesRead, rowsRead };
  }

  *#judgeAll(node: Node, found: LabelSet, view: View): Steps<number> {
    let rowsRead = 0;
    for (let from = 0; from < view.next; ) {
      from = yield* this.#trees.rowsFrom(
        from,
        view.next,
        view.at,
        rowsPerBatch,
        (label, memory, at, length) => {
          rowsRead++;
          const metadata = this.#trees.decoder.metadata(memory, at, length);
          if (passes(node, metadata)) found.add(label);
        },
      );
      yield* view.breathe();
    }
    return rowsRead;
  }

  *#judge(
    engine: Engine,
    node: Node,
    labels: LabelSet,
    found: LabelSet,
    view: View,
  ): Steps<number> {
    const { ids, decoder } = this.#trees;
    let rowsRead = 0;
    for (const batch of batches(labels.labels(), rowsPerBatch)) {
      const keys = batch.map(labelKey);
      const passed = yield* engine.readManySteps(ids.rows, keys, view.at, 0, (memory, at, length) =>
        passes(node, decoder.metadata(memory, at, length)),
      );
      for (const [index, isIn] of passed.entries()) if (isIn) found.add(batch[index]);
      rowsRead += batch.length;
      yield* view.breathe();
    }
    return rowsRead;
  }

  *#labelsOf(keys: readonly Uint8Array[], view: View): Steps<LabelSet> {
    const { engine, ids } = this.#trees;
    const labels = new LabelSet(view.next);
    const found = yield* engine.readManySteps(ids.ids, keys, view.at, 0, decodeLabel);
    for (const label of found) if (label !== undefined) labels.add(label);
    return labels;
  }
}

/** JSON has no infinities. */
function nameNumbers(_key: string, value: unknown): unknown {
  const isInfinite = value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY;
  return isInfinite ? { number: String(value) } : value;
}

/** Pieces of a sequence, in order. */
export function* batches(labels: Iterable<number>, size: number): Generator<number[]> {
  let batch: number[] = [];
  for (const label of labels) {
    batch.push(label);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
