/**
 * Programs of these tests, bundled so that every runtime can run them, and the processes they run
 * in.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

export type Command = readonly [string, ...string[]];

/** Node as it runs this, and what is installed in test/runtime/install. */
export function runtimes(): [string, Command][] {
  const bin = fileURLToPath(new URL("../../runtime/install/node_modules/.bin/", import.meta.url));
  const all: [string, Command][] = [
    ["node", [process.execPath]],
    ["node 24", [join(bin, "node")]],
    ["deno", [join(bin, "deno"), "run", "-A", "--no-lock"]],
    ["bun", [join(bin, "bun")]],
  ];
  return all.filter(([, [command]]) => existsSync(command));
}

export async function bundle(program: string): Promise<string> {
  const outfile = join(mkdtempSync(join(tmpdir(), "cairn-program-")), "program.mjs");
  await esbuild.build({
    entryPoints: [fileURLToPath(new URL(program, import.meta.url))],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "es2022",
    logLevel: "error",
  });
  return outfile;
}

/** A running program that is spoken to in lines. */
export class Running {
  readonly process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #interface: Interface;

  constructor([command, ...options]: Command, args: readonly string[]) {
    this.process = spawn(command, [...options, ...args], { stdio: ["pipe", "pipe", "inherit"] });
    // Writing to a process that has ended is an answer of its own: the next line is missing.
    this.process.stdin?.on("error", () => undefined);
    this.#interface = createInterface({ input: this.process.stdout as NodeJS.ReadableStream });
    this.#lines = this.#interface[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    return done === true ? "ended" : value;
  }

  async ask(line: string): Promise<string> {
    this.process.stdin?.write(`${line}\n`);
    return this.line();
  }

  signal(name: "SIGSTOP" | "SIGCONT"): void {
    this.process.kill(name);
  }

  async ended(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      await once(this.process, "exit");
    }
  }

  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await this.ended();
    this.#interface.close();
  }
}
