import fc from "fast-check";
import { expect, test } from "vitest";
import { open } from "../../src/index.ts";
import { cairn, newDatabase, printed } from "./cairn.ts";

const lines = (text: string): string[] => text.split("\n").slice(0, -1);
const rows = (text: string): unknown[] => lines(text).map((line) => JSON.parse(line));

test("get prints what put was given, and a line end", async () => {
  const db = await newDatabase();
  expect(await printed("put", db, "greeting", "hello")).toBe("");
  expect(await printed("get", db, "greeting")).toBe("hello\n");
});

test("any text goes through put and get unchanged", async () => {
  const db = await newDatabase();
  const json = fc.json().map((text) => JSON.stringify(JSON.parse(text)));
  const text = fc.oneof(fc.string({ unit: "binary" }), json, fc.constantFrom("1.0", "1e400", "-0"));
  await fc.assert(
    fc.asyncProperty(text, async (value) => {
      await printed("put", db, "k", "--", value);
      let expected: unknown = value;
      try {
        const parsed: unknown = JSON.parse(value);
        // A number that would not come back digit by digit stays text.
        if (typeof parsed !== "number" || String(parsed) === value) expected = parsed;
      } catch {}
      const shown = typeof expected === "string" ? expected : JSON.stringify(expected);
      expect(await printed("get", db, "k")).toBe(`${shown}\n`);
      expect(JSON.parse(await printed("get", db, "k", "--json")).value).toEqual(expected);
    }),
    { numRuns: 12 },
  );
});

test("--string stores JSON as a string", async () => {
  const db = await newDatabase();
  await printed("put", db, "k", "42", "--string");
  await printed("put", db, "l", "42");
  expect(JSON.parse(await printed("get", db, "k", "--json")).value).toBe("42");
  expect(JSON.parse(await printed("get", db, "l", "--json")).value).toBe(42);
});

test("the library reads what the command line has written, and the other way round", async () => {
  const path = await newDatabase();
  await printed("put", path, "order", '{"items":[1,2]}');
  const db = await open(path);
  const records = await db.keyspace();
  expect(await records.get("order")).toEqual({ items: [1, 2] });
  await records.put("answer", { ok: true });
  await db.close();
  expect(await printed("get", path, "answer")).toBe('{"ok":true}\n');
});

test("put reads its value from standard input; get --raw gives the same bytes back", async () => {
  const db = await newDatabase();
  await printed("keyspaces", db, "--create", "files", "--value", "bytes");
  const bytes = Uint8Array.from({ length: 256 }, (_none, index) => index);
  const put = await cairn(["put", db, "f", "--keyspace", "files"], { stdin: bytes });
  expect(put).toEqual({ code: 0, stdout: "", stderr: "" });
  const hex = Buffer.from(bytes).toString("hex");
  expect(await printed("get", db, "f", "--keyspace", "files")).toBe(`${hex}\n`);
  const raw = await cairn(["get", db, "f", "--keyspace=files", "--raw"]);
  expect(raw.stdout).toBe(Buffer.from(bytes).toString("utf8"));
});

test("put without a value on a terminal says so instead of waiting", async () => {
  const db = await newDatabase();
  const outcome = await cairn(["put", db, "k"]);
  expect(outcome.code).toBe(2);
  expect(outcome.stderr).toContain("VALUE is missing");
});

test("what a keyspace cannot hold is refused: hex, UTF-8, JSON", async () => {
  const db = await newDatabase();
  await printed("keyspaces", db, "--create", "raw", "--key", "bytes", "--value", "bytes");
  await printed("keyspaces", db, "--create", "text", "--value", "utf8");
  const notHex = await cairn(["put", db, "xyz", "00", "--keyspace", "raw"]);
  const notUtf8 = await cairn(["put", db, "k", "--keyspace", "text"], {
    stdin: Uint8Array.of(255),
  });
  const notJson = await cairn(["put", db, "k"], { stdin: "{" });
  for (const { code, stderr } of [notHex, notUtf8, notJson]) {
    expect(code).toBe(2);
    expect(stderr).toContain("(usage_invalid)");
  }
});

test("put --json tells the commit, delete --json whether there was anything", async () => {
  const db = await newDatabase();
  const first = JSON.parse(await printed("put", db, "k", "v", "--json"));
  const second = JSON.parse(await printed("put", db, "k", "v", "--json"));
  expect(first.durable).toBe(true);
  expect(second.seq).toBe(first.seq + 1);
  expect(await printed("delete", db, "k", "--json")).toBe('{"deleted":true}\n');
  expect(await printed("delete", db, "k", "--json")).toBe('{"deleted":false}\n');
  expect(await printed("delete", db, "k")).toBe("");
});

test("a record with --ttl tells when it expires", async () => {
  const db = await newDatabase();
  const before = Date.now();
  await printed("put", db, "k", "v", "--ttl", "3600000");
  const { expiresAt } = JSON.parse(await printed("get", db, "k", "--json"));
  expect(expiresAt).toBeGreaterThanOrEqual(before + 3_600_000);
  expect(expiresAt).toBeLessThanOrEqual(Date.now() + 3_600_000);
  await printed("put", db, "gone", "v", "--ttl", "0");
  expect((await cairn(["get", db, "gone"])).code).toBe(5);
});

const words = ["a", "ab", "abc", "b", "ba", "c", "é", "😀"];

async function databaseOfWords(): Promise<string> {
  const path = await newDatabase();
  const db = await open(path);
  const records = await db.keyspace();
  for (const word of words) await records.put(word, word.length);
  await db.close();
  return path;
}

test("scan gives the rows of an array that is filtered by the same bounds", async () => {
  const db = await databaseOfWords();
  // Mostly absent, or hardly any row is left.
  const absent = { weight: 4, arbitrary: fc.constant(undefined) };
  const given = { weight: 1, arbitrary: fc.constantFrom(...words, "aa", "zz") };
  const bound = fc.oneof(absent, given);
  const some = {
    gt: bound,
    gte: bound,
    lt: bound,
    lte: bound,
    prefix: fc.constantFrom(undefined, undefined, undefined, undefined, "", "a", "ab", "x"),
    limit: fc.constantFrom(undefined, undefined, undefined, 0, 1, 3, 100),
    reverse: fc.boolean(),
  };
  await fc.assert(
    fc.asyncProperty(fc.record(some), async (options) => {
      const { gt, gte, lt, lte, prefix, limit, reverse } = options;
      const args = Object.entries(options).flatMap(([name, value]) =>
        value === undefined || value === false
          ? []
          : [value === true ? `--${name}` : `--${name}=${value}`],
      );
      const compare = (left: string, right: string): number =>
        Buffer.compare(Buffer.from(left), Buffer.from(right));
      const expected = words
        .filter((word) => gt === undefined || compare(word, gt) > 0)
        .filter((word) => gte === undefined || compare(word, gte) >= 0)
        .filter((word) => lt === undefined || compare(word, lt) < 0)
        .filter((word) => lte === undefined || compare(word, lte) <= 0)
        .filter((word) => word.startsWith(prefix ?? ""));
      if (reverse) expected.reverse();
      const first = expected.slice(0, limit ?? expected.length);
      expect(lines(await printed("scan", db, ...args, "--keys"))).toEqual(first);
      expect(rows(await printed("scan", db, ...args, "--json"))).toEqual(
        first.map((key) => ({ key, value: key.length })),
      );
    }),
    { numRuns: 25 },
  );
});

test.each([
  [
    ["--gte=b", "--lt=é"],
    ["b", "ba", "c"],
  ],
  [
    ["--gt=b", "--lte=é"],
    ["ba", "c", "é"],
  ],
  [["--prefix=ab"], ["ab", "abc"]],
  [
    ["--reverse", "--limit=2"],
    ["😀", "é"],
  ],
])("scan %j", async (args, expected) => {
  const db = await databaseOfWords();
  expect(lines(await printed("scan", db, ...args, "--keys"))).toEqual(expected);
});

test("scan prints each row on one line, whatever is in it", async () => {
  const db = await newDatabase();
  await printed("put", db, "tab\there", "line\nend and \\");
  expect(await printed("scan", db)).toBe("tab\\there\tline\\nend and \\\\\n");
});

test("scan prints more rows than one write takes", async () => {
  const path = await newDatabase();
  const db = await open(path);
  const records = await db.keyspace();
  const keys = Array.from({ length: 1_000 }, (_none, index) => String(index).padStart(4, "0"));
  await records.batch(keys.map((key) => ({ type: "put", key, value: 1 })));
  await db.close();
  expect(lines(await printed("scan", path, "--keys"))).toEqual(keys);
});

test("a hashed keyspace is scanned without order and refuses bounds", async () => {
  const db = await newDatabase();
  await printed("keyspaces", db, "--create", "h", "--kind", "hashed");
  for (const word of words) await printed("put", db, word, "1", "--keyspace", "h");
  const all = lines(await printed("scan", db, "--keyspace", "h", "--keys"));
  expect(all.toSorted()).toEqual(words.toSorted());
  const bounded = await cairn(["scan", db, "--keyspace", "h", "--prefix", "a"]);
  expect(bounded.code).toBe(2);
  expect(bounded.stderr).toContain("(unordered_keyspace)");
});

test("values of an application's own codec are shown as bytes", async () => {
  const path = await newDatabase();
  const db = await open(path);
  const codec = {
    name: "reversed",
    encode: (value: string) => Buffer.from([...value].reverse().join("")),
    decode: (bytes: Uint8Array) => [...Buffer.from(bytes).toString()].reverse().join(""),
  };
  const own = await db.keyspace("own", { value: codec });
  await own.put("k", "abc");
  await db.close();
  expect(await printed("get", path, "k", "--keyspace", "own")).toBe("636261\n");
});
