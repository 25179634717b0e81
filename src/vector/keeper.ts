/**
 * Keeps the graph of an index in step with its rows, and its image with the graph.
 *
 * There is one mechanism for everything that makes a graph: rows are appended in the order of their
 * labels, deaths are marked, and appended vectors are linked, in slices between which others run.
 * A new index, a long backlog, an image that is old, missing or damaged, and a rebuild differ only
 * in the label from which it begins. A rebuild has a second graph, which takes over when it is
 * complete; until then the first one answers.
 */
import type {
  VectorGraph,
  VectorGraphCheck,
  VectorGraphOptions,
  VectorImageReader,
} from "../../bindings/vector.ts";
import {
  type ImageKeeper,
  nextTurn,
  type Occasion,
  runAsync,
  runSync,
  type Snapshot,
  type Steps,
} from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import type { Context } from "../kv/index.ts";
import { throwIfAborted } from "../transaction/index.ts";
import type { Deaths } from "./deaths.ts";
import { Known } from "./known.ts";
import { GraphFailure, Lagging } from "./lagging.ts";
import { sample } from "./sample.ts";
import type { VectorTrees } from "./trees.ts";

/** A graph as this folder uses it. */
export type Graph = Pick<VectorGraph, keyof VectorGraph>;

/** Makes graphs. */
export interface GraphMaker {
  create(options: VectorGraphOptions): Graph;
  read(options: VectorGraphOptions): GraphReader;
}

/** Reads the image of a graph. */
export interface GraphReader extends Pick<VectorImageReader, "write" | "verify"> {
  readonly graph: Graph;
}

/** When a graph is worth it, and how much is done at a time. */
export interface KeeperLimits {
  /** With fewer vectors there is no graph; 1,000. */
  readonly graphRowsMin: number;
  /** Vectors that are not linked yet before writers wait; 16,384. */
  readonly backlogMax: number;
  /** Distances computed in a slice; by the number of dimensions otherwise. */
  readonly linkBudget: number;
  /** Slots of the graph that an exact search compares in a slice; by the number of dimensions. */
  readonly exactSlots: number;
  /** Vectors that a search takes into the graph by itself at most; 1,024. */
  readonly searchRowsMax: number;
  /** Of so many matches for each candidate (`ef`) all are compared, of half if most pass; 90. */
  readonly scanPerCandidate: number;
}

export type GraphState = "none" | "loading" | "building" | "ready";

/** A graph that has failed so often is made again only when somebody asks for it. */
const attemptsMax = 3;
const rowsPerSlice = 512;
const purgeNodes = 512;
const verifyNodes = 4_096;
const checkNodes = 4_096;
const imagePieceBytes = 1024 * 1024;

/** Distances that take about four milliseconds, with all that linking does besides. */
export function linkBudgetOf(dimensions: number): number {
  return Math.floor(4_000_000 / (200 + dimensions / 2));
}

/** Slots whose vectors are compared in about two milliseconds. */
export function exactSlotsOf(dimensions: number): number {
  return Math.ceil(2_000_000 / (60 + dimensions));
}

export class Keeper implements ImageKeeper {
  readonly #context: Context;
  readonly #trees: VectorTrees;
  readonly #maker: GraphMaker;
  readonly #options: VectorGraphOptions;
  readonly limits: KeeperLimits;
  readonly #known: Known;
  #graph: Lagging | undefined;
  /** Takes over when it is complete. */
  #successor: Lagging | undefined;
  #isLoading = false;
  #isStopped = false;
  #running: Promise<void> | undefined;
  /** Slices and images come one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #waiting: (() => void)[] = [];
  /** Graphs that were given up since the last one that somebody asked for. */
  #attempts = 0;
  /** Why the graph could not be kept; it is tried again. */
  failure: string | undefined;

  constructor(
    context: Context,
    trees: VectorTrees,
    maker: GraphMaker,
    options: VectorGraphOptions,
    limits: KeeperLimits,
  ) {
    this.#context = context;
    this.#trees = trees;
    this.#maker = maker;
    this.#options = options;
    this.limits = limits;
    const { engine } = context;
    const image = engine.images.get(trees.ids.rows);
    this.#isLoading = image !== undefined;
    this.#known = new Known(trees, image === undefined ? 0 : Number(image.note.seq));
    engine.keepers.add(this);
  }

  get state(): GraphState {
    if (this.#graph !== undefined) return "ready";
    if (this.#isLoading) return "loading";
    return this.#successor === undefined ? "none" : "building";
  }

  /** The graph that answers: while the first one is built, it is not complete. */
  get serving(): Lagging | undefined {
    return this.#graph ?? this.#successor;
  }

  get deaths(): Deaths {
    return this.#known.deaths;
  }

  /** Something is being done in the background. */
  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Vectors that the graph does not have yet, or has not linked. */
  get backlog(): number {
    return this.serving?.backlog(this.#trees.latestNext) ?? 0;
  }

  /** How far the graph is that is being built. */
  get progress(): { readonly done: number; readonly total: number } {
    const total = Math.max(this.#known.next, this.#trees.latestNext);
    const lagging = this.#successor ?? this.#graph;
    return { done: Math.max(0, (lagging?.born ?? 0) - (lagging?.unlinked ?? 0)), total };
  }

  // ---- what readers need

  /** A number for what is there at a commit: the same while nothing has changed. */
  versionAt(seq: number): number {
    return this.#known.versionAt(seq);
  }

  /** Learns what died up to a state, and tells the graphs; the state's next label. */
  learn(at: Snapshot | undefined, seq: number): Steps<number> {
    return this.#known.learn(at, seq, this.#tell);
  }

  /** Tells the graphs what has died. */
  readonly #tell = (): void => {
    try {
      this.#graph?.kill(this.#known.deaths, this.#known.seq);
      this.#successor?.kill(this.#known.deaths, this.#known.seq);
    } catch (error) {
      // Whoever reads is answered by the rows.
      if (!this.hasFailed(error)) throw error;
    }
  };

  // ---- what writers need

  /** Something was written: the graphs follow when there is time. */
  wake(): void {
    if (this.#running !== undefined || this.#isStopped) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      this.#release();
    });
  }

  /** Waits while too much is not linked. */
  async room(): Promise<void> {
    this.wake();
    while (this.backlog > this.limits.backlogMax && this.#running !== undefined) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** The same in this turn, as far as it can be done in one. */
  roomSync(): void {
    this.wake();
    const graph = this.#graph;
    if (graph === undefined || graph.isFrozen) return;
    const { engine } = this.#context;
    const { seq } = engine.published;
    while (this.backlog > this.limits.backlogMax) {
      const next = runSync(this.learn(undefined, seq));
      const state = { at: undefined, seq, next };
      runSync(graph.bring(this.#trees, this.#known.deaths, state, rowsPerSlice));
      graph.link(this.limits.linkBudget);
    }
  }

  /** Ends the work in the background. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    while (this.#running !== undefined) await this.#running;
  }

  /** The index is gone. */
  discard(): void {
    this.#isStopped = true;
    this.#context.engine.keepers.delete(this);
    this.#graph = undefined;
    this.#successor = undefined;
  }

  // ---- the work in the background

  async #run(): Promise<void> {
    try {
      if (this.#isLoading) await this.#exclusively(() => this.#load());
      while (!this.#isStopped && !this.#context.engine.isClosed) {
        const hasMore = await this.#exclusively(() => this.#slice());
        if (this.backlog <= this.limits.backlogMax) this.#release();
        if (!hasMore) return;
        await nextTurn();
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #exclusively<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(run);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** One piece of everything there is to do; true when there is more. */
  async #slice(): Promise<boolean> {
    const { engine } = this.#context;
    this.#prune();
    const pin = this.#context.pin();
    try {
      const seq = Number(pin.seq);
      const next = await runAsync(this.learn(pin, seq));
      if (this.#graph === undefined && this.#successor === undefined) {
        if (this.#attempts > attemptsMax) return false;
        if (engine.records(this.#trees.ids.ids, pin) < this.limits.graphRowsMin) return false;
        await this.#begin(pin, next);
      }
      let hasMore = false;
      for (const lagging of [this.#graph, this.#successor]) {
        if (lagging === undefined) continue;
        const state = { at: pin, seq, next };
        if (!(await this.#advance(lagging, state))) hasMore = true;
      }
      this.#succeed(next);
      const graph = this.#graph;
      if (!hasMore && graph !== undefined && this.#successor === undefined) {
        const count = engine.records(this.#trees.ids.ids, pin);
        if (graph.isOutgrown(count)) await this.#begin(pin, next);
        hasMore = this.#successor !== undefined;
      }
      return hasMore || engine.published.seq !== seq;
    } finally {
      pin.release();
    }
  }

  /** Brings one graph further; true when nothing is left to do. */
  async #advance(
    lagging: Lagging,
    state: { at: Snapshot; seq: number; next: number },
  ): Promise<boolean> {
    const isThere = await runAsync(
      lagging.bring(this.#trees, this.#known.deaths, state, rowsPerSlice),
    );
    if (!lagging.link(this.limits.linkBudget)) return false;
    if (!isThere) return lagging.isFrozen;
    const { nodes } = lagging.graph.stats();
    if (!lagging.isPurging && lagging.dead <= Math.max(32, nodes / 20)) return true;
    return lagging.purge(this.#oldestSeq(), purgeNodes);
  }

  /** The earliest commit that anybody may still read at. */
  #oldestSeq(): number {
    const { engine } = this.#context;
    return Math.min(
      engine.snapshots.oldestSeq ?? this.#known.seq,
      engine.published.seq,
      this.#known.seq,
    );
  }

  /** A graph that is to be built from the rows. */
  async #begin(pin: Snapshot, next: number): Promise<void> {
    const graph = this.#maker.create(this.#options);
    if (!graph.isTrained) {
      const vectors = await runAsync(sample(this.#trees, pin, this.#options.dimensions));
      await nextTurn();
      graph.train(vectors);
    }
    const trained = this.#context.engine.records(this.#trees.ids.ids, pin);
    const state = { born: 0, killed: this.#known.seq, trained, target: next };
    this.#successor = new Lagging(graph, state);
  }

  /** The successor takes over when it has everything that there is. */
  #succeed(next: number): void {
    const successor = this.#successor;
    if (successor === undefined || successor.born < next || successor.unlinked > 0) return;
    this.#graph = successor;
    this.#successor = undefined;
  }

  async #load(): Promise<void> {
    const { images } = this.#context.engine;
    const image = images.get(this.#trees.ids.rows);
    if (image === undefined) {
      this.#isLoading = false;
      return;
    }
    try {
      const reader = this.#maker.read(this.#options);
      await images.read(image, (_at, bytes) => reader.write(bytes));
      while (!reader.verify(verifyNodes)) await nextTurn();
      const { born, seq, trained } = image.note;
      this.#graph = new Lagging(reader.graph, {
        born: Number(born),
        killed: Number(seq),
        trained: Number(trained),
      });
      this.#graph.kill(this.#known.deaths, this.#known.seq);
    } catch (error) {
      if (this.#isStopped || !(error instanceof CairnError)) throw error;
      if (!["corruption", "format_newer", "format_older"].includes(error.code)) throw error;
      // It is derived: what it held is made again from the rows.
      images.forget(image);
      this.failure = error.message;
    } finally {
      this.#isLoading = false;
    }
  }

  #failed(error: unknown): void {
    if (error instanceof CairnError && error.code === "closed") return;
    if (this.hasFailed(error)) return;
    this.failure = error instanceof Error ? error.message : String(error);
  }

  /** The graph contradicts the rows: it is made again. */
  distrust(reason: string): void {
    // While an image is written the graph may not be told of what has died.
    if (this.serving?.isFrozen === false) this.#giveUp(reason);
  }

  /** The graph has failed: true when that was all, and it is made again from the rows. */
  hasFailed(error: unknown): boolean {
    if (!(error instanceof GraphFailure)) return false;
    this.#giveUp(error.message);
    return true;
  }

  #giveUp(reason: string): void {
    this.failure = reason;
    const image = this.#context.engine.images.get(this.#trees.ids.rows);
    if (image !== undefined) this.#context.engine.images.forget(image);
    this.#graph = undefined;
    this.#successor = undefined;
    this.#attempts++;
    this.wake();
  }

  /** Builds a new graph beside the one that answers; resolves when it has taken over. */
  async rebuild(report: () => void): Promise<void> {
    this.#attempts = 0;
    await this.#exclusively(async () => {
      const pin = this.#context.pin();
      try {
        const next = await runAsync(this.learn(pin, Number(pin.seq)));
        if (this.#context.engine.records(this.#trees.ids.ids, pin) === 0) return;
        await this.#begin(pin, next);
      } finally {
        pin.release();
      }
    });
    const successor = this.#successor;
    while (successor !== undefined && this.#successor === successor) {
      report();
      await this.#exclusively(() => this.#slice());
      await nextTurn();
    }
    report();
  }

  /** Gives up a rebuild. */
  abandon(): void {
    if (this.#graph !== undefined) this.#successor = undefined;
  }

  /** Looks at every link of the graph that answers; undefined when there is none. */
  async check(signal: AbortSignal | undefined): Promise<VectorGraphCheck | undefined> {
    return await this.#exclusively(async () => {
      const lagging = this.serving;
      if (lagging === undefined) return undefined;
      lagging.isFrozen = true;
      try {
        for (;;) {
          throwIfAborted(signal);
          const found = lagging.graph.checkSlice(checkNodes);
          if (found !== undefined) return found;
          await nextTurn();
        }
      } finally {
        lagging.isFrozen = false;
        this.#tell();
        this.wake();
      }
    });
  }

  // ---- images

  async prepare(occasion: Occasion): Promise<void> {
    if (this.#context.engine.readOnly) return;
    try {
      await this.#exclusively(() => this.#prepare(occasion));
    } catch (error) {
      // A checkpoint without the newest image is as good, only slower to open.
      this.#failed(error);
    }
    if (!this.#isStopped) this.wake();
  }

  async #prepare(occasion: Occasion): Promise<void> {
    // A first graph that is not complete is worth keeping: the next opening goes on with it.
    const graph = this.#graph ?? this.#successor;
    if (graph === undefined) return;
    if (occasion === "compact") {
      await this.#learnAll();
      if (graph.changes === 0 && graph.dead === 0) return;
      await this.#purgeAll(graph);
    } else {
      const { nodes } = graph.graph.stats();
      const least = occasion === "close" ? Math.max(64, nodes / 100) : Math.max(1_000, nodes / 8);
      if (graph.changes < least) return;
    }
    await this.#writeImage(graph);
  }

  async #learnAll(): Promise<void> {
    const pin = this.#context.pin();
    try {
      await runAsync(this.learn(pin, Number(pin.seq)));
    } finally {
      pin.release();
    }
  }

  /** Takes out of the graph everything that no snapshot can see. */
  async #purgeAll(graph: Lagging): Promise<void> {
    do await nextTurn();
    while (!graph.purge(this.#oldestSeq(), purgeNodes));
    // The first may have been the end of one that was under way.
    while (!graph.purge(this.#oldestSeq(), purgeNodes)) await nextTurn();
  }

  async #writeImage(lagging: Lagging): Promise<void> {
    const { images } = this.#context.engine;
    lagging.isFrozen = true;
    const writer = lagging.graph.write();
    const { born, killed, changes, trained } = lagging;
    try {
      const pieces = (function* () {
        for (let piece = writer.read(imagePieceBytes); piece !== undefined; ) {
          yield piece;
          piece = writer.read(imagePieceBytes);
        }
      })();
      await images.write(this.#trees.ids.rows, { born, seq: killed, trained }, pieces);
      lagging.changes -= changes;
    } finally {
      writer.close();
      lagging.isFrozen = false;
    }
    lagging.kill(this.#known.deaths, this.#known.seq);
  }

  /** Forgets deaths that no snapshot, graph or image has to be told of any more. */
  #prune(): void {
    const { images, checkpointer, oldestReadableSeq } = this.#context.engine;
    const { rows } = this.#trees.ids;
    let needed = Math.min(oldestReadableSeq, this.#known.seq);
    for (const lagging of [this.#graph, this.#successor]) {
      if (lagging !== undefined) needed = Math.min(needed, lagging.killed);
    }
    this.#known.deaths.forget(needed);
    let stored = this.#known.seq;
    const rooted = [...checkpointer.newest.images, ...checkpointer.older.images];
    for (const image of [images.get(rows), ...rooted]) {
      if (image?.tree === rows) stored = Math.min(stored, Number(image.note.seq));
    }
    this.#trees.prunable = stored;
  }
}
