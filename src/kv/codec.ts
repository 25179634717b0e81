/** How values become bytes and come back. */
import { type Decode, valueBytesMax } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import type { RowBatch } from "../transaction/index.ts";
import { bytesCopier, viewBytes } from "./bytes.ts";
import { encodeNumber, type NumberOption, numberDecoder } from "./number-codec.ts";
import { decodeText, encodeText } from "./text.ts";

/**
 * A codec of your own. Its name is stored with the keyspace, which can only be opened with a codec
 * of the same name afterwards.
 */
export interface ValueCodec<V> {
  readonly name: string;
  /** The bytes are copied before anything else happens. */
  encode(value: V): Uint8Array;
  /** The bytes belong to you. */
  decode(bytes: Uint8Array): V;
}

/** A codec as keyspaces use it. */
export interface Codec<V> {
  /**
   * The bytes are good until the next call. @throws CairnError `value_invalid`, `codec_failed`,
   * `value_too_large`.
   */
  readonly encode: (value: V) => Uint8Array;
  readonly decode: Decode<V>;
  /** Of memory that nobody else uses and that may be kept. */
  readonly decodeOwned: Decode<V>;
  readonly fromRow: (batch: RowBatch, index: number) => V;
}

const encodeJson = (value: unknown): Uint8Array => {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw valueInvalid("JSON cannot express it", cause);
  }
  if (text === undefined) throw valueInvalid(`found ${describe(value)}, expected a JSON value`);
  return checkValueLength(encodeText(text));
};

const decodeJson: Decode<unknown> = (memory, at, length) => {
  try {
    // A "__proto__" in the text becomes an own property: parsing calls no setters.
    return JSON.parse(decodeText(memory, at, length));
  } catch (cause) {
    throw codecFailed("decode", "json", cause);
  }
};

const jsonCodec: Codec<unknown> = {
  encode: encodeJson,
  decode: decodeJson,
  decodeOwned: decodeJson,
  fromRow: (batch, index) => batch.decode(index, decodeJson),
};

const utf8Codec: Codec<unknown> = {
  encode: (value) => {
    if (typeof value !== "string") {
      throw valueInvalid(`found ${describe(value)}, expected a string`);
    }
    return checkValueLength(encodeText(value));
  },
  decode: decodeText,
  decodeOwned: decodeText,
  fromRow: (batch, index) => batch.decode(index, decodeText),
};

function encodeBytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return checkValueLength(value);
  throw valueInvalid(`found ${describe(value)}, expected a Uint8Array`);
}

/** The codecs that have a name of their own in the catalogue, for one keyspace. */
export const builtInCodecs: Readonly<
  Record<"bytes" | "json" | "utf8" | NumberOption, () => Codec<unknown>>
> = {
  bytes: () => ({
    encode: encodeBytes,
    decode: bytesCopier(),
    decodeOwned: viewBytes,
    fromRow: (batch, index) => batch.value(index),
  }),
  json: () => jsonCodec,
  utf8: () => utf8Codec,
  u64: () => numberCodec("u64"),
  i64: () => numberCodec("i64"),
  u256: () => numberCodec("u256"),
};

function numberCodec(type: NumberOption): Codec<unknown> {
  const decode = numberDecoder(type);
  return {
    encode: (value) => encodeNumber(type, value),
    decode,
    decodeOwned: decode,
    fromRow: (batch, index) => batch.decode(index, decode),
  };
}

/** Guards a codec of somebody else. */
export function customCodec(codec: ValueCodec<unknown>): Codec<unknown> {
  const decodeOwn = (bytes: Uint8Array): unknown => {
    try {
      return codec.decode(bytes);
    } catch (cause) {
      throw codecFailed("decode", codec.name, cause);
    }
  };
  const copy = bytesCopier();
  return {
    encode: (value) => checkValueLength(encodeWith(codec, value)),
    decode: (memory, at, length) => decodeOwn(copy(memory, at, length)),
    decodeOwned: (memory, at, length) => decodeOwn(viewBytes(memory, at, length)),
    fromRow: (batch, index) => decodeOwn(batch.value(index)),
  };
}

function encodeWith(codec: ValueCodec<unknown>, value: unknown): Uint8Array {
  let bytes: unknown;
  try {
    bytes = codec.encode(value);
  } catch (cause) {
    throw codecFailed("encode", codec.name, cause);
  }
  if (bytes instanceof Uint8Array) return bytes;
  throw codecFailed("encode", codec.name, undefined);
}

function checkValueLength(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= valueBytesMax) return bytes;
  throw new CairnError(
    "value_too_large",
    `Cannot store a value of ${bytes.length} bytes: at most ${valueBytesMax} are allowed. Store ` +
      "it in pieces.",
    { details: { found: bytes.length, expected: valueBytesMax } },
  );
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

function valueInvalid(what: string, cause?: unknown): CairnError {
  return new CairnError(
    "value_invalid",
    `Cannot store this value: ${what}. Change the value, or the keyspace's value option.`,
    { cause },
  );
}

function codecFailed(action: string, name: string, cause: unknown): CairnError {
  const found = cause === undefined ? "it answered no Uint8Array" : "it threw";
  return new CairnError(
    "codec_failed",
    `Cannot ${action} a value with the codec "${name}": ${found}. Correct the codec, or open the ` +
      "keyspace with the one that wrote the value.",
    { cause, details: { codec: name } },
  );
}
