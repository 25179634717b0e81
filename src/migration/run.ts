/**
 * Runs migrations. What is noted, and when:
 *
 *     a step that changes rows   its rows and the note that it is done, in one commit
 *     a backfill                 each batch of rows and the note where to go on, in one commit
 *     a step that changes tables a note that it is begun, then its own commits; the next note says
 *                                that it is done. After a crash in between it is run again, and
 *                                finds what it has left behind.
 *
 * So a crash leaves a migration that is noted with all it did, or half done and noted as such: the
 * next run goes on from there.
 */
import type { LongOptions, Progress } from "../engine/index.ts";
import type { Transaction } from "../kv/index.ts";
import { coreOfTable, Query } from "../query/index.ts";
import type { Table, TransactionTable } from "../tables/index.ts";
import { type TransactionOptions, throwIfAborted } from "../transaction/index.ts";
import type { Note, NoteTable } from "./history.ts";
import { Keys } from "./keys.ts";
import type { Migration } from "./migration.ts";
import type { Direction } from "./plan.ts";
import type { BackfillStep, MigrationData, MigrationPlace, SchemaStep, Step } from "./step.ts";

/** What migrations need of a database. */
export interface MigrationHost {
  readonly root: MigrationPlace;
  transaction<R>(
    run: (transaction: Transaction) => Promise<R>,
    options: TransactionOptions,
  ): Promise<R>;
}

/** How migrations are run. */
export interface MigrateOptions extends LongOptions {
  /** The version to go to, forwards or back; the last of the list by default, 0 for none. */
  readonly to?: number;
  /** Says what would be done, and does nothing; false by default. */
  readonly dryRun?: boolean;
  /** The scope whose tables are migrated; the root scope by default. */
  readonly scope?: MigrationPlace;
}

type Row = Record<string, unknown>;

/** One migration on its way in one direction. */
export class Run {
  readonly #host: MigrationHost;
  readonly #place: MigrationPlace;
  readonly #history: NoteTable;
  readonly #migration: Migration;
  readonly #options: MigrateOptions;
  /** How far it has come; on the medium, too, unless a step that changes tables is under way. */
  #note: Note;

  constructor(
    host: MigrationHost,
    place: MigrationPlace,
    history: NoteTable,
    migration: Migration,
    note: Note,
    options: MigrateOptions,
  ) {
    this.#host = host;
    this.#place = place;
    this.#history = history;
    this.#migration = migration;
    this.#note = note;
    this.#options = options;
  }

  async run(direction: Direction): Promise<void> {
    const { up, down = [] } = this.#migration;
    for (;;) {
      const { steps } = this.#note;
      const step = direction === "up" ? up[steps] : down[down.length - steps];
      if (step === undefined) break;
      throwIfAborted(this.#options.signal);
      await this.#step(step, direction);
    }
    if (this.#note.state === "done") return;
    await this.#commit(async () => this.#ended());
  }

  async #step(step: Step, direction: Direction): Promise<void> {
    const after: Note = {
      ...this.#note,
      steps: this.#note.steps + (direction === "up" ? 1 : -1),
      isBegun: false,
      cursor: null,
      rows: 0,
      until: null,
    };
    const isLast = after.steps === (direction === "up" ? this.#migration.up.length : 0);
    if (step.mode === "schema") await this.#changeTables(step, after);
    else if (step.mode === "transaction") {
      await this.#commit(async (data) => {
        await step.run(data);
        return isLast ? this.#ended() : after;
      });
    } else await this.#changeRows(step, isLast ? this.#ended() : after);
    this.#report(step.description, this.#note.steps);
  }

  async #changeTables(step: SchemaStep, after: Note): Promise<void> {
    const isResumed = this.#note.isBegun;
    if (!isResumed) await this.#commit(async () => ({ ...this.#note, isBegun: true }));
    await step.run(this.#place, isResumed, this.#long);
    // Noted with whatever comes next.
    this.#note = after;
  }

  async #changeRows(step: BackfillStep, after: Note): Promise<void> {
    const table = await this.#place.table(step.table);
    const total = table.count();
    do {
      throwIfAborted(this.#options.signal);
      await this.#commit((data) => this.#changeSome(step, table, data, after));
      this.#report(step.description, this.#note.rows, total);
    } while (this.#note.cursor !== null);
  }

  /** One batch of a backfill: the note that belongs to it. */
  async #changeSome(
    step: BackfillStep,
    table: Table,
    data: MigrationData,
    after: Note,
  ): Promise<Note> {
    const { transaction } = data;
    const all = new Query<{ "": Row }, Row>(coreOfTable(table as never, undefined));
    const some = step.where === undefined ? all : all.where(step.where as never);
    const { cursor: from } = this.#note;
    const page = await transaction.query(some).page({
      limit: step.rowsPerCommit,
      ...(from === null ? {} : { cursor: from }),
    });
    const within = transaction.table(table);
    const keys = new Keys(table, this.#note);
    for (const row of page.rows) {
      // Taken back: the rows behind were never changed.
      if (keys.isBehind(row)) return after;
      const patch = await step.change(row, data);
      if (patch !== undefined) await within.update(keys.of(row), patch as never);
    }
    const { cursor } = page;
    if (cursor === undefined) return after;
    const rows = this.#note.rows + page.rows.length;
    return {
      ...this.#note,
      cursor,
      rows,
      until: keys.until(page.rows[page.rows.length - 1] as Row),
    };
  }

  /** Commits what `run` does together with the note that it answers; retries on a conflict. */
  async #commit(run: (data: MigrationData) => Promise<Note>): Promise<void> {
    const { signal } = this.#options;
    const note = await this.#host.transaction(
      async (transaction) => {
        const noted = await run(this.#data(transaction));
        const history = transaction.table(this.#history);
        if (noted.state === "done") {
          // Of a migration that is taken back nothing stays.
          if (this.#note.state === "reverting") await history.delete(noted.version);
          else {
            const appliedAt = new Date(transaction.time);
            await history.upsert({ ...noted, state: "applied", appliedAt });
          }
        } else await history.upsert(noted);
        return noted;
      },
      signal === undefined ? {} : { signal },
    );
    this.#note = note;
  }

  /** The note of a migration that has come to its end; what is stored says more. */
  #ended(): Note {
    return {
      ...this.#note,
      state: "done",
      steps: this.#note.state === "reverting" ? 0 : this.#migration.up.length,
      isBegun: false,
      cursor: null,
      rows: 0,
      until: null,
    };
  }

  #data(transaction: Transaction): MigrationData {
    const table = async (name: string): Promise<TransactionTable<Row, Row>> =>
      transaction.table(await this.#place.table(name)) as unknown as TransactionTable<Row, Row>;
    return { transaction, table: table as MigrationData["table"] };
  }

  get #long(): LongOptions {
    const { signal } = this.#options;
    const onProgress = this.#options.onProgress && ((progress: Progress) => this.#tell(progress));
    return {
      ...(signal === undefined ? {} : { signal }),
      ...(onProgress === undefined ? {} : { onProgress }),
    };
  }

  #report(phase: string, done: number, total: number = done): void {
    this.#tell({ phase, done: Math.min(done, total), total, unit: "records" });
  }

  #tell(progress: Progress): void {
    const { version } = this.#migration;
    this.#options.onProgress?.({ ...progress, phase: `${version}: ${progress.phase}` });
  }
}
