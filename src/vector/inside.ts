/** The inner side of vector indexes, for the layers above; `index.ts` is for applications. */

export { VectorIndexes } from "./catalogue.ts";
export type { IndexCore } from "./index-core.ts";
export {
  checkVectorsOptions,
  describeVectors,
  type VectorsDescriptor,
  type VectorsOptions,
} from "./options.ts";
export { scoreOf } from "./result.ts";
export { decodeLabel, labelKey } from "./row.ts";
export type { Hit } from "./search.ts";
export { StagedSearcher } from "./staged.ts";
export type { TreeIds } from "./trees.ts";
export type { View } from "./view.ts";
