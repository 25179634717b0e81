import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CairnError } from "../../src/index.ts";
import { bytesCopier } from "../../src/kv/bytes.ts";
import { builtInCodecs, customCodec } from "../../src/kv/codec.ts";
import { decodeText, encodeText, textDecoder } from "../../src/kv/text.ts";
import { fails } from "./fails.ts";

const bytes = builtInCodecs.bytes();
const json = builtInCodecs.json();
const utf8 = builtInCodecs.utf8();
const copyBytes = bytesCopier();
/** As on platforms without Buffer. */
const decodePortably = textDecoder(undefined);

function through(codec: typeof json, value: unknown): unknown {
  const encoded = codec.encode(value).slice();
  const memory = new Uint8Array(encoded.length + 20).fill(0xaa);
  memory.set(encoded, 7);
  return codec.decode(memory, 7, encoded.length, 1, 0);
}

describe("text", () => {
  test("any well-formed text comes back, whatever surrounds it in memory", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 90 }), fc.nat(9), (text, before) => {
        const encoded = encodeText(text).slice();
        expect(Buffer.from(encoded).toString("hex")).toBe(Buffer.from(text).toString("hex"));
        const memory = new Uint8Array(encoded.length + before + 3).fill(0xc3);
        memory.set(encoded, before);
        expect(decodeText(memory, before, encoded.length)).toBe(text);
        expect(decodePortably(memory, before, encoded.length)).toBe(text);
      }),
    );
  });

  test("a leading U+FEFF is a character, not a byte order mark", () => {
    expect(through(utf8, "\ufeffx")).toBe("\ufeffx");
    expect(through(utf8, `\ufeff${"x".repeat(100)}`)).toBe(`\ufeff${"x".repeat(100)}`);
    const encoded = new TextEncoder().encode(`\ufeff${"x".repeat(100)}`);
    expect(decodePortably(encoded, 0, encoded.length)).toBe(`\ufeff${"x".repeat(100)}`);
  });

  test("a lone surrogate is refused in text of every length", () => {
    for (const text of [
      "\ud800",
      "a\udc00b",
      `${"a".repeat(200)}\ud800`,
      "\udfff".repeat(30_000),
    ]) {
      expect(() => encodeText(text)).toThrow(CairnError);
    }
  });

  test("text longer than the scratch memory comes back", () => {
    const text = "é".repeat(100_000);
    expect(through(utf8, text)).toBe(text);
  });
});

describe("bytes", () => {
  test("copies of every length have their bytes, and keep them", () => {
    const memory = new Uint8Array(20_000);
    for (let index = 0; index < memory.length; index++) memory[index] = (index * 31) % 251;
    const copies: [Uint8Array, number, number][] = [];
    for (let length = 0; length < 400; length++) {
      for (const at of [0, 1, 3, 4_099]) copies.push([copyBytes(memory, at, length), at, length]);
    }
    for (const length of [4_095, 4_096, 4_097, 9_000]) {
      copies.push([copyBytes(memory, 5, length), 5, length]);
    }
    const before = memory.slice();
    memory.fill(0);
    for (const [copy, at, length] of copies) {
      expect(copy.length).toBe(length);
      expect(Buffer.compare(copy, before.subarray(at, at + length))).toBe(0);
    }
  });

  test("a copy can be changed without changing another", () => {
    const memory = new Uint8Array(500).fill(7);
    const first = copyBytes(memory, 0, 100);
    const second = copyBytes(memory, 100, 100);
    first.fill(9);
    expect(second.every((byte) => byte === 7)).toBe(true);
  });

  test("memory that moves is noticed", () => {
    expect(copyBytes(new Uint8Array(200).fill(1), 0, 100)[99]).toBe(1);
    expect(copyBytes(new Uint8Array(300).fill(2), 0, 100)[99]).toBe(2);
  });
});

describe("json", () => {
  test("any JSON value comes back", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(through(json, value)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test("a __proto__ key stays data and changes no prototype", () => {
    const value = JSON.parse('{"__proto__": {"admin": true}, "a": {"__proto__": null}}');
    const found = through(json, value) as Record<string, unknown>;
    expect(Object.hasOwn(found, "__proto__")).toBe(true);
    expect(Object.getPrototypeOf(found)).toBe(Object.prototype);
    expect((found as { admin?: boolean }).admin).toBeUndefined();
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  test("what JSON cannot express is value_invalid", async () => {
    const loop: { self?: unknown } = {};
    loop.self = loop;
    for (const value of [undefined, () => 1, Symbol("s"), 1n, loop]) {
      await fails("value_invalid", () => json.encode(value));
    }
  });
});

test("values of the wrong type are value_invalid", async () => {
  await fails("value_invalid", () => utf8.encode(1));
  await fails("value_invalid", () => utf8.encode(undefined));
  await fails("value_invalid", () => bytes.encode("text"));
  await fails("value_invalid", () => bytes.encode(new ArrayBuffer(3)));
});

test("a value over 64 MiB is value_too_large", async () => {
  await fails("value_too_large", () => bytes.encode(new Uint8Array(64 * 1024 * 1024 + 1)));
});

describe("codecs of the application", () => {
  const dates = customCodec({
    name: "date",
    encode: (value: unknown) =>
      new Uint8Array(new Float64Array([(value as Date).getTime()]).buffer),
    decode: (found) => new Date(new Float64Array(found.slice().buffer)[0]),
  });

  test("values come back", () => {
    expect(through(dates, new Date(86_400_000))).toEqual(new Date(86_400_000));
  });

  test("the bytes that decode gets are its own", () => {
    let kept = new Uint8Array(0);
    const keeping = customCodec({
      name: "keeping",
      encode: () => new Uint8Array(100).fill(5),
      decode: (found) => {
        kept = found as Uint8Array<ArrayBuffer>;
        return 1;
      },
    });
    const memory = new Uint8Array(100).fill(5);
    keeping.decode(memory, 0, 100, 1, 0);
    memory.fill(0);
    expect(kept.every((byte) => byte === 5)).toBe(true);
  });

  test("what they throw is the cause of codec_failed", async () => {
    const reason = new Error("mine");
    const broken = customCodec({
      name: "broken",
      encode: () => {
        throw reason;
      },
      decode: () => {
        throw reason;
      },
    });
    expect((await fails("codec_failed", () => broken.encode(1))).cause).toBe(reason);
    const decode = () => broken.decode(new Uint8Array(1), 0, 1, 1, 0);
    expect((await fails("codec_failed", decode)).cause).toBe(reason);
    const noBytes = customCodec({
      name: "no bytes",
      encode: () => "text" as unknown as Uint8Array,
      decode: (found) => found,
    });
    await fails("codec_failed", () => noBytes.encode(1));
  });
});
