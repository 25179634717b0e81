/** What has to be done to come to a version, and the report of it. */
import { migrationIrreversible } from "./errors.ts";
import { freshNote, type Note } from "./history.ts";
import type { Migration } from "./migration.ts";
import type { Step } from "./step.ts";

export type Direction = "up" | "down";

/** A step that was done, or would be. */
export interface MigratedStep {
  readonly version: number;
  readonly name: string;
  readonly direction: "up" | "down";
  readonly step: string;
}

/** What was done; of a dry run, what would be. */
export interface MigrationReport {
  /** Versions that are applied now and were not, or not completely. */
  readonly applied: readonly number[];
  /** Versions that were taken back. */
  readonly reverted: readonly number[];
  /** Versions that were applied before. */
  readonly skipped: readonly number[];
  /** The last version that is applied; 0 for none. */
  readonly currentVersion: number;
  readonly steps: readonly MigratedStep[];
}

export interface Planned {
  readonly migration: Migration;
  readonly direction: Direction;
  readonly note: Note;
  /** Those that are left. */
  readonly steps: readonly Step[];
}

/** What has to be done, in order: first what was begun is brought to an end. */
export function plan(
  migrations: readonly Migration[],
  notes: readonly Note[],
  to: number,
): Planned[] {
  const planned: Planned[] = [];
  let current = notes.length;
  const last = notes[current - 1];
  if (last !== undefined && last.state !== "applied") {
    const migration = migrations[current - 1];
    if (last.state === "applying" && current <= to) {
      const steps = migration.up.slice(last.steps);
      planned.push({ migration, direction: "up", note: last, steps });
    } else {
      planned.push(planDown(migration, last));
      current--;
    }
  }
  while (current > to) {
    planned.push(planDown(migrations[current - 1], notes[current - 1]));
    current--;
  }
  while (current < to) {
    const migration = migrations[current];
    const note = freshNote(migration);
    planned.push({ migration, direction: "up", note, steps: migration.up });
    current++;
  }
  return planned;
}

function planDown(migration: Migration, note: Note): Planned {
  const { version, down, isDerived } = migration;
  if (down === undefined) throw migrationIrreversible(version, "it has a step that stays");
  if (note.state === "reverting") {
    return { migration, direction: "down", note, steps: lastOf(down, note.steps) };
  }
  if (note.state === "applied") {
    const begun = { ...note, state: "reverting", steps: down.length, appliedAt: null };
    return { migration, direction: "down", note: begun, steps: down };
  }
  if (!isDerived) {
    throw migrationIrreversible(version, "it is half applied, and its down takes back all of it");
  }
  // The step that was begun may have been done: it is taken back, too.
  const isPartial = note.isBegun || note.cursor !== null;
  const steps = note.steps + (isPartial ? 1 : 0);
  const begun = { ...note, state: "reverting", steps, isBegun: isPartial, cursor: null, rows: 0 };
  return { migration, direction: "down", note: begun, steps: lastOf(down, steps) };
}

function lastOf(steps: readonly Step[], count: number): readonly Step[] {
  return steps.slice(steps.length - count);
}

export function reportOf(
  planned: readonly Planned[],
  notes: readonly Note[],
  to: number,
): MigrationReport {
  const versions = (direction: Direction): number[] =>
    planned.filter((one) => one.direction === direction).map(({ migration }) => migration.version);
  const touched = new Set(planned.map(({ migration }) => migration.version));
  return {
    applied: versions("up"),
    reverted: versions("down"),
    skipped: notes.map(({ version }) => Number(version)).filter((one) => !touched.has(one)),
    currentVersion: to,
    steps: planned.flatMap(({ migration: { version, name }, direction, steps }) =>
      steps.map(({ description }) => ({ version, name, direction, step: description })),
    ),
  };
}
