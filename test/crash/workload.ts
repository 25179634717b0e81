/**
 * Random work on a database, the same for the same seed, with the history that it must have.
 *
 * Trees 1 (ordered) and 2 (hashed) are always there; others come and go.
 */
import type {
  CommitOptions,
  Decide,
  EffectBuffer,
  Engine,
  Receipt,
} from "../../src/engine/index.ts";
import type { Storage } from "../../src/storage/port.ts";
import type { Random } from "../storage/random.ts";
import { descriptorOf, type History, type State, utf8 } from "./model.ts";

export interface WorkloadOptions {
  readonly steps: number;
  /** Of the keys of a tree. */
  readonly keys: number;
  /** Bytes of a large value at most. */
  readonly largeBytesMax: number;
  /** One of so many values is large. */
  readonly largeOneIn: number;
  /** A place for each backup. */
  readonly backupTarget: () => Storage;
}

/** A backup that was completed: it holds a commit from `from` to `to`. */
export interface Backup {
  readonly target: Storage;
  readonly from: number;
  readonly to: number;
}

type Encode = (effects: EffectBuffer) => void;

export class Workload {
  readonly backups: Backup[] = [];
  readonly #engine: Engine;
  readonly #history: History;
  readonly #random: Random;
  readonly #options: WorkloadOptions;
  #state: Map<string, string>;
  #trees: number[];

  constructor(engine: Engine, history: History, random: Random, options: WorkloadOptions) {
    this.#engine = engine;
    this.#history = history;
    this.#random = random;
    this.#options = options;
    this.#state = new Map(history.newest);
    this.#trees = [];
    this.#findTrees();
  }

  async run(): Promise<void> {
    if (this.#history.sent === 0) await this.#commit(this.#createFirst());
    for (let step = 0; step < this.#options.steps; step++) await this.#step(step);
    if (this.#random.chance(0.7)) await this.#close();
  }

  async #step(step: number): Promise<void> {
    const random = this.#random;
    const dice = random.integer(40);
    if (dice < 22) await this.#commit(this.#change(step));
    else if (dice < 30) await this.#burst(step);
    else if (dice < 33) await this.#commit(this.#sweep());
    else if (dice < 35) await this.#commit(this.#comeOrGo());
    else if (dice < 38) await this.#long(() => this.#engine.checkpoint(), step);
    else if (dice < 39) await this.#long(() => this.#engine.compact(), step);
    else await this.#long(() => this.#backup(), step);
  }

  /** Something long, alone or with commits beside it. */
  async #long(start: () => Promise<void>, step: number): Promise<void> {
    const sent = this.#history.sent;
    const isAlone = this.#random.chance(0.5);
    const running = start();
    // It fails together with the commits: the first failure is the one that is told.
    running.catch(() => undefined);
    if (!isAlone) await this.#burst(step);
    await running;
    this.#history.acknowledge(sent, true);
  }

  async #backup(): Promise<void> {
    const target = this.#options.backupTarget();
    const from = this.#history.sent;
    await this.#engine.backup(target);
    this.backups.push({ target, from, to: this.#history.sent });
  }

  async #close(): Promise<void> {
    await this.#engine.close();
    this.#history.acknowledge(this.#history.sent, true);
  }

  /** Several commits that wait for each other. */
  async #burst(step: number): Promise<void> {
    const commits: Promise<void>[] = [];
    for (let left = 1 + this.#random.integer(6); left > 0; left--) {
      const commit = this.#commit(this.#change(step));
      commit.catch(() => undefined);
      commits.push(commit);
    }
    for (const commit of commits) await commit;
  }

  /** Sends one commit in one of the forms there are. The model has its effects already. */
  #commit(effects: Encode[]): Promise<void> {
    (this.#history.states as State[]).push(new Map(this.#state));
    const encode: Encode = (buffer) => {
      for (const effect of effects) effect(buffer);
    };
    const engine = this.#engine;
    const options: CommitOptions = this.#random.chance(0.2) ? { finality: "visible" } : {};
    const canBeSync = engine.storage.capabilities.sync && !engine.pipeline.isApplying;
    const form = this.#random.integer(canBeSync ? 4 : 2);
    if (form === 1) return this.#acknowledged(engine.commit(decided(encode), options));
    if (form === 2) return this.#acknowledged(engine.commitSync(decided(encode), options));
    encode(engine.beginCommit());
    if (form === 3) return this.#acknowledged({ receipt: engine.submitSync(options) });
    return this.#acknowledged(engine.submit(options).then((receipt) => ({ receipt })));
  }

  async #acknowledged(
    answer: { receipt: Receipt | undefined } | Promise<{ receipt: Receipt | undefined }>,
  ): Promise<void> {
    const { receipt } = await answer;
    if (receipt === undefined) throw new Error("a commit with effects has no receipt");
    this.#history.acknowledge(Number(receipt.seq), receipt.durable);
  }

  #createFirst(): Encode[] {
    return [...this.#create(1, "ordered"), ...this.#create(2, "hashed")];
  }

  #create(id: number, kind: "ordered" | "hashed"): Encode[] {
    this.#state.set(`#${id}`, kind);
    this.#findTrees();
    return [(effects) => effects.createTree(id, descriptorOf(kind))];
  }

  #findTrees(): void {
    const names = [...this.#state.keys()].filter((key) => key.startsWith("#"));
    this.#trees = names.map((name) => Number(name.slice(1)));
  }

  #change(step: number): Encode[] {
    const random = this.#random;
    const effects: Encode[] = [];
    for (let left = 1 + random.integer(12); left > 0; left--) {
      const tree = random.pick(this.#trees);
      const key = `k${random.integer(this.#options.keys)}`;
      if (random.chance(0.7)) {
        const value = this.#value(`${step}.${left}.`);
        const expiresAt = random.chance(0.1) ? 4e12 : undefined;
        effects.push((buffer) => buffer.put(tree, key, utf8(value), expiresAt));
        this.#state.set(`${tree}/${key}`, value);
      } else {
        effects.push((buffer) => buffer.delete(tree, key));
        this.#state.delete(`${tree}/${key}`);
      }
    }
    return effects;
  }

  #value(begin: string): string {
    const { largeOneIn, largeBytesMax } = this.#options;
    const isLarge = this.#random.integer(largeOneIn) === 0;
    const bytes = this.#random.integer(isLarge ? largeBytesMax : 200);
    return begin + String.fromCharCode(97 + this.#random.integer(26)).repeat(bytes);
  }

  /** Clears a tree, or a range of the ordered one. */
  #sweep(): Encode[] {
    const random = this.#random;
    if (random.chance(0.4)) {
      const tree = random.pick(this.#trees);
      this.#forget(tree, () => true);
      return [(effects) => effects.clear(tree)];
    }
    const bounds = [random.integer(this.#options.keys), random.integer(this.#options.keys)];
    const [low = "", high = ""] = bounds.map((number) => `k${number}`).sort();
    this.#forget(1, (key) => key >= low && key < high);
    return [(effects) => effects.deleteRange(1, low, high)];
  }

  #forget(tree: number, isMeant: (key: string) => boolean): void {
    const prefix = `${tree}/`;
    for (const key of [...this.#state.keys()]) {
      if (key.startsWith(prefix) && isMeant(key.slice(prefix.length))) this.#state.delete(key);
    }
  }

  #comeOrGo(): Encode[] {
    const others = this.#trees.filter((id) => id > 2);
    if (others.length < 2) {
      return this.#create(this.#engine.nextTreeId(), this.#random.pick(["ordered", "hashed"]));
    }
    const tree = this.#random.pick(others);
    this.#forget(tree, () => true);
    this.#state.delete(`#${tree}`);
    this.#findTrees();
    return [(effects) => effects.dropTree(tree)];
  }
}

function decided(encode: Encode): Decide<void> {
  // biome-ignore lint/correctness/useYield: it has nothing to wait for
  return function* decide(effects) {
    encode(effects);
  };
}
