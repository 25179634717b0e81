/**
 * Distances. Between codes they are u32, smaller is nearer, and exact: integers, or f32 computed
 * in one fixed order and mapped to integers of the same order. So both builds, with and without
 * relaxed SIMD, give the same graph, bit by bit.
 *
 * Codes of `int8` have 7 bits. For l2 and cosine (of normalised vectors) the distance is the sum of
 * squared differences: |a - b| has 7 bits too, so the relaxed dot product of it with itself is
 * exact. For ip the query holds signed bytes and the codes 7 bits: exact again.
 */
import { wordAt } from "./memory";
import {
  codeBytes,
  METRIC_IP,
  METRIC_L2,
  metric,
  PRECISION_BINARY,
  PRECISION_F32,
  precision,
  walkCodes,
  walkedBytes,
  walkSketches,
} from "./shape";

const KERNEL_L2: u32 = 0;
const KERNEL_DOT: u32 = 1;
const KERNEL_L2_FLOAT: u32 = 2;
const KERNEL_DOT_FLOAT: u32 = 3;
const KERNEL_BITS: u32 = 4;
/** Queries only: nodes are never compared by their sketches with each other. */
const KERNEL_SKETCH: u32 = 5;

/** Keeps distances of inner products above zero: |dot| <= 127 * 127 * 4096 < 2^27. */
const DOT_BIAS: i32 = 0x10000000;

/**
 * Nodes whose distances are computed together: slots, addresses of codes, distances. There is room
 * for what a walk gathers from the rows of several nodes: see walk.ts.
 */
export const batchSlots: usize = memory.data(4096, 128);
export const batchAddresses: usize = memory.data(4096, 128);
export const batchDistances: usize = memory.data(4096, 128);

/** What codes are compared with: a code, or for ip signed bytes. */
let queryAt: usize = 0;
let queryBias: i32 = 0;
const signedQuery: usize = memory.data(4096, 64);

/** How nodes are compared with each other, and how with the query. */
let kernel: u32 = 0;
let queryKernel: u32 = 0;
/** The code that stands for zero, under ip. */
export let zeroPoint: i32 = 0;

/** Distances of codes since the start. */
export let distanceCount: u64 = 0;

export function setKernel(): void {
  if (precision == PRECISION_BINARY) kernel = KERNEL_BITS;
  else if (precision == PRECISION_F32)
    kernel = metric == METRIC_L2 ? KERNEL_L2_FLOAT : KERNEL_DOT_FLOAT;
  else kernel = metric == METRIC_IP ? KERNEL_DOT : KERNEL_L2;
}

export function setZeroPoint(code: i32): void {
  zeroPoint = code;
}

/** Compares from now on with the code of a node. */
export function queryNode(code: usize): void {
  queryAt = code;
  queryKernel = kernel;
  walkCodes();
  if (kernel != KERNEL_DOT) return;
  let sum: i32 = 0;
  for (let index: usize = 0; index < codeBytes; index++) {
    const value = <i32>load<u8>(code + index) - zeroPoint;
    store<i8>(signedQuery + index, <i8>value);
    sum += value;
  }
  queryAt = signedQuery;
  queryBias = DOT_BIAS + zeroPoint * sum;
}

/** Compares with an encoded query: a code, or for ip `signedBytes()`, filled by the caller. */
export function queryCode(code: usize): void {
  queryAt = code;
  queryKernel = kernel;
  walkCodes();
  queryBias = DOT_BIAS;
}

/** Half of what the lower bits of codes can hold, which sketches lack: taken off the query. */
const LACKING: i8 = 4;

/** Compares the sketches of nodes with an encoded query, which is changed for that. */
export function querySketches(code: usize): void {
  for (let at: usize = 0; at < codeBytes; at += 16) {
    v128.store(code + at, i8x16.sub(v128.load(code + at), i8x16.splat(LACKING)));
  }
  queryAt = code;
  queryKernel = KERNEL_SKETCH;
  walkSketches();
}

export function signedBytes(): usize {
  return signedQuery;
}

/** The inner product that a distance under ip stands for, in units of codes. */
export function dotOfDistance(distance: u32): i32 {
  return DOT_BIAS - <i32>distance;
}

export function usesSignedQuery(): bool {
  return kernel == KERNEL_DOT;
}

/** Loads a word of each line of the batch's codes, so that their cache misses overlap. */
export function touchBatch(count: u32): void {
  let sum: u32 = 0;
  const end = wordAt(batchAddresses, count);
  if (walkedBytes <= 64) {
    for (let at = batchAddresses; at < end; at += 4) sum ^= load<u32>(load<u32>(at));
  } else {
    for (let at = batchAddresses; at < end; at += 4) {
      const code = <usize>load<u32>(at);
      const last = code + walkedBytes;
      for (let line = code; line < last; line += 64) sum ^= load<u32>(line);
    }
  }
  touched = sum;
}
let touched: u32 = 0;
/** Exported, so that the loads above are not removed. */
export function touchedWords(): u32 {
  return touched;
}

/** Computes the distances of the query to the batch's first `count` codes or sketches. */
export function measureBatch(count: u32): void {
  const end = (<usize>count) << 2;
  distanceCount += count;
  if (queryKernel == KERNEL_SKETCH) {
    for (let at: usize = 0; at < end; at += 4) {
      store<u32>(batchDistances + at, distanceToSketch(queryAt, load<u32>(batchAddresses + at)));
    }
  } else if (queryKernel == KERNEL_L2) {
    for (let at: usize = 0; at < end; at += 4) {
      store<u32>(batchDistances + at, l2(queryAt, load<u32>(batchAddresses + at)));
    }
  } else {
    for (let at: usize = 0; at < end; at += 4) {
      store<u32>(batchDistances + at, measureOther(load<u32>(batchAddresses + at)));
    }
  }
}

/** The distance of the query to one code or sketch. */
export function measure(code: usize): u32 {
  distanceCount++;
  if (queryKernel == KERNEL_SKETCH) return distanceToSketch(queryAt, code);
  return kernel == KERNEL_L2 ? l2(queryAt, code) : measureOther(code);
}

function measureOther(code: usize): u32 {
  if (kernel == KERNEL_DOT) return <u32>(queryBias - dotSigned(queryAt, code));
  return betweenOther(queryAt, code);
}

/** The distance of two codes; the same as `measure` after `queryNode` of one of them. */
export function between(left: usize, right: usize): u32 {
  return kernel == KERNEL_L2 ? l2(left, right) : betweenOther(left, right);
}

function betweenOther(left: usize, right: usize): u32 {
  if (kernel == KERNEL_BITS) return bits(left, right);
  if (kernel == KERNEL_DOT) return <u32>(DOT_BIAS - dotCentred(left, right));
  if (kernel == KERNEL_L2_FLOAT) return ordered(l2Float(left, right, codeBytes));
  return ordered(-dotFloat(left, right, codeBytes));
}

/** f32 as u32 of the same order; NaN is farthest. */
export function ordered(value: f32): u32 {
  if (value != value) return u32.MAX_VALUE;
  // Adding zero turns -0 into 0.
  const word = reinterpret<i32>(value + <f32>0);
  return <u32>(word ^ ((word >> 31) | i32.MIN_VALUE));
}

/** The f32 that `ordered` mapped. */
export function unordered(word: u32): f32 {
  const value = <i32>word;
  return reinterpret<f32>(value ^ ((~value >> 31) | i32.MIN_VALUE));
}

function sumLanes(sum: v128): u32 {
  const pairs = i32x4.add(
    sum,
    i8x16.shuffle(sum, sum, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7),
  );
  return i32x4.extract_lane(pairs, 0) + i32x4.extract_lane(pairs, 1);
}

/** Adds the squares of 16 differences of -127 to 127 to the lanes of `sum`, exactly. */
function addSquares(sum: v128, apart: v128): v128 {
  const size = i8x16.abs(apart);
  if (ASC_FEATURE_RELAXED_SIMD) return i32x4.relaxed_dot_i8x16_i7x16_add_s(size, size, sum);
  const low = i16x8.extend_low_i8x16_u(size);
  const high = i16x8.extend_high_i8x16_u(size);
  return i32x4.add(i32x4.add(sum, i32x4.dot_i16x8_s(low, low)), i32x4.dot_i16x8_s(high, high));
}

function squared(sum: v128, left: usize, right: usize): v128 {
  return addSquares(sum, i8x16.sub(v128.load(left), v128.load(right)));
}

function l2(left: usize, right: usize): u32 {
  let sum0 = i32x4.splat(0);
  let sum1 = i32x4.splat(0);
  const end = left + codeBytes;
  do {
    sum0 = squared(sum0, left, right);
    sum1 = squared(sum1, left + 16, right + 16);
    sum0 = squared(sum0, left + 32, right + 32);
    sum1 = squared(sum1, left + 48, right + 48);
    left += 64;
    right += 64;
  } while (left < end);
  return sumLanes(i32x4.add(sum0, sum1));
}

/** The sum of squared differences of a centred query and a sketch: see sketch.ts. */
function distanceToSketch(query: usize, sketch: usize): u32 {
  let sum0 = i32x4.splat(0);
  let sum1 = i32x4.splat(0);
  const end = query + codeBytes;
  do {
    const left = v128.load(sketch);
    const right = v128.load(sketch, 16);
    sum0 = addSquares(sum0, i8x16.sub(v128.load(query), lower(left)));
    sum1 = addSquares(sum1, i8x16.sub(v128.load(query, 16), upper(left)));
    sum0 = addSquares(sum0, i8x16.sub(v128.load(query, 32), lower(right)));
    sum1 = addSquares(sum1, i8x16.sub(v128.load(query, 48), upper(right)));
    query += 64;
    sketch += 32;
  } while (query < end);
  return sumLanes(i32x4.add(sum0, sum1));
}

function lower(halves: v128): v128 {
  return i16x8.shl(v128.and(halves, i8x16.splat(0x0f)), 3);
}

function upper(halves: v128): v128 {
  return v128.and(i16x8.shr_u(halves, 1), i8x16.splat(0x78));
}

/** Signed bytes times 7-bit codes. */
function dotSigned(left: usize, right: usize): i32 {
  let sum = i32x4.splat(0);
  const end = left + codeBytes;
  for (; left < end; left += 16, right += 16) {
    if (ASC_FEATURE_RELAXED_SIMD) {
      sum = i32x4.relaxed_dot_i8x16_i7x16_add_s(v128.load(left), v128.load(right), sum);
    } else {
      const low = i32x4.dot_i16x8_s(v128.load8x8_s(left), v128.load8x8_u(right));
      const high = i32x4.dot_i16x8_s(v128.load8x8_s(left + 8), v128.load8x8_u(right + 8));
      sum = i32x4.add(i32x4.add(sum, low), high);
    }
  }
  return <i32>sumLanes(sum);
}

/** The dot product of two codes, both around the zero point. */
function dotCentred(left: usize, right: usize): i32 {
  const zero = i16x8.splat(<i16>zeroPoint);
  let sum = i32x4.splat(0);
  const end = left + codeBytes;
  for (; left < end; left += 8, right += 8) {
    const a = i16x8.sub(v128.load8x8_u(left), zero);
    const b = i16x8.sub(v128.load8x8_u(right), zero);
    sum = i32x4.add(sum, i32x4.dot_i16x8_s(a, b));
  }
  return <i32>sumLanes(sum);
}

/** Bits that differ. */
function bits(left: usize, right: usize): u32 {
  let sum = i16x8.splat(0);
  const end = left + codeBytes;
  for (; left < end; left += 16, right += 16) {
    const count = i8x16.popcnt(v128.xor(v128.load(left), v128.load(right)));
    sum = i16x8.add(sum, i16x8.extadd_pairwise_i8x16_u(count));
  }
  return sumLanes(i32x4.extadd_pairwise_i16x8_u(sum));
}

function sumFloats(sum: v128): f32 {
  const even = f32x4.extract_lane(sum, 0) + f32x4.extract_lane(sum, 2);
  return even + (f32x4.extract_lane(sum, 1) + f32x4.extract_lane(sum, 3));
}

/** Sum of squared differences of f32 vectors of `bytes`, a multiple of 64. */
export function l2Float(left: usize, right: usize, bytes: usize): f32 {
  let sum0 = f32x4.splat(0);
  let sum1 = f32x4.splat(0);
  let sum2 = f32x4.splat(0);
  let sum3 = f32x4.splat(0);
  const end = left + bytes;
  for (; left < end; left += 64, right += 64) {
    const apart0 = f32x4.sub(v128.load(left), v128.load(right));
    const apart1 = f32x4.sub(v128.load(left, 16), v128.load(right, 16));
    const apart2 = f32x4.sub(v128.load(left, 32), v128.load(right, 32));
    const apart3 = f32x4.sub(v128.load(left, 48), v128.load(right, 48));
    sum0 = f32x4.add(sum0, f32x4.mul(apart0, apart0));
    sum1 = f32x4.add(sum1, f32x4.mul(apart1, apart1));
    sum2 = f32x4.add(sum2, f32x4.mul(apart2, apart2));
    sum3 = f32x4.add(sum3, f32x4.mul(apart3, apart3));
  }
  return sumFloats(f32x4.add(f32x4.add(sum0, sum1), f32x4.add(sum2, sum3)));
}

/** Inner product of f32 vectors of `bytes`, a multiple of 64. */
export function dotFloat(left: usize, right: usize, bytes: usize): f32 {
  let sum0 = f32x4.splat(0);
  let sum1 = f32x4.splat(0);
  let sum2 = f32x4.splat(0);
  let sum3 = f32x4.splat(0);
  const end = left + bytes;
  for (; left < end; left += 64, right += 64) {
    sum0 = f32x4.add(sum0, f32x4.mul(v128.load(left), v128.load(right)));
    sum1 = f32x4.add(sum1, f32x4.mul(v128.load(left, 16), v128.load(right, 16)));
    sum2 = f32x4.add(sum2, f32x4.mul(v128.load(left, 32), v128.load(right, 32)));
    sum3 = f32x4.add(sum3, f32x4.mul(v128.load(left, 48), v128.load(right, 48)));
  }
  return sumFloats(f32x4.add(f32x4.add(sum0, sum1), f32x4.add(sum2, sum3)));
}
