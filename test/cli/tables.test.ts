import { expect, test } from "vitest";
import { open, t } from "../../src/index.ts";
import { cairn, newPath, printed } from "./cairn.ts";

/** Two tables of one name, in the root scope and in another, and a vector index. */
async function bank(): Promise<string> {
  const path = newPath();
  const db = await open(path);
  const definition = {
    columns: {
      id: t.integer().primaryKey(),
      owner: t.text().notNull(),
      balance: t.u256().notNull(),
      opened: t.timestamp(),
      stamp: t.blob(),
      taste: t.vector(2),
      tags: t.json(),
    },
    indexes: [{ columns: ["owner"], unique: true }],
    checks: { named: { owner: { ne: "" } } },
  } as const;
  const accounts = await db.table("accounts", definition);
  const row = (id: number, owner: string, balance: bigint) => ({ id, owner, balance });
  await accounts.insertMany([
    {
      ...row(1, "ada", 2n ** 200n),
      opened: new Date(86_400_000),
      stamp: Uint8Array.of(0, 255),
      taste: [0.5, 1],
      tags: { a: [1] },
    },
    row(2, "bob", 7n),
    row(3, "cy", 2n ** 60n),
  ]);
  const scoped = await db.project("casino").scope("west").table("accounts", definition);
  await scoped.insert(row(9, "zoe", 1n));
  await db.table("bets", {
    columns: { id: t.text().primaryKey(), account: t.integer().references("accounts") },
  });
  await (await db.vectors("words", { dimensions: 2, fields: ["rank"] })).put("a", [1, 2]);
  await db.close();
  return path;
}

const jsonLines = (text: string): unknown[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));

test("tables of every scope are listed, and one is shown with all that it is made of", async () => {
  const path = await bank();
  expect(jsonLines(await printed("tables", path, "--json"))).toEqual([
    { project: "", scope: "", name: "accounts", rows: 3 },
    { project: "", scope: "", name: "bets", rows: 0 },
    { project: "casino", scope: "west", name: "accounts", rows: 1 },
  ]);
  expect(await printed("tables", path)).toContain("casino/west/accounts  1");
  const shown = await printed("tables", path, "accounts");
  for (const line of [
    /^id +integer +primary key$/m,
    /^owner +text +not null$/m,
    /^taste +vector\(2\)$/m,
    /^unique ordered index \w+ \(owner\)$/m,
    /^check named$/m,
  ]) {
    expect(shown).toMatch(line);
  }
  expect(await printed("tables", path, "bets")).toMatch(
    /foreign key \w+ \(account\) to accounts \(id\), on delete no action/,
  );
});

test("info counts tables and vector indexes", async () => {
  const info = JSON.parse(await printed("info", await bank(), "--json"));
  expect(info).toMatchObject({ keyspaces: 0, tables: 3, vectors: 1 });
});

test("rows are printed by key, with values that JSON lacks as text", async () => {
  const path = await bank();
  expect(jsonLines(await printed("rows", path, "accounts"))).toEqual([
    {
      id: 1,
      owner: "ada",
      balance: String(2n ** 200n),
      opened: "1970-01-02T00:00:00.000Z",
      stamp: "00ff",
      taste: [0.5, 1],
      tags: { a: [1] },
    },
    expect.objectContaining({ id: 2, balance: "7", opened: null }),
    expect.objectContaining({ id: 3, balance: String(2n ** 60n) }),
  ]);
  const ids = async (...args: string[]): Promise<unknown[]> =>
    jsonLines(await printed("rows", path, "accounts", ...args)).map((row) => (row as { id: 0 }).id);
  expect(await ids("--reverse", "--limit", "2")).toEqual([3, 2]);
  expect(await ids("--order", "balance")).toEqual([2, 3, 1]);
  expect(await ids("--project", "casino", "--scope", "west")).toEqual([9]);
  for (const [where, expected] of [
    ['{"owner":"bob"}', [2]],
    [`{"balance":{"gte":"${2n ** 60n}"}}`, [1, 3]],
    ['{"balance":{"in":[7,"8"]}}', [2]],
    ['{"opened":{"lt":"1980-01-01"}}', [1]],
    ['{"stamp":"00ff"}', [1]],
    ['{"opened":null}', [2, 3]],
  ] as const) {
    expect(await ids("--where", where), where).toEqual(expected);
  }
});

test("vector indexes are listed", async () => {
  const path = await bank();
  const expected = { name: "words", dimensions: 2, metric: "cosine", fields: ["rank"], count: 1 };
  expect(jsonLines(await printed("vectors", path, "--json"))).toMatchObject([expected]);
  expect(await printed("vectors", path)).toMatch(/^words +2 +cosine +int8 +rank +1$/m);
});

test.each([
  [5, "table_not_found", ["rows", "nope"]],
  [5, "table_not_found", ["tables", "nope"]],
  [5, "table_not_found", ["rows", "accounts", "--project", "nope"]],
  [2, "usage_invalid", ["rows", "accounts", "--scope", "west"]],
  [2, "usage_invalid", ["rows", "accounts", "--where", "{"]],
  [2, "usage_invalid", ["rows", "accounts", "--where", "[]"]],
  [2, "unknown_column", ["rows", "accounts", "--where", '{"nope":1}']],
  [2, "unknown_column", ["rows", "accounts", "--order", "nope"]],
  [2, "type_mismatch", ["rows", "accounts", "--where", '{"balance":"much"}']],
] as const)("exit code %i and %s for %j", async (code, error, [command, ...rest]) => {
  const found = await cairn([command, await bank(), ...rest]);
  expect(found.stderr).toContain(`(${error})`);
  expect(found).toMatchObject({ code, stdout: "" });
});
