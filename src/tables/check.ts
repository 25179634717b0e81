/**
 * The deep check of a table: that every row is under its own key, and meets its constraints; that
 * it has its entry in every index, and that an index has no entry besides those.
 *
 * All of it over one state. Entries are not visited: where every row has its own, and there are as
 * many of them as rows, there are no others.
 */
import {
  type LongOptions,
  nextTurn,
  runAsync,
  type Snapshot,
  type Steps,
} from "../engine/index.ts";
import { isCairnError } from "../errors.ts";
import { compareBytes, throwIfAborted } from "../transaction/index.ts";
import { decodeLabel, labelKey } from "../vector/inside.ts";
import type { TableCore, Tables } from "./catalogue.ts";
import type { Values } from "./prepare.ts";
import { ReferenceTarget } from "./reference.ts";
import { StateReader } from "./space.ts";
import type { TableState } from "./state.ts";
import type { TableIndex } from "./table-index.ts";
import type { TableVectorIndex } from "./vectors.ts";

/** Something in a table that is not as it should be. */
export interface TableFinding {
  /** The index or constraint; "" for the rows themselves. */
  readonly where: string;
  readonly reason: string;
  /** How many rows or entries. */
  readonly count: number;
}

/** What the check of a table found. */
export interface TableReport {
  /** True when there is no finding. */
  readonly ok: boolean;
  /** The commit whose state was checked. */
  readonly seq: bigint;
  readonly rows: number;
  /** Entries of all indexes that were compared with rows. */
  readonly entries: number;
  readonly findings: readonly TableFinding[];
}

const rowsPerBatch = 512;
const noBytes = new Uint8Array(0);

interface Row {
  readonly key: Uint8Array;
  readonly values: Values;
}

/** Checks a table over a state that is pinned meanwhile. */
export async function checkTable(
  tables: Tables,
  core: TableCore,
  options: LongOptions,
): Promise<TableReport> {
  const pin = tables.context.pin();
  try {
    return await new TableInspection(tables, core, pin).run(options);
  } finally {
    pin.release();
  }
}

class TableInspection {
  readonly #tables: Tables;
  readonly #state: TableState;
  readonly #at: Snapshot;
  readonly #reader: StateReader;
  readonly #found: Map<string, TableFinding> = new Map();
  /** Rows that have an entry, by index. */
  readonly #covered: Map<TableIndex | TableVectorIndex, number> = new Map();
  #entries = 0;

  constructor(tables: Tables, core: TableCore, at: Snapshot) {
    this.#tables = tables;
    this.#state = core.requireAt(at);
    this.#at = at;
    this.#reader = new StateReader(tables.context.engine, at);
  }

  async run({ signal, onProgress }: LongOptions): Promise<TableReport> {
    const { engine } = this.#tables.context;
    const total = engine.records(this.#state.rows.id, this.#at);
    const source = this.#reader.scan(this.#state.rows, {}, true);
    let rows = 0;
    for (;;) {
      throwIfAborted(signal);
      const batch = await runAsync(source.next(rowsPerBatch));
      if (batch === undefined) break;
      const some = Array.from({ length: batch.count }, (_, row) => ({
        key: batch.key(row).slice(),
        values: batch.decode(row, this.#state.codec.decodeValues),
      }));
      await runAsync(this.#inspect(some));
      rows += some.length;
      onProgress?.({ phase: "check", done: rows, total: Math.max(rows, total), unit: "records" });
      await nextTurn();
    }
    this.#count();
    const findings = [...this.#found.values()];
    const seq = this.#at.seq;
    return { ok: findings.length === 0, seq, rows, entries: this.#entries, findings };
  }

  #add(where: string, reason: string, count: number = 1): void {
    const name = `${where} ${reason}`;
    const before = this.#found.get(name)?.count ?? 0;
    this.#found.set(name, { where, reason, count: before + count });
  }

  *#inspect(rows: readonly Row[]): Steps<void> {
    const { columns, key, primaryKey, stored, indexes, vectorIndexes } = this.#state;
    // Those that are being added stand behind the others, and are judged by who adds them.
    const checks = this.#state.checks.slice(0, stored.checks.length);
    for (const row of rows) {
      if (compareBytes(key.encode(row.values, primaryKey), row.key) !== 0) {
        this.#add("", "rows under the key of another one");
      }
      for (const { name, isNullable, position } of columns) {
        if (!isNullable && row.values[position] === null) this.#add(name, "rows with a null");
      }
      for (const { name, evaluate } of checks) {
        if (evaluate(row.values) === false) this.#add(name, "rows that break the check");
      }
    }
    yield* this.#inspectReferences(rows);
    for (const index of indexes) if (index.isReady) yield* this.#inspectIndex(index, rows);
    for (const index of vectorIndexes) {
      if (index.isReady) yield* this.#inspectVectors(index, rows);
    }
  }

  *#inspectReferences(rows: readonly Row[]): Steps<void> {
    const { foreignKeys, stored } = this.#state;
    for (const foreignKey of foreignKeys.slice(0, stored.foreignKeys.length)) {
      const core = this.#tables.byTree(foreignKey.table);
      if (core === undefined) {
        this.#add(foreignKey.name, "rows that refer to a table that is gone", rows.length);
        continue;
      }
      const target = new ReferenceTarget(core, foreignKey);
      const keys = rows
        .map(({ values }) => target.keyOf(values, foreignKey.columns)?.slice())
        .filter((found) => found !== undefined);
      const found = yield* this.#reader.readMany(target.tree, keys, () => true);
      // What is not there is a hole, which `filter` passes over.
      const missing = Array.from(found).filter((one) => one === undefined).length;
      if (missing > 0) this.#add(foreignKey.name, "rows that refer to nothing", missing);
    }
  }

  *#inspectIndex(index: TableIndex, rows: readonly Row[]): Steps<void> {
    const covered = rows.filter(({ values }) => index.covers(values));
    this.#cover(index, covered.length);
    const keys = covered.map(({ values, key }) => index.entryKey(values, key).slice());
    const found = yield* this.#reader.readMany(index.tree, keys, (memory, at, length) =>
      memory.slice(at, at + length),
    );
    for (const [at, { values, key }] of covered.entries()) {
      const entry = found[at];
      const expected = index.holdsKey(values) ? key : noBytes;
      if (entry === undefined) this.#add(index.name, "rows without an entry");
      else if (compareBytes(entry, expected) !== 0) {
        this.#add(index.name, "rows whose entry belongs to another one");
      }
    }
  }

  /** An entry leads to a label, and that to the vector. */
  *#inspectVectors(index: TableVectorIndex, rows: readonly Row[]): Steps<void> {
    const { engine } = this.#tables.context;
    const { trees } = index.core;
    const covered = rows.filter(({ values }) => index.covers(values));
    this.#cover(index, covered.length);
    const keys = covered.map(({ key }) => key);
    const labels = yield* engine.readManySteps(trees.ids.ids, keys, this.#at, 0, decodeLabel);
    const known = Array.from(labels, (label) => labelKey(label ?? 0));
    const { whole } = trees.decoder;
    const found = yield* engine.readManySteps(trees.ids.rows, known, this.#at, 0, whole);
    for (const [at, { key, values }] of covered.entries()) {
      const row = found[at];
      const vector = values[index.column] as Float32Array;
      if (labels[at] === undefined || row === undefined) {
        this.#add(index.name, "rows without an entry");
      } else if (compareBytes(row.id as Uint8Array, key) !== 0) {
        this.#add(index.name, "rows whose entry belongs to another one");
      } else if (vector.some((number, place) => number !== row.vector[place])) {
        this.#add(index.name, "rows whose entry has another vector");
      }
    }
  }

  #cover(index: TableIndex | TableVectorIndex, rows: number): void {
    this.#entries += rows;
    this.#covered.set(index, (this.#covered.get(index) ?? 0) + rows);
  }

  /** Entries that no row has. */
  #count(): void {
    const { engine } = this.#tables.context;
    const compare = (index: TableIndex | TableVectorIndex, trees: readonly number[]): void => {
      if (!index.isReady) return;
      for (const tree of trees) {
        const surplus = engine.records(tree, this.#at) - (this.#covered.get(index) ?? 0);
        if (surplus > 0) this.#add(index.name, "entries without a row", surplus);
        if (surplus < 0) this.#add(index.name, "fewer entries than rows", -surplus);
      }
    };
    for (const index of this.#state.indexes) compare(index, [index.tree.id]);
    for (const index of this.#state.vectorIndexes) {
      compare(index, [index.stored.ids, index.stored.tree]);
    }
  }
}

interface IndexFinding {
  readonly what: "index";
  readonly where: string;
  readonly reason: string;
}

/** What `db.verify` says of all tables. */
export async function checkAllTables(
  tables: Tables,
  options: LongOptions,
): Promise<IndexFinding[]> {
  const all: IndexFinding[] = [];
  const failed = await damageIn(() => tables.load());
  if (failed !== undefined) all.push({ what: "index", where: "tables", reason: failed });
  for (const core of tables.all()) {
    const { project, scope, name } = core.state.path;
    const table = `table ${[project, scope, name].filter((part) => part !== "").join("/")}`;
    const damage = await damageIn(async () => {
      const { findings } = await checkTable(tables, core, options);
      for (const { where, reason, count } of findings) {
        const place = where === "" ? table : `${table}, ${where}`;
        all.push({ what: "index", where: place, reason: `${count} ${reason}` });
      }
    });
    if (damage !== undefined && !core.isDropped) {
      all.push({ what: "index", where: table, reason: damage });
    }
  }
  return all;
}

const damages: ReadonlySet<string> = new Set(["page_corrupt", "corruption", "table_dropped"]);

/** Why something could not be read, if that is what a check is there to say. */
async function damageIn(run: () => Promise<void>): Promise<string | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    if (!isCairnError(error) || !damages.has(error.code)) throw error;
    return error.code;
  }
}
