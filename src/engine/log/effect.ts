/**
 * Effects: what a commit does to trees. The log carries nothing else, so replay cannot diverge.
 *
 *     0    u8    op: 1 put, 2 delete, 3 deleteRange, 4 clear, 5 createTree, 6 dropTree
 *     1    u8    flags: bit 0 says that expiresAt follows the header (put only); others 0
 *     2    u16   key bytes
 *     4    u32   tree
 *     8    u32   value bytes
 *     12   u32   0
 *     16   f64   expiresAt, Unix milliseconds, when flagged; then the key, then the value
 *
 * Little-endian, without padding between effects. `deleteRange` has the low bound as key and the
 * high bound, exclusive, as value; an empty value means "to the end". `createTree` has no key and a
 * descriptor as value. Fields that an op does not use are empty. The core reads the same bytes.
 */
import { CairnError } from "../../errors.ts";
import { isU64 } from "./u64.ts";

export const effectHeaderBytes = 16;

export const effectOp = {
  put: 1,
  delete: 2,
  deleteRange: 3,
  clear: 4,
  createTree: 5,
  dropTree: 6,
} as const;

export type EffectOp = (typeof effectOp)[keyof typeof effectOp];

/** One decoded effect. `key` and `value` are views on the bytes it was read from. */
export interface Effect {
  readonly op: EffectOp;
  readonly tree: number;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** Unix milliseconds. */
  readonly expiresAt: number | undefined;
}

const flagExpires = 1;
const expiresBytes = 8;

/** Which rule of its op an effect breaks; undefined when it breaks none. */
function faultOf(effect: Effect): string | undefined {
  const { op, key, value, expiresAt } = effect;
  if (expiresAt !== undefined && (op !== effectOp.put || !isU64(expiresAt))) return "expiry";
  switch (op) {
    case effectOp.put:
    case effectOp.deleteRange:
      return undefined;
    case effectOp.delete:
      return value.length === 0 ? undefined : "value";
    case effectOp.createTree:
      return key.length === 0 ? undefined : "key";
    case effectOp.clear:
    case effectOp.dropTree:
      return key.length === 0 && value.length === 0 ? undefined : "key or value";
    default:
      return "op";
  }
}

/**
 * Decodes and validates effects one by one; throws `log_corrupt` at the first that is malformed.
 */
export function* readEffects(bytes: Uint8Array): Generator<Effect, void, undefined> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  while (at < bytes.length) {
    if (at + effectHeaderBytes > bytes.length) throw malformed(at, "header");
    const flags = view.getUint8(at + 1);
    if ((flags & ~flagExpires) !== 0) throw malformed(at, "flags");
    if (view.getUint32(at + 12, true) !== 0) throw malformed(at, "reserved field");
    const expires = flags & flagExpires;
    const keyAt = at + effectHeaderBytes + expires * expiresBytes;
    const valueAt = keyAt + view.getUint16(at + 2, true);
    const end = valueAt + view.getUint32(at + 8, true);
    if (end > bytes.length) throw malformed(at, "length");
    const effect: Effect = {
      op: view.getUint8(at) as EffectOp,
      tree: view.getUint32(at + 4, true),
      key: bytes.subarray(keyAt, valueAt),
      value: bytes.subarray(valueAt, end),
      expiresAt: expires === 0 ? undefined : view.getFloat64(at + effectHeaderBytes, true),
    };
    const fault = faultOf(effect);
    if (fault !== undefined) throw malformed(at, fault);
    yield effect;
    at = end;
  }
}

function malformed(at: number, what: string): CairnError {
  return new CairnError(
    "log_corrupt",
    `Decoding the effects of a commit at byte ${at}: the ${what} is not one that can be written. ` +
      "Nothing was changed. Restore from a backup.",
    { details: { reason: "payload-malformed", offset: at, field: what } },
  );
}
