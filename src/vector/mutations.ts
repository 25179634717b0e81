/** What an envelope may do to a vector index, as data. */
import type { Id } from "./id.ts";
import type { VectorInput } from "./vector.ts";

/** A change of one vector. */
export type VectorMutation = {
  readonly model: "vectors";
  /** The vector index. */
  readonly target: object;
  readonly id: Id;
} & (
  | { readonly operation: "put"; readonly vector: VectorInput; readonly metadata?: unknown }
  | { readonly operation: "delete" }
);

/** Makes mutations of one vector index for `db.commit`, named as the methods that do the same. */
export class VectorMutations<Meta, I extends Id> {
  readonly #on: { readonly model: "vectors"; readonly target: object };

  /** Not for applications: `vectors.mutations` makes it. */
  constructor(target: object) {
    this.#on = { model: "vectors", target };
  }

  /** Puts a vector, in place of the one under the same id. */
  put(id: I, vector: VectorInput, metadata?: Meta): VectorMutation {
    const put = { ...this.#on, operation: "put", id, vector } as const;
    return metadata === undefined ? put : { ...put, metadata };
  }

  /** Deletes a vector; no vector is no error. */
  delete(id: I): VectorMutation {
    return { ...this.#on, operation: "delete", id };
  }
}
