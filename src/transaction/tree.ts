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
}
