/**
 * What was applied: a table with one row for each migration, in the place that it is about. The row
 * of one that is under way says how far it has come; there is one such row at most, the last.
 */
import { type Columns, type Table, t } from "../tables/index.ts";
import { migrationChanged } from "./errors.ts";
import type { Migration } from "./migration.ts";
import type { MigrationPlace } from "./step.ts";

/** Where migrations are noted. */
export const historyTable = "__migrations";

/** A row of the history. */
export interface Note {
  readonly version: bigint;
  readonly name: string;
  readonly checksum: string;
  /** `applied`, or while it is under way `applying` or `reverting`. */
  readonly state: string;
  /** Steps that stand. */
  readonly steps: number;
  /** The next step may have been done: nobody has noted that it was. */
  readonly isBegun: boolean;
  /** Of a backfill: where it goes on, and how many rows it has seen. */
  readonly cursor: string | null;
  readonly rows: number;
  /** The primary key of the last row it has seen; one that is taken back ends with that row. */
  readonly until: string | null;
  readonly appliedAt: Date | null;
}

const columns: Columns = {
  version: t.u64().primaryKey(),
  name: t.text().notNull(),
  checksum: t.text().notNull(),
  state: t.text().notNull(),
  steps: t.integer().notNull(),
  isBegun: t.boolean().notNull(),
  cursor: t.text(),
  rows: t.integer().notNull(),
  until: t.text(),
  appliedAt: t.timestamp(),
};

export type NoteTable = Table<Note, Note>;

/** What is known of a migration. */
export interface MigrationRecord {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
  readonly state: "applied" | "applying" | "reverting";
  /** When it was applied; undefined while it is under way. */
  readonly appliedAt: Date | undefined;
}

/** The history; undefined when there is none and none is to be made. */
export async function openHistory(
  place: MigrationPlace,
  isCreated: boolean,
): Promise<NoteTable | undefined> {
  if (!isCreated) {
    const names = await namesOf(place);
    if (!names.includes(historyTable)) return undefined;
  }
  const table = await place.table(historyTable, { columns });
  return table as unknown as NoteTable;
}

/** The names of the tables of a place. */
export async function namesOf(place: MigrationPlace): Promise<string[]> {
  try {
    return (await place.tables()).map(({ name }) => name);
  } catch (error) {
    // A scope that nobody has created has no tables.
    if (error instanceof Error && "code" in error && notFound.has(String(error.code))) return [];
    throw error;
  }
}

const notFound: ReadonlySet<string> = new Set(["project_not_found", "scope_not_found"]);

export async function readNotes(history: NoteTable | undefined): Promise<Note[]> {
  const notes: Note[] = [];
  if (history === undefined) return notes;
  for await (const note of history.rows()) notes.push(note);
  return notes;
}

export function recordOf(note: Note): MigrationRecord {
  const { version, name, checksum, state, appliedAt } = note;
  return {
    version: Number(version),
    name,
    checksum,
    state: state as MigrationRecord["state"],
    appliedAt: appliedAt ?? undefined,
  };
}

/** The note of a migration of which nothing was done. */
export function freshNote({ version, name, checksum }: Migration): Note {
  return {
    version: BigInt(version),
    name,
    checksum,
    state: "applying",
    steps: 0,
    isBegun: false,
    cursor: null,
    rows: 0,
    until: null,
    appliedAt: null,
  };
}

/** Refuses a list that does not say what was applied. */
export function checkNotes(notes: readonly Note[], migrations: readonly Migration[]): void {
  for (const [index, note] of notes.entries()) {
    const version = Number(note.version);
    const given = migrations[version - 1];
    if (version !== index + 1) {
      throw migrationChanged(version, `version ${index + 1} is missing from the history`);
    }
    if (given === undefined) {
      throw migrationChanged(version, `version ${version} was applied, and is not in the list`);
    }
    if (given.checksum !== note.checksum) {
      throw migrationChanged(version, `version ${version} has changed since it was applied`);
    }
    if (note.state !== "applied" && index !== notes.length - 1) {
      throw migrationChanged(version, `version ${version} is half done, and others follow it`);
    }
  }
}
