/** Reads a whole database, and says where it differs from the reference. */
import type { Database } from "../../../src/index.ts";
import { type Performer, show } from "./perform.ts";
import { shelfKinds } from "./shelf-kind.ts";

/** What a database holds. */
export interface Found {
  /** Whether a record, or for a key below 0 the keyspace itself, is not as the reference has it. */
  readonly differs: (shelf: number, key: number) => boolean;
  readonly values: readonly (readonly unknown[] | undefined)[];
  /** Something that no reference can have. */
  readonly stray: string | undefined;
}

export async function readAll(performer: Performer, db: Database): Promise<Found> {
  const { world } = performer;
  const names = new Set(db.keyspaces().map(({ name }) => name));
  const values: (unknown[] | undefined)[] = [];
  const expires: number[][] = [];
  let stray: string | undefined;
  for (const [shelf, { name }] of shelfKinds.entries()) {
    values[shelf] = undefined;
    expires[shelf] = [];
    if (!names.has(name)) continue;
    const keyspace = await world.openKeyspace(db, shelf);
    const found: unknown[] = [];
    for (const { key, value } of await keyspace.entries().toArray()) {
      const number = performer.ranges.numberOf(shelf, key);
      if (number < 0) stray = `${name} has a key that was never put`;
      if (found[number] !== undefined) stray = `${name} has key ${number} twice`;
      found[number] = value;
      const at = world.options.isAsync
        ? await keyspace.expiresAt(key)
        : keyspace.expiresAtSync(key);
      expires[shelf][number] = at ?? Number.POSITIVE_INFINITY;
    }
    values[shelf] = found;
  }
  const differs = (shelf: number, key: number): boolean => {
    const state = performer.shelf(shelf);
    const found = values[shelf];
    if (key < 0) return state.exists !== (found !== undefined);
    const kept = state.get(key, performer.now);
    const value = found?.[key];
    if (kept === undefined || value === undefined) return kept !== value;
    return !shelfKinds[shelf].isSame(kept, value) || state.expires[key] !== expires[shelf][key];
  };
  return { differs, values, stray };
}

/** The first difference, in words. */
export function difference(performer: Performer, found: Found): string | undefined {
  if (found.stray !== undefined) return found.stray;
  for (const [shelf, { name }] of shelfKinds.entries()) {
    const state = performer.shelf(shelf);
    for (let key = -1; key < state.values.length; key++) {
      if (!found.differs(shelf, key)) continue;
      if (key < 0) return `${name} ${state.exists ? "is missing" : "should not be there"}`;
      const expected = show(state.get(key, performer.now));
      return `key ${key} of ${name} has ${show(found.values[shelf]?.[key])}, not ${expected}`;
    }
  }
  return undefined;
}
