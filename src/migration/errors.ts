import { CairnError } from "../errors.ts";

/** A migration, or a list of them, that cannot be run as it is. */
export function migrationInvalid(found: string): CairnError {
  return new CairnError(
    "migration_invalid",
    `Cannot migrate: ${found}. Nothing was changed. Correct the list of migrations.`,
  );
}

/** What was applied is not what the list says. */
export function migrationChanged(version: number, found: string): CairnError {
  return new CairnError(
    "migration_changed",
    `Cannot migrate: ${found}. Nothing was changed. Put the migration back as it was, and make a ` +
      "new one for what is to be different.",
    { details: { version } },
  );
}

/** A migration that nothing takes back. */
export function migrationIrreversible(version: number, found: string): CairnError {
  return new CairnError(
    "migration_irreversible",
    `Cannot go back behind version ${version}: ${found}. Nothing was changed. Give the migration ` +
      "a down, or its steps what they need to be taken back.",
    { details: { version } },
  );
}
