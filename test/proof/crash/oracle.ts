/**
 * Opens what a crash has left, and holds it to what was promised.
 *
 * O1 the state is the one after some whole commit, and no acknowledged one is missing
 * O2 `verify` finds nothing: order, counts, checksums, every page in its place
 * O3 the report says what happened: nothing was dropped where nothing could be
 * O4 opening once more finds the same, and the disk holds the same bytes
 * O5 a hundred more operations, a clean close and another open succeed
 * O6 no file is left behind, and the disk does not grow without end
 * O7 whatever is refused is refused with a typed error, without a user's data in it
 *
 * (O8, that the same seed gives the same trace, is asked of the story, not of each disk.)
 */
import { type Engine, openEngine } from "../../../src/engine/index.ts";
import { CairnError } from "../../../src/errors.ts";
import type { Storage } from "../../../src/storage/port.ts";
import { difference, readState, type State, utf8 } from "../../crash/model.ts";
import { Random } from "../../storage/random.ts";
import type { Disk } from "../simulator/disk.ts";
import { SimulatedFiles, type SimulatedOptions } from "../simulator/file-system.ts";
import type { Instances } from "../simulator/instances.ts";
import type { Entry } from "../simulator/trace.ts";
import {
  type Mistake,
  type Promised,
  type Recording,
  storageOn,
  surroundingsOf,
} from "./recording.ts";

/** Of a claim that comes after all those of a story. */
const lateGeneration = 1000;

export interface Expectation extends Pick<Promised, "durable" | "sent" | "visible"> {
  readonly recording: Recording;
  /** A process died, the machine did not: what was acknowledged at all is there. */
  readonly isKill: boolean;
  /** There may be no database yet. */
  readonly mayBeAbsent: boolean;
  /** Syncs have lied: anything may be missing, but what is found is whole. */
  readonly isLie: boolean;
  /** Nothing was lost or torn. */
  readonly isWhole: boolean;
}

/** How much is looked at beyond O1, O3 and O7. */
export interface Depth {
  readonly verifies: boolean;
  readonly again: boolean;
  readonly goesOn: boolean;
  /** The claim counts from 1, as when somebody has deleted the lock folder. */
  readonly lostLock: boolean;
}

export interface Opened {
  readonly seq: number;
  readonly outcome: "absent" | "opened" | "refused";
}

const codesOfAbsence = new Set(["root_corrupt", "database_not_found"]);
const codesOfLies = new Set([
  "not_a_database",
  "root_corrupt",
  "log_corrupt",
  "page_corrupt",
  "corruption",
]);

export class Oracle {
  readonly #instances: Instances;
  /** Disks that were judged a second time. */
  lookedAgain = 0;
  /** How often each was asked. */
  readonly asked = { O1: 0, O2: 0, O3: 0, O4: 0, O5: 0, O6: 0, O7: 0 };

  readonly #wrap: (storage: Storage) => Storage;

  constructor(instances: Instances, { wrap }: Mistake = {}) {
    this.#instances = instances;
    this.#wrap = wrap ?? ((storage) => storage);
  }

  /** Throws when something does not hold. The disk is not changed. */
  async judge(disk: Disk, expected: Expectation, depth: Depth): Promise<Opened> {
    const opened = await this.#judge(disk, expected, depth, this.#instances.module).catch(() => {
      this.#instances.abandon();
      // What goes wrong on an instance that was used before counts only if it does on a fresh one.
      this.lookedAgain++;
      return this.#judge(disk, expected, depth, this.#instances.fresh);
    });
    this.#instances.giveBack(depth.goesOn);
    return opened;
  }

  async #judge(
    disk: Disk,
    expected: Expectation,
    depth: Depth,
    module: WebAssembly.Module,
  ): Promise<Opened> {
    const { recording } = expected;
    const files = new SimulatedFiles(disk.fork());
    const generation = depth.lostLock ? 1 : lateGeneration;
    const storage = storageOn(files, generation);
    const surroundings = surroundingsOf(module, 1);
    let engine: Engine;
    try {
      engine = await openEngine(storage, recording.options, surroundings);
    } catch (error) {
      this.#requireTyped(error);
      const { code } = error as CairnError;
      if (expected.mayBeAbsent && codesOfAbsence.has(code)) return { seq: 0, outcome: "absent" };
      if (expected.isLie && codesOfLies.has(code)) return { seq: 0, outcome: "refused" };
      throw error;
    }
    const seq = this.#requirePromised(engine, expected);
    if (expected.isLie) {
      const isWhole = await this.#isReadable(engine, recording, seq);
      storage.close();
      return { seq, outcome: isWhole ? "opened" : "refused" };
    }
    await this.#requireState(engine, recording, seq);
    if (depth.verifies) await this.#requireVerified(engine);
    storage.close();
    if (depth.again) await this.#requireSame(files, recording, seq, module);
    if (depth.goesOn) await this.#requireGoesOn(files, recording, seq, module);
    return { seq, outcome: "opened" };
  }

  #requirePromised(engine: Engine, expected: Expectation): number {
    this.asked.O1++;
    const { recording, isKill, durable, visible, isLie } = expected;
    const { recovery } = engine;
    const seq = Number(recovery.seq);
    const promised = isLie ? 0 : isKill ? visible : durable;
    if (seq < promised) throw new Error(`commit ${promised} was acknowledged, ${seq} recovered`);
    if (seq < recording.least && seq > 0) throw new Error(`a part of a copy was found: ${seq}`);
    if (seq >= recording.states.length) throw new Error(`commit ${seq} was never sent`);
    if (expected.isWhole) {
      this.asked.O3++;
      // Only what nobody was told of yet may be incomplete.
      if (recovery.droppedBytes > 0 && seq >= expected.sent)
        throw new Error(`${recovery.droppedBytes} bytes were dropped`);
      if (recovery.rootDamaged) throw new Error("a root is said to be damaged");
    }
    return seq;
  }

  async #requireState(engine: Engine, recording: Recording, seq: number): Promise<void> {
    const found = difference(await readState(engine), recording.states[seq] as State);
    if (found !== undefined) throw new Error(`the state of commit ${seq} differs: ${found}`);
  }

  /** On a medium that lies pages may be missing; what is answered is right all the same. */
  async #isReadable(engine: Engine, recording: Recording, seq: number): Promise<boolean> {
    try {
      await this.#requireState(engine, recording, seq);
      return true;
    } catch (error) {
      if (error instanceof CairnError && codesOfLies.has(error.code)) return false;
      throw error;
    }
  }

  async #requireVerified(engine: Engine): Promise<void> {
    this.asked.O2++;
    const { ok, findings } = await engine.verify();
    if (!ok) throw new Error(`verify found ${JSON.stringify(findings.slice(0, 3))}`);
  }

  async #requireSame(
    files: SimulatedFiles,
    recording: Recording,
    seq: number,
    module: WebAssembly.Module,
  ): Promise<void> {
    this.asked.O4++;
    const before = files.disk.hash();
    const storage = storageOn(files, lateGeneration + 1);
    const engine = await openEngine(storage, recording.options, surroundingsOf(module, 2));
    if (Number(engine.recovery.seq) !== seq) {
      throw new Error(`opened once more it has commit ${engine.recovery.seq}, not ${seq}`);
    }
    await this.#requireState(engine, recording, seq);
    storage.close();
    if (files.disk.hash() !== before) throw new Error("opening once more has changed the disk");
  }

  async #requireGoesOn(
    files: SimulatedFiles,
    recording: Recording,
    seq: number,
    module: WebAssembly.Module,
  ): Promise<void> {
    this.asked.O5++;
    const first = await openEngine(
      this.#wrap(storageOn(files, lateGeneration + 2)),
      recording.options,
      surroundingsOf(module, 3),
    );
    const state = await goOn(first, recording.states[seq] as State, 100);
    await first.close();
    // What only a damaged root may have named is kept, until an open that has two intact ones.
    if (!first.recovery.rootDamaged) this.#requireTidy(files, first.pager.blobs.size);
    const second = await openEngine(
      storageOn(files, lateGeneration + 3),
      recording.options,
      surroundingsOf(module, 4),
    );
    const found = difference(await readState(second), state);
    if (found !== undefined) throw new Error(`after going on, ${found}`);
    await this.#requireVerified(second);
    await second.close();
    this.#requireTidy(files, second.pager.blobs.size);
  }

  #requireTidy(files: SimulatedFiles, blobs: number): void {
    this.asked.O6++;
    const paths = files.disk.paths();
    const staged = paths.filter((path) => path.endsWith(".staged"));
    if (staged.length > 0) throw new Error(`left behind: ${staged.join(" ")}`);
    const pages = paths.filter((path) => path.includes("/pages-")).length;
    const catalogues = paths.filter((path) => path.includes("/catalogue-")).length;
    if (pages > blobs) throw new Error(`${pages} blobs are on the disk, ${blobs} in use`);
    if (catalogues > 2) throw new Error(`${catalogues} catalogues are on the disk`);
    const bytes = files.disk.usedBytes();
    if (bytes > 1 << 20) throw new Error(`a small database has grown to ${bytes} bytes`);
    if (files.openFiles > 0) throw new Error(`${files.openFiles} files are still open`);
  }

  #requireTyped(error: unknown): void {
    this.asked.O7++;
    if (!(error instanceof CairnError)) throw error;
  }
}

/** Some more work, the same for the same state; what is there afterwards. */
async function goOn(engine: Engine, from: State, operations: number): Promise<State> {
  const random = new Random(from.size);
  const state = new Map(from);
  const effects = engine.beginCommit();
  for (const [id, kind] of [
    [901, "ordered"],
    [902, "hashed"],
  ] as const) {
    effects.createTree(id, utf8(JSON.stringify({ kind })));
    state.set(`#${id}`, kind);
  }
  await engine.submit();
  for (let done = 0; done < operations; ) {
    const commit = engine.beginCommit();
    for (let left = 10; left > 0; left--, done++) {
      const tree = random.pick([901, 902]);
      const key = `k${random.integer(30)}`;
      if (random.chance(0.3)) {
        commit.delete(tree, key);
        state.delete(`${tree}/${key}`);
      } else {
        const value = "w".repeat(random.integer(100));
        commit.put(tree, key, utf8(value));
        state.set(`${tree}/${key}`, value);
      }
    }
    await engine.submit();
    if (done === 50) await engine.checkpoint();
  }
  return state;
}

/** What opening writes, for crashing it again. */
export async function recordRecovery(
  disk: Disk,
  recording: Recording,
  module: WebAssembly.Module,
  seq: number,
  options: SimulatedOptions = {},
): Promise<{ trace: Entry[]; states: State[]; promised: Promised[] }> {
  const trace: Entry[] = [];
  const files = new SimulatedFiles(disk.fork(), { ...options, trace });
  const engine = await openEngine(
    storageOn(files, lateGeneration),
    recording.options,
    surroundingsOf(module, 5),
  );
  const promised: Promised[] = [{ entry: 0, durable: 0, visible: 0, sent: seq + 1 }];
  const states: State[] = recording.states.slice(0, seq + 1);
  const next = new Map(states[seq]);
  const effects = engine.beginCommit();
  effects.createTree(900, utf8('{"kind":"ordered"}'));
  effects.put(900, "again", utf8("1"));
  next.set("#900", "ordered").set("900/again", "1");
  states.push(next);
  await engine.submit({ finality: "durable" });
  promised.push({ entry: trace.length, durable: seq + 1, visible: seq + 1, sent: seq + 1 });
  await engine.close();
  return { trace, states, promised };
}
