/** The log: what is written into it, and what is believed of what is found there. */
import type { Mutant } from "../mutant.ts";

const writer = "src/engine/log/writer.ts";
const frame = "src/engine/log/frame.ts";
const reader = "src/engine/log/reader.ts";
const walk = "src/engine/log/walk.ts";
const recovery = "src/engine/recovery.ts";
const crashes = ["crash", "crash-later"] as const;

export const log: readonly Mutant[] = [
  {
    id: "payload-checksum-ignored",
    story: "A frame counts when its header is intact, whatever its payload is.",
    edits: [
      {
        file: walk,
        from: "    return isIntact ? frame : undefined;",
        to: "    return isIntact || true ? frame : undefined;",
      },
    ],
    checks: ["damage", ...crashes],
  },
  {
    id: "header-checksum-ignored",
    story: "The header of a frame is believed unseen.",
    edits: [
      {
        file: walk,
        from:
          "    if (!isHeaderIntact(window.bytes, at, frame, this.#checksum, seed)) return " +
          "undefined;",
        to: "",
      },
    ],
    checks: ["damage", ...crashes],
  },
  {
    id: "checksum-without-place",
    story: "The checksum of a frame does not say where it lies.",
    edits: [
      {
        file: frame,
        from: "  return (headerChecksum ^ offset) >>> 0;",
        to: "  return (headerChecksum ^ (offset & 0)) >>> 0;",
      },
    ],
    checks: ["damage"],
  },
  {
    id: "checksum-without-segment",
    story: "The checksum of a frame does not say which segment of which database it belongs to.",
    edits: [
      {
        file: frame,
        from: "  return (headerChecksum ^ offset) >>> 0;",
        to: "  return ((headerChecksum & 0) ^ offset) >>> 0;",
      },
    ],
    checks: ["damage"],
  },
  {
    id: "foreign-frames-accepted",
    story: "An intact frame is accepted whatever comes before it.",
    edits: [
      { file: walk, from: "    if (isNext) return;", to: "    if (isNext || !isNext) return;" },
    ],
    checks: ["damage"],
  },
  {
    id: "damage-cut-off-silently",
    story: "Damage in the middle of the log ends it, as if it were a torn tail.",
    edits: [
      {
        file: reader,
        from: "    if (durableSeq <= broken.seq) return;",
        to: "    if (broken.seq >= 0) return;",
      },
    ],
    checks: ["damage"],
  },
  {
    id: "later-segments-not-asked",
    story: "Segments behind the damage are not asked what was durable.",
    edits: [
      {
        file: reader,
        from: "      if (info.segment <= segment) continue;",
        to: "      if (info.segment !== segment - 0.5) continue;",
      },
    ],
    checks: ["damage", ...crashes],
  },
  {
    id: "durable-seq-not-written",
    story: "Frames and segments do not say what was durable when they were written.",
    edits: [
      {
        file: writer,
        from: "        durableSeq: Math.max(info.durableSeq, this.#syncs.durableSeq),",
        to: "        durableSeq: 0,",
      },
      {
        file: writer,
        from: "        durableSeq: Math.max(durableSeq, this.#syncs.durableSeq),",
        to: "        durableSeq: 0,",
      },
    ],
    checks: ["damage"],
  },
  {
    id: "durable-seq-overstated",
    story: "A frame says of its own commits that they are durable.",
    edits: [
      {
        file: writer,
        from: "        durableSeq: Math.max(info.durableSeq, this.#syncs.durableSeq),",
        to: "        durableSeq: info.lastSeq - 1,",
      },
    ],
    checks: crashes,
  },
  {
    id: "part-of-a-group-applied",
    story: "A group of which one part is missing is handed out.",
    edits: [
      {
        file: reader,
        from: "      if (frame === undefined) return cursor;",
        to: "      if (frame === undefined) return undefined;",
      },
    ],
    checks: ["large-group"],
  },
  {
    id: "commit-split",
    story: "A group counts when its first frame is there; the later ones are dropped.",
    edits: [
      {
        file: reader,
        from: "const hole = first.parts === 1 ? undefined : yield* this.#holeOf(cursor, first);",
        to: "const hole = undefined;",
      },
    ],
    checks: ["large-group"],
  },
  {
    id: "replay-skips-the-last",
    story: "Recovery leaves out the last commit.",
    edits: [
      {
        file: recovery,
        from: "  let bytesReplayed = 0;\n  for (;;) {\n    const commit = yield* commits.next();",
        to:
          "  let bytesReplayed = 0;\n  let next = yield* commits.next();\n  for (;;) {\n   " +
          " const commit = next;\n    next = commit && (yield* commits.next());\n    if " +
          "(next === undefined) break;",
      },
    ],
    checks: ["stories", ...crashes],
  },
  {
    id: "replay-skips-the-first",
    story: "Recovery begins one commit too late.",
    edits: [
      {
        file: recovery,
        from: "    const { seq, time } = commit;",
        to:
          "    const { seq, time } = commit;\n    if (seq === root.seq + 1) { state = { " +
          "...state, seq }; continue; }",
      },
    ],
    checks: crashes,
  },
  {
    id: "chain-begins-anew",
    story: "After opening, the chain of checksums begins at zero again.",
    edits: [
      {
        file: writer,
        from: "    this.#previousChecksum = recovered.end.previousChecksum;",
        to: "    this.#previousChecksum = 0;",
      },
    ],
    checks: ["stories", ...crashes],
  },
  {
    id: "number-given-twice-after-opening",
    story: "After opening, commits are numbered from the last checkpoint on.",
    edits: [
      {
        file: "src/engine/pipeline.ts",
        from: "    this.seq = setup.recovered.seq;",
        to: "    this.seq = Math.max(0, setup.recovered.seq - 1);",
      },
    ],
    checks: ["stories", ...crashes],
  },
  {
    id: "segment-used-again",
    story: "After opening, a segment is begun under a number that is taken.",
    edits: [
      {
        file: "src/engine/log/segments.ts",
        from: "Math.max(after, ...numbers) + 1;",
        to: "Math.max(after, ...numbers);",
      },
    ],
    checks: ["stories", ...crashes],
  },
  {
    id: "salt-used-again",
    story: "All segments have the same salt.",
    edits: [{ file: writer, from: "        salt: random32() >>> 0,", to: "        salt: 7," }],
    checks: ["damage"],
  },
  {
    id: "claim-not-looked-at",
    story: "A new segment is begun, and a root written, without looking who holds the claim.",
    edits: [
      { file: writer, from: "    if (check !== undefined) yield* wait(check());", to: "" },
      {
        file: "src/engine/checkpoint.ts",
        from: "    const checked = check();",
        to: "    const checked = undefined;",
      },
    ],
    checks: ["stories"],
  },
  {
    id: "numbers-wrong-above-2-31",
    story: "The lower half of a number is read with a sign.",
    edits: [
      {
        file: "src/engine/log/u64.ts",
        from: "  return view.getUint32(at, true) + view",
        to: "  return view.getInt32(at, true) + view",
      },
    ],
    checks: ["stories", ...crashes],
  },
  {
    id: "numbers-cut-at-2-32",
    story: "Numbers are read without their upper half.",
    edits: [
      {
        file: "src/engine/log/u64.ts",
        from: "view.getUint32(at, true) + view.getUint32(at + 4, true) * half;",
        to: "view.getUint32(at, true);",
      },
    ],
    checks: ["stories", "damage"],
  },
  {
    id: "bytes-swapped",
    story: "Numbers are read with the bytes the other way round.",
    edits: [
      {
        file: "src/engine/log/u64.ts",
        from: "view.getUint32(at, true) + view.getUint32(at + 4, true) * half;",
        to: "view.getUint32(at, false) + view.getUint32(at + 4, true) * half;",
      },
    ],
    checks: ["stories"],
  },
  {
    id: "new-database-needs-a-checkpoint",
    story: "A database that crashes before its first checkpoint cannot be opened.",
    edits: [
      {
        file: recovery,
        from: "  if (reference === undefined) return undefined;",
        to:
          "  if (reference === undefined && root.record > 0 && setupHasLog(storage)) throw " +
          'blobCorrupt("catalogue", "missing");',
      },
      {
        file: recovery,
        from: "function nameOf(blob: CatalogueBlob): BlobName {",
        to:
          "function setupHasLog(storage: Storage): boolean {\n  return (storage.log.list() " +
          "as number[]).length > 0;\n}\n\nfunction nameOf(blob: CatalogueBlob): BlobName {",
      },
    ],
    checks: ["crash"],
  },
];
