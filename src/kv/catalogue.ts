/** The keyspaces of a database: finding, creating, dropping them. */
import type { Steps, TreeInfo } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import type { Key, Tree } from "../transaction/index.ts";
import type { Context } from "./context.ts";
import {
  checkAgreement,
  codecOf,
  describeInfo,
  describeKeyspace,
  encodeDescriptor,
  type KeyspaceDescriptor,
  type KeyspaceInfo,
  type KeyspaceOptions,
  keyspaceOf,
  type ValueOption,
} from "./descriptor.ts";
import type { WriteOptions } from "./keyspace-core.ts";
import { KeyspaceCore } from "./keyspace-core.ts";

export class Keyspaces {
  readonly #context: Context;
  readonly #valueDefault: ValueOption;
  /** One object per tree, for all who have it open. */
  readonly #trees: Map<number, Tree> = new Map();
  /** Keyspaces are created and dropped one after the other. */
  #changes: Promise<unknown> = Promise.resolve();

  constructor(context: Context, valueDefault: ValueOption) {
    this.#context = context;
    this.#valueDefault = valueDefault;
  }

  /** The keyspaces of a scope, "project/scope"; of the root without. */
  list(scope: string = ""): KeyspaceInfo[] {
    const { engine } = this.#context;
    const infos: KeyspaceInfo[] = [];
    for (const tree of engine.trees()) {
      const descriptor = keyspaceOf(tree);
      if (descriptor === undefined || (descriptor.scope ?? "") !== scope) continue;
      infos.push(describeInfo(descriptor, engine.records(tree.id)));
    }
    return infos.sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  /** Opens a keyspace, or creates it. */
  async open(
    name: string,
    options: KeyspaceOptions,
    scope: string = "",
  ): Promise<KeyspaceCore<Key, unknown>> {
    const wanted = describeKeyspace(name, options, this.#valueDefault, scope);
    const codec = codecOf(options.value ?? this.#valueDefault);
    let found = this.#find(name, scope);
    if (found === undefined) {
      await this.#change(() => this.#create(wanted));
      found = this.#require(name, scope);
    }
    checkAgreement(found.descriptor, wanted, options);
    const tree = this.#treeOf(found.info, found.descriptor);
    return new KeyspaceCore(this.#context, tree, found.descriptor, codec);
  }

  /** Drops a keyspace: false when there is none of this name. */
  async drop(
    name: string,
    options: WriteOptions | undefined,
    scope: string = "",
  ): Promise<boolean> {
    return await this.#change(async () => {
      const found = this.#find(name, scope);
      if (found === undefined) return false;
      const { id } = found.info;
      this.#context.requireIdle();
      this.#context.engine.beginCommit().dropTree(id);
      await this.#context.engine.submit(options);
      this.forget(id);
      return true;
    });
  }

  /** The trees of a scope's keyspaces. */
  treesOf(scope: string): number[] {
    const isInside = (tree: TreeInfo): boolean => keyspaceOf(tree)?.scope === scope;
    return [...this.#context.engine.trees()].filter(isInside).map(({ id }) => id);
  }

  /** Handles of a tree that is gone answer `keyspace_dropped` from now on. */
  forget(id: number): void {
    const tree = this.#trees.get(id);
    if (tree !== undefined) tree.isDropped = true;
    this.#trees.delete(id);
  }

  /** The tree of a keyspace. @throws CairnError `keyspace_not_found`. */
  idOf(name: string): number {
    return this.#require(name).info.id;
  }

  async #create(wanted: KeyspaceDescriptor): Promise<void> {
    const { engine, expiry } = this.#context;
    // Somebody before us in the queue may have created it.
    if (this.#find(wanted.name, wanted.scope) !== undefined) return;
    if (engine.readOnly) throw notFound(wanted.name);
    // biome-ignore lint/correctness/useYield: it decides without reading
    await this.#context.commit(function* (effects): Steps<void> {
      expiry.createWithin(effects);
      effects.createTree(engine.nextTreeId(), encodeDescriptor(wanted));
    }, undefined);
  }

  #change<T>(change: () => Promise<T>): Promise<T> {
    const changed = this.#changes.then(change);
    this.#changes = changed.catch(() => undefined);
    return changed;
  }

  #find(
    name: string,
    scope: string = "",
  ): { info: TreeInfo; descriptor: KeyspaceDescriptor } | undefined {
    for (const info of this.#context.engine.trees()) {
      const descriptor = keyspaceOf(info);
      if (descriptor?.name !== name || (descriptor.scope ?? "") !== scope) continue;
      return { info, descriptor };
    }
    return undefined;
  }

  #require(name: string, scope: string = ""): { info: TreeInfo; descriptor: KeyspaceDescriptor } {
    const found = this.#find(name, scope);
    if (found === undefined) throw notFound(name);
    return found;
  }

  #treeOf(info: TreeInfo, descriptor: KeyspaceDescriptor): Tree {
    let tree = this.#trees.get(info.id);
    if (tree === undefined) {
      tree = {
        id: info.id,
        kind: info.kind,
        isText: descriptor.key === "utf8",
        expires: descriptor.ttl !== undefined || this.#context.expiry.isInUse,
        isDropped: false,
      };
      this.#trees.set(info.id, tree);
    }
    return tree;
  }
}

function notFound(name: string): CairnError {
  return new CairnError(
    "keyspace_not_found",
    `Cannot find the keyspace ${JSON.stringify(name)}: none has this name. See keyspaces().`,
  );
}
