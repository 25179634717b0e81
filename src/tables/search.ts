/**
 * Searching a table by vector.
 *
 * With a predicate there are two ways to the nearest rows that meet it. Few rows, as a key or an
 * index tells: they are found first, and the search is restricted to them. Otherwise more of the
 * nearest are taken than are wanted, and those that meet it are kept; where too few of them do, it
 * is the first way after all. Both answer with as many rows as are wanted or meet it.
 */
import type { LongOptions, Range, Snapshot, Steps } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import { checkOptions } from "../kv/index.ts";
import type { Attempt, Tree } from "../transaction/index.ts";
import { type Hit, StagedSearcher, scoreOf, type View } from "../vector/inside.ts";
import { type Access, accessFor, visitRows } from "./access.ts";
import type { TableCore } from "./catalogue.ts";
import { compilePredicate } from "./evaluate.ts";
import { type Expression, predicateOf, type Where } from "./expression.ts";
import { StateReader, type TableReader, TransactionWriter } from "./space.ts";
import type { TableState } from "./state.ts";
import type { TableVectorIndex } from "./vectors.ts";

/** What is searched, and how. */
export interface TableSearchOptions {
  /** Rows wanted: 1 to 16,384; 10. There are fewer only when fewer match. */
  readonly k?: number;
  /** Only rows for which it is true. */
  readonly where?: Where;
  /** Candidates kept while walking: more find more, and take longer. */
  readonly ef?: number;
  /** Compares everything that matches: the truth, for a price. */
  readonly exact?: boolean;
  /** Of several indexes of the column; the first one by default. */
  readonly index?: string;
  readonly snapshot?: Snapshot;
  /** Looked at between pieces of long searches. */
  readonly signal?: LongOptions["signal"];
}

/** A row that was found. */
export interface TableMatch<Row> {
  readonly row: Row;
  /** Smaller is nearer, as {@link SearchResult.distance}. */
  readonly distance: number;
  /** Larger is nearer, as {@link SearchResult.score}. */
  readonly score: number;
}

const searchOptions: ReadonlySet<string> = new Set([
  "k",
  "where",
  "ef",
  "exact",
  "index",
  "snapshot",
  "signal",
]);
const resultsMax = 16_384;
/** So many candidates for each row that is wanted, at first and at most. */
const candidatesPerRow = 4;
const candidatesMin = 64;
const candidatesGrowth = 8;
/** Above this share of all rows, finding those that match first is not worth it. */
const selectiveShare = 1 / 8;
const selectiveRows = 1_024;

type Request = ReturnType<TableVectorIndex["core"]["request"]>;

/** The state that is searched: a committed one, or that of a transaction. */
interface Source {
  readonly reader: TableReader;
  nearest(request: Request): Steps<Hit[]>;
  /** True when a range has few records; undefined where that cannot be told cheaply. */
  readonly isFew?: (tree: Tree, range: Range) => Steps<boolean>;
  /** Lets others come first. */
  readonly breathe?: () => Steps<void>;
}

/** A search that is ready to run over a state of its index. */
export class TableSearch<Row> {
  readonly #state: TableState;
  readonly #index: TableVectorIndex;
  readonly #query: Float32Array;
  readonly #request: Request;
  readonly #where: Expression | undefined;
  readonly snapshot: Snapshot | undefined;
  readonly signal: AbortSignal | undefined;

  /** @throws CairnError `index_not_found`, `vector_dimensions`, `option_unknown`, … */
  constructor(core: TableCore, column: string, vector: unknown, options: TableSearchOptions) {
    checkOptions("search a table", options, searchOptions);
    const { where, snapshot, signal, index, ...rest } = options;
    this.#state = core.requireAt(snapshot);
    this.#index = indexOf(this.#state, column, index);
    this.snapshot = snapshot;
    this.signal = signal;
    this.#query = this.core.query(vector);
    this.#request = this.core.request(rest);
    this.#where = where === undefined ? undefined : predicateOf(where);
    if (this.#where !== undefined) compilePredicate(this.#where, this.#state.valuesSource);
  }

  get core(): TableVectorIndex["core"] {
    return this.#index.core;
  }

  /** True when it takes less than a millisecond. */
  get isShort(): boolean {
    return this.#where === undefined && this.core.isShort(this.#request);
  }

  /** Over a committed state. */
  run(view: View): Steps<TableMatch<Row>[]> {
    const { core } = this;
    const { engine } = core.context;
    const query = this.#query;
    const reader = new StateReader(engine, view.at);
    const rows = this.#state.rows.id;
    return this.#run({
      reader,
      *nearest(request) {
        return (yield* core.search(query, request, view)).hits;
      },
      *isFew(tree, range) {
        const share = engine.records(rows, view.at) * selectiveShare;
        return (yield* reader.count(tree, range)) <= Math.max(selectiveRows, share);
      },
      breathe: () => view.breathe(),
    });
  }

  /** Over what a transaction sees, what it has written included. */
  runWithin(attempt: Attempt, isSync: boolean): Steps<TableMatch<Row>[]> {
    const { core, signal } = this;
    const query = this.#query;
    const searcher = new StagedSearcher(core, attempt);
    return this.#run({
      reader: new TransactionWriter(attempt),
      *nearest(request) {
        return (yield* searcher.search([query], request, isSync, signal))[0];
      },
    });
  }

  *#run(source: Source): Steps<TableMatch<Row>[]> {
    if (this.#where === undefined) {
      return yield* this.#rowsOf(yield* source.nearest(this.#request), source);
    }
    const access = accessFor(this.#state, this.#where);
    const isSelective = yield* this.#isSelective(access, source);
    const found = isSelective ? undefined : yield* this.#sift(this.#where, source);
    if (found !== undefined) return found;
    const allow: Uint8Array[] = [];
    const take = (key: Uint8Array): boolean => {
      allow.push(key.slice());
      return true;
    };
    const wanted = { expression: this.#where, access };
    yield* visitRows(this.#state, source.reader, wanted, take, source.breathe);
    if (allow.length === 0) return [];
    return yield* this.#rowsOf(yield* source.nearest({ ...this.#request, allow }), source);
  }

  /** True when a key or an index leads to few rows. */
  *#isSelective(access: Access, { isFew }: Source): Steps<boolean> {
    if (access.kind === "key" || access.kind === "unique") return true;
    if (isFew === undefined) return access.kind === "index";
    const tree = access.kind === "index" ? access.index.tree : this.#state.rows;
    return yield* isFew(tree, access.range);
  }

  /** Keeps those of the nearest that match; undefined where too few of them do. */
  *#sift(where: Expression, source: Source): Steps<TableMatch<Row>[] | undefined> {
    const { k } = this.#request;
    const { rows, codec, valuesSource } = this.#state;
    const isSelected = compilePredicate(where, valuesSource);
    let candidates = Math.max(candidatesMin, candidatesPerRow * k);
    for (let round = 0; round < 2 && candidates <= resultsMax; round++) {
      const hits = yield* source.nearest({ ...this.#request, k: candidates });
      const keys = hits.map(({ id }) => id as Uint8Array);
      const found = yield* source.reader.readMany(rows, keys, codec.decodeValues);
      const kept = hits.filter((_hit, at) => {
        const values = found[at];
        return values !== undefined && isSelected(values);
      });
      // Enough, or all that there are were looked at.
      if (kept.length >= k || hits.length < candidates) {
        return yield* this.#rowsOf(kept.slice(0, k), source);
      }
      if (source.breathe !== undefined) yield* source.breathe();
      candidates *= candidatesGrowth;
    }
    return undefined;
  }

  *#rowsOf(hits: readonly Hit[], { reader }: Source): Steps<TableMatch<Row>[]> {
    const { metric, dimensions } = this.core.descriptor;
    const { rows, codec } = this.#state;
    const keys = hits.map(({ id }) => id as Uint8Array);
    const found = yield* reader.readMany(rows, keys, codec.decodeRow);
    const matches: TableMatch<Row>[] = [];
    for (const [at, row] of found.entries()) {
      const { distance } = hits[at];
      const score = scoreOf(metric, distance, dimensions);
      if (row !== undefined) matches.push({ row: row as Row, distance, score });
    }
    return matches;
  }
}

/** The index that answers for a column. */
function indexOf(state: TableState, column: string, name: string | undefined): TableVectorIndex {
  const { position } = state.column(column);
  const found = state.vectorIndexes.find(
    (index) => index.column === position && (name === undefined || index.name === name),
  );
  if (found?.isReady === true) return found;
  const why = found === undefined ? "it has none" : "its index was not whole in this state";
  throw new CairnError(
    "index_not_found",
    `Cannot search the column "${column}" of the table "${state.path.name}" by vector: ${why}. ` +
      'Create one with createIndex({ columns, kind: "vector" }), and wait for it.',
    { details: { table: state.path.name, column } },
  );
}
