/**
 * Positions between two rows of a query, as text that can travel in a URL:
 *
 *     base64url of   0    u8    1
 *                    1    u64   digest of the query, little-endian, as the signature
 *                    9    ..    JSON: what the row before the position is sorted by
 *                    ..   u64   SipHash-2-4 of all before it
 *
 * The key of the signature is made of a secret of the application, or of the database's id. It
 * shows that a cursor is as it was made, and for this query; it hides nothing.
 */
import { CairnError } from "../errors.ts";
import { restoreValue, storeValue } from "../tables/inside.ts";
import { type SipKey, sipHash } from "./siphash.ts";

const version = 1;
const headBytes = 9;
const tagBytes = 8;
const alphabet = /^[A-Za-z0-9_-]+$/;
const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder();
const open: SipKey = [0n, 0n];

/** The key that a secret makes. */
export function cursorKey(secret: Uint8Array): SipKey {
  const half = (label: number): bigint => sipHash(open, Uint8Array.of(label, ...secret));
  return [half(1), half(2)];
}

/** What tells a query, its tables and its parameters from others. */
export function queryDigest(description: unknown): bigint {
  return sipHash(open, textEncoder.encode(JSON.stringify(storeValue(description))));
}

export function encodeCursor(key: SipKey, digest: bigint, values: readonly unknown[]): string {
  const content = textEncoder.encode(JSON.stringify(storeValue(values)));
  const bytes = new Uint8Array(headBytes + content.length + tagBytes);
  const view = new DataView(bytes.buffer);
  bytes[0] = version;
  view.setBigUint64(1, digest, true);
  bytes.set(content, headBytes);
  const end = headBytes + content.length;
  view.setBigUint64(end, sipHash(key, bytes.subarray(0, end)), true);
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** What the row before the position is sorted by. @throws CairnError `cursor_invalid`. */
export function decodeCursor(key: SipKey, digest: bigint, cursor: unknown): unknown[] {
  if (typeof cursor !== "string" || !alphabet.test(cursor)) throw invalidCursor("no cursor");
  const bytes = decoded(cursor);
  const end = (bytes?.length ?? 0) - tagBytes;
  if (bytes === undefined || end < headBytes || bytes[0] !== version) {
    throw invalidCursor("no cursor");
  }
  const view = new DataView(bytes.buffer);
  if (view.getBigUint64(end, true) !== sipHash(key, bytes.subarray(0, end))) {
    throw invalidCursor("one that was changed, or made with another key or database");
  }
  if (view.getBigUint64(1, true) !== digest) throw invalidCursor("one of another query");
  const values = restoreValue(JSON.parse(textDecoder.decode(bytes.subarray(headBytes, end))));
  return values as unknown[];
}

function decoded(text: string): Uint8Array | undefined {
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    // Other texts that mean the same bytes are not the cursor as it was made.
    const again = btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    return again === text ? bytes : undefined;
  } catch {
    // Not every text over the alphabet is base64.
    return undefined;
  }
}

function invalidCursor(found: string): CairnError {
  return new CairnError(
    "cursor_invalid",
    `Cannot go on behind this cursor: found ${found}, expected the cursor of a page of the same ` +
      "query, as it was answered. Begin again without one.",
  );
}
