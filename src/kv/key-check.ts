import { CairnError } from "../errors.ts";
import { checkKeyLength, type Tree } from "../transaction/index.ts";
import { describeValue } from "./options.ts";

/**
 * Refuses a key of the wrong type, one that is too long, and any key of a keyspace that is gone:
 * `key_invalid`, `key_too_large`, `keyspace_dropped`. Lone surrogates are found when the key is
 * encoded.
 */
export function checkKey(tree: Tree, key: unknown): asserts key is string | Uint8Array {
  if (tree.isText ? typeof key !== "string" : !(key instanceof Uint8Array)) {
    throw keyInvalid(tree, key);
  }
  if (tree.isDropped) throw dropped();
  checkKeyLength(key as string | Uint8Array);
}

export function dropped(): CairnError {
  return new CairnError(
    "keyspace_dropped",
    "Cannot use this keyspace: it was dropped. Open it again by its name.",
  );
}

function keyInvalid(tree: Tree, key: unknown): CairnError {
  const expected = tree.isText ? "a string" : "a Uint8Array";
  const found = typeof key === "string" ? "a string" : describeValue(key);
  return new CairnError(
    "key_invalid",
    `Cannot use this key: found ${found}, expected ${expected}. The keyspace's key option decides.`,
    { details: { expected } },
  );
}
