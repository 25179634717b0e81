/** Negative results of this module's exports; `bindings/vector-core.ts` repeats the table. */

/** `memory.grow` was refused, or 4 GiB are not enough. */
export const OUT_OF_MEMORY: i32 = -1;
/** No node has that label. */
export const LABEL_UNKNOWN: i32 = -2;
/** A node has that label already. */
export const LABEL_TAKEN: i32 = -3;
/** An image is being written: the graph must not change. */
export const IMAGE_OPEN: i32 = -4;
/** The bounds of the codes are not known yet. */
export const UNTRAINED: i32 = -5;
/** An image contradicts itself. */
export const IMAGE_INVALID: i32 = -6;
/** A purge is under way: the image would hold nodes that are half gone. */
export const PURGE_OPEN: i32 = -8;
/** An option is outside its range. */
export const OPTION_INVALID: i32 = -7;
