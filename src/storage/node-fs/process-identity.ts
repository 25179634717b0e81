import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import process from "node:process";
import { errnoOf } from "./failure.ts";

/**
 * Which process this is, as precisely as the platform tells.
 *
 * A fact that cannot be had (another platform, a runtime without permission) is the empty string,
 * which equals nothing: what is not known never proves that a process is dead.
 */
export interface ProcessIdentity {
  readonly pid: number;
  readonly host: string;
  /** Such as `node 20.20.2`. */
  readonly runtime: string;
  /** Changes whenever the machine starts. */
  readonly bootId: string;
  /** Within it, a pid means one process. */
  readonly pidNamespace: string;
  /** When the process started, in clock ticks since the boot; tells a reused pid apart. */
  readonly startTicks: string;
}

let current: ProcessIdentity | undefined;

export function processIdentity(): ProcessIdentity {
  current ??= {
    pid: process.pid,
    host: known(hostname),
    runtime: runtimeName(),
    bootId: known(() => readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim()),
    pidNamespace: known(() => readlinkSync("/proc/self/ns/pid")),
    startTicks: known(() => startTicks(process.pid)),
  };
  return current;
}

function runtimeName(): string {
  const { deno, bun, node } = process.versions as Record<string, string | undefined>;
  if (deno !== undefined) return `deno ${deno}`;
  if (bun !== undefined) return `bun ${bun}`;
  return `node ${node}`;
}

function known(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}

/** Field 22 of /proc/PID/stat; the name in field 2 may itself contain spaces and brackets. */
function startTicks(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

/** True only if the process certainly runs no more. */
export function isProcessGone(other: ProcessIdentity): boolean {
  const me = processIdentity();
  if (!sharesProcessIds(me, other)) return false;
  try {
    process.kill(other.pid, 0);
  } catch (error) {
    return errnoOf(error) === "ESRCH";
  }
  const ticks = known(() => startTicks(other.pid));
  return ticks !== "" && other.startTicks !== "" && ticks !== other.startTicks;
}

function sharesProcessIds(me: ProcessIdentity, other: ProcessIdentity): boolean {
  if (process.platform !== "linux") return me.host !== "" && me.host === other.host;
  return sameBoot(me, other) && me.pidNamespace !== "" && me.pidNamespace === other.pidNamespace;
}

export function sameBoot(me: ProcessIdentity, other: ProcessIdentity): boolean {
  return me.bootId !== "" && me.bootId === other.bootId;
}

/** True when both boots are known and are not the same. */
export function otherBoot(me: ProcessIdentity, other: ProcessIdentity): boolean {
  return me.bootId !== "" && other.bootId !== "" && me.bootId !== other.bootId;
}
