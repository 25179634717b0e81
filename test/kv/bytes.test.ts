/**
 * Goal: a value that is taken out of memory is the value, wherever it lies and the memory ends.
 * Oracle: `slice`.
 */
import { expect, test } from "vitest";
import { open, t } from "../../src/index.ts";
import { bytesCopier } from "../../src/kv/bytes.ts";

test("every length is copied whole from every place, up to the last byte of the memory", () => {
  for (let length = 60; length < 210; length++) {
    for (let at = 0; at < 9; at++) {
      for (let behind = 0; behind < 5; behind++) {
        const memory = Uint8Array.from({ length: at + length + behind }, (_, index) => index + 1);
        const found = bytesCopier()(memory, at, length);
        expect(found).toEqual(memory.slice(at, at + length));
      }
    }
  }
});

test("blobs of many rows at once are whole", async () => {
  const db = await open("memory:");
  const table = await db.table("blobs", { columns: { id: t.integer().primaryKey(), b: t.blob() } });
  for (let length = 60; length < 200; length++) {
    const first = new Uint8Array(length % 8).fill(7);
    const second = new Uint8Array(length).fill(7);
    await table.upsertMany([
      { id: 1, b: first },
      { id: 2, b: second },
    ]);
    expect((await table.getMany([1, 2])).map((row) => row?.b)).toEqual([first, second]);
  }
  await db.close();
});
