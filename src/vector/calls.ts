/** What callers of a vector index pass and get. */
import type { VectorStrategy } from "../../bindings/vector.ts";
import type { Snapshot } from "../engine/index.ts";
import type { Filter } from "./filter/filter.ts";
import type { Id } from "./id.ts";
import type { GraphState } from "./keeper.ts";
import type { VectorInput } from "./vector.ts";

/** One vector of `putMany`. */
export interface VectorEntry<Meta, I extends Id = string> {
  readonly id: I;
  readonly vector: VectorInput;
  readonly metadata?: Meta;
}

/** What to search, and how. */
export interface SearchOptions<Meta, I extends Id = string> {
  /** Results wanted: 1 to 16,384; 10. There are fewer only when fewer match. */
  readonly k?: number;
  /** Candidates kept while walking: more find more, and take longer. By `k` and size otherwise. */
  readonly ef?: number;
  /** Only vectors whose metadata passes. */
  readonly filter?: Filter<Meta>;
  /** Only these ids, and none of those. */
  readonly allow?: Iterable<I>;
  readonly deny?: Iterable<I>;
  /** Compares everything that matches: the truth, for a price. */
  readonly exact?: boolean;
  /** The state to search; the newest otherwise. */
  readonly snapshot?: Snapshot;
  /** Looked at between pieces of long searches. */
  readonly signal?: AbortSignal;
}

/** Options of a search in one turn, which no signal can end. */
export type SyncSearchOptions<Meta, I extends Id> = Omit<SearchOptions<Meta, I>, "signal">;

/** Options of a search within a transaction, which has a state of its own. */
export type StagedSearchOptions<Meta, I extends Id = string> = Omit<
  SearchOptions<Meta, I>,
  "snapshot"
>;

/** How a search was done, with true counts. */
export interface Explanation {
  /**
   * `walk`: through the graph. `hop`: through the graph, over what does not match. `scan`: codes of
   * all that match. `exact`: vectors of all that match. `rows`: the same, read from the rows.
   */
  readonly strategy: VectorStrategy | "rows";
  /** Why. */
  readonly reason: string;
  readonly results: number;
  /** Vectors in the state, and those that pass the filter (undefined without one). */
  readonly count: number;
  readonly matches: number | undefined;
  /** Candidates kept while walking; undefined where nothing was walked. */
  readonly ef: number | undefined;
  /** Distances computed within the graph, and from rows that it does not have yet. */
  readonly distances: number;
  readonly rowsCompared: number;
  /** Rows read for ids, metadata and ranking. */
  readonly rowsRead: number;
  /** Entries of field indexes, and rows, read for the filter; none when it was kept from before. */
  readonly filterEntries: number;
  readonly filterRows: number;
}

/** Figures of an index. Sizes are in bytes. */
export interface VectorsStats {
  readonly count: number;
  /**
   * `none`: too few vectors for a graph; they are compared one by one. `loading`, `building`:
   * answers are exact meanwhile. `ready`.
   */
  readonly graph: GraphState;
  /** Vectors that are in the graph, of those that will be; for `building`, and after writes. */
  readonly linked: number;
  readonly toLink: number;
  /** Memory of the graph, altogether and for one vector. */
  readonly memoryBytes: number;
  readonly bytesPerVector: number;
  /** An image of the graph on the medium; 0 for none. */
  readonly imageBytes: number;
  /** Deleted vectors that are still in the graph, as a share. */
  readonly deletedShare: number;
  /**
   * Share of the 10 truly nearest that searches find, by a sample; undefined when not asked for.
   */
  readonly recall: number | undefined;
  /** Why the graph had to be made anew, or could not be kept; undefined when all is well. */
  readonly failure: string | undefined;
}

/** What `check` found. */
export interface VectorsCheck {
  /** True when the graph holds what the rows hold, and all of it can be reached. */
  readonly ok: boolean;
  readonly vectors: number;
  /** Vectors that are missing in the graph, and nodes of the graph that no row has. */
  readonly missing: number;
  readonly surplus: number;
  /** Nodes that no path leads to. */
  readonly unreachable: number;
  /** Links that lead nowhere or are counted wrongly. */
  readonly badLinks: number;
}

/** What `stats` is asked for. */
export interface VectorsStatsOptions {
  /** Vectors whose nearest are searched for, to measure recall; 0 (default) for none. */
  readonly sample?: number;
  readonly signal?: AbortSignal;
}

/** Which state a read sees. */
export interface VectorsReadOptions {
  readonly snapshot?: Snapshot;
}
