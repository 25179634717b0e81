/**
 * What the database must hold after each commit: plain maps of strings, kept by the test.
 *
 * `#3` is tree 3 with its kind, `3/key` a record of it.
 */
import { type Engine, runAsync } from "../../src/engine/index.ts";

export type State = ReadonlyMap<string, string>;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Descriptor bytes of a tree. */
export function descriptorOf(kind: "ordered" | "hashed"): Uint8Array {
  return utf8(JSON.stringify({ kind }));
}

/** Everything that a reader sees. */
export async function readState(engine: Engine, at?: Parameters<Engine["records"]>[1]) {
  const state = new Map<string, string>();
  for (const tree of engine.trees()) {
    state.set(`#${tree.id}`, tree.kind);
    let from: Uint8Array | undefined;
    do {
      const range = from === undefined ? {} : { low: from, lowExclusive: true };
      const columns = { keys: true, values: true, meta: false };
      const rows = await runAsync(engine.scanSteps(tree.id, range, at, 0, 500, columns));
      for (let row = 0; row < rows.count; row++) {
        state.set(`${tree.id}/${rows.keyText(row)}`, decoder.decode(rows.value(row)));
      }
      from = rows.resume;
    } while (from !== undefined);
  }
  return state;
}

/** What differs, in one line; undefined when nothing does. */
export function difference(found: State, expected: State): string | undefined {
  const missing: string[] = [];
  const wrong: string[] = [];
  for (const [key, value] of expected) {
    const got = found.get(key);
    if (got === undefined) missing.push(key);
    else if (got !== value) wrong.push(key);
  }
  const extra = [...found.keys()].filter((key) => !expected.has(key));
  if (missing.length + wrong.length + extra.length === 0) return undefined;
  const list = (name: string, keys: string[]): string =>
    `${keys.length} ${name} (${keys.slice(0, 3).join(", ")})`;
  return [list("missing", missing), list("wrong", wrong), list("extra", extra)].join(", ");
}

/** The history of one database: what each commit left behind, and what was promised about it. */
export class History {
  /** By seq; 0 is the empty database. */
  readonly states: State[] = [new Map()];
  /** Highest seq that was acknowledged as durable. */
  durable = 0;
  /** Highest seq that was acknowledged at all. */
  visible = 0;

  get newest(): State {
    return this.states[this.states.length - 1] as State;
  }
  get sent(): number {
    return this.states.length - 1;
  }

  acknowledge(seq: number, isDurable: boolean): void {
    this.visible = Math.max(this.visible, seq);
    if (isDurable) this.durable = Math.max(this.durable, seq);
  }

  /** The history of a database that recovered at `seq`: what came after it has not happened. */
  cutAt(seq: number): History {
    const history = new History();
    history.states.push(...this.states.slice(1, seq + 1));
    history.durable = seq;
    history.visible = seq;
    return history;
  }
}
