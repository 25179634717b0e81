/** Graphs of the Wasm core, each in an instance and a memory of its own. */
import * as binding from "../../bindings/vector.ts";
import type { GraphMaker } from "./keeper.ts";

export const coreGraphs: GraphMaker = {
  create: (options) => new binding.VectorGraph(options),
  read: (options) => binding.VectorGraph.read(options),
};
