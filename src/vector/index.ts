export type {
  Explanation,
  SearchOptions,
  StagedSearchOptions,
  SyncSearchOptions,
  VectorEntry,
  VectorsCheck,
  VectorsReadOptions,
  VectorsStats,
  VectorsStatsOptions,
} from "./calls.ts";
export { VectorIndexes } from "./catalogue.ts";
export type { FieldConditions, Filter } from "./filter/filter.ts";
export { coreGraphs } from "./graph-maker.ts";
export type { Id, IdOf, IdOption } from "./id.ts";
export type { Graph, GraphMaker, GraphReader, GraphState, KeeperLimits } from "./keeper.ts";
export { type VectorMutation, VectorMutations } from "./mutations.ts";
export type { VectorsInfo, VectorsOptions } from "./options.ts";
export type { SearchResult, VectorRecord } from "./result.ts";
export { TransactionVectors } from "./transaction.ts";
export type { VectorInput } from "./vector.ts";
export { Vectors, vectorsInside } from "./vectors.ts";
