/**
 * One claim on a database, as its file `lock/generation-NNNNNNNNNN` says it: a line of JSON.
 *
 *     {"format":"cairn lock 1","generation":8,"id":"9f…","state":"held","since":1790000000000,
 *      "pid":4711,"host":"…","runtime":"node 20.20.2","bootId":"…","pidNamespace":"…",
 *      "startTicks":"…"}
 *
 * The file is written and synced under another name first, so that nobody ever reads half of one.
 */
import { randomBytes } from "node:crypto";
import { CairnError } from "../../errors.ts";
import type { LockHolder } from "../port.ts";
import type { ProcessIdentity } from "./process-identity.ts";

export type ClaimState = "held" | "released" | "broken";

export interface ClaimRecord extends ProcessIdentity {
  readonly generation: number;
  /** Random; names the socket of the holder, and tells claims of one generation apart. */
  readonly id: string;
  readonly state: ClaimState;
  /** Unix milliseconds. */
  readonly since: number;
}

const format = "cairn lock 1";

export function randomId(): string {
  return randomBytes(8).toString("hex");
}

export function encodeClaim(record: ClaimRecord): string {
  const { generation, id, state, since, ...identity } = record;
  return `${JSON.stringify({ format, generation, id, state, since, ...identity })}\n`;
}

export function decodeClaim(text: string, path: string): ClaimRecord {
  const fields = parseObject(text);
  const sound =
    fields.format === format &&
    ["generation", "pid", "since"].every((name) => Number.isSafeInteger(fields[name])) &&
    ["id", "host", "runtime", "bootId", "pidNamespace", "startTicks"].every(
      (name) => typeof fields[name] === "string",
    ) &&
    ["held", "released", "broken"].includes(fields.state as string);
  if (!sound) throw lockInvalid(path, "a file that is no claim", `a claim of format "${format}"`);
  return fields as unknown as ClaimRecord;
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** The lock folder is not as any opener leaves it: somebody changed it by hand. */
export function lockInvalid(path: string, found: string, expected: string): CairnError {
  return new CairnError(
    "lock_invalid",
    `Cannot tell who holds the lock: at ${path}, found ${found}, expected ${expected}. ` +
      "Make sure that no process has the database open, then break the lock by force.",
    { details: { path, found, expected } },
  );
}

export function lockHeld(path: string, holder: LockHolder): CairnError {
  const { pid, host, since, runtime, generation } = holder;
  const place = host || "an unknown host";
  return new CairnError(
    "lock_held",
    `Cannot open ${path} for writing: process ${pid} on ${place} (${runtime}) holds it since ` +
      `${new Date(since).toISOString()}. Close it there, or open read-only. If that process is ` +
      "certainly gone, break the lock by force.",
    { details: { path, pid, host, since, runtime, generation } },
  );
}

export function holderOf(record: ClaimRecord): LockHolder {
  const { pid, host, since, runtime, generation } = record;
  return { pid, host, since, runtime, generation };
}
