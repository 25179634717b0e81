import { expect, test } from "vitest";
import { checkAgreement, describeKeyspace } from "../../src/kv/descriptor.ts";

test("a keyspace of a scope says so, one of the root scope does not", () => {
  expect(describeKeyspace("a", {}, "json", "project/scope")).toMatchObject({
    scope: "project/scope",
  });
  expect(Object.hasOwn(describeKeyspace("a", {}, "json"), "scope")).toBe(false);
});

test("no time to live agrees with none, and with nothing else", () => {
  const forEver = describeKeyspace("a", { ttl: null }, "json");
  const anHour = describeKeyspace("a", { ttl: 3_600_000 }, "json");
  checkAgreement(forEver, forEver, { ttl: null });
  checkAgreement(anHour, anHour, { ttl: 3_600_000 });
  checkAgreement(anHour, forEver, {});
  for (const [stored, wanted, ttl] of [
    [anHour, forEver, null],
    [forEver, anHour, 3_600_000],
  ] as const) {
    expect(() => checkAgreement(stored, wanted, { ttl })).toThrow(
      expect.objectContaining({ code: "keyspace_exists" }),
    );
  }
});
