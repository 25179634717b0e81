/** One process, or thread, that works on a database until it is ended: what it has said by then. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { Worker } from "node:worker_threads";
import { build, type Plugin } from "esbuild";

export type Work = "load" | "checkpoint" | "compact" | "backup" | "mixed" | "fill" | "hoard";

/** A mistake of the engine, for showing that the loop would notice it. */
export interface Mistake {
  readonly file: RegExp;
  readonly from: string;
  readonly to: string;
}

/** The program, bundled: the path of its file. */
export async function program(mistake?: Mistake): Promise<string> {
  const outfile = join(mkdtempSync(join(tmpdir(), "cairn-kill-program-")), "child.mjs");
  await build({
    entryPoints: [resolve("test/proof/kill/child.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "error",
    plugins: mistake === undefined ? [] : [planted(mistake)],
  });
  return outfile;
}

function planted({ file, from, to }: Mistake): Plugin {
  return {
    name: "mistake",
    setup({ onLoad }) {
      onLoad({ filter: file }, ({ path }) => {
        const source = readFileSync(path, "utf8");
        if (source.split(from).length !== 2) throw new Error(`${path} has not once: ${from}`);
        return { contents: source.replace(from, () => to), loader: "ts" };
      });
    },
  };
}

/** What a process has said. */
export class Heard {
  isOpening = false;
  isOpened = false;
  /** Highest commit that was sent, and that was acknowledged. */
  sent = 0;
  done = 0;
  /** Upkeep that was under way, and backups that had ended. */
  readonly running: Set<string> = new Set();
  readonly backups: string[] = [];
  failed: string | undefined;
  errors = "";

  hear(line: string): void {
    const [verb = "", what = "", which = ""] = line.split(" ");
    if (verb === "sent") this.sent = Number(what);
    else if (verb === "done") this.done = Math.max(this.done, Number(what));
    else if (verb === "begin") this.running.add(what);
    else if (verb === "end") {
      this.running.delete(what);
      if (what === "backup") this.backups.push(which);
    } else if (verb === "opening") this.isOpening = true;
    else if (verb === "opened") this.isOpened = true;
    else if (verb === "failed") this.failed = what;
  }
}

export interface Started {
  readonly heard: Heard;
  /** Calls back once, at the next line that begins so. */
  when(verb: string, run: () => void): void;
  signal(name: NodeJS.Signals): void;
  /** How it ended. */
  readonly ended: Promise<string>;
}

export function start(
  path: string,
  args: readonly string[],
  options: readonly string[] = [],
): Started {
  const child = spawn(process.execPath, [...options, path, ...args]);
  const heard = new Heard();
  const whens = new Whens(heard);
  child.stderr.on("data", (data) => {
    heard.errors += data;
  });
  createInterface({ input: child.stdout }).on("line", (line) => whens.hear(line));
  return {
    heard,
    when: (verb, run) => whens.add(verb, run),
    signal: (name) => void child.kill(name),
    ended: endOf(child),
  };
}

async function endOf(child: ChildProcess): Promise<string> {
  const [code, signal] = await once(child, "close");
  return String(signal ?? code);
}

/** The same program as a thread of this process; `signal` terminates it. */
export function startThread(path: string, args: readonly string[]): Started {
  const worker = new Worker(path, { workerData: args, stderr: true });
  const heard = new Heard();
  const whens = new Whens(heard);
  worker.on("message", (line: string) => whens.hear(line));
  worker.on("error", (error) => {
    heard.errors += String(error);
  });
  return {
    heard,
    when: (verb, run) => whens.add(verb, run),
    signal: () => void worker.terminate(),
    ended: once(worker, "exit").then(([code]) => String(code)),
  };
}

class Whens {
  readonly #heard: Heard;
  readonly #waiting: { verb: string; run: () => void }[] = [];

  constructor(heard: Heard) {
    this.#heard = heard;
  }

  add(verb: string, run: () => void): void {
    this.#waiting.push({ verb, run });
  }

  hear(line: string): void {
    this.#heard.hear(line);
    const at = this.#waiting.findIndex(({ verb }) => line.startsWith(verb));
    if (at >= 0) for (const { run } of this.#waiting.splice(at, 1)) run();
  }
}
