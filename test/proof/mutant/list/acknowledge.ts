/** Commits: what is answered when, to whom, and what readers see. */
import type { Mutant } from "../mutant.ts";

const pipeline = "src/engine/pipeline.ts";
const syncs = "src/engine/log/syncs.ts";
const sync = "      yield this.#setup.log.sync();";
const append = "      if (this.seq >= firstSeq) yield* this.#append(firstSeq);";
const syncAll = "for (const segment of segments) await this.#log.sync(segment);";
const crashes = ["crash", "crash-later"] as const;

export const acknowledge: readonly Mutant[] = [
  {
    id: "acknowledge-before-sync",
    story: "A commit is answered as durable while its sync is still to come.",
    edits: [{ file: pipeline, from: sync, to: "      this.#setup.log.sync().catch(ignore);" }],
    checks: crashes,
  },
  {
    id: "acknowledge-before-append",
    story: "Commits are answered before their frame is written.",
    edits: [{ file: pipeline, from: append, to: `      settle(group.commits, true);\n${append}` }],
    checks: ["failures", ...crashes],
  },
  {
    id: "visible-called-durable",
    story: "The receipt of a commit that nobody synced says that it is durable.",
    edits: [
      {
        file: pipeline,
        from: "commit.receipt.durable = isDurable;",
        to: "commit.receipt.durable = true;",
      },
    ],
    checks: ["stories"],
  },
  {
    id: "group-answers-wrong-waiter",
    story: "Everybody in a group gets the receipt of its last commit.",
    edits: [
      {
        file: pipeline,
        from: "    commit.resolve(commit.outcome);",
        to: "    commit.resolve((commits.at(-1) ?? commit).outcome ?? commit.outcome);",
      },
    ],
    checks: ["stories"],
  },
  {
    id: "publish-before-sync",
    story: "Readers see a durable commit before it is durable.",
    edits: [
      {
        file: pipeline,
        from: "    if (needsSync) {\n      try {",
        to: "    if (needsSync) {\n      this.#publish(state, false);\n      try {",
      },
    ],
    checks: ["stories"],
  },
  {
    id: "failed-commit-stays",
    story: "The effects of a commit that fails half-way stay in the trees.",
    edits: [
      {
        file: pipeline,
        from: "      else if (isOpen) applier.rollback();",
        to: "      else if (isOpen) applier.commit(this.epoch + 1);",
      },
    ],
    checks: ["stories"],
  },
  {
    id: "goes-on-after-failed-write",
    story: "After a failed write the next commit is taken as if nothing had happened.",
    edits: [
      {
        file: pipeline,
        from: "    if (this.#poison !== undefined) throw poisoned(this.#poison);",
        to: "",
      },
    ],
    checks: ["failures"],
  },
  {
    id: "seq-given-twice",
    story: "A commit after a failed one gets its number.",
    edits: [
      {
        file: pipeline,
        from: "    group.commits = [];\n    this.poison(error);",
        to: "    this.seq -= group.commits.length;\n    group.commits = [];",
      },
      { file: "src/engine/log/writer.ts", from: "    this.isSet = true;\n", to: "" },
    ],
    checks: ["failures"],
  },
  {
    id: "time-goes-back",
    story: "A commit is given an earlier time than the one before it.",
    edits: [
      {
        file: pipeline,
        from: "const time = Math.max(this.time, clock());",
        to: "const time = clock();",
      },
    ],
    checks: ["stories"],
  },
  {
    id: "log-not-synced",
    story: "A sync of the log asks the storage for nothing.",
    edits: [
      { file: syncs, from: syncAll, to: "await undefined;" },
      { file: syncs, from: "        this.#log.syncSync(segment);", to: "" },
    ],
    checks: crashes,
  },
  {
    id: "only-newest-segment-synced",
    story: "A group that reaches into a new segment is synced there only.",
    edits: [
      {
        file: syncs,
        from: "    const segments = this.#waiting;",
        to: "    const segments = this.#waiting.slice(-1);",
      },
      {
        file: syncs,
        from: "new Set([...this.#underWay, ...this.#waiting])",
        to: "this.#waiting.slice(-1)",
      },
    ],
    checks: crashes,
  },
  {
    id: "failed-sync-ignored",
    story: "A sync that fails counts as one that succeeded.",
    edits: [
      {
        file: syncs,
        from: syncAll,
        to: "for (const segment of segments) await this.#log.sync(segment).catch(() => undefined);",
      },
      {
        file: syncs,
        from: "        this.#log.syncSync(segment);",
        to: "        try { this.#log.syncSync(segment); } catch {}",
      },
    ],
    checks: ["failures"],
  },
  {
    id: "failed-sync-tried-again",
    story: "A sync that fails is tried again, and the second answer is believed.",
    edits: [
      {
        file: syncs,
        from: syncAll,
        to:
          "for (const segment of segments) await this.#log.sync(segment).catch(() => " +
          "this.#log.sync(segment));",
      },
    ],
    checks: ["failures"],
  },
  {
    id: "full-disk-ignored",
    story: "A frame that could not be written counts as written.",
    edits: [
      {
        file: "src/engine/log/writer.ts",
        from:
          "        const written = this.#log.append(this.#segment, this.#offset, frame);\n " +
          "       if (written instanceof Promise) yield written;",
        to:
          "        try { const written = this.#log.append(this.#segment, this.#offset, " +
          "frame);\n        if (written instanceof Promise) yield written; } catch {}",
      },
    ],
    checks: ["failures"],
  },
  {
    id: "snapshot-sees-later-commits",
    story: "A read at a snapshot sees the newest state.",
    edits: [
      {
        file: "src/engine/engine.ts",
        from: 'return at === "newest" ? 0 : this.snapshots.use(at);',
        to: "return 0;",
      },
    ],
    checks: ["stories"],
  },
  {
    id: "snapshot-not-pinned",
    story: "The pages of a snapshot are given to others while it is held.",
    edits: [
      {
        file: "src/engine/snapshots.ts",
        from: "    if (this.#core.exports.pinEpoch(epoch) === status.tableFull) {",
        to: "    if (status.tableFull === 1) {",
      },
      {
        file: "src/engine/snapshots.ts",
        from: "    this.#core.exports.unpinEpoch(lease.epoch);",
        to: "",
      },
    ],
    checks: ["stories"],
  },
];
