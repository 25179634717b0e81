/**
 * A story told to the engine once, over simulated files: every call of its file system, and what
 * was promised by when. All crashes are made of this afterwards, without telling the story again.
 */

import type { Engine, Receipt } from "../../../src/engine/index.ts";
import { type EngineOptions, openEngine } from "../../../src/engine/index.ts";
import { NodeStorage } from "../../../src/storage/node-fs/index.ts";
import type { Claim, Storage } from "../../../src/storage/port.ts";
import { descriptorOf, type State, utf8 } from "../../crash/model.ts";
import { Random } from "../../storage/random.ts";
import { Disk } from "../simulator/disk.ts";
import { SimulatedFiles, type SimulatedOptions } from "../simulator/file-system.ts";
import type { Entry } from "../simulator/trace.ts";

/** Something wrong between engine and files, to show that it is found. */
export interface Mistake {
  readonly wrap?: (storage: Storage) => Storage;
  readonly fault?: SimulatedOptions["fault"];
}

/** Where the database lies. */
export const path = "/db";

/** As small as it gets: a segment has room for a dozen commits, a frame for a page. */
export const small: EngineOptions = {
  memoryBudget: 4 << 20,
  checkpointLogBytes: 1 << 20,
  checkpointIdleMs: 0,
  segmentBytes: { first: 5632, max: 8192 },
  frameBytesMax: 1024,
};

/** From this entry of the trace on, so much was promised. */
export interface Promised {
  readonly entry: number;
  /** Highest commit acknowledged as durable, and acknowledged at all. */
  readonly durable: number;
  readonly visible: number;
  /** Highest commit that was begun. */
  readonly sent: number;
}

export interface Recording {
  readonly name: string;
  readonly options: EngineOptions;
  /** The disk before the first entry. */
  readonly begin: Disk;
  readonly trace: readonly Entry[];
  readonly promised: readonly Promised[];
  /** What commit n left behind, by n; 0 is the empty database. */
  readonly states: readonly State[];
  /** Before this entry there may be no database, because a copy was not yet complete. */
  readonly absentUntil: number;
  /** What may be found at any time, although less was promised: states of a copy. */
  readonly least: number;
}

/** Claims are made by the story, one after another; the lock is tested by itself. */
export function claimOf(generation: number): () => Promise<Claim> {
  return () =>
    Promise.resolve({ mode: "exclusive", generation, check() {}, release() {} } satisfies Claim);
}

export function storageOn(files: SimulatedFiles, generation: number): NodeStorage {
  const storage = new NodeStorage(path, { files: { fs: files, claim: claimOf(generation) } });
  // The real one looks for the lock, which is not among the simulated files.
  Object.defineProperty(storage, "holder", { value: () => Promise.resolve(undefined) });
  return storage;
}

/** Clock and randomness that depend on the seed alone. */
export function surroundingsOf(module: WebAssembly.Module, seed: number) {
  const random = new Random(seed);
  let now = 1e12;
  return {
    module,
    clock: () => now++,
    random: (bytes: Uint8Array): void => bytes.set(random.bytes(bytes.length)),
  };
}

type Encode = (effects: ReturnType<Engine["beginCommit"]>) => void;

/** One record of a commit: a put, or a delete when there is no value. */
export type Change = readonly [tree: number, key: string, value?: string];

/** What a story is told with. Keeps the model beside the engine. */
export class Teller {
  readonly trace: Entry[] = [];
  readonly files: SimulatedFiles;
  readonly states: State[] = [new Map()];
  readonly promised: Promised[] = [{ entry: 0, durable: 0, visible: 0, sent: 0 }];
  readonly random: Random;
  engine!: Engine;
  options: EngineOptions;
  begin: Disk | undefined;
  absentUntil = 0;
  least = 0;
  readonly module: WebAssembly.Module;
  readonly #seed: number;
  readonly #mistake: Mistake;
  #generation = 0;
  #state = new Map<string, string>();

  constructor(module: WebAssembly.Module, seed: number, mistake: Mistake) {
    this.module = module;
    this.#seed = seed;
    this.#mistake = mistake;
    this.random = new Random(seed);
    this.options = small;
    this.files = new SimulatedFiles(new Disk(), {
      trace: this.trace,
      random: new Random(seed + 1),
      ...(mistake.fault === undefined ? {} : { fault: mistake.fault }),
    });
  }

  get seq(): number {
    return this.states.length - 1;
  }

  get state(): ReadonlyMap<string, string> {
    return this.#state;
  }

  async open(options: EngineOptions = {}): Promise<void> {
    this.options = { ...this.options, ...options };
    const generation = ++this.#generation;
    const wrap = this.#mistake.wrap ?? ((storage: Storage) => storage);
    const storage = wrap(storageOn(this.files, generation));
    const surroundings = surroundingsOf(this.module, this.#seed * 100 + generation);
    this.engine = await openEngine(storage, this.options, surroundings);
  }

  /** Trees 1, ordered, and 2, hashed. */
  async plant(): Promise<void> {
    await this.send([...this.create(1, "ordered"), ...this.create(2, "hashed")]);
  }

  create(id: number, kind: "hashed" | "ordered"): Encode[] {
    this.#state.set(`#${id}`, kind);
    return [(effects) => effects.createTree(id, descriptorOf(kind))];
  }

  drop(id: number): Encode[] {
    this.#state.delete(`#${id}`);
    this.#forget(`${id}/`, "", undefined);
    return [(effects) => effects.dropTree(id)];
  }

  clear(id: number): Encode[] {
    this.#forget(`${id}/`, "", undefined);
    return [(effects) => effects.clear(id)];
  }

  deleteRange(id: number, low: string, high: string): Encode[] {
    this.#forget(`${id}/`, low, high);
    return [(effects) => effects.deleteRange(id, low, high)];
  }

  change(changes: readonly Change[]): Encode[] {
    return changes.map(([tree, key, value]) => {
      if (value === undefined) this.#state.delete(`${tree}/${key}`);
      else this.#state.set(`${tree}/${key}`, value);
      return (effects) => {
        if (value === undefined) effects.delete(tree, key);
        else effects.put(tree, key, utf8(value));
      };
    });
  }

  /** A commit of these records, awaited. */
  put(...changes: Change[]): Promise<void> {
    return this.send(this.change(changes));
  }

  /** Sends a commit; its effects are in the model already. */
  async send(effects: readonly Encode[], finality?: "durable" | "visible"): Promise<void> {
    this.#encode(effects);
    const receipt = await this.engine.submit(finality === undefined ? {} : { finality });
    this.acknowledge(receipt);
  }

  sendSync(effects: readonly Encode[]): void {
    this.#encode(effects);
    this.acknowledge(this.engine.submitSync());
  }

  #encode(effects: readonly Encode[]): void {
    this.states.push(new Map(this.#state));
    this.promised.push({ ...this.#last, entry: this.trace.length, sent: this.seq });
    const buffer = this.engine.beginCommit();
    for (const effect of effects) effect(buffer);
  }

  acknowledge({ seq, durable }: Pick<Receipt, "seq" | "durable">): void {
    const last = this.#last;
    this.promised.push({
      ...last,
      entry: this.trace.length,
      durable: durable ? Math.max(last.durable, Number(seq)) : last.durable,
      visible: Math.max(last.visible, Number(seq)),
    });
  }

  get #last(): Promised {
    return this.promised.at(-1) as Promised;
  }

  /** Waits for something that makes all that was sent before it durable. */
  async until(work: Promise<unknown>, seq: number = this.seq): Promise<void> {
    await work;
    this.acknowledge({ seq: BigInt(seq), durable: true });
  }

  /** Lets end what goes on in the background. */
  rest(): Promise<void> {
    return this.engine.log.settled();
  }

  close(): Promise<void> {
    return this.until(this.engine.close());
  }

  #forget(prefix: string, low: string, high: string | undefined): void {
    for (const key of [...this.#state.keys()]) {
      if (!key.startsWith(prefix)) continue;
      const rest = key.slice(prefix.length);
      if (rest >= low && (high === undefined || rest < high)) this.#state.delete(key);
    }
  }
}

export interface Story {
  readonly name: string;
  readonly tell: (teller: Teller) => Promise<void>;
}

/** Tells a story and keeps what happened. */
export async function record(
  story: Story,
  module: WebAssembly.Module,
  seed: number,
  mistake: Mistake = {},
): Promise<Recording> {
  const teller = new Teller(module, seed, mistake);
  const begin = teller.files.disk.fork();
  await story.tell(teller);
  await teller.rest();
  const { options, trace, promised, states, absentUntil, least } = teller;
  return {
    name: story.name,
    options,
    begin: teller.begin ?? begin,
    trace,
    promised,
    states,
    absentUntil,
    least,
  };
}
