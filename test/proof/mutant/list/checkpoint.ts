/** Checkpoints, roots, compaction, backup, and what comes and goes with trees. */
import type { Mutant } from "../mutant.ts";

const checkpoint = "src/engine/checkpoint.ts";
const compaction = "src/engine/compaction.ts";
const trees = "src/engine/trees.ts";
const crashes = ["crash", "crash-later"] as const;
const blobs = "      yield* this.#writeBlobs(frozen, isSync, sliceDone);\n";
const writeRoot = "      yield* this.#writeRoot(frozen, reference, isSync);\n";
const logSync = "    if (isSync) log.syncSync();\n    else yield log.sync();\n";

export const checkpoints: readonly Mutant[] = [
  {
    id: "root-before-blobs",
    story: "The root is written while the pages that it names are not.",
    edits: [
      { file: checkpoint, from: blobs, to: "" },
      { file: checkpoint, from: writeRoot, to: writeRoot + blobs },
    ],
    checks: ["files"],
  },
  {
    id: "root-before-log-sync",
    story: "The root names a place in the log that is not durable.",
    edits: [{ file: checkpoint, from: logSync, to: "" }],
    checks: crashes,
  },
  {
    id: "log-trimmed-before-root",
    story: "The log is removed before the root that makes it unnecessary is written.",
    edits: [
      {
        file: checkpoint,
        from: writeRoot,
        to: `      yield* this.#setup.log.trim(frozen.position);\n${writeRoot}`,
      },
    ],
    checks: crashes,
  },
  {
    id: "log-trimmed-to-newest-root",
    story: "The log that the older root needs is removed.",
    edits: [
      {
        file: checkpoint,
        from: "yield* log.trim(this.older.root.position);",
        to: "yield* log.trim(this.newest.root.position);",
      },
    ],
    checks: ["damage", ...crashes],
  },
  {
    id: "older-blobs-removed",
    story: "Blobs that only the older root names are removed.",
    edits: [
      {
        file: checkpoint,
        from: "const states = [this.newest, this.older, ...this.#held];",
        to: "const states = [this.newest, ...this.#held];",
      },
    ],
    checks: ["damage", ...crashes],
  },
  {
    id: "copied-blobs-removed",
    story: "Blobs are removed while a backup copies them.",
    edits: [
      {
        file: checkpoint,
        from: "const states = [this.newest, this.older, ...this.#held];",
        to: "const states = [this.newest, this.older];",
      },
      {
        file: checkpoint,
        from: "    if (this.#held.length > 0) this.#staleFiles = files.splice(0);",
        to: "",
      },
    ],
    checks: ["stories"],
  },
  {
    id: "stale-root-chosen",
    story: "Opening takes the older of two intact roots.",
    edits: [
      {
        file: "src/engine/root.ts",
        from: "  intact.sort((a, b) => b.record - a.record);",
        to: "  intact.sort((a, b) => a.record - b.record);",
      },
      { file: "src/engine/root.ts", from: "  requireSuccession(newest, other);", to: "" },
    ],
    checks: ["stories", ...crashes],
  },
  {
    id: "root-checksum-ignored",
    story: "A root slot is believed whatever its checksum says.",
    edits: [
      {
        file: "src/engine/root.ts",
        from: "  if (checksum(slot.subarray(8), 0) !== view.getUint32(4, true)) return undefined;",
        to: "",
      },
    ],
    checks: ["damage"],
  },
  {
    id: "catalogue-checksum-ignored",
    story: "A catalogue is believed whatever its checksum says.",
    edits: [
      {
        file: "src/engine/catalogue.ts",
        from: "checksum(bytes, 0) !== reference.checksum",
        to: "checksum(bytes, 0) === -1",
      },
    ],
    checks: ["damage"],
  },
  {
    id: "page-failure-forgotten",
    story: "A checkpoint seals a blob of which a page could not be written.",
    edits: [
      { file: checkpoint, from: "    if (blob.failure !== undefined) throw blob.failure;", to: "" },
      {
        file: checkpoint,
        from: "        if (write !== undefined) yield write;",
        to: "        if (write !== undefined) yield write.catch(() => undefined);",
      },
      {
        file: "src/engine/pager.ts",
        from: "    this.onWriteFailed(error);\n    throw error;",
        to: "    return undefined as never;",
      },
    ],
    checks: ["failures"],
  },
  {
    id: "catalogue-misses-overflow",
    story: "A checkpoint does not note how many pages long values take.",
    edits: [
      {
        file: checkpoint,
        from: "overflowPages: exports.treeOverflow(info.id),",
        to: "overflowPages: 0,",
      },
    ],
    checks: ["stories", ...crashes],
  },
  {
    id: "reclaim-queue-forgotten",
    story: "A checkpoint forgets what was cut off and not given back.",
    edits: [
      { file: checkpoint, from: "      reclaim: this.#reclaimQueue(),", to: "      reclaim: []," },
    ],
    checks: ["stories", ...crashes],
  },
  {
    id: "tree-number-given-twice",
    story: "After opening, a new tree gets the number of an old one.",
    edits: [{ file: checkpoint, from: "      nextTree: trees.next,", to: "      nextTree: 1," }],
    checks: ["stories", ...crashes],
  },
  {
    id: "expiry-lost-by-compaction",
    story: "Compaction writes long values without their expiry.",
    edits: [
      {
        file: compaction,
        from: "effects.put(tree, key, value, expiresAt === 0 ? undefined : expiresAt);",
        to: "effects.put(tree, key, value);",
      },
    ],
    checks: ["stories"],
  },
  {
    id: "deleted-bytes-stay",
    story: "Compaction leaves the log in which deleted values stand.",
    edits: [
      {
        file: compaction,
        from: "  await engine.pipeline.turn(() => engine.log.rotate());",
        to: "",
      },
    ],
    checks: ["stories"],
  },
  {
    id: "dropped-tree-comes-back",
    story: "A dropped tree is there again after opening.",
    edits: [
      {
        file: trees,
        from: "    this.#infos.delete(id);\n    this.#droppedNow.push(info);",
        to: "    this.#droppedNow.push(info);",
      },
    ],
    checks: ["stories"],
  },
  {
    id: "rolled-back-tree-stays",
    story: "A tree of a commit that failed is listed.",
    edits: [{ file: trees, from: "    for (const undo of this.#undo.reverse()) undo();", to: "" }],
    checks: ["stories"],
  },
  {
    id: "backup-without-checkpoint",
    story: "A backup holds the state of the last checkpoint, not the newest.",
    edits: [
      {
        file: "src/engine/backup.ts",
        from:
          "    if (!engine.readOnly) await engine.maintenance.checkpoint({ signal: " +
          "options.signal });",
        to: "",
      },
    ],
    checks: ["stories", "crash"],
  },
  {
    id: "lock-kept",
    story: "Closing does not give the claim back.",
    edits: [
      {
        file: "src/engine/engine.ts",
        from: "        await this.claim.release();",
        to: "",
      },
    ],
    checks: ["stories"],
  },
];
