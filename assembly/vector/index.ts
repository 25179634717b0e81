/**
 * The exports of vector.wasm: one graph of vectors. No imports, no clock, no randomness, no I/O.
 * Functions take and return numbers; negative results are those of errors.ts.
 */
import { beginAudit, continueAudit, endAudit, isAuditing } from "./audit";
import {
  badCountCount,
  badLinkCount,
  beginCheck,
  continueCheck,
  endCheck,
  isChecking,
  unreachableCount,
} from "./check";
import { IMAGE_OPEN, OPTION_INVALID, OUT_OF_MEMORY, PURGE_OPEN, UNTRAINED } from "./errors";
import { measureRows, rowsAddress, rowsMax } from "./exact";
import { partAddress, partBytes, readPart, verify } from "./image-read";
import {
  closeImage,
  imageSize,
  isImageOpen,
  openImage,
  sliceAddress,
  writeSlice,
} from "./image-write";
import { distanceCount, setKernel, touchedWords } from "./kernel";
import { slotOf } from "./labels";
import { linkNext } from "./link";
import { unusedBytes } from "./memory";
import {
  appendNode,
  deadCount,
  entryLevel,
  freeCount,
  killNode,
  nodeCount,
  slotCount,
} from "./nodes";
import { isPurgeRunning, purge as continuePurge } from "./purge";
import { clippedCount, encodedCount, input, isTrained, means, setBounds } from "./quantiser";
import { queuedCount } from "./queue";
import {
  resultDistances,
  resultLabels,
  search as searchAt,
  searchSlots as searchSlotsAt,
  touchedVectorWords,
} from "./search";
import { nodeBytes, NONE, PRECISION_INT8, precision, setShape, vectorOf } from "./shape";
import { clearFilter, filterAddress, NOW, reserveFilter, useFilter } from "./visible";
import { touchedRowWords } from "./walk";

export { clearFilter, filterAddress, measureRows, reserveFilter, rowsAddress, rowsMax, useFilter };
export { closeImage, imageSize, openImage, sliceAddress, writeSlice };
export { partAddress, partBytes, readPart, verify };
export { touchedRowWords, touchedVectorWords, touchedWords };

export function configure(
  dimensions: u32,
  metric: u32,
  precision: u32,
  connections: u32,
  efConstruction: u32,
  keepsVectors: u32,
  seed: u32,
): i32 {
  const status = setShape(
    dimensions,
    metric,
    precision,
    connections,
    efConstruction,
    keepsVectors != 0,
    seed,
  );
  if (status == 0) setKernel();
  return status;
}

/** Where the host writes a vector or a query: f32, `dimensions` of them. */
export function inputAddress(): usize {
  return input;
}
/** Where the host writes the means before `train`. */
export function meansAddress(): usize {
  return means;
}

export function train(low: f32, scale: f32): i32 {
  if (nodeCount() > 0 || isImageOpen()) return IMAGE_OPEN;
  return setBounds(low, scale) ? 0 : OPTION_INVALID;
}
export function hasTraining(): u32 {
  return isTrained ? 1 : 0;
}

/** Stores the input as a node. */
export function append(label: u32, seq: f64): i32 {
  if (isImageOpen()) return IMAGE_OPEN;
  if (precision == PRECISION_INT8 && !isTrained) return UNTRAINED;
  return appendNode(label, <u64>seq);
}

/** Links waiting nodes until `budget` distances were computed; how many still wait. */
export function link(budget: f64): i32 {
  if (isImageOpen()) return IMAGE_OPEN;
  if (isPurgeRunning()) {
    if (continuePurge(0, i32.MAX_VALUE) == 0) return 0;
  }
  endAudit();
  endCheck();
  const end = distanceCount + <u64>budget;
  while (queuedCount() > 0) {
    const status = linkNext();
    if (status < 0) return status;
    if (distanceCount >= end) break;
  }
  return queuedCount();
}

export function kill(label: u32, seq: f64): i32 {
  if (isImageOpen()) return IMAGE_OPEN;
  return killNode(label, <u64>seq);
}

export function purge(seq: f64, budget: i32): i32 {
  if (isImageOpen()) return IMAGE_OPEN;
  if (!isPurgeRunning()) endAudit();
  endCheck();
  return continuePurge(<u64>seq, budget);
}

/** Begins an audit or goes on with it. 1 when it is done, 0 when not yet. */
export function audit(budget: i32): i32 {
  if (isImageOpen()) return IMAGE_OPEN;
  if (isPurgeRunning()) return PURGE_OPEN;
  if (!isAuditing()) {
    const status = beginAudit();
    if (status < 0) return status;
  }
  endCheck();
  continueAudit(budget);
  return isAuditing() ? 0 : 1;
}

/** Begins to look at every link or goes on with it. 1 when it is done, 0 when not yet. */
export function check(budget: i32): i32 {
  if (!isChecking() && !beginCheck()) return OUT_OF_MEMORY;
  continueCheck(budget);
  return isChecking() ? 0 : 1;
}

export function has(label: u32): u32 {
  return slotOf(label) == NONE ? 0 : 1;
}

/** Where the vector of a label is; 0 when there is none. */
export function vectorAddress(label: u32): usize {
  const slot = slotOf(label);
  return slot == NONE ? 0 : vectorOf(slot);
}

/** Searches for the input; a negative seq sees what is alive. How many were found. */
export function search(k: u32, ef: u32, seq: f64, strategy: u32): i32 {
  return searchAt(k, ef, seq < 0 ? NOW : <u64>seq, strategy);
}
/** Compares the vectors of slots from `first` on and below `end` with the input. */
export function searchSlots(k: u32, seq: f64, first: u32, end: u32): i32 {
  return searchSlotsAt(k, seq < 0 ? NOW : <u64>seq, first, end);
}
/** Slots that there are, used or not. */
export function slots(): u32 {
  return slotCount;
}
export function labelsAddress(): usize {
  return resultLabels;
}
export function distancesAddress(): usize {
  return resultDistances;
}

// ---- counts

export function nodes(): u32 {
  return nodeCount();
}
export function dead(): u32 {
  return deadCount;
}
export function unlinked(): u32 {
  return queuedCount();
}
export function free(): u32 {
  return freeCount;
}
export function levelMax(): u32 {
  return entryLevel;
}
export function bytesPerNode(): u32 {
  return <u32>nodeBytes();
}
export function unused(): u32 {
  return <u32>unusedBytes();
}
export function distances(): f64 {
  return <f64>distanceCount;
}
export function clippedShare(): f64 {
  return encodedCount == 0 ? 0 : <f64>clippedCount / <f64>encodedCount;
}
export function unreachableNodes(): u32 {
  return unreachableCount;
}
export function badLinks(): u32 {
  return badLinkCount;
}
export function badCounts(): u32 {
  return badCountCount;
}
