/** Where a foreign key leads: the rows, or a unique index, of another table. */
import type { Steps } from "../engine/index.ts";
import { CairnError } from "../errors.ts";
import type { Tree } from "../transaction/index.ts";
import type { TableCore, Tables } from "./catalogue.ts";
import type { KeyCodec } from "./key.ts";
import type { KeyBatch } from "./key-batch.ts";
import type { TableWriter } from "./space.ts";
import type { TableForeignKey, TableState } from "./state.ts";

export class ReferenceTarget {
  readonly core: TableCore;
  /** Positions of the columns that are referred to. */
  readonly columns: readonly number[];
  readonly tree: Tree;
  readonly #codec: KeyCodec;

  constructor(core: TableCore, foreignKey: TableForeignKey) {
    const { state } = core;
    this.core = core;
    this.columns = foreignKey.references.map((id) => state.columnById(id).position);
    const index = isSame(state.primaryKey, this.columns)
      ? undefined
      : uniqueOn(state, this.columns);
    this.tree = index?.tree ?? state.rows;
    this.#codec = index?.key ?? state.key;
  }

  /**
   * The key under which the row referred to is found; undefined where a column is null, which
   * refers to nothing. The bytes are good until the next key is encoded.
   */
  keyOf(values: readonly unknown[], columns: readonly number[]): Uint8Array | undefined {
    for (const position of columns) if (values[position] === null) return undefined;
    return this.#codec.encode(values, columns);
  }

  /** True when one of the keys leads nowhere. It must still lead somewhere at the commit. */
  *findMissing(writer: TableWriter, keys: KeyBatch): Steps<boolean> {
    const reader = writer.checked();
    if (reader === writer) return (yield* writer.find(this.tree, keys, false)) >= 0;
    for (let index = 0; index < keys.count; index++) {
      const found = yield* reader.read(this.tree, keys.key(index), () => true);
      if (found === undefined) return true;
    }
    return false;
  }
}

export function referenceTarget(tables: Tables, foreignKey: TableForeignKey): ReferenceTarget {
  const core = tables.byTree(foreignKey.table);
  if (core !== undefined) return new ReferenceTarget(core, foreignKey);
  throw new CairnError(
    "invariant_broken",
    `Following the foreign key "${foreignKey.name}": its table is gone. This is a fault in ` +
      "CairnDB.",
  );
}

function uniqueOn(state: TableState, columns: readonly number[]): TableState["indexes"][number] {
  const found = state.indexes.find(
    (index) => index.isUnique && index.where === undefined && isSame(index.columns, columns),
  );
  if (found !== undefined) return found;
  throw new CairnError(
    "invariant_broken",
    `Following a foreign key to the table "${state.path.name}": its unique index is gone. ` +
      "This is a fault in CairnDB.",
  );
}

function isSame(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((position, at) => position === right[at]);
}
