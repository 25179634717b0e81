/**
 * What an envelope asks for, as 16 bytes: equal for equal requests, whatever the order of an
 * object's properties. How it is answered, what was read for it and who asks are no part of it, so
 * that a retry need not repeat them.
 *
 * MurmurHash3 (x86, 128 bits): requests under one idempotency key come from one caller, who gains
 * nothing by finding two that look alike.
 */
import { coreOf, type Keyspace } from "../kv/keyspace.ts";
import type { Table } from "../tables/index.ts";
import { tableInside } from "../tables/inside.ts";
import { type Key, ownedBytes } from "../transaction/index.ts";
import { vectorsInside } from "../vector/index.ts";
import type { Envelope } from "./envelope.ts";

export const fingerprintBytes = 16;

/** The fingerprint of an envelope that was checked. */
export function fingerprintOf({ mutations, before, after }: Envelope): Uint8Array {
  // Code of the application may run in there, getters and codecs, and commit something itself.
  const encoder = free ?? new Encoder();
  free = undefined;
  try {
    encoder.reset();
    encoder.add(mutations);
    encoder.add(before ?? []);
    encoder.add(after ?? []);
    return hash128(encoder.bytes);
  } finally {
    free = encoder;
  }
}

const textEncoder = new TextEncoder();
/** Texts up to here are written by a loop, as long as they are ASCII. */
const loopCharsMax = 48;
/** Memory that is kept for the next envelope. */
const keptBytesMax = 1 << 20;
const tags = {
  null: 0,
  false: 1,
  true: 2,
  number: 3,
  bigint: 4,
  text: 5,
  bytes: 6,
  date: 7,
  array: 8,
  object: 9,
  undefined: 10,
  end: 11,
} as const;

/** Writes plain data in a form in which equal values, and no others, have equal bytes. */
class Encoder {
  #bytes: Uint8Array = new Uint8Array(512);
  #view: DataView = new DataView(this.#bytes.buffer);
  #length = 0;

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  reset(): void {
    this.#length = 0;
    if (this.#bytes.length <= keptBytesMax) return;
    this.#bytes = new Uint8Array(keptBytesMax);
    this.#view = new DataView(this.#bytes.buffer);
  }

  add(value: unknown): void {
    switch (typeof value) {
      case "boolean":
        this.#tag(value ? tags.true : tags.false);
        return;
      case "number":
        this.#tag(tags.number);
        this.#reserve(8);
        this.#view.setFloat64(this.#length, value);
        this.#length += 8;
        return;
      case "bigint":
        this.#text(tags.bigint, value.toString(36));
        return;
      case "string":
        this.#text(tags.text, value);
        return;
      case "object":
        this.#object(value);
        return;
      default:
        this.#tag(tags.undefined);
    }
  }

  #object(value: object | null): void {
    if (value === null) this.#tag(tags.null);
    else if (value instanceof Uint8Array) this.#raw(tags.bytes, value);
    else if (value instanceof Date) {
      this.#tag(tags.date);
      this.add(value.getTime());
    } else if (Array.isArray(value) || value instanceof Float32Array) {
      this.#tag(tags.array);
      this.#number(value.length);
      for (const element of value) this.add(element);
    } else this.#properties(value as Readonly<Record<string, unknown>>);
  }

  #properties(value: Readonly<Record<string, unknown>>): void {
    const names = Object.keys(value).sort();
    this.#tag(tags.object);
    for (const name of names) {
      if (value[name] === undefined) continue;
      this.#text(tags.text, name);
      this.add(name === "target" ? nameOf(value.target) : propertyOf(value, name));
    }
    this.#tag(tags.end);
  }

  #text(tag: number, text: string): void {
    this.#reserve(5 + text.length * 3);
    const at = this.#length + 5;
    const written = this.#ascii(text, at) ?? this.#utf8(text, at);
    this.#bytes[this.#length] = tag;
    this.#view.setUint32(this.#length + 1, written);
    this.#length = at + written;
  }

  #ascii(text: string, at: number): number | undefined {
    const { length } = text;
    if (length > loopCharsMax) return undefined;
    const bytes = this.#bytes;
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) return undefined;
      bytes[at + index] = code;
    }
    return length;
  }

  #utf8(text: string, at: number): number {
    return textEncoder.encodeInto(text, this.#bytes.subarray(at)).written;
  }

  #raw(tag: number, bytes: Uint8Array): void {
    this.#tag(tag);
    this.#number(bytes.length);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #tag(tag: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = tag;
  }

  #number(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value);
    this.#length += 4;
  }

  #reserve(bytes: number): void {
    const wanted = this.#length + bytes;
    if (wanted <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(wanted, this.#bytes.length * 2));
    grown.set(this.bytes);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

/** Not in use. */
let free: Encoder | undefined;

/** A handle by its name: it is another object after a restart. */
function nameOf(target: unknown): unknown {
  const { model, names } = pathOf(target);
  return [model, ...names];
}

/** What a handle stands for. */
export function pathOf(target: unknown): {
  readonly model: "table" | "keyspace" | "vectors";
  readonly names: readonly string[];
} {
  if (isKeyspace(target)) {
    const { scope = "", name } = coreOf(target).descriptor;
    return { model: "keyspace", names: [scope, name] };
  }
  if (isTable(target)) {
    const { project, scope, name } = tableInside(target).core.state.path;
    return { model: "table", names: [project, scope, name] };
  }
  return { model: "vectors", names: [vectorsInside(target).descriptor.name] };
}

function isKeyspace(target: unknown): target is Keyspace<Key, unknown> {
  return typeof target === "object" && target !== null && "record" in target;
}

function isTable(target: unknown): target is Table {
  return typeof target === "object" && target !== null && "matching" in target;
}

/** The value of a property; values for codecs of the application's own as bytes. */
function propertyOf(of: Readonly<Record<string, unknown>>, name: string): unknown {
  const value = of[name];
  if (name !== "value" && name !== "expected") return value;
  if (!isKeyspace(of.target)) return value;
  const { codec, descriptor } = coreOf(of.target);
  if (!descriptor.value.startsWith("custom:") || typeof value === "boolean") return value;
  return of.assert === "keyVersion" ? value : ownedBytes(codec.encode(value));
}

// ---- hashing

const c1 = 0x239b961b;
const c2 = 0xab0e9789;
const c3 = 0x38b34ae5;
const c4 = 0xa1e38b93;

function rotated(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function mixed(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** MurmurHash3_x86_128 with seed 0, as its four words little-endian. */
export function hash128(bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  // The tail is hashed as a block that is filled up with zeros: the same, and shorter.
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  const state = new Int32Array(4);
  const whole = length - (length % 16);
  for (let at = 0; at < whole; at += 16) block(state, view, at);
  if (whole < length) {
    const rest = new Uint8Array(16);
    rest.set(bytes.subarray(whole));
    tail(state, new DataView(rest.buffer));
  }
  return finished(state, length);
}

function block(state: Int32Array, view: DataView, at: number): void {
  let [h1, h2, h3, h4] = state;
  h1 ^= Math.imul(rotated(Math.imul(view.getInt32(at, true), c1), 15), c2);
  h1 = Math.imul((rotated(h1, 19) + h2) | 0, 5) + 0x561ccd1b;
  h2 ^= Math.imul(rotated(Math.imul(view.getInt32(at + 4, true), c2), 16), c3);
  h2 = Math.imul((rotated(h2, 17) + h3) | 0, 5) + 0x0bcaa747;
  h3 ^= Math.imul(rotated(Math.imul(view.getInt32(at + 8, true), c3), 17), c4);
  h3 = Math.imul((rotated(h3, 15) + h4) | 0, 5) + 0x96cd1c35;
  h4 ^= Math.imul(rotated(Math.imul(view.getInt32(at + 12, true), c4), 18), c1);
  h4 = Math.imul((rotated(h4, 13) + h1) | 0, 5) + 0x32ac3b17;
  state[0] = h1;
  state[1] = h2;
  state[2] = h3;
  state[3] = h4;
}

/** Words of zero change nothing. */
function tail(state: Int32Array, view: DataView): void {
  state[0] ^= Math.imul(rotated(Math.imul(view.getInt32(0, true), c1), 15), c2);
  state[1] ^= Math.imul(rotated(Math.imul(view.getInt32(4, true), c2), 16), c3);
  state[2] ^= Math.imul(rotated(Math.imul(view.getInt32(8, true), c3), 17), c4);
  state[3] ^= Math.imul(rotated(Math.imul(view.getInt32(12, true), c4), 18), c1);
}

function finished(state: Int32Array, length: number): Uint8Array {
  const words = Int32Array.from(state, (word) => word ^ length);
  spread(words);
  for (let at = 0; at < 4; at++) words[at] = mixed(words[at]);
  spread(words);
  const bytes = new Uint8Array(fingerprintBytes);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < 4; at++) view.setInt32(at * 4, words[at], true);
  return bytes;
}

function spread(words: Int32Array): void {
  words[0] += words[1] + words[2] + words[3];
  words[1] += words[0];
  words[2] += words[0];
  words[3] += words[0];
}
