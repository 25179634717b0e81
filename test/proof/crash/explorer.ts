/** Crashes every story at every call, and judges what is left, until there is no budget left. */
import { Random } from "../../storage/random.ts";
import { failuresShownMax, type PartFailure } from "../part.ts";
import type { Disk } from "../simulator/disk.ts";
import { FaultCounter, type FaultId } from "../simulator/faults.ts";
import type { Instances } from "../simulator/instances.ts";
import { adversary, type Personality } from "../simulator/personality.ts";
import {
  type Choice,
  diskOf,
  faultsOf,
  type Moment,
  mainChoices,
  momentsOf,
  tornChoices,
} from "../simulator/states.ts";
import { type Depth, type Expectation, Oracle, recordRecovery } from "./oracle.ts";
import { type Mistake, type Promised, type Recording, record, type Story } from "./recording.ts";

export interface ExplorerOptions {
  readonly stories: readonly Story[];
  readonly personalities: readonly Personality[];
  readonly seed: number;
  /** Distinct disks to be judged; all main choices are, however many they are. */
  readonly states: number;
  /** One of so many opened disks is crashed again while it recovers. */
  readonly againOneIn: number;
  /** And one disk of every call that leaves a new one, at every call of its recovery. */
  readonly againAtEveryCall?: boolean;
  /** Nothing new is begun when this says so. */
  readonly isOver: () => boolean;
  readonly progress?: (states: number) => void;
  readonly mistake?: Mistake;
}

/** All moments of one story under one personality, and torn writes that were not tried yet. */
interface Line {
  readonly recording: Recording;
  readonly personality: Personality;
  readonly moments: readonly Moment[];
  readonly torn: (Generator<Choice> | undefined)[];
}

export class Explorer {
  readonly faults = new FaultCounter();
  readonly oracle: Oracle;
  readonly failures: PartFailure[] = [];
  failed = 0;
  /** Distinct disks; those from a crash in recovery; calls crashed; disks that were seen before. */
  readonly counts = {
    states: 0,
    statesAgain: 0,
    calls: 0,
    callsAgain: 0,
    recoveriesCrashed: 0,
    seenBefore: 0,
  };
  readonly #options: ExplorerOptions;
  readonly #instances: Instances;
  readonly #random: Random;
  readonly #seen = new Set<number>();
  /** Of the call that is being crashed no recovery was crashed yet. */
  #isAgainDue = false;

  constructor(instances: Instances, options: ExplorerOptions) {
    this.#instances = instances;
    this.#options = options;
    this.#random = new Random(options.seed);
    this.oracle = new Oracle(instances, options.mistake);
  }

  async run(): Promise<void> {
    const { stories, personalities } = this.#options;
    const lines: Line[] = [];
    for (const [index, story] of stories.entries()) {
      if (this.#options.isOver()) return;
      const recording = await this.#record(story, index);
      await this.#killed(recording);
      await this.#lied(recording);
      for (const personality of personalities) {
        lines.push(await this.#main(recording, personality));
      }
    }
    await this.#tear(lines);
  }

  /** O8: told twice, a story makes the same calls. */
  async #record(story: Story, index: number): Promise<Recording> {
    const { seed, mistake } = this.#options;
    const of = seed * 1000 + index;
    const recording = await record(story, this.#instances.fresh, of, mistake);
    const again = await record(story, this.#instances.fresh, of, mistake);
    const differs = recording.trace.findIndex(({ line }, at) => line !== again.trace[at]?.line);
    if (differs >= 0 || again.trace.length !== recording.trace.length) {
      this.#fail(
        recording,
        "any",
        differs,
        "",
        new Error("told again, the story makes other calls"),
      );
    }
    return recording;
  }

  /** C14: what a killed process leaves: all that was called, and a part of the running call. */
  async #killed(recording: Recording): Promise<void> {
    const none = { ...adversary, name: "kill" };
    const moments = momentsOf(recording.begin, recording.trace, none, Number.POSITIVE_INFINITY);
    for (const moment of moments) {
      const running = moment.pending.findIndex(({ entry }) => entry === moment.entry);
      const all = moment.pending.map(() => true);
      const choices: Choice[] = [{ kept: all }];
      if (running >= 0) {
        choices.push({ kept: all.map((_, index) => index < running) });
        const change = moment.pending[running]?.change;
        if (change?.kind === "write" && change.bytes.length > 1) {
          const bytes = 1 + this.#random.integer(change.bytes.length - 1);
          choices.push({ kept: all, torn: { atom: running, tear: { kind: "prefix", bytes } } });
        }
      }
      for (const choice of choices) {
        await this.#choice(recording, "kill", moment, choice, { isKill: true }, ["C14"]);
      }
    }
  }

  /** C13: the last syncs have answered and done nothing. */
  async #lied(recording: Recording): Promise<void> {
    for (const lies of [1, 2, 5]) {
      const moments = momentsOf(recording.begin, recording.trace, adversary, lies);
      const last = moments.at(-1);
      if (last === undefined) continue;
      let left = 24;
      for (const choice of mainChoices(last, adversary, this.#random)) {
        if (left-- === 0) break;
        await this.#choice(recording, `${lies} syncs lie`, last, choice, { isLie: true }, ["C13"]);
      }
    }
  }

  async #main(recording: Recording, personality: Personality): Promise<Line> {
    const moments = momentsOf(recording.begin, recording.trace, personality);
    let before: Moment | undefined;
    for (const moment of moments) {
      this.counts.calls++;
      this.faults.add("C11");
      const isNew = newSince(before, moment, recording);
      this.#isAgainDue = this.#options.againAtEveryCall === true;
      for (const choice of mainChoices(moment, personality, this.#random)) {
        if (this.#options.isOver()) break;
        if (!isNew(choice)) continue;
        await this.#choice(recording, personality.name, moment, choice, {}, []);
      }
      this.#isAgainDue = false;
      before = moment;
    }
    return { recording, personality, moments, torn: moments.map(() => undefined) };
  }

  /** Torn writes, a few of each moment in turn, until there are enough states. */
  async #tear(lines: readonly Line[]): Promise<void> {
    const { states, isOver } = this.#options;
    for (let isProductive = true; isProductive; ) {
      isProductive = false;
      for (const line of lines) {
        for (const [index, moment] of line.moments.entries()) {
          if (isOver() || this.counts.states >= states) return;
          line.torn[index] ??= tornChoices(moment, line.personality, this.#random);
          const { value, done } = (line.torn[index] as Generator<Choice>).next();
          if (done === true) continue;
          isProductive = true;
          await this.#choice(line.recording, line.personality.name, moment, value, {}, []);
        }
      }
    }
  }

  async #choice(
    recording: Recording,
    where: string,
    moment: Moment,
    choice: Choice,
    as: Partial<Expectation>,
    faults: readonly FaultId[],
  ): Promise<void> {
    const disk = diskOf(moment, choice);
    const { durable, visible, sent } = promisedAt(recording.promised, moment.entry);
    const key = disk.hash() + (as.isKill === true ? visible * 8 + 1 : durable * 8) * 2 ** 21;
    if (this.#seen.has(key % 2 ** 53)) {
      this.counts.seenBefore++;
      return;
    }
    this.#seen.add(key % 2 ** 53);
    this.faults.addAll(faultsOf(moment, choice));
    this.faults.addAll(faults);
    const expected: Expectation = {
      recording,
      durable,
      visible,
      sent,
      isKill: false,
      mayBeAbsent: moment.entry < recording.absentUntil,
      isLie: false,
      isWhole: choice.torn === undefined && choice.kept.every((isKept) => isKept),
      ...as,
    };
    const what = describe(choice);
    await this.#judge(disk, expected, where, moment.entry, what);
    this.#options.progress?.(this.counts.states);
  }

  async #judge(
    disk: Disk,
    expected: Expectation,
    where: string,
    entry: number,
    what: string,
  ): Promise<void> {
    const { recording } = expected;
    const number = ++this.counts.states;
    try {
      const { seq, outcome } = await this.oracle.judge(disk, expected, depthOf(number));
      if (outcome !== "opened" || expected.isLie) return;
      const isWhole = number % this.#options.againOneIn === 0;
      if (!isWhole && !this.#isAgainDue) return;
      this.#isAgainDue = false;
      await this.#again(disk, expected, seq, where, entry, isWhole ? mainChoices : fewChoices);
    } catch (error) {
      this.#fail(recording, where, entry, what, error as Error);
    }
  }

  /** C12: crashes what recovery, the first commit after it and a close do. */
  async #again(
    disk: Disk,
    expected: Expectation,
    seq: number,
    where: string,
    entry: number,
    choices: typeof mainChoices,
  ): Promise<void> {
    this.counts.recoveriesCrashed++;
    const told = await recordRecovery(disk, expected.recording, this.#instances.fresh, seq);
    const recording = { ...expected.recording, states: told.states, least: 0, absentUntil: 0 };
    const floor = expected.isKill ? 0 : expected.durable;
    for (const moment of momentsOf(disk, told.trace, adversary)) {
      this.counts.callsAgain++;
      const promised = promisedAt(told.promised, moment.entry);
      for (const choice of choices(moment, adversary, this.#random)) {
        const left = diskOf(moment, choice);
        const durable = Math.max(floor, promised.durable);
        const key = (left.hash() + durable * 2 ** 21 + 7) % 2 ** 53;
        if (this.#seen.has(key)) continue;
        this.#seen.add(key);
        this.counts.statesAgain++;
        this.counts.states++;
        this.faults.add("C12");
        const again = {
          ...expected,
          recording,
          durable,
          visible: 0,
          isKill: false,
          isWhole: false,
        };
        try {
          await this.oracle.judge(left, again, depthOf(this.counts.states));
        } catch (error) {
          const line = told.trace[moment.entry]?.line ?? "";
          const what = `again at ${moment.entry} (${line}): ${describe(choice)}`;
          this.#fail(expected.recording, where, entry, what, error as Error);
        }
      }
    }
  }

  #fail(recording: Recording, where: string, entry: number, what: string, error: Error): void {
    this.failed++;
    if (this.failures.length >= failuresShownMax) return;
    const line = recording.trace[entry]?.line ?? "";
    const { name } = recording;
    this.failures.push({
      message: `${name}, ${where}, at ${entry} (${line}), ${what}: ${error.message}`,
      repeat: { seed: this.#options.seed, story: name, personality: where, entry, choice: what },
    });
  }
}

/** All that was pending, nothing of it, and the last of it alone. */
function* fewChoices({ pending }: Moment): Generator<Choice> {
  yield { kept: pending.map(() => true) };
  if (pending.length === 0) return;
  yield { kept: pending.map(() => false) };
  if (pending.length > 1) yield { kept: pending.map((_, index) => index === pending.length - 1) };
}

function describe({ kept, torn }: Choice): string {
  const atoms = kept.map((isKept) => (isKept ? "1" : "0")).join("");
  return torn === undefined ? atoms : `${atoms} ${torn.atom} ${JSON.stringify(torn.tear)}`;
}

/** Tells choices that leave what neither the moment before nor an earlier choice could leave. */
function newSince(
  before: Moment | undefined,
  moment: Moment,
  { promised }: Recording,
): (choice: Choice) => boolean {
  const known =
    before !== undefined &&
    before.base === moment.base &&
    before.pending.every((atom, index) => atom === moment.pending[index]) &&
    promisedAt(promised, before.entry).durable === promisedAt(promised, moment.entry).durable
      ? before.pending.length
      : -1;
  const tried = new Set<string>();
  return ({ kept }) => {
    if (known >= 0 && !kept.includes(true, known)) return false;
    const key = kept.map(Number).join("");
    if (tried.has(key)) return false;
    tried.add(key);
    return true;
  };
}

/** What had been promised when an entry began. */
function promisedAt(promised: readonly Promised[], entry: number): Promised {
  let found = promised[0] as Promised;
  for (const one of promised) if (one.entry <= entry) found = one;
  return found;
}

/** The costly questions are asked of some disks only, the same ones in every run. */
function depthOf(number: number): Depth {
  return {
    verifies: number % 4 === 0,
    again: number % 16 === 1,
    goesOn: number % 101 === 2,
    lostLock: number % 16 === 3,
  };
}
