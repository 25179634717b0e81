/**
 * The keys of an episode, in the order of their bytes. Because no other keys are ever used, a range
 * of keys is a range of numbers, and what a keyspace holds is an array.
 */
import type { Random } from "../../storage/random.ts";

/** Keys that begin alike: those from number `from` to before `to`. */
export interface Span<K> {
  readonly key: K;
  readonly from: number;
  readonly to: number;
}

export interface Universe<K extends string | Uint8Array> {
  readonly keys: readonly K[];
  readonly bytes: readonly Buffer[];
  /** Prefixes, whole keys among them, and one that no key begins with. */
  readonly prefixes: readonly Span<K>[];
  /** Dotted groups, without the dot; empty for bytes. */
  readonly groups: readonly Span<string>[];
}

const long = "k".repeat(1_000);
const oddTexts = [
  "",
  "a",
  "a.",
  "a.b",
  "a.c.d",
  "a/",
  "ab",
  "a\0",
  "é",
  "\uffee",
  "😀",
  "\ufeffx",
  `${long}a`,
  `${long}b`,
  `${long}${"z".repeat(24)}`,
  "__proto__",
  "constructor",
];

function textKey(random: Random): string {
  const number = random.integer(4_000);
  switch (random.integer(6)) {
    case 0:
      return `g${number % 7}.${number}`;
    case 1:
      return `g${number % 7}.h${number % 5}.${number}`;
    case 2:
      return `${"p".repeat(60)}${number}`;
    case 3:
      return `ü${number}`;
    default:
      return `n${number}`;
  }
}

function bytesKey(random: Random): Buffer {
  const length = random.pick([0, 1, 2, 3, 8, 8, 16, 40, 300, 1_024]);
  const bytes = Buffer.from(random.bytes(Math.min(length, 24)));
  if (random.chance(0.3)) bytes.fill(random.pick([0, 0xff]), 0, Math.min(4, bytes.length));
  return Buffer.concat([bytes, Buffer.alloc(Math.max(0, length - 24), random.integer(3))]);
}

export function textUniverse(random: Random, count: number): Universe<string> {
  const texts = new Set(oddTexts);
  while (texts.size < count + oddTexts.length) texts.add(textKey(random));
  const keys = [...texts].sort((left, right) =>
    Buffer.compare(Buffer.from(left), Buffer.from(right)),
  );
  const bytes = keys.map((key) => Buffer.from(key));
  const prefixTexts = ["", "a", "a.", "g1", "g2.h", "n1", "n39", "p", "é", "k", "zz", "ü1"];
  const spanOf = (key: string): Span<string> => ({ key, ...span(bytes, Buffer.from(key)) });
  const groupOf = (key: string): Span<string> => ({ key, ...span(bytes, Buffer.from(`${key}.`)) });
  return {
    keys,
    bytes,
    prefixes: prefixTexts.map(spanOf),
    groups: ["a", "a.c", "g1", "g2", "g3.h1", "g9", "n"].map(groupOf),
  };
}

export function bytesUniverse(random: Random, count: number): Universe<Uint8Array> {
  const unique = new Map<string, Buffer>();
  while (unique.size < count) {
    const key = bytesKey(random);
    unique.set(key.toString("latin1"), key);
  }
  const bytes = [...unique.values()].sort(Buffer.compare);
  const prefixes = [[], [0], [0xff], [0xff, 0xff], [0, 0, 0, 0], [0x61]].map((start) => {
    const key = Uint8Array.from(start);
    return { key, ...span(bytes, Buffer.from(key)) };
  });
  return { keys: bytes.map((key) => Uint8Array.from(key)), bytes, prefixes, groups: [] };
}

/** The keys that begin with `prefix`; where they would stand when there are none. */
function span(sorted: readonly Buffer[], prefix: Buffer): { from: number; to: number } {
  const found = sorted.map((key) => key.subarray(0, prefix.length).equals(prefix));
  const from = found.indexOf(true);
  return from < 0 ? { from: 0, to: 0 } : { from, to: found.lastIndexOf(true) + 1 };
}
