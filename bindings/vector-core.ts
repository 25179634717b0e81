/** The raw exports of vector.wasm, its codes and its numbers for options. */
import { CairnError, type ErrorCode } from "../src/errors.ts";
import type { VectorGraphOptions, VectorStrategy } from "./vector.ts";

/** Unsigned results may arrive signed. */
export interface VectorCore {
  readonly memory: WebAssembly.Memory;
  initialize(): void;
  configure(
    dimensions: number,
    metric: number,
    precision: number,
    connections: number,
    efConstruction: number,
    keepVectors: number,
    seed: number,
  ): number;
  inputAddress(): number;
  meansAddress(): number;
  train(low: number, scale: number): number;
  hasTraining(): number;
  append(label: number, seq: number): number;
  link(budget: number): number;
  kill(label: number, seq: number): number;
  purge(seq: number, budget: number): number;
  audit(budget: number): number;
  has(label: number): number;
  vectorAddress(label: number): number;
  reserveFilter(words: number): number;
  filterAddress(): number;
  useFilter(): number;
  clearFilter(): void;
  search(k: number, ef: number, seq: number, strategy: number): number;
  searchSlots(k: number, seq: number, first: number, end: number): number;
  slots(): number;
  labelsAddress(): number;
  distancesAddress(): number;
  rowsAddress(): number;
  rowsMax(): number;
  measureRows(count: number): number;
  openImage(): number;
  closeImage(): void;
  imageSize(): number;
  writeSlice(bytesMax: number): number;
  sliceAddress(): number;
  partAddress(): number;
  partBytes(): number;
  readPart(bytes: number): number;
  verify(budget: number): number;
  nodes(): number;
  dead(): number;
  unlinked(): number;
  free(): number;
  levelMax(): number;
  bytesPerNode(): number;
  distances(): number;
  clippedShare(): number;
  check(budget: number): number;
  unreachableNodes(): number;
  badLinks(): number;
  badCounts(): number;
}

/** Negative results: assembly/vector/errors.ts. */
export const failure = {
  outOfMemory: -1,
  labelUnknown: -2,
  labelTaken: -3,
  imageOpen: -4,
  untrained: -5,
  imageInvalid: -6,
  optionInvalid: -7,
  purgeOpen: -8,
} as const;

const failures: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  [failure.outOfMemory]: [
    "memory_limit",
    "the index needs more memory than this platform gives one instance (at most 4 GiB). Split it",
  ],
  [failure.labelUnknown]: ["argument_invalid", "there is no node of that label"],
  [failure.labelTaken]: ["argument_invalid", "there is a node of that label. Pass a new one"],
  [failure.imageOpen]: [
    "argument_invalid",
    "the graph may not change now: an image is being written, or it holds nodes already",
  ],
  [failure.untrained]: ["argument_invalid", "the bounds are unknown. Call train before"],
  [failure.imageInvalid]: ["corruption", "the image contradicts itself. Build the graph again"],
  [failure.purgeOpen]: ["argument_invalid", "a purge is under way. Finish it first"],
  [failure.optionInvalid]: ["argument_invalid", "an option is outside of what it may be"],
};

/** `result`, or the error that it stands for. */
export function check(action: string, result: number): number {
  if (result >= 0) return result;
  const [code, reason] = failures[result] ?? ["core_failed", `the core answered ${result}`];
  throw new CairnError(code, `Cannot ${action}: ${reason}.`);
}

/** In the order of their numbers in assembly/vector/search.ts. */
export const strategies: readonly VectorStrategy[] = ["walk", "hop", "scan", "exact"];
/** In the order of their numbers in assembly/vector/shape.ts. */
const metrics = ["l2", "cosine", "ip", "hamming"];
const precisions = ["int8", "f32", "binary"];

/** The options with what is left out. */
export function completeOptions(options: VectorGraphOptions): Required<VectorGraphOptions> {
  const precision = options.precision ?? (options.metric === "hamming" ? "binary" : "int8");
  return {
    dimensions: options.dimensions,
    metric: options.metric,
    precision,
    connections: options.connections ?? 16,
    efConstruction: options.efConstruction ?? 100,
    keepVectors:
      precision === "f32" || (options.metric !== "hamming" && (options.keepVectors ?? true)),
    seed: options.seed ?? 0,
  };
}

/** A new instance with the shape that the options ask for. */
export function instantiate(
  module: WebAssembly.Module,
  options: Required<VectorGraphOptions>,
): VectorCore {
  const core = new WebAssembly.Instance(module, {}).exports as unknown as VectorCore;
  core.initialize();
  const status = core.configure(
    options.dimensions,
    metrics.indexOf(options.metric),
    precisions.indexOf(options.precision),
    options.connections,
    options.efConstruction,
    options.keepVectors ? 1 : 0,
    options.seed,
  );
  check("make a graph", status);
  return core;
}
