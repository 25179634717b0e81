/** Rows that are reached in several ways, for conditions joined by `or`: each row comes once. */
import type { Decode, Steps } from "../engine/index.ts";
import type { TableState } from "../tables/inside.ts";
import { compareBytes } from "../transaction/index.ts";
import type { Path } from "./path.ts";
import type { Run } from "./run.ts";

const entriesPerBatch = 1_024;
const keyBytes = 64;
const copyOf: Decode<Uint8Array> = (memory, at, length) => memory.slice(at, at + length);

/** The primary keys that all ways lead to, in their order and without repetition. */
export function* keysOfUnion(
  run: Run,
  state: TableState,
  paths: readonly Path[],
): Steps<Uint8Array[]> {
  const all: Uint8Array[] = [];
  for (const path of paths) {
    for (const key of yield* keysOf(run, state, path)) {
      run.budget.take(keyBytes + key.length);
      all.push(key);
    }
  }
  all.sort(compareBytes);
  return all.filter((key, at) => at === 0 || compareBytes(all[at - 1], key) !== 0);
}

function* keysOf(run: Run, state: TableState, path: Path): Steps<readonly Uint8Array[]> {
  const { kind, index, keys } = path;
  const { reader, counters } = run;
  if (kind === "nothing") return [];
  if (kind === "keys") {
    if (index === undefined) return keys;
    const found = yield* reader.readMany(index.tree, keys, copyOf);
    const present = found.filter((key) => key !== undefined);
    counters.entriesScanned += present.length;
    return present;
  }
  const found: Uint8Array[] = [];
  const tree = index === undefined ? state.rows : index.tree;
  for (const range of path.ranges) {
    const source = reader.scan(tree, range, index?.isUnique === true);
    for (;;) {
      const batch = yield* source.next(entriesPerBatch);
      if (batch === undefined) break;
      counters.entriesScanned += batch.count;
      for (let row = 0; row < batch.count; row++) {
        found.push(index === undefined ? batch.key(row) : index.primaryKeyOf(batch, row));
      }
    }
  }
  return found;
}
