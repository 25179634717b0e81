/** The files of a folder: what is synced, in which order, and what an answer means. */
import type { Mutant } from "../mutant.ts";

const blobs = "src/storage/node-fs/blobs.ts";
const root = "src/storage/node-fs/root.ts";
const log = "src/storage/node-fs/log.ts";
const file = "src/storage/node-fs/open-file.ts";

export const storage: readonly Mutant[] = [
  {
    id: "root-named-before-sync",
    story: "A new database's root gets its name before its bytes are durable.",
    edits: [
      {
        file: root,
        from: "      staged.fullSyncSync();\n      this.#folder.link(stagedName, rootName);\n",
        to: "      this.#folder.link(stagedName, rootName);\n      staged.fullSyncSync();\n",
      },
    ],
    checks: ["files"],
  },
  {
    id: "segment-named-before-sync",
    story: "A segment gets its name before its zeros are durable.",
    edits: [
      {
        file: log,
        from: "      file.fullSyncSync();\n      this.#publish(segment, file);\n",
        to: "      this.#publish(segment, file);\n      file.fullSyncSync();\n",
      },
      {
        file: log,
        from: "      await file.fullSync();\n      this.#publish(segment, file);\n",
        to: "      this.#publish(segment, file);\n      await file.fullSync();\n",
      },
    ],
    checks: ["files"],
  },
  {
    id: "blob-not-synced",
    story: "A blob is named and never synced.",
    edits: [
      { file: blobs, from: "    this.#file.fullSyncSync();\n", to: "" },
      { file: blobs, from: "    await this.#file.fullSync();\n", to: "" },
    ],
    checks: ["files"],
  },
  {
    id: "blob-name-not-synced",
    story: "The name of a sealed blob is not made durable.",
    edits: [
      {
        file: blobs,
        from: "    this.#folder.syncSync();\n  }\n\n  async sealAsync",
        to: "  }\n\n  async sealAsync",
      },
      { file: blobs, from: "    await this.#folder.sync();", to: "" },
    ],
    checks: ["files"],
  },
  {
    id: "root-not-synced",
    story: "A root is written and not synced.",
    edits: [
      {
        file: root,
        from: "    this.#write(expected + 1, bytes).syncSync();",
        to: "    this.#write(expected + 1, bytes);",
      },
      {
        file: root,
        from:
          "      return this.#write(expected + 1, bytes)\n        .sync()\n        " +
          '.then(() => "ok");',
        to: '      this.#write(expected + 1, bytes);\n      return Promise.resolve("ok");',
      },
    ],
    checks: ["files"],
  },
  {
    id: "newest-root-overwritten",
    story: "A root is written over the newest one, not over the older.",
    edits: [
      {
        file: root,
        from: "file.write((record % 2) * rootBytes, bytes);",
        to: "file.write(((record + 1) % 2) * rootBytes, bytes);",
      },
    ],
    checks: ["files"],
  },
  {
    id: "first-root-not-synced",
    story: "A database is created with a root whose bytes are not durable.",
    edits: [{ file: root, from: "      staged.fullSyncSync();\n", to: "" }],
    checks: ["files"],
  },
  {
    id: "first-root-name-not-synced",
    story: "A database is created with a root whose name is not durable.",
    edits: [
      {
        file: root,
        from: "    this.#folder.syncSync();\n  }\n\n  compareAndSet(",
        to: "  }\n\n  compareAndSet(",
      },
    ],
    checks: ["files"],
  },
  {
    id: "segment-name-not-synced",
    story: "The name of a new segment is not made durable.",
    edits: [
      { file: log, from: "    this.#folder.syncSync();\n", to: "" },
      { file: log, from: "    await this.#folder.sync();\n", to: "" },
    ],
    checks: ["files"],
  },
  {
    id: "segment-not-synced",
    story: "A new segment is named while its zeros are not durable.",
    edits: [
      { file: log, from: "      file.fullSyncSync();\n", to: "" },
      { file: log, from: "      await file.fullSync();\n", to: "" },
    ],
    checks: ["files"],
  },
  {
    id: "log-file-not-synced",
    story: "A sync of a file does nothing.",
    edits: [
      { file, from: "      this.#fs.fdatasyncSync(this.#fd);", to: "" },
      {
        file,
        from: '    return this.#run<void>("sync", (fd, done) => this.#fs.fdatasync(fd, done));',
        to:
          '    return this.#run<void>("sync", (_fd, done) => { queueMicrotask(() => ' +
          "done(null)); });",
      },
    ],
    checks: ["files"],
  },
  {
    id: "short-write-ignored",
    story: "A write that did only a part of its bytes counts as done.",
    edits: [
      {
        file,
        from: "      while (done < length) {\n        const more = this.#fs.writeSync(",
        to: "      while (done < 0) {\n        const more = this.#fs.writeSync(",
      },
    ],
    checks: ["files"],
  },
  {
    id: "short-zeros-ignored",
    story: "Of a segment made ahead only the zeros of one short write are there.",
    edits: [{ file, from: "      at += written;", to: "      at += slice.byteLength;" }],
    checks: ["files"],
  },
];
