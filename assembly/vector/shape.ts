/**
 * The shape of this instance's graph, set once by `configure`, and where a node's parts are.
 *
 * Nodes live in slots, slots in chunks that never move. A chunk of 2^shift slots is four columns:
 *
 *     links of level 0   2 M x u32 per slot, nearest first, NONE from the first unused one on
 *     codes              what is walked; whole cache lines, unused components are 0
 *     records            32 bytes: see record.ts
 *     sketches           4 bits a component, whole cache lines: see sketch.ts
 *     vectors            f32, if they are kept; unused components are 0
 */
import { OPTION_INVALID } from "./errors";
import { roundUp, wordAt } from "./memory";

export const METRIC_L2: u32 = 0;
export const METRIC_COSINE: u32 = 1;
export const METRIC_IP: u32 = 2;
export const METRIC_HAMMING: u32 = 3;

export const PRECISION_INT8: u32 = 0;
export const PRECISION_F32: u32 = 1;
export const PRECISION_BINARY: u32 = 2;

export const DIMENSIONS_MAX: u32 = 4096;
const CONNECTIONS_MIN: u32 = 4;
const CONNECTIONS_MAX: u32 = 64;
export const EF_MAX: u32 = 16384;

/** No link, no slot. */
export const NONE: u32 = 0xffffffff;
/** Slots are numbers of 30 bits: two bits of a pool entry are flags. */
export const SLOTS_MAX: u32 = 0x3fffffff;
export const RECORD_BYTES: usize = 32;

const CHUNK_BYTES_WANTED: usize = 262144;
const CHUNKS_MAX: u32 = 16384;
const CHUNK_SHIFT_MAX: u32 = 10;
const chunks: usize = memory.data(65536, 16);

export let dimensions: u32 = 0;
export let metric: u32 = 0;
export let precision: u32 = 0;
export let connections: u32 = 0;
export let efConstruction: u32 = 0;
export let keepsVectors: bool = false;
export let seed: u32 = 0;

export let linkBytes: usize = 0;
export let codeBytes: usize = 0;
export let vectorBytes: usize = 0;
/** 0 where nodes have no sketches: they would not take fewer cache lines, or too much memory. */
export let sketchBytes: usize = 0;
/** An f32 vector with its padding. */
export let floatBytes: usize = 0;
export let upperLinkBytes: usize = 0;

let chunkShift: u32 = 0;
let chunkMask: u32 = 0;
let chunkCount: u32 = 0;
let codesAt: usize = 0;
let recordsAt: usize = 0;
let sketchesAt: usize = 0;
let vectorsAt: usize = 0;

/** What walks compare: codes or sketches. */
let walkedAt: usize = 0;
export let walkedBytes: usize = 0;

/** Sets the shape; once, before anything else. */
export function setShape(
  ofDimensions: u32,
  ofMetric: u32,
  ofPrecision: u32,
  ofConnections: u32,
  ofEfConstruction: u32,
  keeps: bool,
  ofSeed: u32,
): i32 {
  if (ofDimensions < 1 || ofDimensions > DIMENSIONS_MAX) return OPTION_INVALID;
  if (ofMetric > METRIC_HAMMING || ofPrecision > PRECISION_BINARY) return OPTION_INVALID;
  if (ofMetric == METRIC_HAMMING && ofPrecision != PRECISION_BINARY) return OPTION_INVALID;
  if (ofConnections < CONNECTIONS_MIN || ofConnections > CONNECTIONS_MAX) return OPTION_INVALID;
  if (ofEfConstruction < 8 || ofEfConstruction > 4096) return OPTION_INVALID;
  dimensions = ofDimensions;
  metric = ofMetric;
  precision = ofPrecision;
  connections = ofConnections;
  efConstruction = ofEfConstruction;
  seed = ofSeed;
  // Codes that are f32 vectors already are not kept twice.
  keepsVectors = keeps && ofPrecision != PRECISION_F32 && ofMetric != METRIC_HAMMING;
  linkBytes = (<usize>connections) << 3;
  upperLinkBytes = (<usize>connections) << 2;
  floatBytes = roundUp((<usize>dimensions) << 2, 64);
  if (precision == PRECISION_INT8) codeBytes = roundUp(<usize>dimensions, 64);
  else if (precision == PRECISION_F32) codeBytes = floatBytes;
  else codeBytes = roundUp((<usize>dimensions + 7) >>> 3, 16);
  vectorBytes = keepsVectors ? floatBytes : 0;
  const isSummed = precision == PRECISION_INT8 && metric != METRIC_IP;
  sketchBytes = isSummed && keepsVectors && codeBytes > 64 ? roundUp(codeBytes >>> 1, 64) : 0;
  setChunks();
  walkCodes();
  return 0;
}

function setChunks(): void {
  const bytes = nodeBytes();
  chunkShift = CHUNK_SHIFT_MAX;
  while (chunkShift > 4 && bytes << chunkShift > CHUNK_BYTES_WANTED) chunkShift--;
  const slots = (<usize>1) << chunkShift;
  chunkMask = (1 << chunkShift) - 1;
  codesAt = roundUp(slots * linkBytes, 128);
  recordsAt = codesAt + roundUp(slots * codeBytes, 128);
  sketchesAt = recordsAt + roundUp(slots * RECORD_BYTES, 128);
  vectorsAt = sketchesAt + roundUp(slots * sketchBytes, 128);
}

/** Bytes of a node in its chunk. */
export function nodeBytes(): usize {
  return linkBytes + codeBytes + RECORD_BYTES + sketchBytes + vectorBytes;
}

export function chunkBytes(): usize {
  return vectorsAt + vectorBytes * ((<usize>1) << chunkShift);
}

/** Slots that the chunks have room for. */
export function slotCapacity(): u32 {
  return chunkCount << chunkShift;
}

/** Takes over a new chunk; false when the table is full. */
export function addChunk(at: usize): bool {
  if (chunkCount == CHUNKS_MAX) return false;
  store<u32>(wordAt(chunks, chunkCount++), <u32>at);
  return true;
}

export function isChunkTableFull(): bool {
  return chunkCount == CHUNKS_MAX;
}

export function linksOf(slot: u32): usize {
  return (
    <usize>load<u32>(chunks + ((<usize>(slot >>> chunkShift)) << 2)) +
    <usize>(slot & chunkMask) * linkBytes
  );
}

export function codeOf(slot: u32): usize {
  return (
    <usize>load<u32>(chunks + ((<usize>(slot >>> chunkShift)) << 2)) +
    codesAt +
    <usize>(slot & chunkMask) * codeBytes
  );
}

export function sketchOf(slot: u32): usize {
  return (
    <usize>load<u32>(chunks + ((<usize>(slot >>> chunkShift)) << 2)) +
    sketchesAt +
    <usize>(slot & chunkMask) * sketchBytes
  );
}

export function walkCodes(): void {
  walkedAt = codesAt;
  walkedBytes = codeBytes;
}

export function walkSketches(): void {
  walkedAt = sketchesAt;
  walkedBytes = sketchBytes;
}

/** The code or the sketch of a node, whichever walks compare at the time. */
export function walkedOf(slot: u32): usize {
  return (
    <usize>load<u32>(chunks + ((<usize>(slot >>> chunkShift)) << 2)) +
    walkedAt +
    <usize>(slot & chunkMask) * walkedBytes
  );
}

export function recordOf(slot: u32): usize {
  return (
    <usize>load<u32>(chunks + ((<usize>(slot >>> chunkShift)) << 2)) +
    recordsAt +
    ((<usize>(slot & chunkMask)) << 5)
  );
}

/** Where the f32 vector is: in its column, or as the code. Only if one of both holds it. */
export function vectorOf(slot: u32): usize {
  if (precision == PRECISION_F32) return codeOf(slot);
  return (
    <usize>load<u32>(chunks + ((<usize>(slot >>> chunkShift)) << 2)) +
    vectorsAt +
    <usize>(slot & chunkMask) * vectorBytes
  );
}
