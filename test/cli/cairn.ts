/** Runs `cairn` in this process with stand-ins for its terminal, or as a program of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { afterAll } from "vitest";
import { run } from "../../src/cli/run.ts";
import type { Sink } from "../../src/cli/surroundings.ts";

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Settings {
  readonly stdin?: string | Uint8Array;
  readonly env?: Record<string, string>;
  readonly signal?: AbortSignal;
  /** Both outputs are terminals of so many columns. */
  readonly columns?: number;
  /** Called with each write to standard error. */
  readonly onError?: (text: string) => void;
}

const folders: string[] = [];

/** A path at which there is nothing, in a folder that goes when the test file ends. */
export function newPath(name = "test.cairn"): string {
  const folder = mkdtempSync(join(tmpdir(), "cairn-cli-"));
  folders.push(folder);
  return join(folder, name);
}

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

export async function cairn(args: readonly string[], settings: Settings = {}): Promise<Outcome> {
  const out: Uint8Array[] = [];
  const err: Uint8Array[] = [];
  const { columns, stdin, env = {}, signal = new AbortController().signal } = settings;
  const sink = (pieces: Uint8Array[], onWrite?: (text: string) => void): Sink => ({
    isTerminal: columns !== undefined,
    columns: columns ?? 80,
    async write(content) {
      pieces.push(Buffer.from(content as string));
      onWrite?.(String(content));
    },
  });
  let clock = 0;
  const code = await run(args, {
    stdin: { isTerminal: stdin === undefined, read: async () => Buffer.from(stdin ?? "") },
    stdout: sink(out),
    stderr: sink(err, settings.onError),
    env,
    signal,
    now: () => {
      clock += 1_000;
      return clock;
    },
  });
  const text = (pieces: Uint8Array[]): string => Buffer.concat(pieces).toString("utf8");
  return { code, stdout: text(out), stderr: text(err) };
}

/** What a command prints on standard output; throws when it fails. */
export async function printed(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await cairn(args);
  if (code !== 0) throw new Error(`cairn ${args[0]} ended with ${code}: ${stderr}`);
  return stdout;
}

/** A new database with its default keyspace. */
export async function newDatabase(): Promise<string> {
  const path = newPath();
  await printed("init", path);
  return path;
}

/** Bundles a program of the repository as the package is bundled; answers with its path. */
export async function bundle(entry: string): Promise<string> {
  // Within the package, so that it can find the package's version.
  const folder = fileURLToPath(new URL(`../../build/out/test-${process.pid}`, import.meta.url));
  mkdirSync(folder, { recursive: true });
  folders.push(folder);
  const outfile = join(folder, `${basename(entry, ".ts")}.mjs`);
  await esbuild.build({
    entryPoints: [fileURLToPath(new URL(`../../${entry}`, import.meta.url))],
    outfile,
    bundle: true,
    format: "esm",
    target: "es2022",
    platform: "neutral",
    mainFields: ["module", "main"],
    external: ["node:*"],
    logLevel: "error",
  });
  return outfile;
}

/** A running `cairn`; `ended` answers when it has ended and closed its outputs. */
export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Outcome & { readonly signal: string | null }>;
}

export function start(program: string, args: readonly string[]): Running {
  const child = spawn(process.execPath, [program, ...args], { stdio: "pipe" });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (piece) => {
    stdout += piece;
  });
  child.stderr.on("data", (piece) => {
    stderr += piece;
  });
  const ended = new Promise<Outcome & { signal: string | null }>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code: code ?? -1, stdout, stderr, signal }));
  });
  return { child, ended };
}
