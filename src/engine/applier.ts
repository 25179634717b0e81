/**
 * Applies the effects of commits to the trees: at commit time and, from the log, at recovery. Both
 * are the same code over the same bytes.
 */
import type { Core } from "../../bindings/core.ts";
import { overflowContentBytes, status, treeKinds } from "../../bindings/status.ts";
import { CairnError } from "../errors.ts";
import { effectHeaderBytes, effectOp } from "./log/effect.ts";
import type { Pager } from "./pager.ts";
import type { Steps } from "./steps.ts";
import type { TreeInfo, Trees } from "./trees.ts";

const idMax = 0xffff_ffff;

export class Applier {
  readonly #core: Core;
  readonly #pager: Pager;
  readonly #trees: Trees;

  constructor(pager: Pager, trees: Trees) {
    this.#core = pager.core;
    this.#pager = pager;
    this.#trees = trees;
  }

  /** Nothing can be rolled back, and nothing be shown, any more. */
  get hasTrapped(): boolean {
    return this.#core.hasTrapped;
  }

  /** Begins the epoch of a commit: its number. */
  begin(): number {
    const epoch = this.#core.exports.beginEpoch();
    if (epoch < 0) throw this.#pager.failure(epoch);
    return epoch;
  }

  commit(epoch: number): void {
    this.#core.exports.commitEpoch();
    this.#trees.commit(epoch);
  }

  rollback(): void {
    this.#core.exports.rollbackEpoch();
    this.#trees.rollback();
  }

  /** Applies effects in the open epoch; how many records deletions have removed. */
  *apply(effects: Uint8Array, seq: number): Steps<number> {
    const core = this.#core;
    let at = 0;
    let removed = 0;
    this.#refuseGone(effects, at);
    while (at < effects.length) {
      const whole = at === 0 && effects.length <= core.inputBytesMax;
      const chunk = whole ? effects : effects.subarray(at, at + core.inputBytesMax);
      core.input.set(chunk);
      const result = core.exports.apply(chunk.length, seq);
      removed += core.count;
      const { consumed } = core;
      at += consumed;
      if (result === 0) {
        if (consumed === 0) throw effectInvalid(at);
      } else if (result === status.effectCatalogue) at += yield* this.#applyCatalogue(effects, at);
      else if (result === status.effectLarge) at += yield* this.#applyLarge(effects, at, seq);
      else if (result === status.effectInvalid) throw effectInvalid(at);
      else if (result === status.treeUnknown) throw this.#trees.unknown(treeAt(effects, at));
      else if (result === status.unordered) throw unordered();
      else yield* this.#pager.resolve(result);
    }
    return removed;
  }

  /** Refuses effects on dropped trees: the core has them as long as a snapshot may need them. */
  #refuseGone(effects: Uint8Array, from: number): void {
    if (!this.#trees.hasGone) return;
    const view = new DataView(effects.buffer, effects.byteOffset, effects.length);
    let at = from;
    while (at + effectHeaderBytes <= effects.length) {
      const tree = view.getUint32(at + 4, true);
      const isDrop = view.getUint8(at) === effectOp.dropTree;
      if (!isDrop && this.#trees.isGone(tree)) throw this.#trees.unknown(tree);
      const keyBytes = view.getUint16(at + 2, true);
      const expiresBytes = (view.getUint8(at + 1) & 1) * 8;
      at += effectHeaderBytes + expiresBytes + keyBytes + view.getUint32(at + 8, true);
    }
  }

  /** createTree and dropTree: the bytes of the effect. */
  *#applyCatalogue(effects: Uint8Array, at: number): Steps<number> {
    const view = new DataView(effects.buffer, effects.byteOffset + at);
    const id = view.getUint32(4, true);
    const bytes = effectHeaderBytes + view.getUint32(8, true);
    if (at + bytes > effects.length) throw effectInvalid(at);
    if (view.getUint8(0) === effectOp.createTree) {
      const body = effects.subarray(at + effectHeaderBytes, at + bytes);
      const info = decodeDescriptor(id, body, at);
      // Taking it back would forget the one that is there. The highest id is the core's own.
      if (this.#trees.get(id) !== undefined || id === idMax) throw effectInvalid(at);
      const result = this.#core.exports.createTree(id, treeKinds[info.kind]);
      if (result < 0) throw this.#pager.failure(result);
      this.#trees.create(info);
      return bytes;
    }
    if (this.#trees.get(id) !== undefined) {
      yield* this.#call(() => this.#core.exports.clear(id));
      this.#trees.drop(id);
      this.#refuseGone(effects, at + bytes);
    }
    return bytes;
  }

  /**
   * A put whose value goes to overflow pages (assembly/page/extent.ts): the bytes of the effect.
   */
  *#applyLarge(effects: Uint8Array, at: number, seq: number): Steps<number> {
    const core = this.#core;
    const view = new DataView(effects.buffer, effects.byteOffset + at);
    const expires = (view.getUint8(1) & 1) !== 0;
    const keyBytes = view.getUint16(2, true);
    const tree = view.getUint32(4, true);
    const valueBytes = view.getUint32(8, true);
    const expiresAt = expires ? view.getFloat64(effectHeaderBytes, true) : 0;
    const keyAt = at + effectHeaderBytes + (expires ? 8 : 0);
    const end = keyAt + keyBytes + valueBytes;
    if (end > effects.length) throw effectInvalid(at);
    if (this.#trees.get(tree) === undefined) throw this.#trees.unknown(tree);
    const content = new Uint8Array(2 + keyBytes + valueBytes);
    new DataView(content.buffer).setUint16(0, keyBytes, true);
    content.set(effects.subarray(keyAt, end), 2);
    const descriptor = yield* this.#writeContent(tree, content, valueBytes);
    yield* this.#call(() => {
      core.input.set(effects.subarray(keyAt, keyAt + keyBytes));
      core.input.set(descriptor, keyBytes);
      return core.exports.putDescriptor(tree, keyBytes, seq, expiresAt, descriptor.length);
    });
    return end - at;
  }

  /** Writes content to fresh overflow pages; the descriptor that leads to them. */
  *#writeContent(tree: number, content: Uint8Array, valueBytes: number): Steps<Uint8Array> {
    const core = this.#core;
    const pages = Math.ceil(content.length / overflowContentBytes);
    const extents: { first: number; pages: number }[] = [];
    for (let left = pages; left > 0; ) {
      const reserved = yield* this.#call(() => core.exports.overflowReserve(left));
      extents.push({ first: core.run, pages: reserved });
      left -= reserved;
    }
    const head = extents[0].first;
    let from = 0;
    for (const extent of extents) {
      for (let index = 0; index < extent.pages; index++) {
        const piece = content.subarray(from, from + overflowContentBytes);
        yield* this.#call(() => {
          core.input.set(piece);
          return core.exports.overflowWrite(tree, extent.first + index, head, piece.length);
        });
        from += piece.length;
      }
    }
    const descriptor = new Uint8Array(4 + 8 * extents.length);
    const view = new DataView(descriptor.buffer);
    view.setUint32(0, valueBytes, true);
    for (const [index, extent] of extents.entries()) {
      view.setUint32(4 + 8 * index, extent.first >>> 0, true);
      view.setUint16(8 + 8 * index, Math.floor(extent.first / 2 ** 32), true);
      view.setUint16(10 + 8 * index, extent.pages, true);
    }
    return descriptor;
  }

  /** Makes a call until it neither misses a page nor lacks frames. */
  *#call(attempt: () => number): Steps<number> {
    let result = attempt();
    while (result < 0) {
      yield* this.#pager.resolve(result);
      result = attempt();
    }
    return result;
  }
}

function treeAt(effects: Uint8Array, at: number): number {
  return new DataView(effects.buffer, effects.byteOffset + at).getUint32(4, true);
}

function decodeDescriptor(id: number, bytes: Uint8Array, at: number): TreeInfo {
  let descriptor: Record<string, unknown>;
  try {
    descriptor = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  } catch {
    throw effectInvalid(at);
  }
  if (typeof descriptor !== "object" || descriptor === null) throw effectInvalid(at);
  const kind = descriptor.kind === "hashed" ? "hashed" : "ordered";
  return { id, kind, descriptor };
}

function effectInvalid(at: number): CairnError {
  return new CairnError(
    "log_corrupt",
    `Applying the effects of a commit at byte ${at}: they are malformed. Nothing was changed. ` +
      "Restore from a backup.",
    { details: { reason: "payload-malformed", offset: at } },
  );
}

function unordered(): CairnError {
  return new CairnError(
    "unordered_keyspace",
    "Cannot delete a range of a hashed keyspace: it has no order. Use an ordered keyspace.",
  );
}
