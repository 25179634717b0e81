/** Opening a database: what the caller says, made into a storage, an engine and a handle. */
import { loadCore } from "../bindings/load.ts";
import { Database } from "./database.ts";
import {
  type Durability,
  type EngineOptions,
  openEngine,
  type Retain,
  retainedMax,
} from "./engine/index.ts";
import { checkWindow, type IdempotencyWindow } from "./envelope/index.ts";
import { CairnError } from "./errors.ts";
import { type ApplicationTarget, applicationFolder } from "./kv/application-folder.ts";
import {
  type BuiltInValue,
  checkOneOf,
  checkOptions,
  checkWhole,
  describeValue,
  invalid,
} from "./kv/index.ts";
import { MemoryStorage } from "./storage/memory/index.ts";
import type { Storage } from "./storage/port.ts";
import { systemClock, systemRandom, systemTimers } from "./surroundings.ts";
import { throwIfAborted } from "./transaction/index.ts";
import { coreGraphs } from "./vector/index.ts";

/** How a database is opened. An option that does not exist is refused with `option_unknown`. */
export interface OpenOptions<D extends BuiltInValue = "json"> {
  /**
   * When a commit is answered: `full` (default) when it is durable, `{ relaxed: ms }` at once and
   * durable within so many milliseconds, `none` at once and durable with the next checkpoint, flush
   * or close. Each write can ask for more with its option `finality`.
   */
  readonly durability?: Durability;
  /** Reads only, also beside a process that writes; false by default. */
  readonly readOnly?: boolean;
  /** Creates the database when there is none; true by default, never with `readOnly`. */
  readonly create?: boolean;
  /** Bytes of pages held in memory at most; 268,435,456 by default, at least 4,194,304. */
  readonly memoryBudget?: number;
  /** How keyspaces store values that do not say so themselves; `json` by default. */
  readonly value?: D;
  /** The time in Unix milliseconds; the system's by default. */
  readonly clock?: () => number;
  /** Milliseconds that a snapshot lasts after its last use; 60,000 by default. */
  readonly leaseMs?: number;
  /**
   * States before the newest that `db.snapshot({ at: seq })` can still have: the last so many
   * commits, or what was the newest within the last so many milliseconds, or with both what both
   * allow; 32,768 at most, and fewer when memory is short. None by default: each keeps the pages
   * that later commits have replaced. They end when the database is closed.
   */
  readonly retain?: Retain;
  /** How long idempotency keys of envelopes are remembered: 100,000 commits and 300 seconds. */
  readonly idempotency?: IdempotencyWindow;
  /** A checkpoint is written when the log has grown by so many bytes; 67,108,864 by default. */
  readonly checkpointLogBytes?: number;
  /** A checkpoint is written after so many milliseconds without commits; 30,000, 0 for never. */
  readonly checkpointIdleMs?: number;
  /** Looked at before the storage is touched. */
  readonly signal?: AbortSignal;
}

/** Where a database is: a folder, `memory:`, a storage, or an application's name. */
export type OpenTarget = string | Storage | ApplicationTarget;

const memoryName = "memory:";
const memoryBudgetLeast = 4 * 1024 * 1024;
const optionNames: ReadonlySet<string> = new Set([
  "durability",
  "readOnly",
  "create",
  "memoryBudget",
  "value",
  "clock",
  "leaseMs",
  "retain",
  "idempotency",
  "checkpointLogBytes",
  "checkpointIdleMs",
  "signal",
]);
const targetNames: ReadonlySet<string> = new Set(["application", "database", "dataRoot"]);
const retainNames: ReadonlySet<string> = new Set(["commits", "ms"]);
const action = "open a database";

/**
 * Opens a database, or creates it.
 *
 *     await using db = await open("./shop.cairn");
 *
 * @throws CairnError `option_unknown`, `durability_invalid`, `argument_invalid`, `lock_held`,
 * `lock_invalid`, `database_not_found`, `not_a_database`, `format_newer`, `format_older`,
 * `root_corrupt`, `log_corrupt`, `corruption`, `storage_permission`, `storage_failed`, `aborted`.
 */
export async function open<D extends BuiltInValue = "json">(
  target: OpenTarget,
  options: OpenOptions<D> = {},
): Promise<Database<D>> {
  checkOpenOptions(options);
  throwIfAborted(options.signal);
  const storage = await storageOf(target);
  const { clock, valueDefault, engineOptions } = split(options);
  const engine = await openEngine(storage, engineOptions, {
    module: loadCore(),
    clock,
    random: systemRandom,
  });
  return new Database<D>(engine, {
    timers: systemTimers,
    valueDefault,
    leaseMs: options.leaseMs,
    idempotency: options.idempotency,
    graphs: coreGraphs,
    openStorage: storageOf,
  });
}

function checkOpenOptions(options: OpenOptions<BuiltInValue>): void {
  checkOptions(action, options, optionNames);
  checkDurability(options.durability);
  checkWindow(options.idempotency);
  checkOneOf(action, "readOnly", options.readOnly, [true, false]);
  checkOneOf(action, "create", options.create, [true, false]);
  checkOneOf(action, "value", options.value, ["json", "utf8", "bytes"]);
  checkWhole(action, "memoryBudget", options.memoryBudget, memoryBudgetLeast);
  checkWhole(action, "leaseMs", options.leaseMs, 1);
  checkRetain(options.retain);
  checkWhole(action, "checkpointLogBytes", options.checkpointLogBytes, 1);
  checkWhole(action, "checkpointIdleMs", options.checkpointIdleMs, 0);
  if (options.clock !== undefined && typeof options.clock !== "function") {
    throw invalid(action, "the option clock", describeValue(options.clock), "a function");
  }
}

function checkRetain(retain: Retain | undefined): void {
  if (retain === undefined) return;
  checkOptions(action, retain, retainNames);
  checkWhole(action, "retain.commits", retain.commits, 1);
  checkWhole(action, "retain.ms", retain.ms, 1);
  const { commits = 1, ms } = retain;
  if (retain.commits === undefined && ms === undefined) {
    throw invalid(action, "the option retain", "empty", "{ commits }, { ms } or both");
  }
  if (commits <= retainedMax) return;
  throw invalid(action, "the option retain.commits", String(commits), `${retainedMax} at most`);
}

function checkDurability(durability: unknown): void {
  if (durability === undefined || durability === "full" || durability === "none") return;
  if (typeof durability === "object" && durability !== null && "relaxed" in durability) {
    const { relaxed } = durability;
    const isOnly = Object.keys(durability).length === 1;
    if (isOnly && typeof relaxed === "number" && Number.isSafeInteger(relaxed) && relaxed > 0)
      return;
  }
  throw new CairnError(
    "durability_invalid",
    `Cannot open a database: the option durability is ${describeValue(durability)}, expected ` +
      '"full", "none" or { relaxed: milliseconds }, a whole number above 0.',
  );
}

function split(options: OpenOptions<BuiltInValue>): {
  clock: () => number;
  valueDefault: BuiltInValue;
  engineOptions: EngineOptions;
} {
  const { value = "json", clock: given, ...others } = options;
  const { leaseMs: _leaseMs, idempotency: _idempotency, signal: _signal, ...rest } = others;
  // Commit times are whole milliseconds.
  const clock = given === undefined ? systemClock : () => Math.floor(given());
  const engineOptions = { ...rest, clock, random: systemRandom, timers: systemTimers };
  return { clock, valueDefault: value, engineOptions };
}

async function storageOf(target: OpenTarget): Promise<Storage> {
  if (typeof target === "string") {
    if (target === memoryName) return new MemoryStorage();
    if (target === "") throw invalid(action, "the path", "an empty string", "a folder's path");
    // SQLite's name would become a folder, and keep what was to be forgotten.
    if (target === ":memory:") throw invalid(action, "the path", '":memory:"', `"${memoryName}"`);
    // Not there in browsers, where the build puts a refusal in its place.
    const { openNodeStorage } = await import("./storage/node-fs/index.ts");
    return openNodeStorage(target);
  }
  if (typeof target !== "object" || target === null) {
    const expected = 'a path, "memory:", a storage or { application }';
    throw invalid(action, "the target", describeValue(target), expected);
  }
  if (!("application" in target)) return target;
  checkOptions(action, target, targetNames);
  return await storageOf(applicationFolder(target, platformFacts()));
}

function platformFacts(): {
  platform: string;
  environment: Record<string, string | undefined>;
} {
  const { process } = globalThis as {
    process?: { platform?: string; env?: Record<string, string | undefined> };
  };
  return { platform: process?.platform ?? "", environment: process?.env ?? {} };
}
