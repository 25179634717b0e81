/** Migrations as values, and what is asked of a list of them. */
import { type SipKey, sipHash } from "../query/siphash.ts";
import { Column } from "../tables/index.ts";
import { migrationInvalid } from "./errors.ts";
import type { Step } from "./step.ts";

/** What a migration is made of. */
export interface MigrationDefinition {
  /** 1 for the first, one more for each that follows. */
  readonly version: number;
  readonly name: string;
  readonly up: readonly Step[];
  /** What takes it back; by default its steps taken back, the last one first. */
  readonly down?: readonly Step[];
}

/** A change of a database that is made once, in the order of versions. */
export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly up: readonly Step[];
  /** Undefined when it cannot be taken back. */
  readonly down: readonly Step[] | undefined;
  /** True when `down` takes back `up` step by step, so that a part of it can be taken back too. */
  readonly isDerived: boolean;
  /** 32 hexadecimal digits of everything in it that is data. */
  readonly checksum: string;
}

const versionMax = 1_000_000;
/** Two halves of one checksum; the digits of the square roots of 2 and 3. */
const keys: readonly SipKey[] = [
  [0x6a09e667f3bcc908n, 0xb2fb1366ea957d3en],
  [0xbb67ae8584caa73bn, 0x25742d7078b83b89n],
];

/** Makes a migration. @throws CairnError `migration_invalid`. */
export function migration(definition: MigrationDefinition): Migration {
  const { version, name, up, down } = definition;
  if (!Number.isSafeInteger(version) || version < 1 || version > versionMax) {
    throw migrationInvalid(`a version is no whole number from 1 to ${versionMax}`);
  }
  if (typeof name !== "string" || name === "") {
    throw migrationInvalid(`version ${version} has no name`);
  }
  for (const one of [...up, ...(down ?? [])]) {
    if (typeof one?.description === "string") continue;
    throw migrationInvalid(`version ${version} has a step that was not made with step`);
  }
  const isDerived = down === undefined;
  return {
    version,
    name,
    up,
    down: down ?? inverseOf(up),
    isDerived,
    checksum: checksumOf({ version, name, up: dataOf(up), down: down && dataOf(down) }),
  };
}

function inverseOf(up: readonly Step[]): Step[] | undefined {
  const down: Step[] = [];
  for (const { undo } of up) {
    if (undo === undefined) return undefined;
    down.unshift(undo);
  }
  return down;
}

function dataOf(steps: readonly Step[]): unknown[] {
  return steps.map(({ data }) => data);
}

function checksumOf(value: unknown): string {
  const bytes = new TextEncoder().encode(JSON.stringify(value, plain));
  return keys.map((key) => sipHash(key, bytes).toString(16).padStart(16, "0")).join("");
}

/** What JSON has no words for. */
function plain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return { bigint: String(value) };
  if (value instanceof Column) return value.shape;
  if (value instanceof Uint8Array) return { bytes: Array.from(value) };
  if (value instanceof Float32Array) return { floats: Array.from(value) };
  if (value instanceof RegExp) return { pattern: String(value) };
  return value;
}

/** Refuses gaps, duplicates and disorder: versions are 1, 2, 3 and so on. */
export function checkMigrations(migrations: readonly Migration[]): void {
  for (const [index, { version, checksum }] of migrations.entries()) {
    if (typeof checksum !== "string") {
      throw migrationInvalid(`number ${index + 1} of the list was not made with migration`);
    }
    const expected = index + 1;
    if (version === expected) continue;
    const isTwice = migrations.slice(0, index).some((one) => one.version === version);
    const found = isTwice ? `version ${version} is there twice` : `version ${version} comes next`;
    throw migrationInvalid(`${found} where version ${expected} has to`);
  }
}
