/** The trees that exist, and those that have been dropped but may still be seen by a snapshot. */
import type { Core } from "../../bindings/core.ts";
import { CairnError } from "../errors.ts";

export interface TreeInfo {
  readonly id: number;
  readonly kind: "ordered" | "hashed";
  /** Plain JSON, as the layer above wrote it. */
  readonly descriptor: Readonly<Record<string, unknown>>;
}

export class Trees {
  readonly #core: Core;
  readonly #infos: Map<number, TreeInfo> = new Map();
  /** Trees that readers do not see yet, and the epoch that made them; infinite while it is open. */
  readonly #unpublished: Map<number, number> = new Map();
  /** What the open epoch did, to be undone when it is rolled back. */
  #undo: (() => void)[] = [];
  #droppedNow: TreeInfo[] = [];
  /** Dropped trees and the epoch of the drop. */
  #dropped: { info: TreeInfo; epoch: number }[] = [];
  /** The ids of both. The core still knows these trees, because a snapshot may. */
  readonly #gone: Set<number> = new Set();
  next = 1;
  /** The epoch of the last checkpoint, which can always be pinned. */
  rooted = 0;

  constructor(core: Core) {
    this.#core = core;
  }

  /** A root names the trees as of this epoch, or they were restored from one. */
  root(epoch: number): void {
    this.rooted = epoch;
    this.#core.exports.rootEpoch(epoch);
  }

  get(id: number): TreeInfo | undefined {
    return this.#infos.get(id);
  }

  /** Those of the newest applied commit. */
  all(): IterableIterator<TreeInfo> {
    return this.#infos.values();
  }

  /** Those of a published epoch, the newest one: what its readers may know of. */
  *seenAt(epoch: number): IterableIterator<TreeInfo> {
    for (const info of this.#infos.values()) {
      if (this.#isSeen(info, epoch)) yield info;
    }
    for (const info of this.#droppedNow) {
      if (this.#isSeen(info, epoch)) yield info;
    }
    for (const dropped of this.#dropped) {
      if (dropped.epoch > epoch && this.#isSeen(dropped.info, epoch)) yield dropped.info;
    }
  }

  #isSeen({ id }: TreeInfo, epoch: number): boolean {
    return (this.#unpublished.get(id) ?? 0) <= epoch;
  }

  /** Readers see this epoch now. */
  publish(epoch: number): void {
    for (const [id, created] of this.#unpublished) {
      if (created <= epoch) this.#unpublished.delete(id);
    }
    this.forgetDropped();
  }

  /** True when the core knows trees that must not be written to. */
  get hasGone(): boolean {
    return this.#gone.size > 0;
  }

  isGone(id: number): boolean {
    return this.#gone.has(id);
  }

  /** A number that no tree has had. */
  take(): number {
    return this.next++;
  }

  create(info: TreeInfo): void {
    const before = this.next;
    this.#infos.set(info.id, info);
    this.#unpublished.set(info.id, Number.POSITIVE_INFINITY);
    this.next = Math.max(before, info.id + 1);
    this.#undo.push(() => {
      this.#infos.delete(info.id);
      this.#unpublished.delete(info.id);
      this.#core.exports.forgetTree(info.id);
    });
  }

  drop(id: number): void {
    const info = this.#infos.get(id);
    if (info === undefined) return;
    this.#infos.delete(id);
    this.#droppedNow.push(info);
    this.#gone.add(id);
    this.#undo.push(() => {
      this.#infos.set(id, info);
      this.#gone.delete(id);
    });
  }

  commit(epoch: number): void {
    if (this.#undo.length === 0) return;
    this.#undo = [];
    for (const info of this.#droppedNow) this.#dropped.push({ info, epoch });
    for (const [id, created] of this.#unpublished) {
      if (created > epoch) this.#unpublished.set(id, epoch);
    }
    this.#droppedNow = [];
  }

  rollback(): void {
    if (this.#undo.length === 0) return;
    for (const undo of this.#undo.reverse()) undo();
    this.#undo = [];
    this.#droppedNow = [];
  }

  /** Forgets dropped trees that no pinned epoch can see. */
  forgetDropped(): void {
    if (this.#dropped.length === 0) return;
    const oldest = this.#core.exports.oldestPin();
    const gone = this.#dropped.filter((tree) => tree.epoch <= oldest);
    for (const { info } of gone) {
      const { id } = info;
      this.#core.exports.forgetTree(id);
      this.#gone.delete(id);
    }
    this.#dropped = this.#dropped.filter((tree) => tree.epoch > oldest);
  }

  unknown(id: number): CairnError {
    return new CairnError(
      "keyspace_dropped",
      `Cannot use tree ${id}: it was dropped. Open the keyspace again by its name.`,
      { details: { tree: id } },
    );
  }
}
