/** Keys as the layers above the engine handle them. */
import { CairnError } from "../errors.ts";

/** Text stands for its UTF-8 form. */
export type Key = string | Uint8Array;

/** Longest key of a record, in bytes. */
export const keyBytesMax = 1_024;

const textEncoder = new TextEncoder();
const loneSurrogate = /\p{Surrogate}/u;
/** A text of so many characters fits into {@link keyBytesMax}, whatever they are. */
const surelyShortChars = Math.floor(keyBytesMax / 3);

/** Refuses a key that is longer than {@link keyBytesMax} bytes: `key_too_large`. */
export function checkKeyLength(key: Key): void {
  if (key.length <= surelyShortChars) return;
  const found = typeof key === "string" ? textBytes(key) : key.length;
  if (found <= keyBytesMax) return;
  throw new CairnError(
    "key_too_large",
    `Cannot use this key: it has ${found} bytes, at most ${keyBytesMax} are allowed. ` +
      "Shorten it, or store a hash of it.",
    { details: { found, expected: keyBytesMax } },
  );
}

function textBytes(text: string): number {
  // Longer texts need not be encoded to be refused: a character has a byte at least.
  return text.length > keyBytesMax ? text.length : textEncoder.encode(text).length;
}

/** The key's bytes. @throws CairnError `key_invalid` for a lone surrogate. */
export function keyBytes(key: Key): Uint8Array {
  if (typeof key !== "string") return key;
  const bytes = textEncoder.encode(key);
  if (bytes.length !== key.length && loneSurrogate.test(key)) {
    throw new CairnError(
      "key_invalid",
      "Cannot encode a key: it has a lone surrogate, which has no UTF-8 form. Use bytes as key.",
    );
  }
  return bytes;
}

/**
 * A copy of bytes whose owner may change them. Not `slice`: that of Node's Buffer copies nothing.
 */
export function ownedBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

/** A key that its owner may change after the call. */
export function ownedKey(key: Key): Key {
  return typeof key === "string" ? key : ownedBytes(key);
}

/** The key as the key of a Map: text as it is, bytes as one character each. */
export function mapKey(key: Key): string {
  if (typeof key === "string") return key;
  // Most keys of rows are numbers of eight bytes. Spreading takes 350 ns, `apply` 63, this 24.
  if (key.length !== 8) return Reflect.apply(String.fromCharCode, undefined, key);
  const char = String.fromCharCode;
  return char(key[0], key[1], key[2], key[3], key[4], key[5], key[6], key[7]);
}

/** Below zero when `left` comes first. Keys are ordered by their bytes, without signs. */
export function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index++) {
    const difference = left[index] - right[index];
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
