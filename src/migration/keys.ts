/** The primary keys of a table, for backfills. */
import type { KeyValue, PrimaryKey, Table } from "../tables/index.ts";
import { encodeKey, restoreValue, storeValue, tableInside } from "../tables/inside.ts";
import type { Note } from "./history.ts";

type Row = Record<string, unknown>;

/** Keys of rows, and where a backfill ends that was half done and is taken back. */
export class Keys {
  readonly #table: Table;
  readonly #names: readonly string[];
  readonly #note: Note;
  readonly #end: Uint8Array | undefined;

  constructor(table: Table, note: Note) {
    this.#table = table;
    this.#names = table.describe().primaryKey;
    this.#note = note;
    const { state, until } = note;
    const isBound = state === "reverting" && until !== null;
    this.#end = isBound ? this.#encode(keyOfText(until)) : undefined;
  }

  of(row: Row): PrimaryKey {
    return this.#names.map((name) => row[name]) as PrimaryKey;
  }

  isBehind(row: Row): boolean {
    return this.#end !== undefined && compareBytes(this.#encode(this.of(row)), this.#end) > 0;
  }

  /** What is noted when this row was the last one of a batch. */
  until(row: Row): string | null {
    const { state, until } = this.#note;
    if (state === "reverting") return until;
    return JSON.stringify((this.of(row) as KeyValue[]).map(storeValue));
  }

  #encode(key: PrimaryKey): Uint8Array {
    return encodeKey(tableInside(this.#table).core.require(), key);
  }
}

function keyOfText(text: string): PrimaryKey {
  return (JSON.parse(text) as Parameters<typeof restoreValue>[0][]).map(restoreValue) as PrimaryKey;
}

function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at++) {
    if (left[at] !== right[at]) return left[at] - right[at];
  }
  return left.length - right.length;
}
