/**
 * From f32 vectors to codes. The bounds are trained by the host (bindings/vector-training.ts): a
 * mean for each component, and one scale for all, so that differences of codes stand for
 * differences of components.
 *
 *     int8     code = round((x - mean) * inverse + offset), 0 to 127
 *     f32      the vector, normalised under cosine
 *     binary   bit = x > mean
 */
import { wordAt } from "./memory";
import { setZeroPoint, signedBytes, zeroPoint } from "./kernel";
import {
  codeBytes,
  DIMENSIONS_MAX,
  dimensions,
  METRIC_COSINE,
  METRIC_IP,
  metric,
  PRECISION_BINARY,
  PRECISION_F32,
  precision,
} from "./shape";

const CODE_MAX: f32 = 127;

/** f32 for each component. */
export const means: usize = memory.data(16384, 64);
/** f32 vector that is encoded; the host writes it. Components from `dimensions` on are 0. */
export const input: usize = memory.data(16384, 64);

export let isTrained: bool = false;
/** What a step of the code stands for. */
export let scale: f32 = 1;
/** What code 0 stands for, above the mean. */
export let low: f32 = 0;
let inverse: f32 = 1;
let offset: f32 = 0;

/** Components stored outside the bounds, and all that were stored. */
export let clippedCount: u64 = 0;
export let encodedCount: u64 = 0;

/** Takes over bounds; `means` was filled by the host. False when they can be none. */
export function setBounds(ofLow: f32, ofScale: f32): bool {
  const factor = <f32>1 / ofScale;
  const shift = -ofLow * factor;
  if (!(factor > 0) || !(factor < <f32>Infinity) || !(abs(shift) < 1e9)) return false;
  low = ofLow;
  scale = ofScale;
  inverse = factor;
  offset = shift;
  if (metric == METRIC_IP) {
    // A product of components needs a code that stands for zero.
    const zero = <i32>nearest(shift);
    if (zero < 0 || zero > 127) return false;
    setZeroPoint(zero);
    offset = <f32>zero;
  }
  isTrained = true;
  return true;
}

/** After an image was loaded. */
export function setEncoded(clipped: u64, encoded: u64): void {
  clippedCount = clipped;
  encodedCount = encoded;
}

/** Makes a vector a unit vector, under cosine. */
export function normalise(vector: usize): void {
  if (metric != METRIC_COSINE) return;
  let sum: f64 = 0;
  const end = wordAt(vector, dimensions);
  for (let at = vector; at < end; at += 4) sum += <f64>load<f32>(at) * <f64>load<f32>(at);
  if (sum == 0) return;
  const factor = 1 / Math.sqrt(sum);
  for (let at = vector; at < end; at += 4) store<f32>(at, <f32>(<f64>load<f32>(at) * factor));
}

/** Writes the code of a (normalised) vector, which has its padding. */
export function encode(vector: usize, code: usize, isStored: bool): void {
  if (precision == PRECISION_F32) memory.copy(code, vector, codeBytes);
  else if (precision == PRECISION_BINARY) encodeBits(vector, code);
  else encodeBytes(vector, code, isStored);
}

function encodeBytes(vector: usize, code: usize, isStored: bool): void {
  const factor = f32x4.splat(inverse);
  const shift = f32x4.splat(offset);
  const least = f32x4.splat(0);
  const most = f32x4.splat(CODE_MAX);
  let clipped: u32 = 0;
  // Components are taken by four; means and input are zero behind the last one.
  for (let index: usize = 0; index < <usize>dimensions; index += 4) {
    const from = index << 2;
    const centred = f32x4.sub(v128.load(vector + from), v128.load(means + from));
    const value = f32x4.nearest(f32x4.add(f32x4.mul(centred, factor), shift));
    clipped += popcnt<u32>(
      <u32>i32x4.bitmask(v128.or(f32x4.lt(value, least), f32x4.gt(value, most))),
    );
    const words = i32x4.trunc_sat_f32x4_s(f32x4.max(least, f32x4.min(most, value)));
    const halves = i16x8.narrow_i32x4_s(words, words);
    v128.store32_lane(code + index, i8x16.narrow_i16x8_u(halves, halves), 0);
  }
  const pad = <u8>zeroPoint;
  for (let index = <usize>dimensions; index < codeBytes; index++) store<u8>(code + index, pad);
  if (isStored) {
    clippedCount += clipped;
    encodedCount += dimensions;
  }
}

function encodeBits(vector: usize, code: usize): void {
  memory.fill(code, 0, codeBytes);
  for (let index: usize = 0; index < <usize>dimensions; index++) {
    const from = index << 2;
    if (load<f32>(vector + from) <= load<f32>(means + from)) continue;
    const at = code + (index >>> 3);
    store<u8>(at, load<u8>(at) | <u8>((<u32>1) << (<u32>(index & 7))));
  }
}

/** What a step of the signed query stands for. */
export let signedScale: f32 = 1;

/** Writes the input as signed bytes with a scale of its own, for inner products. */
export function encodeSigned(): void {
  let most: f32 = 0;
  const end = wordAt(input, dimensions);
  for (let at = input; at < end; at += 4) most = max(most, abs(load<f32>(at)));
  const factor: f32 = most > 0 ? CODE_MAX / most : 0;
  signedScale = most / CODE_MAX;
  const code = signedBytes();
  memory.fill(code, 0, codeBytes);
  for (let index: usize = 0; index < <usize>dimensions; index++) {
    store<i8>(code + index, <i8>nearest(load<f32>(input + (index << 2)) * factor));
  }
}

/** The sum of the signed query, for the part of an inner product that the zero point hides. */
export function signedSum(): i32 {
  let sum: i32 = 0;
  for (let index: usize = 0; index < <usize>dimensions; index++) {
    sum += load<i8>(signedBytes() + index);
  }
  return sum;
}

/** After the bounds of an image that has none were looked at. */
export function forgetBounds(): void {
  isTrained = false;
}
