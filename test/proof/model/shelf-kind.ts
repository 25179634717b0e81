/** The keyspaces of an episode, and the values that are put into them. */
import type { KeyspaceOptions } from "../../../src/index.ts";

export interface ShelfKind {
  readonly name: string;
  readonly options: KeyspaceOptions;
  readonly isText: boolean;
  readonly isOrdered: boolean;
  /** Milliseconds that a record lives unless its put says otherwise. */
  readonly ttl: number;
  /** What a put is given for a number. */
  readonly valueOf: (number: number) => unknown;
  /** What the reference keeps of it. */
  readonly kept: (value: unknown) => unknown;
  /** True when a value that was read is what the reference has kept. */
  readonly isSame: (kept: unknown, found: unknown) => boolean;
}

const never = Number.POSITIVE_INFINITY;

/** Characters of a value: mostly few, sometimes more than a page, or around what fits into one. */
function lengthOf(number: number): number {
  const kind = number % 64;
  if (kind === 0) return number % 7 === 0 ? 20_000 + (number % 50_000) : 4_000 + (number % 9_000);
  if (kind < 3) return 900 + (number % 300);
  return kind === 3 ? 0 : number % 60;
}

function textOf(number: number): string {
  const begin = `${number}.`;
  const letter = number % 11 === 0 ? "é" : String.fromCharCode(97 + (number % 26));
  return lengthOf(number) === 0 && number % 3 === 0 ? "" : begin + letter.repeat(lengthOf(number));
}

function jsonOf(number: number): unknown {
  switch (number % 5) {
    case 0:
      return number;
    case 1:
      return { number, text: textOf(number), __proto__: null };
    case 2:
      return [number, [textOf(number)], null, true];
    case 3:
      return textOf(number);
    default:
      return { a: { b: number / 7 }, constructor: "c" };
  }
}

function bytesOf(number: number): Uint8Array {
  const bytes = new Uint8Array(lengthOf(number) + (number % 3)).fill(number % 251);
  if (bytes.length >= 4) new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

const same = (kept: unknown, found: unknown): boolean => kept === found;
const asIs = (value: unknown): unknown => value;
const isSameJson = (kept: unknown, found: unknown): boolean =>
  found !== undefined && JSON.stringify(found) === kept;

function isSameBytes(kept: unknown, found: unknown): boolean {
  if (!(kept instanceof Uint8Array && found instanceof Uint8Array)) return false;
  if (kept.length !== found.length) return false;
  for (let at = 0; at < kept.length; at++) if (kept[at] !== found[at]) return false;
  return true;
}

export const shelfKinds: readonly ShelfKind[] = [
  {
    name: "text",
    options: { kind: "ordered", value: "utf8" },
    isText: true,
    isOrdered: true,
    ttl: never,
    valueOf: textOf,
    kept: asIs,
    isSame: same,
  },
  {
    name: "hash",
    options: { kind: "hashed", value: "json" },
    isText: true,
    isOrdered: false,
    ttl: never,
    valueOf: jsonOf,
    kept: (value) => JSON.stringify(value),
    isSame: isSameJson,
  },
  {
    name: "lease",
    options: { kind: "ordered", key: "bytes", value: "bytes", ttl: 5_000 },
    isText: false,
    isOrdered: true,
    ttl: 5_000,
    valueOf: bytesOf,
    kept: asIs,
    isSame: isSameBytes,
  },
  {
    name: "words",
    options: { kind: "hashed", key: "bytes", value: "utf8" },
    isText: false,
    isOrdered: false,
    ttl: never,
    valueOf: textOf,
    kept: asIs,
    isSame: same,
  },
];

/** True when these are the bytes that a value is stored as. */
export function isSameStored(kept: unknown, found: unknown): boolean {
  const bytes = kept instanceof Uint8Array ? kept : Buffer.from(kept as string);
  return found instanceof Uint8Array && Buffer.compare(bytes, found) === 0;
}
