/**
 * Filters as sets of labels. What stands in an index of a field is read from there; what does not
 * is left over, and judged by the metadata of the rows that the rest lets through.
 */
import type { Engine, Rows, Steps } from "../../engine/index.ts";
import { afterPrefix, boundsOfType, encodeScalar, isWhole, type Scalar } from "../field.ts";
import { LabelSet } from "../label-set.ts";
import { labelOfKey } from "../row.ts";
import type { View } from "../view.ts";
import type { Bounds, Node } from "./filter.ts";

/** A filter, as far as indexes can tell. */
export interface Compiled {
  /** Every label that passes is in it; all labels when undefined. */
  readonly labels: LabelSet | undefined;
  /** What the labels must pass in addition; undefined when the set is exact. */
  readonly rest: Node | undefined;
}

interface KeyRange {
  readonly low: Uint8Array;
  readonly high: Uint8Array;
}

const rowsPerBatch = 4_096;
const keysOnly = { keys: true, values: false, meta: false } as const;

export class Compiler {
  readonly #engine: Engine;
  readonly #view: View;
  /** The trees of the indexed fields, by path. */
  readonly #fields: ReadonlyMap<string, number>;
  /** Entries of indexes that were read. */
  entries = 0;

  constructor(engine: Engine, view: View, fields: ReadonlyMap<string, number>) {
    this.#engine = engine;
    this.#view = view;
    this.#fields = fields;
  }

  *compile(node: Node): Steps<Compiled> {
    if (node.kind === "and") return yield* this.#compileAnd(node.nodes);
    const labels = yield* this.#labelsOf(node);
    return labels === undefined ? { labels, rest: node } : { labels, rest: undefined };
  }

  *#compileAnd(nodes: readonly Node[]): Steps<Compiled> {
    let labels: LabelSet | undefined;
    const rest: Node[] = [];
    for (const node of nodes) {
      const found = yield* this.compile(node);
      if (found.labels !== undefined) labels = labels?.and(found.labels) ?? found.labels;
      if (found.rest !== undefined) rest.push(found.rest);
    }
    return { labels, rest: rest.length === 0 ? undefined : { kind: "and", nodes: rest } };
  }

  /** Exactly the labels that pass (and perhaps dead ones); undefined when indexes cannot tell. */
  *#labelsOf(node: Node): Steps<LabelSet | undefined> {
    switch (node.kind) {
      case "and": {
        const { labels, rest } = yield* this.#compileAnd(node.nodes);
        if (rest !== undefined) return undefined;
        return labels ?? LabelSet.below(this.#view.next);
      }
      case "or":
        return yield* this.#union(node.nodes);
      case "not": {
        const labels = yield* this.#labelsOf(node.node);
        return labels === undefined ? undefined : LabelSet.below(this.#view.next).andNot(labels);
      }
      case "exists":
        return yield* this.#read(node.path, [{ low: new Uint8Array([0]), high: bytes(255) }]);
      case "in":
        if (!node.values.every(isWhole)) return undefined;
        return yield* this.#read(node.path, node.values.map(rangeOfValue));
      case "range":
        if (![node.bounds.low, node.bounds.high].every(isBoundWhole)) return undefined;
        return yield* this.#read(node.path, [rangeOfBounds(node.bounds)]);
    }
  }

  *#union(nodes: readonly Node[]): Steps<LabelSet | undefined> {
    const union = new LabelSet(this.#view.next);
    for (const node of nodes) {
      const labels = yield* this.#labelsOf(node);
      if (labels === undefined) return undefined;
      union.or(labels);
    }
    return union;
  }

  /** The labels in ranges of a field's index; undefined when the field has none. */
  *#read(path: readonly string[], ranges: readonly KeyRange[]): Steps<LabelSet | undefined> {
    const tree = this.#fields.get(path.join("."));
    if (tree === undefined) return undefined;
    const labels = new LabelSet(this.#view.next);
    for (const range of ranges) {
      let from: { low: Uint8Array; lowExclusive?: boolean } | undefined = { low: range.low };
      while (from !== undefined) {
        const rows: Rows = yield* this.#engine.scanSteps(
          tree,
          { ...from, high: range.high },
          this.#view.at,
          0,
          rowsPerBatch,
          keysOnly,
        );
        for (let row = 0; row < rows.count; row++) {
          const key = rows.key(row);
          labels.add(labelOfKey(key, key.length - 4));
        }
        this.entries += rows.count;
        from = rows.resume === undefined ? undefined : { low: rows.resume, lowExclusive: true };
        if (from !== undefined) yield* this.#view.breathe();
      }
    }
    return labels;
  }
}

function bytes(first: number): Uint8Array {
  return new Uint8Array([first]);
}

function isBoundWhole(bound: string | number | undefined): boolean {
  return bound === undefined || isWhole(bound);
}

function rangeOfValue(value: Scalar): KeyRange {
  const low = encodeScalar(value);
  return { low, high: afterPrefix(low) };
}

function rangeOfBounds({ low, high, isLowIncluded, isHighIncluded }: Bounds): KeyRange {
  const [first, last] = boundsOfType((low ?? high) as string | number);
  const lowKey = low === undefined ? undefined : encodeScalar(low);
  const highKey = high === undefined ? undefined : encodeScalar(high);
  return {
    low: lowKey === undefined ? first : isLowIncluded ? lowKey : afterPrefix(lowKey),
    high: highKey === undefined ? last : isHighIncluded ? afterPrefix(highKey) : highKey,
  };
}
