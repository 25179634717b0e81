export type { PackedKeys } from "../../bindings/core.ts";
export type { Decode, DecodeRecord } from "./decode.ts";
export { type At, Engine } from "./engine.ts";
export { nextTurn } from "./event-loop.ts";
export type { Folded, FoldResult, FoldType, Gathered, Gathering, Program } from "./fold.ts";
export { retainedMax } from "./history.ts";
export type { CatalogueImage, ImageKeeper, ImageNote } from "./images.ts";
export { EffectBuffer } from "./log/effect-buffer.ts";
export type { Occasion } from "./maintenance.ts";
export { openEngine, type Surroundings } from "./open.ts";
export type {
  Durability,
  EngineOptions,
  EngineStats,
  LongOptions,
  Progress,
  RecoveryReport,
  Retain,
  Timers,
} from "./options.ts";
export type { CommitOptions, Decide, Finality, Receipt, Turn } from "./pipeline.ts";
export { keyBytesMax, type Range, valueBytesMax } from "./reader.ts";
export type { Columns, Rows } from "./rows.ts";
export type { Snapshot } from "./snapshots.ts";
export { runAsync, runSync, type Steps, wait } from "./steps.ts";
export type { TreeInfo } from "./trees.ts";
export type { Finding, VerifyReport } from "./verify.ts";
