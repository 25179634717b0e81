import type { EffectBuffer, Steps, Turn } from "../engine/index.ts";
import type { Key } from "./key.ts";

/** A staged write that a tree's owner encodes. */
export interface OverlayWrite {
  readonly key: Key;
  /** Undefined where the record is deleted. */
  readonly value: Uint8Array | undefined;
}

/**
 * A tree of records as the layers above the engine know it; one object for all who use the tree.
 */
export interface Tree {
  readonly id: number;
  readonly kind: "ordered" | "hashed";
  /** Keys are text, stored as UTF-8. */
  readonly isText: boolean;
  /** Some record may have an expiry. While false, reads need not ask the clock. */
  expires: boolean;
  isDropped: boolean;
  /**
   * Encodes what a transaction has staged under this tree's keys, where that is more than puts and
   * deletions in this tree alone. In the commit's turn; every key comes once.
   */
  readonly write?: (
    effects: EffectBuffer,
    turn: Turn,
    writes: readonly OverlayWrite[],
  ) => Steps<unknown>;
}
