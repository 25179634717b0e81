/**
 * Sketches: the upper 4 of the 7 bits of each component, for walks of queries. What a walk waits
 * for is memory, and a sketch takes half the cache lines of a code. 32 components take 16 bytes:
 * the first 16 are the lower halves of the bytes, the others the upper ones. Queries keep their
 * 7 bits, so that distances to sketches are those to codes, but for the nodes' lower bits.
 */
import { codeBytes, codeOf, sketchBytes, sketchOf } from "./shape";

/** Derives the sketch of a node from its code. */
export function writeSketch(slot: u32): void {
  if (sketchBytes == 0) return;
  const code = codeOf(slot);
  let sketch = sketchOf(slot);
  for (let at: usize = 0; at < codeBytes; at += 32, sketch += 16) {
    const first = v128.and(i16x8.shr_u(v128.load(code + at), 3), i8x16.splat(0x0f));
    const second = v128.and(i16x8.shl(v128.load(code + at, 16), 1), i8x16.splat(-16));
    v128.store(sketch, v128.or(first, second));
  }
}
