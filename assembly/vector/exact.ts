/** Distances as the host sees them: f32, exact from vectors, or estimated from codes. */
import {
  dotFloat,
  dotOfDistance,
  l2Float,
  measure,
  queryCode,
  unordered,
  zeroPoint,
} from "./kernel";
import { allocate } from "./memory";
import { encode, input, normalise, scale, signedScale, signedSum } from "./quantiser";
import {
  dimensions,
  floatBytes,
  keepsVectors,
  METRIC_COSINE,
  METRIC_HAMMING,
  METRIC_IP,
  METRIC_L2,
  metric,
  PRECISION_BINARY,
  PRECISION_F32,
  precision,
} from "./shape";

/** Whether the vectors are at hand. */
export function hasExact(): bool {
  return keepsVectors || precision == PRECISION_F32;
}

/** The distance of two f32 vectors with padding; unit vectors, under cosine. */
export function exactDistance(left: usize, right: usize): f32 {
  if (metric == METRIC_L2) return l2Float(left, right, floatBytes);
  const dot = dotFloat(left, right, floatBytes);
  return metric == METRIC_COSINE ? <f32>1 - dot : -dot;
}

/** What a distance of codes stands for. */
export function floatOfDistance(distance: u32): f32 {
  if (precision == PRECISION_BINARY) return <f32>distance;
  if (precision == PRECISION_F32) {
    const value = unordered(distance);
    return metric == METRIC_COSINE ? value + 1 : value;
  }
  if (metric == METRIC_IP) {
    // The codes of the nodes are `zeroPoint` too high, each.
    const dot = dotOfDistance(distance) - zeroPoint * signedSum();
    return -(<f32>dot * scale * signedScale);
  }
  const squared = <f32>distance * scale * scale;
  return metric == METRIC_COSINE ? squared * 0.5 : squared;
}

const row: usize = memory.data(16384, 64);
const rowCode: usize = memory.data(4096, 64);
const inputCode: usize = memory.data(4096, 64);

/** Vectors of the host that one call measures, without padding, then their f32 distances. */
const ROWS_BYTES: usize = 131072;
let rows: usize = 0;

/** Room for `rowsMax()` vectors; 0 when there is no memory. */
export function rowsAddress(): usize {
  if (rows == 0) rows = allocate(ROWS_BYTES);
  return rows;
}

export function rowsMax(): u32 {
  return <u32>(ROWS_BYTES / (((<usize>dimensions) << 2) + 4));
}

/** Measures the input against `count` vectors; where the distances are. */
export function measureRows(count: u32): usize {
  const bytes = (<usize>dimensions) << 2;
  const distances = rows + bytes * <usize>count;
  normalise(input);
  if (metric == METRIC_HAMMING) {
    encode(input, inputCode, false);
    queryCode(inputCode);
  }
  for (let index: usize = 0; index < <usize>count; index++) {
    memory.copy(row, rows + index * bytes, bytes);
    store<f32>(distances + (index << 2), distanceToRow());
  }
  return distances;
}

/** The same value as for a stored vector, bit by bit. */
function distanceToRow(): f32 {
  if (metric == METRIC_HAMMING) {
    encode(row, rowCode, false);
    return <f32>measure(rowCode);
  }
  normalise(row);
  return exactDistance(input, row);
}
