/**
 * A story with one call that fails. Afterwards: every error is a typed one; reads are answered;
 * the handle refuses to write if anything that counts could not be written; no file stays open;
 * opened again the database has all that was acknowledged, goes on, and what it acknowledges then
 * survives a loss of power.
 */
import { type Engine, openEngine } from "../../../src/engine/index.ts";
import { CairnError } from "../../../src/errors.ts";
import { difference, readState, type State, utf8 } from "../../crash/model.ts";
import { type Story, storageOn, surroundingsOf, Teller } from "../crash/recording.ts";
import type { Disk } from "../simulator/disk.ts";
import { type CallName, type Fault, SimulatedFiles } from "../simulator/file-system.ts";
import { adversary } from "../simulator/personality.ts";
import { diskOf, type Moment, momentsOf } from "../simulator/states.ts";
import { type PlannedFault, takesSpace } from "./plan.ts";

/** What a call of the engine may be answered with when its storage fails. */
const codes = new Set([
  "closed",
  "core_failed",
  "corruption",
  "disk_full",
  "memory_limit",
  "outcome_unknown",
  "page_corrupt",
  "poisoned",
  "storage_failed",
  "storage_permission",
  "storage_read_only",
  "transaction_too_large",
]);

export interface Struck {
  readonly call: number;
  readonly name: CallName;
  readonly path: string;
}

export interface Ended {
  /** The handle was poisoned, an error was told, or nothing came of it. */
  readonly end: "poisoned" | "told" | "unnoticed";
}

/** The calls that a story makes when nothing fails. */
export async function callsOf(
  story: Story,
  module: WebAssembly.Module,
  seed: number,
): Promise<Struck[]> {
  const calls: Struck[] = [];
  const fault = (call: number, name: CallName, path: string): undefined => {
    calls.push({ call, name, path });
  };
  const teller = new Teller(module, seed, { fault });
  await story.tell(teller);
  await teller.rest();
  return calls;
}

/** Strikes call `at` as planned; switched off when `isOff` is set. */
function striking({ fault, next, isSticky }: PlannedFault, at: number, name: CallName) {
  const state = { isOff: false };
  let isNext = false;
  const strike = (call: number, called: CallName): Fault | undefined => {
    if (state.isOff) return undefined;
    if (call === at) {
      isNext = next !== undefined;
      return fault;
    }
    if (isNext && called === name) {
      isNext = false;
      return next;
    }
    if (isSticky !== true || call < at) return undefined;
    const isMeant = fault.errno === "ENOSPC" ? takesSpace.has(called) : called === name;
    return isMeant ? fault : undefined;
  };
  return { state, strike };
}

export async function tellFailing(
  story: Story,
  module: WebAssembly.Module,
  seed: number,
  plan: PlannedFault,
  struck: Struck,
  /** For reopening, when it is the core that fails. */
  reopening: WebAssembly.Module = module,
): Promise<Ended> {
  const { state, strike } = striking(plan, struck.call, struck.name);
  const teller = new Teller(module, seed, { fault: strike });
  let told: unknown;
  try {
    await story.tell(teller);
  } catch (error) {
    told = error;
    requireTyped(error);
  }
  const engine = teller.engine as Engine | undefined;
  const isPoisoned = engine?.pipeline.isPoisoned === true;
  if (engine !== undefined && !engine.isClosed) await requireHandle(engine, teller);
  if (teller.files.openFiles > 0) throw new Error(`${teller.files.openFiles} files are still open`);
  state.isOff = true;
  await requireReopened(teller, reopening, plan);
  return { end: isPoisoned ? "poisoned" : told === undefined ? "unnoticed" : "told" };
}

function requireTyped(error: unknown): void {
  if (!(error instanceof CairnError)) throw error;
  if (codes.has(error.code)) return;
  throw new Error(`answered with ${error.code}: ${error.message}`, { cause: error });
}

/** Reads go on; writes are refused once anything could not be written; closing ends everything. */
async function requireHandle(engine: Engine, teller: Teller): Promise<void> {
  const published = teller.states[Number(engine.published.seq)] as State;
  try {
    const found = difference(onlyOf(await readState(engine), engine), onlyOf(published, engine));
    if (found !== undefined) throw new Error(`the handle answers something else: ${found}`);
  } catch (error) {
    requireTyped(error);
  }
  if (engine.pipeline.isPoisoned) {
    let code = "nothing";
    try {
      engine.beginCommit();
    } catch (error) {
      code = (error as CairnError).code;
    }
    if (code !== "poisoned") throw new Error(`a poisoned handle answers a write with ${code}`);
  }
  await engine.close().catch(requireTyped);
}

/** Of the trees that the handle lists: a commit of unknown outcome may have changed the list. */
function onlyOf(state: State, engine: Engine): State {
  const treeOf = (key: string): number => Number(key.replace(/^#/, "").split("/")[0]);
  const isListed = (key: string): boolean => engine.tree(treeOf(key)) !== undefined;
  return new Map([...state].filter(([key]) => isListed(key)));
}

async function requireReopened(
  teller: Teller,
  module: WebAssembly.Module,
  { forgets }: PlannedFault,
): Promise<void> {
  const last = teller.promised.at(-1);
  const promised = (forgets === true ? last?.durable : last?.visible) ?? 0;
  const storage = storageOn(teller.files, 500);
  const engine = await openEngine(storage, teller.options, surroundingsOf(module, 9));
  const seq = Number(engine.recovery.seq);
  await requireSeq(engine, teller.states, promised, seq);
  const state = new Map(teller.states[seq]);
  const add = async (key: string): Promise<void> => {
    const effects = engine.beginCommit();
    if (engine.tree(900) === undefined) {
      effects.createTree(900, utf8('{"kind":"ordered"}'));
      state.set("#900", "ordered");
    }
    effects.put(900, key, utf8("goes on"));
    state.set(`900/${key}`, "goes on");
    await engine.submit({ finality: "durable" });
  };
  await add("one");
  await requireSurvives(teller, module, state, seq + 1);
  const begun = teller.trace.length;
  await engine.checkpoint();
  await requireTornRoots(teller, module, state, seq + 1, begun);
  await add("two");
  await requireSurvives(teller, module, state, seq + 2);
  await engine.close();
  await requireSurvives(teller, module, state, seq + 2);
  if (teller.files.openFiles > 0) throw new Error("files are still open after closing");
}

async function requireSeq(
  engine: Engine,
  states: readonly State[],
  promised: number,
  seq: number,
): Promise<void> {
  if (seq < promised) throw new Error(`commit ${promised} was acknowledged, ${seq} found`);
  const expected = states[seq];
  if (expected === undefined) throw new Error(`commit ${seq} was never sent`);
  const found = difference(await readState(engine), expected);
  if (found !== undefined) throw new Error(`the state of commit ${seq} differs: ${found}`);
}

/** The power fails now, and nothing is there that was not synced. */
async function requireSurvives(
  teller: Teller,
  module: WebAssembly.Module,
  state: State,
  seq: number,
): Promise<void> {
  const moment = momentsOf(new SimulatedFiles().disk, teller.trace, adversary).at(-1) as Moment;
  const disk: Disk = diskOf(moment, { kept: moment.pending.map(() => false) });
  await requireFound(disk, teller, module, state, seq);
}

/** The power fails while a root is written: what was there before it counts. */
async function requireTornRoots(
  teller: Teller,
  module: WebAssembly.Module,
  state: State,
  seq: number,
  begun: number,
): Promise<void> {
  const root = teller.files.disk.inodeAt("/db/root");
  const moments = momentsOf(new SimulatedFiles().disk, teller.trace, adversary);
  for (const moment of moments.slice(begun)) {
    const { change } = teller.trace[moment.entry] ?? {};
    if (change?.kind !== "write" || change.inode !== root) continue;
    const atom = moment.pending.findIndex(({ entry }) => entry === moment.entry);
    const kept = moment.pending.map((_, index) => index === atom);
    const disk = diskOf(moment, { kept, torn: { atom, tear: { kind: "prefix", bytes: 100 } } });
    await requireFound(disk, teller, module, state, seq);
  }
}

async function requireFound(
  disk: Disk,
  teller: Teller,
  module: WebAssembly.Module,
  state: State,
  seq: number,
): Promise<void> {
  const storage = storageOn(new SimulatedFiles(disk), 600);
  const engine = await openEngine(storage, teller.options, surroundingsOf(module, 10));
  const found = Number(engine.recovery.seq);
  if (found !== seq) throw new Error(`after a loss of power ${found} is found, not ${seq}`);
  const differs = difference(await readState(engine), state);
  if (differs !== undefined) throw new Error(`after a loss of power ${differs}`);
  storage.close();
}
