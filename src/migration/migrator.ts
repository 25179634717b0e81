/** Runs lists of migrations, one run after the other. */
import { checkOptions, checkWhole } from "../kv/index.ts";
import type { TableDefinition } from "../tables/index.ts";
import { throwIfAborted } from "../transaction/index.ts";
import { type DifferenceOptions, stepsBetween } from "./difference.ts";
import { migrationInvalid } from "./errors.ts";
import {
  checkNotes,
  historyTable,
  type MigrationRecord,
  namesOf,
  openHistory,
  readNotes,
  recordOf,
} from "./history.ts";
import { checkMigrations, type Migration, migration } from "./migration.ts";
import { type MigrationReport, plan, reportOf } from "./plan.ts";
import { type MigrateOptions, type MigrationHost, Run } from "./run.ts";
import { definitionOf, type TableDefinitions } from "./specification.ts";
import type { MigrationPlace } from "./step.ts";

const optionNames: ReadonlySet<string> = new Set(["to", "dryRun", "scope", "signal", "onProgress"]);
const planNames: ReadonlySet<string> = new Set([
  "name",
  "version",
  "rename",
  "dropTables",
  "scope",
]);
const action = "migrate";

/** What a migration is to be called that is planned, and how tables are to be understood. */
export interface PlanOptions extends DifferenceOptions {
  readonly name: string;
  /** One more than the last that is noted, by default. */
  readonly version?: number;
  /** Drops tables that are not among the wanted ones; false by default. */
  readonly dropTables?: boolean;
  /** The scope whose tables are compared; the root scope by default. */
  readonly scope?: MigrationPlace;
}

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

  /** @throws CairnError as {@link Database.planMigration}. */
  async plan(wanted: TableDefinitions, options: PlanOptions): Promise<Migration> {
    checkOptions("plan a migration", options, planNames);
    const { name, rename = {}, dropTables = false, scope: place = this.#host.root } = options;
    const found: Record<string, TableDefinition> = {};
    for (const table of await namesOf(place)) {
      if (table === historyTable || !(dropTables || table in wanted)) continue;
      found[table] = definitionOf((await place.table(table)).describe());
    }
    const { version = (await this.records(place)).length + 1 } = options;
    return migration({ version, name, up: stepsBetween(found, wanted, { rename }) });
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
    for (const { migration: one, direction, note } of planned) {
      await new Run(this.#host, place, history, one, note, options).run(direction);
    }
    return report;
  }
}
