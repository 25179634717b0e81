/**
 * Builds effects (see `effect.ts` for the bytes) in one buffer that grows and is used again.
 *
 * A call that throws leaves the buffer as it was.
 */
import { CairnError } from "../../errors.ts";
import { type EffectOp, effectHeaderBytes, effectOp } from "./effect.ts";
import { isU64 } from "./u64.ts";

export interface EffectBufferOptions {
  /** Bytes of a key at most, at most 65,535. */
  readonly keyBytesMax: number;
  /** Bytes of all effects at most; 2^31 - 1 by default. */
  readonly bytesMax?: number;
  /** Bytes to begin with; 4 KiB. */
  readonly capacityBytes?: number;
}

/** A length to which the buffer can be cut back. */
export interface EffectMark {
  readonly length: number;
  readonly count: number;
}

const textEncoder = new TextEncoder();
/** Above this, `encodeInto` is faster than a loop over character codes. */
const loopCharsMax = 48;
const loneSurrogate = /\p{Surrogate}/u;
const noBytes = new Uint8Array(0);

export class EffectBuffer {
  readonly #keyBytesMax: number;
  readonly #bytesMax: number;
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;
  #count = 0;

  constructor(options: EffectBufferOptions) {
    this.#keyBytesMax = Math.min(options.keyBytesMax, 0xffff);
    this.#bytesMax = options.bytesMax ?? 0x7fffffff;
    this.#bytes = new Uint8Array(options.capacityBytes ?? 4096);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes of all effects. */
  get length(): number {
    return this.#length;
  }

  /** Number of effects. */
  get count(): number {
    return this.#count;
  }

  /** The effects. A view that is valid until the next call that changes the buffer. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** `expiresAt` in Unix milliseconds. */
  put(tree: number, key: Uint8Array | string, value: Uint8Array, expiresAt?: number): void {
    if (expiresAt !== undefined && !isU64(expiresAt)) throw expiryInvalid(expiresAt);
    this.#append(effectOp.put, tree, key, value, expiresAt);
  }

  delete(tree: number, key: Uint8Array | string): void {
    this.#append(effectOp.delete, tree, key, noBytes, undefined);
  }

  /** From `low` to before `high`; an empty or absent `high` means to the end. */
  deleteRange(tree: number, low: Uint8Array | string, high: Uint8Array | string = noBytes): void {
    const bound = typeof high === "string" ? this.#encodeBound(high) : high;
    if (bound.length > this.#keyBytesMax) throw this.#keyTooLarge(bound.length);
    this.#append(effectOp.deleteRange, tree, low, bound, undefined);
  }

  clear(tree: number): void {
    this.#append(effectOp.clear, tree, noBytes, noBytes, undefined);
  }

  createTree(tree: number, descriptor: Uint8Array): void {
    this.#append(effectOp.createTree, tree, noBytes, descriptor, undefined);
  }

  dropTree(tree: number): void {
    this.#append(effectOp.dropTree, tree, noBytes, noBytes, undefined);
  }

  /** Where the buffer ends now. */
  mark(): EffectMark {
    return { length: this.#length, count: this.#count };
  }

  /** Takes back everything since `mark`. */
  cutBack(mark: EffectMark): void {
    this.#length = mark.length;
    this.#count = mark.count;
  }

  /** Empties the buffer and keeps its memory, unless it has become larger than `keepBytes`. */
  reset(keepBytes: number = 1 << 20): void {
    this.#length = 0;
    this.#count = 0;
    if (this.#bytes.length <= keepBytes) return;
    this.#bytes = new Uint8Array(keepBytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  #append(
    op: EffectOp,
    tree: number,
    key: Uint8Array | string,
    value: Uint8Array,
    expiresAt: number | undefined,
  ): void {
    const at = this.#length;
    const keyAt = at + effectHeaderBytes + (expiresAt === undefined ? 0 : 8);
    if (key.length > this.#keyBytesMax) throw this.#keyTooLarge(key.length);
    const keyRoom = typeof key === "string" ? key.length * 3 : key.length;
    this.#reserve(keyAt + keyRoom + value.length);
    const keyBytes = typeof key === "string" ? this.#writeText(key, keyAt) : key.length;
    if (keyBytes > this.#keyBytesMax) throw this.#keyTooLarge(keyBytes);
    const end = keyAt + keyBytes + value.length;
    if (end > this.#bytesMax) throw this.#tooLarge(end);
    if (typeof key !== "string") this.#bytes.set(key, keyAt);
    if (value.length > 0) this.#bytes.set(value, keyAt + keyBytes);
    const view = this.#view;
    view.setUint16(at, expiresAt === undefined ? op : op | 0x100, true);
    view.setUint16(at + 2, keyBytes, true);
    view.setUint32(at + 4, tree, true);
    view.setUint32(at + 8, value.length, true);
    view.setUint32(at + 12, 0, true);
    if (expiresAt !== undefined) view.setFloat64(at + effectHeaderBytes, expiresAt, true);
    this.#length = end;
    this.#count++;
  }

  /**
   * UTF-8 of `text` at `at`, where there is room for three bytes a character. Answers its length.
   */
  #writeText(text: string, at: number): number {
    const { length } = text;
    if (length <= loopCharsMax) {
      const bytes = this.#bytes;
      let i = 0;
      for (; i < length; i++) {
        const code = text.charCodeAt(i);
        if (code > 0x7f) break;
        bytes[at + i] = code;
      }
      if (i === length) return length;
    }
    if (loneSurrogate.test(text)) {
      throw new CairnError(
        "key_invalid",
        "Encoding a key: it contains a lone surrogate, which has no UTF-8 form. Use bytes as key.",
      );
    }
    return textEncoder.encodeInto(text, this.#bytes.subarray(at)).written;
  }

  #encodeBound(text: string): Uint8Array {
    this.#reserve(this.#length + text.length * 3);
    const written = this.#writeText(text, this.#length);
    return this.#bytes.slice(this.#length, this.#length + written);
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(bytes, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }

  #keyTooLarge(found: number): CairnError {
    return new CairnError(
      "key_too_large",
      `Encoding a key: it has ${found} bytes or more, at most ${this.#keyBytesMax} are allowed.`,
      { details: { found, expected: this.#keyBytesMax } },
    );
  }

  #tooLarge(found: number): CairnError {
    return new CairnError(
      "transaction_too_large",
      `Encoding the effects of a transaction: they have ${found} bytes, at most ` +
        `${this.#bytesMax} are allowed. Commit it in several pieces.`,
      { details: { found, expected: this.#bytesMax } },
    );
  }
}

function expiryInvalid(found: number): CairnError {
  return new CairnError(
    "invariant_broken",
    `Encoding an effect: expiresAt is ${found}, an integer from 0 to 2^53 - 1 was expected.`,
  );
}
