/**
 * Positions between two rows, as text that can travel in a URL:
 *
 *     base64url of   0    u8   1, or 2 for a visit from the last key to the first
 *                    1    ..   the key of the row before the position
 */
import { describeValue, invalid } from "./options.ts";

const forward = 1;
const backward = 2;
const alphabet = /^[A-Za-z0-9_-]+$/;

export function encodeCursor(key: Uint8Array, isReverse: boolean): string {
  let binary = String.fromCharCode(isReverse ? backward : forward);
  for (const byte of key) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The key of the row before the position. @throws CairnError `argument_invalid`. */
export function decodeCursor(action: string, cursor: unknown, isReverse: boolean): Uint8Array {
  const bytes = typeof cursor === "string" && alphabet.test(cursor) ? decode(cursor) : undefined;
  if (bytes === undefined || bytes.length === 0 || bytes[0] < forward || bytes[0] > backward) {
    const found = typeof cursor === "string" ? "some other text" : describeValue(cursor);
    throw invalid(action, "the option cursor", found, "the cursor of an iterator");
  }
  if ((bytes[0] === backward) !== isReverse) {
    throw invalid(action, "the option cursor", "one of the other direction", "the same direction");
  }
  return bytes.subarray(1);
}

function decode(text: string): Uint8Array | undefined {
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(binary, (character) => character.charCodeAt(0));
  } catch {
    // Not every text over the alphabet is base64.
    return undefined;
  }
}
