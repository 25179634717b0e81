/**
 * The one table of negative results. Every exported function of the core returns a number that is
 * `>= 0` on success, or one of these. `bindings/status.ts` repeats the table for the host.
 */

/** No record under that key. */
export const NOT_FOUND: i32 = -1;
/**
 * A page is not resident; its id is in the status block. Nothing was changed; load it, call again.
 */
export const PAGE_MISS: i32 = -2;
/** Too few free frames to begin. Nothing was changed; add or evict frames, call again. */
export const NEED_FRAMES: i32 = -3;
/** `memory.grow` was refused. */
export const OUT_OF_MEMORY: i32 = -4;
/** A page contradicts itself or its parent; its id and a reason are in the status block. */
export const CORRUPT: i32 = -5;
/** An effect that the host must handle itself (catalogue) comes next in the stream. */
export const EFFECT_CATALOGUE: i32 = -6;
/** A put comes next whose value must be written to overflow pages first. */
export const EFFECT_LARGE: i32 = -7;
/** The effect stream is malformed. */
export const EFFECT_INVALID: i32 = -8;
/** No tree has that id. */
export const TREE_UNKNOWN: i32 = -9;
/** An ordered operation on a hashed tree. */
export const UNORDERED: i32 = -10;
/** Fixed tables of the core are full (trees, blobs or pins). */
export const TABLE_FULL: i32 = -11;

/** Arithmetic: the result does not fit into 256 bits. */
export const OVERFLOW: i32 = -20;
/** Arithmetic: the result would be negative. */
export const UNDERFLOW: i32 = -21;
/** Arithmetic: division by zero. */
export const DIVIDE_BY_ZERO: i32 = -22;
/** Text that is no number, or an empty one. */
export const TEXT_INVALID: i32 = -23;
