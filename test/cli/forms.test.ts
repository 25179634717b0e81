import fc from "fast-check";
import { expect, test } from "vitest";
import { formsOf, hexToBytes, jsonOf } from "../../src/cli/forms.ts";

const described = { name: "", kind: "ordered", isBuiltIn: true, ttl: null, records: 0 } as const;
const json = formsOf({ ...described, key: "utf8", value: "json" });
const bytes = formsOf({ ...described, key: "bytes", value: "bytes" });

test("a number is a number only if every digit of it survives", () => {
  const numbers = ["42", "-1", "0.5", "1e21"];
  expect(["1e+21", ...numbers.slice(0, 3)].map(jsonOf)).toEqual([1e21, 42, -1, 0.5]);
  const texts = ["1.0", "01", "-0", "1e21", "12345678901234567890", "0.1000", "1e999", "NaN"];
  expect(texts.map(jsonOf)).toEqual(texts);
});

test("a text that is no JSON is itself, and is shown as itself", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      let isJson = true;
      try {
        JSON.parse(text);
      } catch {
        isJson = false;
      }
      if (isJson) return;
      expect(jsonOf(text)).toBe(text);
      expect(json.valueText(jsonOf(text))).toBe(text);
    }),
  );
});

test("JSON values are shown as JSON, strings without quotes", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const shown = typeof value === "string" ? value : JSON.stringify(value);
      expect(json.valueText(value)).toBe(shown);
      expect(json.valueJson(value)).toBe(value);
    }),
  );
});

test("bytes are hexadecimal both ways", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (value) => {
      const hex = Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("");
      expect(bytes.valueText(value)).toBe(hex);
      expect(bytes.keyText(value)).toBe(hex);
      expect(bytes.key(hex)).toEqual(value);
      expect(hexToBytes(hex.toUpperCase())).toEqual(value);
    }),
  );
});

test.each(["0", "0g", "00 ff", "0x00", "ü0"])("%j is not hexadecimal", (text) => {
  expect(() => hexToBytes(text)).toThrow("hexadecimal");
});
