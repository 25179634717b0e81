/**
 * One database through many violent ends. After each of them every acknowledged commit must be
 * there, and beyond those only a whole prefix of what had been sent.
 */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CairnError } from "../../../src/errors.ts";
import type { Random } from "../../storage/random.ts";
import { check, openFolder } from "./checks.ts";
import { Model } from "./commits.ts";
import { type Heard, type Started, start, startThread, type Work } from "./process.ts";

const works: readonly Work[] = ["load", "checkpoint", "compact", "backup", "mixed"];
/** Stops of a process, terminated threads, processes out of memory: one of so many cycles each. */
const stopEvery = 10;
const threadEvery = 13;
const hoardEvery = 50;

export class KillCounts {
  cycles = 0;
  acknowledged = 0;
  /** Commits that were there although nobody had been told. */
  beyond = 0;
  lost = 0;
  killedStarting = 0;
  killedOpening = 0;
  killedLoad = 0;
  killedCheckpoint = 0;
  killedCompact = 0;
  killedBackup = 0;
  stopped = 0;
  secondOpenersRefused = 0;
  threadsTerminated = 0;
  outOfMemory = 0;
  backupsOpened = 0;
  replayed = 0;
  tornTails = 0;
}

export class Lane {
  readonly #program: string;
  readonly #random: Random;
  readonly #counts: KillCounts;
  readonly #home = mkdtempSync(join(tmpdir(), "cairn-kill-"));
  readonly #folder: string;
  readonly #model = new Model();
  #cycle = 0;

  constructor(program: string, random: Random, counts: KillCounts) {
    this.#program = program;
    this.#random = random;
    this.#counts = counts;
    this.#folder = join(this.#home, "database");
  }

  get folder(): string {
    return this.#folder;
  }

  remove(): void {
    rmSync(this.#home, { recursive: true, force: true });
  }

  /** Throws when something is not as it was promised. */
  async cycle(): Promise<void> {
    const cycle = ++this.#cycle;
    const work = works[cycle % works.length] as Work;
    const heard = await this.#end(cycle, work);
    this.#counts.cycles++;
    const acknowledged = Math.max(heard.done, this.#model.seq);
    const sent = Math.max(heard.sent, this.#model.seq);
    const before = new Model(this.#model.state, this.#model.seq);
    if (heard.isOpened || this.#model.seq > 0) {
      const readOnly = this.#random.chance(0.5);
      const found = await check(this.#folder, this.#model, acknowledged, sent, readOnly);
      this.#counts.acknowledged += acknowledged - before.seq;
      this.#counts.beyond += found.seq - acknowledged;
      this.#counts.replayed += found.replayed;
      if (found.droppedBytes > 0) this.#counts.tornTails++;
    }
    await this.#checkBackups(heard, before);
  }

  async #end(cycle: number, work: Work): Promise<Heard> {
    const args = [this.#folder, join(this.#home, "backup"), work];
    if (cycle % hoardEvery === hoardEvery - 1) return await this.#exhaust(args);
    if (cycle % threadEvery === threadEvery - 1) return await this.#terminate(args);
    const started = start(this.#program, args);
    await this.#kill(started, cycle % stopEvery === stopEvery - 1, work);
    return started.heard;
  }

  /** A sixth of them while they start, a sixth while they open and recover, the others at work. */
  async #kill(started: Started, isStopped: boolean, work: Work): Promise<void> {
    const { heard } = started;
    const random = this.#random;
    const dice = isStopped ? 2 : random.integer(6);
    const kill = (): void => started.signal("SIGKILL");
    if (dice === 0) setTimeout(kill, random.integer(100));
    else if (dice === 1) started.when("opening", () => setTimeout(kill, random.integer(30)));
    else {
      const most = work === "backup" || work === "mixed" ? 400 : 200;
      const pause = random.integer(most);
      const stop = (): void => {
        this.#stopAndGoOn(started).then(kill, (error: unknown) => {
          heard.errors += String(error);
          started.signal("SIGTERM");
        });
      };
      started.when("opened", () => setTimeout(isStopped ? stop : kill, pause));
    }
    const end = await started.ended;
    if (end !== "SIGKILL") throw new Error(`the process ended by itself, ${end}: ${heard.errors}`);
    this.#note(heard);
  }

  /** While the process sleeps it holds the database: nobody else gets in. Then it goes on. */
  async #stopAndGoOn(started: Started): Promise<void> {
    started.signal("SIGSTOP");
    try {
      const engine = await openFolder(this.#folder, { create: false });
      await engine.close();
      throw new Error("a second opener got in while the first one slept");
    } catch (error) {
      if (!(error instanceof CairnError) || error.code !== "lock_held") throw error;
      this.#counts.secondOpenersRefused++;
    }
    started.signal("SIGCONT");
    this.#counts.stopped++;
    const { promise, resolve } = deferred();
    started.when("done", resolve);
    await promise;
  }

  #note(heard: Heard): void {
    const counts = this.#counts;
    const [running] = heard.running;
    if (!heard.isOpening) counts.killedStarting++;
    else if (!heard.isOpened) counts.killedOpening++;
    else if (running === "checkpoint") counts.killedCheckpoint++;
    else if (running === "compact") counts.killedCompact++;
    else if (running === "backup") counts.killedBackup++;
    else counts.killedLoad++;
  }

  async #terminate(args: readonly string[]): Promise<Heard> {
    const started = startThread(this.#program, args);
    const pause = this.#random.integer(150);
    started.when("opened", () => setTimeout(() => started.signal("SIGTERM"), pause));
    await started.ended;
    if (started.heard.errors !== "") throw new Error(`the thread failed: ${started.heard.errors}`);
    this.#counts.threadsTerminated++;
    return started.heard;
  }

  async #exhaust([folder = "", backup = ""]: readonly string[]): Promise<Heard> {
    const options = ["--max-old-space-size=24", "--max-semi-space-size=1"];
    const started = start(this.#program, [folder, backup, "hoard"], options);
    const end = await started.ended;
    if (!/heap|memory/i.test(started.heard.errors)) {
      throw new Error(`the process was to run out of memory, ${end}: ${started.heard.errors}`);
    }
    this.#counts.outOfMemory++;
    return started.heard;
  }

  /** A backup that was acknowledged is a database of its own. */
  async #checkBackups(heard: Heard, before: Model): Promise<void> {
    for (const name of heard.backups) {
      const model = new Model(before.state, before.seq);
      await check(join(this.#home, `backup-${name}`), model, before.seq, heard.sent, false);
      this.#counts.backupsOpened++;
    }
    for (const name of readdirSync(this.#home)) {
      if (name.startsWith("backup-")) rmSync(join(this.#home, name), { recursive: true });
    }
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
