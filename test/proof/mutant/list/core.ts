/** The core: pages, epochs, trees. Each of these is compiled anew. */
import type { Mutant } from "../mutant.ts";

const image = "assembly/page/image.ts";
const epoch = "assembly/page/epoch.ts";

export const core: readonly Mutant[] = [
  {
    id: "page-checksum-without-place",
    story: "The checksum of a page does not say where it lies.",
    edits: [{ file: image, from: "crc32c(scratch, 8, databaseSeed)", to: "databaseSeed" }],
    checks: ["damage"],
  },
  {
    id: "page-checksum-without-database",
    story: "The checksum of a page does not say whose it is.",
    edits: [{ file: image, from: "crc32c(scratch, 8, databaseSeed)", to: "crc32c(scratch, 8, 0)" }],
    checks: ["damage"],
  },
  {
    id: "page-checksum-ignored",
    story: "The checksum of a page is not looked at.",
    edits: [
      {
        file: image,
        from:
          "  if (load<u32>(page, 4080) != checksum(page, id)) return corrupt(id, " +
          "REASON_CHECKSUM);",
        to: "",
      },
    ],
    checks: ["damage"],
  },
  {
    id: "epoch-off-by-one",
    story: "A page is given away although a snapshot at its own birth holds it.",
    edits: [
      {
        file: epoch,
        from: "    if (load<u64>(pin) >= birth) {",
        to: "    if (load<u64>(pin) > birth) {",
      },
    ],
    checks: ["stories", "crash"],
  },
  {
    id: "page-changed-in-place",
    story: "A page of an earlier epoch is changed in place.",
    edits: [{ file: epoch, from: "  if (birth == epoch) {", to: "  if (birth + 1 >= epoch) {" }],
    checks: ["stories", "crash"],
  },
  {
    id: "rollback-leaves-pages",
    story: "The pages of a commit that failed count as live for ever.",
    edits: [
      {
        file: epoch,
        from: "    born = popPair(born);\n    pagesDied(run);",
        to: "    born = popPair(born);",
      },
    ],
    checks: ["stories"],
  },
  {
    id: "frame-given-back-twice",
    story: "A frame is put on the free list two times.",
    edits: [
      {
        file: epoch,
        from: "    if (page != 0) giveFrame(page);",
        to: "    if (page != 0) {\n      giveFrame(page);\n      giveFrame(page);\n    }",
      },
    ],
    checks: ["stories"],
  },
  {
    id: "keys-compared-with-a-sign",
    story: "Key heads with the highest bit set come before the others.",
    edits: [
      {
        file: "assembly/page/slotted.ts",
        from: "-u32(load<u32>(slot + (half << 3) - SLOT_BYTES) < head)",
        to: "-u32(<i32>load<u32>(slot + (half << 3) - SLOT_BYTES) < <i32>head)",
      },
    ],
    checks: ["stories"],
  },
  {
    id: "clear-leaves-the-tree",
    story: "A cleared tree keeps its records.",
    edits: [
      {
        file: "assembly/effect/apply.ts",
        from: "  if (op == OP_CLEAR) return clear(tree);",
        to: "  if (op == OP_CLEAR) return 0;",
      },
    ],
    checks: ["stories"],
  },
];
