/** The vector indexes of a database: finding, creating, dropping them. */
import type { Steps, TreeInfo } from "../engine/index.ts";
import type { Context, WriteOptions } from "../kv/index.ts";
import type { IdOption } from "./id.ts";
import { IndexCore } from "./index-core.ts";
import { exactSlotsOf, type GraphMaker, type KeeperLimits, linkBudgetOf } from "./keeper.ts";
import {
  checkVectorsAgree,
  checkVectorsName,
  checkVectorsOptions,
  describeVectors,
  encodeDescriptor,
  type PartDescriptor,
  partOf,
  type VectorsDescriptor,
  type VectorsInfo,
  type VectorsOptions,
  vectorsNotFound,
  vectorsOf,
} from "./options.ts";
import { type TreeIds, VectorTrees } from "./trees.ts";

const graphRowsMinDefault = 1_000;
const backlogMaxDefault = 16_384;
/** Less than two milliseconds, where vectors are short. */
const searchRowsMaxDefault = 1_024;
/** Where hopping costs as much (docs/decisions/0021-filtered-search.md). */
const scanPerCandidateDefault = 90;

interface Found {
  readonly info: TreeInfo;
  readonly descriptor: VectorsDescriptor;
}

export class VectorIndexes {
  readonly #context: Context;
  readonly #maker: GraphMaker;
  readonly #limits: Partial<KeeperLimits>;
  /** One per index, for all who have it open; by the tree of its rows. */
  readonly #open: Map<number, IndexCore> = new Map();
  /** Indexes are created and dropped one after the other. */
  #changes: Promise<unknown> = Promise.resolve();

  constructor(context: Context, maker: GraphMaker, limits: Partial<KeeperLimits> = {}) {
    this.#context = context;
    this.#maker = maker;
    this.#limits = limits;
  }

  list(): VectorsInfo[] {
    const { engine } = this.#context;
    const infos: VectorsInfo[] = [];
    for (const tree of engine.trees()) {
      const descriptor = vectorsOf(tree);
      if (descriptor === undefined) continue;
      const { kind: _kind, type: _type, id, ...info } = descriptor;
      infos.push({ ...info, id: id as IdOption, count: Math.max(0, engine.records(tree.id)) });
    }
    return infos.sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  /** Opens an index, or creates it. */
  async open(name: string, options: VectorsOptions): Promise<IndexCore> {
    checkVectorsOptions(name, options);
    let found = this.#find(name);
    if (found === undefined) {
      await this.#change(() => this.#create(name, options));
      found = this.#find(name);
      if (found === undefined) throw vectorsNotFound(name);
    }
    checkVectorsAgree(found.descriptor, options);
    return this.#coreOf(found);
  }

  /** Drops an index: false when there is none of this name. */
  async drop(name: string, options: WriteOptions | undefined): Promise<boolean> {
    checkVectorsName(name);
    return await this.#change(async () => {
      const found = this.#find(name);
      if (found === undefined) return false;
      const ids = this.#idsOf(found);
      this.#context.requireIdle();
      const effects = this.#context.engine.beginCommit();
      for (const id of [ids.rows, ids.ids, ids.pending, ...ids.fields.values()]) {
        effects.dropTree(id);
      }
      await this.#context.engine.submit(options);
      this.forget(found.info.id);
      return true;
    });
  }

  /** Opens all indexes: what is deleted must also go from the images of those nobody uses. */
  openAll(): void {
    for (const { name } of this.list()) {
      const found = this.#find(name);
      if (found !== undefined) this.#coreOf(found);
    }
  }

  /** Opens the index of another tree's records, which is in the catalogue of that one. */
  attach(ids: TreeIds, descriptor: VectorsDescriptor): IndexCore {
    return this.#open.get(ids.rows) ?? this.#openCore(ids, descriptor);
  }

  /** Ends an index whose trees are gone, by the tree of its rows. */
  forget(rows: number): void {
    const core = this.#open.get(rows);
    if (core === undefined) return;
    core.trees.tree.isDropped = true;
    core.keeper.discard();
    this.#open.delete(rows);
  }

  /** Ends the work in the background. */
  async stop(): Promise<void> {
    await Promise.all([...this.#open.values()].map((core) => core.keeper.stop()));
  }

  async #create(name: string, options: VectorsOptions): Promise<void> {
    const { engine } = this.#context;
    // Somebody before us in the queue may have created it.
    if (this.#find(name) !== undefined) return;
    if (engine.readOnly) throw vectorsNotFound(name);
    const descriptor = describeVectors(name, options);
    const parts: PartDescriptor[] = [
      { kind: "hashed", type: "vector-ids", name },
      { kind: "ordered", type: "vector-pending", name },
    ];
    for (const field of descriptor.fields) {
      parts.push({ kind: "ordered", type: "vector-field", name, field });
    }
    // biome-ignore lint/correctness/useYield: it decides without reading
    await this.#context.commit(function* (effects): Steps<void> {
      for (const part of [descriptor, ...parts]) {
        effects.createTree(engine.nextTreeId(), encodeDescriptor(part));
      }
    }, undefined);
  }

  #change<T>(change: () => Promise<T>): Promise<T> {
    const changed = this.#changes.then(change);
    this.#changes = changed.catch(() => undefined);
    return changed;
  }

  #find(name: string): Found | undefined {
    for (const info of this.#context.engine.trees()) {
      const descriptor = vectorsOf(info);
      if (descriptor?.name === name) return { info, descriptor };
    }
    return undefined;
  }

  #idsOf({ info, descriptor }: Found): TreeIds {
    const fields = new Map<string, number>();
    let ids = 0;
    let pending = 0;
    for (const tree of this.#context.engine.trees()) {
      const part = partOf(tree, descriptor.name);
      if (part?.type === "vector-ids") ids = tree.id;
      else if (part?.type === "vector-pending") pending = tree.id;
      else if (part?.field !== undefined) fields.set(part.field, tree.id);
    }
    return { rows: info.id, ids, pending, fields };
  }

  #coreOf(found: Found): IndexCore {
    const open = this.#open.get(found.info.id);
    return open ?? this.#openCore(this.#idsOf(found), found.descriptor);
  }

  #openCore(ids: TreeIds, descriptor: VectorsDescriptor): IndexCore {
    const trees = new VectorTrees(this.#context.engine, ids, descriptor);
    const core = new IndexCore(this.#context, trees, descriptor, this.#maker, {
      graphRowsMin: graphRowsMinDefault,
      backlogMax: backlogMaxDefault,
      searchRowsMax: searchRowsMaxDefault,
      scanPerCandidate: scanPerCandidateDefault,
      exactSlots: exactSlotsOf(descriptor.dimensions),
      linkBudget: linkBudgetOf(descriptor.dimensions),
      ...this.#limits,
    });
    this.#open.set(ids.rows, core);
    core.keeper.wake();
    return core;
  }
}
