import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseArguments } from "../../src/cli/parse.ts";
import { cairn, newDatabase, printed } from "./cairn.ts";

const definition = {
  db: { type: "positional", required: true },
  key: { type: "positional", required: true },
  value: { type: "positional", required: false },
  limit: { type: "string" },
  reverse: { type: "boolean" },
  kind: { type: "enum", options: ["ordered", "hashed"] },
} as const;

test.each([
  [["d", "k"], { db: "d", key: "k" }],
  [["d", "k", "v", "--reverse"], { db: "d", key: "k", value: "v", reverse: true }],
  [["--limit", "3", "d", "k"], { db: "d", key: "k", limit: "3" }],
  [["d", "--limit=3", "k"], { db: "d", key: "k", limit: "3" }],
  [["d", "k", "--limit=-3"], { db: "d", key: "k", limit: "-3" }],
  [["d", "k", "--limit=a=b"], { db: "d", key: "k", limit: "a=b" }],
  [
    ["--reverse", "--", "d", "--reverse", "-x"],
    { db: "d", key: "--reverse", value: "-x", reverse: true },
  ],
  [["d", "", "-"], { db: "d", key: "", value: "-" }],
  [["d", "k", "--kind", "hashed"], { db: "d", key: "k", kind: "hashed" }],
])("%j is understood", (given, expected) => {
  const nothing = { value: undefined, limit: undefined, reverse: undefined, kind: undefined };
  expect(parseArguments(given, definition)).toEqual({ ...nothing, ...expected });
});

test.each([
  [["d"], "KEY is missing"],
  [[], "DB KEY is missing"],
  [["d", "k", "v", "w"], "at most 3"],
  [["d", "k", "--frob"], "--frob is unknown"],
  [["d", "k", "-x"], "-x is unknown"],
  [["d", "k", "--no-reverse"], "--no-reverse is unknown"],
  [["d", "k", "--constructor"], "--constructor is unknown"],
  [["d", "k", "--value", "v"], "--value is unknown"],
  [["d", "k", "--kind="], "--kind is none of ordered, hashed"],
  [["d", "k", "--limit"], "--limit needs a value"],
  [["d", "k", "--limit", "--reverse"], "--limit needs a value"],
  [["d", "k", "--reverse=yes"], "--reverse takes no value"],
  [["d", "k", "--limit", "1", "--limit", "2"], "--limit is given twice"],
  [["d", "k", "--kind", "sideways"], "--kind is none of ordered, hashed"],
])("%j is refused", (given, message) => {
  expect(() => parseArguments(given, definition)).toThrow(message);
});

test("a value that looks like an option goes behind --", async () => {
  const db = await newDatabase();
  await printed("put", db, "k", "--", "--json");
  expect(await printed("get", db, "k")).toBe("--json\n");
});

test("options may stand before the command's name", async () => {
  const db = await newDatabase();
  expect(JSON.parse(await printed("--json", "lock", db)).locked).toBe(false);
});

test("a mistake of usage is JSON where JSON is asked for", async () => {
  const db = await newDatabase();
  const args = ["keyspaces", db, "--create", "k", "--kind", "sideways", "--json"];
  const { code, stdout, stderr } = await cairn(args);
  expect(code).toBe(2);
  expect(stdout).toBe("");
  expect(JSON.parse(stderr).error).toMatchObject({ code: "usage_invalid" });
});

test("the version is the package's", async () => {
  const manifest = new URL("../../package.json", import.meta.url);
  const { version } = JSON.parse(readFileSync(manifest, "utf8"));
  expect(await printed("--version")).toBe(`${version}\n`);
  expect(JSON.parse(await printed("--version", "--json"))).toEqual({ version });
});

const names = [
  ..."init info get put delete scan keyspaces tables rows vectors stats checkpoint compact".split(
    " ",
  ),
  ..."backup restore verify lock".split(" "),
];

test("the help names every command, and every command has help of its own", async () => {
  const help = await printed("--help");
  for (const name of names) {
    expect(help).toContain(`  ${name}  `);
    expect(await printed(name, "--help")).toContain(`cairn ${name}`);
  }
});

test("no command shows the help, an unknown one is told what there is", async () => {
  const none = await cairn([]);
  expect(none.code).toBe(2);
  expect(none.stdout).toContain("COMMANDS");
  const unknown = await cairn(["frobnicate"]);
  expect(unknown.code).toBe(2);
  expect(unknown.stderr).toContain("no such command");
});

test("the manual names every command and every option", async () => {
  const manual = readFileSync(new URL("../../docs/cli.md", import.meta.url), "utf8");
  for (const name of names) {
    expect(manual, name).toContain(`| \`${name} `);
    const help = await printed(name, "--help");
    for (const [option] of help.matchAll(/--[a-z]+/g)) expect(manual, name).toContain(option);
  }
});
