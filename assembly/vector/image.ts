/**
 * An image of the graph: what `VectorGraph.write` makes and `VectorGraph.read` takes. All numbers
 * are little-endian. Nodes stand in the order in which a walk from the entry point meets them, so
 * that near ones lie close together; a node's place is its slot when the image is loaded.
 *
 *     header, 256 bytes
 *       0   "CAIRNVEC"
 *       8   u32 each: version (1), dimensions, metric, precision, connections (M), efConstruction,
 *           1 if vectors are kept, seed
 *       40  u32 each: nodes, linked nodes (which come first), entry point or NONE, upper rows
 *       56  f32 each: low, scale
 *       64  u32 1 if trained, u32 0
 *       72  u64 each: highest born, components clipped, components encoded
 *       96  zeros
 *     means     f32 x dimensions, zeros up to 64 bytes
 *     nodes     u32 label, u8 level, 3 zeros, u64 born, u64 died (all ones: alive), u32 x 2 M links
 *               (places; NONE from the first unused one on), code, vector if kept
 *     upper     u32 x M links; for each node with levels above 0, level 1 first
 *
 * There is no checksum: an image lies in a blob, whose pages have theirs. Whoever cuts it off or
 * damages it gets IMAGE_INVALID or a graph that is sound, never anything else.
 */
import { roundUp } from "./memory";
import { isTrained, low, scale } from "./quantiser";
import {
  codeBytes,
  connections,
  dimensions,
  efConstruction,
  keepsVectors,
  linkBytes,
  metric,
  precision,
  seed,
  upperLinkBytes,
  vectorBytes,
} from "./shape";

export const HEADER_BYTES: usize = 256;
export const NODE_HEAD_BYTES: usize = 24;
const MAGIC: u64 = 0x4345564e52494143;
const VERSION: u32 = 1;

export function meansBytes(): usize {
  return roundUp((<usize>dimensions) << 2, 64);
}

export function imageNodeBytes(): usize {
  return NODE_HEAD_BYTES + linkBytes + codeBytes + vectorBytes;
}

/** f64, because it may be more than 4 GiB. */
export function imageBytes(nodes: u32, upperRows: u32): f64 {
  return (
    <f64>(HEADER_BYTES + meansBytes()) +
    <f64>nodes * <f64>imageNodeBytes() +
    <f64>upperRows * <f64>upperLinkBytes
  );
}

/** The first 40 bytes and the bounds: what the shape and the training decide. */
export function writeShape(at: usize): void {
  memory.fill(at, 0, HEADER_BYTES);
  store<u64>(at, MAGIC);
  store<u32>(at, VERSION, 8);
  store<u32>(at, dimensions, 12);
  store<u32>(at, metric, 16);
  store<u32>(at, precision, 20);
  store<u32>(at, connections, 24);
  store<u32>(at, efConstruction, 28);
  store<u32>(at, keepsVectors ? 1 : 0, 32);
  store<u32>(at, seed, 36);
  store<f32>(at, low, 56);
  store<f32>(at, scale, 60);
  store<u32>(at, isTrained ? 1 : 0, 64);
}

/** Whether a header is of this version and of a graph of this instance's shape. */
export function hasShape(at: usize): bool {
  if (load<u64>(at) != MAGIC || load<u32>(at, 8) != VERSION) return false;
  if (load<u32>(at, 12) != dimensions || load<u32>(at, 16) != metric) return false;
  if (load<u32>(at, 20) != precision || load<u32>(at, 24) != connections) return false;
  if (load<u32>(at, 28) != efConstruction || load<u32>(at, 36) != seed) return false;
  if (load<u32>(at, 32) != <u32>(keepsVectors ? 1 : 0)) return false;
  for (let index: usize = 96; index < HEADER_BYTES; index += 8) {
    if (load<u64>(at + index) != 0) return false;
  }
  return load<u32>(at, 68) == 0;
}
