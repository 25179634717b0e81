/** UTF-8 from and into bytes, without losing a byte order mark and without accepting surrogates. */
import { CairnError } from "../errors.ts";

/** Up to here a loop over characters beats the call of a decoder or encoder. */
const loopCharsMax = 12;
const scratchBytes = 65_536;

const textEncoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const loneSurrogate = /\p{Surrogate}/u;
const scratch = new Uint8Array(scratchBytes);

export type SliceText = (this: Uint8Array, from: number, to: number) => string;

/** Node and Bun decode without making a view first: half the time. Elsewhere it is undefined. */
const platformSlice: SliceText | undefined = (
  globalThis as { Buffer?: { prototype?: { utf8Slice?: SliceText } } }
).Buffer?.prototype?.utf8Slice;

/** The text whose UTF-8 is `memory[at, at + length)`. */
export type DecodeText = (memory: Uint8Array, at: number, length: number) => string;

/** A {@link DecodeText} that uses `sliceText` for longer texts, or a TextDecoder without one. */
export function textDecoder(sliceText: SliceText | undefined): DecodeText {
  return (memory, at, length) => {
    if (length <= loopCharsMax) {
      let text = "";
      let index = 0;
      for (; index < length; index++) {
        const byte = memory[at + index];
        if (byte > 127) break;
        text += String.fromCharCode(byte);
      }
      if (index === length) return text;
    }
    if (sliceText !== undefined) return sliceText.call(memory, at, at + length);
    return decoder.decode(memory.subarray(at, at + length));
  };
}

export const decodeText: DecodeText = textDecoder(platformSlice);

/**
 * The UTF-8 of a value, good until the next call.
 *
 * @throws CairnError `value_invalid` for a lone surrogate, which has no UTF-8 form.
 */
export function encodeText(text: string): Uint8Array {
  const { length } = text;
  if (length <= loopCharsMax) {
    let index = 0;
    for (; index < length; index++) {
      const code = text.charCodeAt(index);
      if (code > 127) break;
      scratch[index] = code;
    }
    if (index === length) return scratch.subarray(0, length);
  }
  const bytes = encodeLong(text);
  if (bytes.length !== length && loneSurrogate.test(text)) {
    throw new CairnError(
      "value_invalid",
      "Cannot store this text: it contains a lone surrogate, which has no UTF-8 form. Make it " +
        "well-formed, or store bytes or JSON.",
    );
  }
  return bytes;
}

function encodeLong(text: string): Uint8Array {
  if (text.length * 3 > scratchBytes) return textEncoder.encode(text);
  return scratch.subarray(0, textEncoder.encodeInto(text, scratch).written);
}
