/** Runs lists of migrations, one run after the other. */
import { checkOptions, checkWhole } from "../kv/index.ts";
import { throwIfAborted } from "../transaction/index.ts";
import { migrationInvalid } from "./errors.ts";
import { checkNotes, type MigrationRecord, openHistory, readNotes, recordOf } from "./history.ts";
import { checkMigrations, type Migration } from "./migration.ts";
import { type MigrationReport, plan, reportOf } from "./plan.ts";
import { type MigrateOptions, type MigrationHost, Run } from "./run.ts";
import type { MigrationPlace } from "./step.ts";

const optionNames: ReadonlySet<string> = new Set(["to", "dryRun", "scope", "signal", "onProgress"]);
const action = "migrate";

export class Migrator {
  readonly #host: MigrationHost;
  /** One run after the other. */
  #running: Promise<unknown> = Promise.resolve();

  constructor(host: MigrationHost) {
    this.#host = host;
  }

  /** @throws CairnError as {@link Database.migrate}. */
  async run(
    migrations: readonly Migration[],
    options: MigrateOptions = {},
  ): Promise<MigrationReport> {
    checkOptions(action, options, optionNames);
    checkWhole(action, "to", options.to, 0);
    checkMigrations(migrations);
    const { to = migrations.length } = options;
    if (to > migrations.length) {
      throw migrationInvalid(`version ${to} is asked for, and the list ends with the one before`);
    }
    const run = this.#running.then(() => this.#run([...migrations], to, options));
    this.#running = run.catch(() => undefined);
    return await run;
  }

  async records(place: MigrationPlace = this.#host.root): Promise<MigrationRecord[]> {
    return (await readNotes(await openHistory(place, false))).map(recordOf);
  }

  async #run(
    migrations: readonly Migration[],
    to: number,
    options: MigrateOptions,
  ): Promise<MigrationReport> {
    throwIfAborted(options.signal);
    const { scope: place = this.#host.root, dryRun = false } = options;
    const history = await openHistory(place, !dryRun);
    const notes = await readNotes(history);
    checkNotes(notes, migrations);
    const planned = plan(migrations, notes, to);
    const report = reportOf(planned, notes, to);
    if (dryRun || history === undefined) return report;
    for (const { migration, direction, note } of planned) {
      await new Run(this.#host, place, history, migration, note, options).run(direction);
    }
    return report;
  }
}
