/**
 * The rows that one statement changes, in all tables that it reaches. Changes are collected first;
 * constraints are judged over all of them, as the tables will be when the statement has ended, and
 * only then is anything written.
 */
import type { Steps } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import { compareBytes } from "../transaction/index.ts";
import type { Referrer, TableCore, Tables } from "./catalogue.ts";
import type { ReferenceAction } from "./column.ts";
import { referenceMissing, uniqueViolation } from "./insert.ts";
import { enforceChecks, notNull, type Values } from "./prepare.ts";
import { ReferenceTarget, referenceTarget } from "./reference.ts";
import type { TableWriter } from "./space.ts";
import type { TableForeignKey, TableState } from "./state.ts";
import type { TableIndex } from "./table-index.ts";

/** What happens to one row. */
export interface RowChange {
  readonly core: TableCore;
  readonly state: TableState;
  readonly key: Uint8Array;
  /** Undefined where there was no row. */
  readonly before: Values | undefined;
  /** Undefined where there will be none. */
  after: Values | undefined;
}

const noBytes = new Uint8Array(0);
const rowsPerBatch = 1_024;
const isThere = (): true => true;

export class ChangeSet {
  readonly tables: Tables;
  readonly writer: TableWriter;
  readonly #byTable: Map<TableCore, Map<string, RowChange>> = new Map();
  /** Changes whose references to this row are not yet dealt with. */
  readonly #open: RowChange[] = [];
  /** Entries of unique indexes that are to be there, by index and key: the row's key. */
  readonly #claimed: Map<TableIndex, Map<string, Uint8Array>> = new Map();

  constructor(tables: Tables, writer: TableWriter) {
    this.tables = tables;
    this.writer = writer;
  }

  /** The row as it will be: undefined where there is none. */
  *read(core: TableCore, key: Uint8Array): Steps<Values | undefined> {
    const change = this.#byTable.get(core)?.get(nameOf(key));
    if (change !== undefined) return change.after;
    const state = core.require();
    return yield* this.writer.read(state.rows, key, state.codec.decodeValues);
  }

  /** The key of the row that has these values in a unique index; undefined for none. */
  *findUnique(core: TableCore, index: TableIndex, values: Values): Steps<Uint8Array | undefined> {
    if (!index.covers(values) || !index.holdsKey(values)) return undefined;
    const entry = index.entryKey(values, noBytes).slice();
    const claimed = this.#claimed.get(index)?.get(nameOf(entry));
    if (claimed !== undefined) return claimed;
    const found = yield* this.writer.read(index.tree, entry, (memory, at, length) =>
      memory.slice(at, at + length),
    );
    if (found === undefined) return undefined;
    // The row that has the entry may be about to lose it.
    const change = this.#byTable.get(core)?.get(nameOf(found));
    return change === undefined ? found : undefined;
  }

  /** Notes what becomes of a row; `before` is what `read` has answered. */
  set(
    core: TableCore,
    key: Uint8Array,
    before: Values | undefined,
    after: Values | undefined,
  ): void {
    const state = core.require();
    if (after !== undefined) enforceChecks(state, after);
    let changes = this.#byTable.get(core);
    if (changes === undefined) {
      changes = new Map();
      this.#byTable.set(core, changes);
    }
    const name = nameOf(key);
    const earlier = changes.get(name);
    if (before !== undefined) this.#claim(state, key, before, false);
    if (after !== undefined) this.#claim(state, key, after, true);
    if (earlier !== undefined) {
      earlier.after = after;
      this.#open.push({ ...earlier, before });
      return;
    }
    const change = { core, state, key, before, after };
    changes.set(name, change);
    this.#open.push({ ...change });
  }

  #claim(state: TableState, key: Uint8Array, values: Values, isClaimed: boolean): void {
    for (const index of state.uniques) {
      if (!index.holdsKey(values) || !index.covers(values)) continue;
      let claimed = this.#claimed.get(index);
      if (claimed === undefined) {
        claimed = new Map();
        this.#claimed.set(index, claimed);
      }
      const entry = nameOf(index.entryKey(values, noBytes));
      if (isClaimed) {
        const owner = claimed.get(entry);
        if (owner === undefined || compareBytes(owner, key) === 0) claimed.set(entry, key);
        else throw uniqueViolation(state, index.name);
      } else {
        const owner = claimed.get(entry);
        if (owner !== undefined && compareBytes(owner, key) === 0) claimed.delete(entry);
      }
    }
  }

  /** Follows references, judges constraints, and writes. */
  *finish(): Steps<void> {
    // Most tables have nothing to follow or judge, and a generator that does nothing costs, too.
    for (let next = 0; next < this.#open.length; next++) {
      const change = this.#open[next];
      if (this.#isReferred(change)) yield* this.#follow(change);
    }
    for (const changes of this.#byTable.values()) {
      for (const change of changes.values()) {
        const { state } = change;
        const isBound = state.uniques.length > 0 || state.foreignKeys.length > 0;
        if (isBound || this.#isReferred(change)) yield* this.#judge(change);
      }
    }
    for (const changes of this.#byTable.values()) {
      for (const change of changes.values()) this.#write(change);
    }
  }

  #isReferred({ state, before }: RowChange): boolean {
    return before !== undefined && this.tables.referrers(state.rows.id).length > 0;
  }

  // ---- rows that refer to a changed row

  *#follow(change: RowChange): Steps<void> {
    const { before, after } = change;
    if (before === undefined) return;
    for (const referrer of this.tables.referrers(change.state.rows.id)) {
      const target = new ReferenceTarget(change.core, referrer.foreignKey);
      const key = target.keyOf(before, target.columns)?.slice();
      if (key === undefined) continue;
      if (after !== undefined) {
        const now = target.keyOf(after, target.columns);
        if (now !== undefined && compareBytes(now, key) === 0) continue;
      }
      yield* this.#followOne(referrer, target, before, after);
    }
  }

  *#followOne(
    { core, foreignKey }: Referrer,
    target: ReferenceTarget,
    before: Values,
    after: Values | undefined,
  ): Steps<void> {
    const action = after === undefined ? foreignKey.onDelete : foreignKey.onUpdate;
    const state = core.require();
    const wanted = target.columns.map((position) => before[position]);
    const index = servingIndex(state, foreignKey);
    const rows = this.writer.checked().scan(index.tree, index.prefixRange(wanted), true);
    for (;;) {
      const batch = yield* rows.next(rowsPerBatch);
      if (batch === undefined) return;
      for (let row = 0; row < batch.count; row++) {
        const key = index.primaryKeyOf(batch, row).slice();
        const child = yield* this.read(core, key);
        if (child === undefined || !this.#refers(child, foreignKey, target, before)) continue;
        if (action === "restrict") throw referenced(target.core.state, foreignKey.name);
        if (action === "no action") continue;
        this.set(core, key, child, childAfter(state, foreignKey, action, child, target, after));
      }
    }
  }

  #refers(
    child: Values,
    foreignKey: TableForeignKey,
    target: ReferenceTarget,
    before: Values,
  ): boolean {
    const key = target.keyOf(child, foreignKey.columns)?.slice();
    const wanted = target.keyOf(before, target.columns);
    return key !== undefined && wanted !== undefined && compareBytes(key, wanted) === 0;
  }

  // ---- judging

  *#judge(change: RowChange): Steps<void> {
    const { state, before, after } = change;
    if (after !== undefined) {
      yield* this.#judgeUnique(change, after);
      for (const foreignKey of state.foreignKeys) {
        if (before !== undefined && isSame(before, after, foreignKey.columns)) continue;
        const target = referenceTarget(this.tables, foreignKey);
        const key = target.keyOf(after, foreignKey.columns)?.slice();
        if (key !== undefined && !(yield* this.#leads(target, key))) {
          throw referenceMissing(state, foreignKey.name);
        }
      }
    }
    if (before !== undefined) yield* this.#judgeReferrers(change, before);
  }

  *#judgeUnique(change: RowChange, after: Values): Steps<void> {
    const { state, key } = change;
    for (const index of state.uniques) {
      if (!index.holdsKey(after) || !index.covers(after)) continue;
      const entry = index.entryKey(after, noBytes).slice();
      const owner = yield* this.writer.read(index.tree, entry, (memory, at, length) =>
        memory.slice(at, at + length),
      );
      if (owner === undefined || compareBytes(owner, key) === 0) continue;
      const other = this.#byTable.get(change.core)?.get(nameOf(owner));
      const keeps =
        other === undefined ||
        (other.after !== undefined &&
          index.holdsKey(other.after) &&
          index.covers(other.after) &&
          compareBytes(index.entryKey(other.after, noBytes), entry) === 0);
      if (keeps) throw uniqueViolation(state, index.name);
    }
  }

  /** True when a row referred to will be there. */
  *#leads(target: ReferenceTarget, key: Uint8Array): Steps<boolean> {
    const changes = this.#byTable.get(target.core);
    let isGone = false;
    for (const { before, after } of changes?.values() ?? []) {
      if (after !== undefined && isKey(target, after, key)) return true;
      if (before !== undefined && isKey(target, before, key)) isGone = true;
    }
    if (isGone) return false;
    return (yield* this.writer.checked().read(target.tree, key, isThere)) === true;
  }

  /** `no action`: nobody may be left who refers to what is gone. */
  *#judgeReferrers(change: RowChange, before: Values): Steps<void> {
    for (const { core, foreignKey } of this.tables.referrers(change.state.rows.id)) {
      const target = new ReferenceTarget(change.core, foreignKey);
      const key = target.keyOf(before, target.columns)?.slice();
      if (key === undefined) continue;
      if (change.after !== undefined && isKey(target, change.after, key)) continue;
      const state = core.require();
      const index = servingIndex(state, foreignKey);
      const wanted = target.columns.map((position) => before[position]);
      const rows = this.writer.checked().scan(index.tree, index.prefixRange(wanted), true);
      for (;;) {
        const batch = yield* rows.next(rowsPerBatch);
        if (batch === undefined) break;
        for (let row = 0; row < batch.count; row++) {
          const child = yield* this.read(core, index.primaryKeyOf(batch, row).slice());
          if (child === undefined || !this.#refers(child, foreignKey, target, before)) continue;
          if (yield* this.#leads(target, key)) continue;
          throw referenced(change.state, foreignKey.name);
        }
      }
    }
  }

  // ---- writing

  #write({ state, key, before, after }: RowChange): void {
    const { writer } = this;
    for (const index of state.indexes) {
      const old = before !== undefined && index.covers(before) ? entryOf(index, before, key) : null;
      const fresh = after !== undefined && index.covers(after) ? entryOf(index, after, key) : null;
      if (old !== null && fresh !== null && compareBytes(old, fresh) === 0) continue;
      // A row may have left the entry to another one that is written already.
      if (old !== null && !this.#isTaken(index, old, key)) writer.delete(index.tree, old);
      if (fresh === null) continue;
      writer.put(index.tree, fresh, index.holdsKey(after as Values) ? key : noBytes);
    }
    for (const index of state.vectorIndexes) {
      const wasIn = before !== undefined && index.covers(before);
      const isIn = after !== undefined && index.covers(after);
      if (!isIn) {
        if (wasIn) writer.delete(index.tree, key);
      } else if (!wasIn || !index.isSame(before, after)) {
        writer.put(index.tree, key, index.entry(after, key));
      }
    }
    if (after !== undefined) writer.put(state.rows, key, state.codec.encode(after));
    else if (before !== undefined) writer.delete(state.rows, key);
  }

  #isTaken(index: TableIndex, entry: Uint8Array, key: Uint8Array): boolean {
    const owner = this.#claimed.get(index)?.get(nameOf(entry));
    return owner !== undefined && compareBytes(owner, key) !== 0;
  }
}

function entryOf(index: TableIndex, values: Values, key: Uint8Array): Uint8Array {
  return index.entryKey(values, key).slice();
}

/** The key as the key of a Map. */
function nameOf(key: Uint8Array): string {
  return String.fromCharCode(...key);
}

function isKey(target: ReferenceTarget, values: Values, key: Uint8Array): boolean {
  const found = target.keyOf(values, target.columns);
  return found !== undefined && compareBytes(found, key) === 0;
}

function isSame(left: Values, right: Values, positions: readonly number[]): boolean {
  return positions.every((position) => left[position] === right[position]);
}

/** The index of the referring table that finds rows by a foreign key. */
function servingIndex(state: TableState, { columns, name }: TableForeignKey): TableIndex {
  const found = state.indexes.find(
    (index) =>
      index.isReady &&
      index.kind === "ordered" &&
      index.where === undefined &&
      columns.every((position, at) => index.columns[at] === position),
  );
  if (found !== undefined) return found;
  throw new CairnError(
    "invariant_broken",
    `Following the foreign key "${name}": the index of its columns is gone. This is a fault in ` +
      "CairnDB.",
  );
}

/** What becomes of a row that refers to one that is deleted, or whose key changes. */
function childAfter(
  state: TableState,
  foreignKey: TableForeignKey,
  action: ReferenceAction,
  child: Values,
  target: ReferenceTarget,
  after: Values | undefined,
): Values | undefined {
  if (action === "cascade" && after === undefined) return undefined;
  const values = [...child];
  foreignKey.columns.forEach((position, at) => {
    const column = state.columns[position];
    if (action === "cascade") values[position] = (after as Values)[target.columns[at]];
    else values[position] = action === "set default" ? column.defaultValue : null;
    if (values[position] === null && !column.isNullable) throw notNull(state, column);
  });
  return values;
}

function referenced(state: TableState, name: string): CairnError {
  return new CairnError(
    "foreign_key_violation",
    `Cannot delete or change a row of the table "${state.path.name}": others refer to it through ` +
      `the foreign key "${name}". Nothing was applied. Delete or change those first.`,
    { details: { table: state.path.name, constraint: name } },
  );
}
